"""From an archive of DICOM files to a listed, verified cohort with a tumour mask per patient."""
