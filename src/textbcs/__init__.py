"""Reproducible, auditable text-guided breast-tumour segmentation in DCE-MRI."""

# First of all: it chooses every library's kernels, before anything loads numpy.
from textbcs.base import kernels as kernels
