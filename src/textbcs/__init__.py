"""Reproducible, auditable text-guided breast-tumour segmentation in DCE-MRI."""
