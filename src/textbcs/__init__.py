"""Reproducible, auditable text-guided breast-tumour segmentation in DCE-MRI."""

from pathlib import Path as _Path

from textbcs.stage.shadows import refuse as _refuse

_refuse(_Path(__file__).parent)

# Before anything loads numpy: it chooses every library's kernels.
from textbcs.base import kernels as kernels  # noqa: E402
