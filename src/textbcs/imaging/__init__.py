"""DICOM series and SEG objects, NIfTI files, and where their voxels lie in the patient."""
