"""A tumour mask for each patient: from SEG objects, NIfTI files or annotation boxes."""
