"""The synthetic patients: their anatomy, their lesions, their DICOM files and the tables beside them."""
