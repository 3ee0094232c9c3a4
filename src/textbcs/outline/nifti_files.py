"""An outline and its maps as NIfTI on the source's own grid: the voxels that the source has, in its order.

Of a NIfTI source the geometry is taken over as it stands in its header (dim, pixdim, qform, sform and their
codes), and nothing else of it: descriptions and extensions may name a patient. Of a DICOM series the first
index runs along a row of the images as stored, the second down a column, and the third from the feet up.
Probabilities and vacuities are stored in steps of 1/1000 with `scl_slope`, so readers give numbers in [0, 1]
and the files stay small.
"""

import gzip
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import Affine, Orientation, lps_orientation, to_ras
from textbcs.imaging.nifti import SUFFIXES as NIFTI_SUFFIXES
from textbcs.imaging.nifti_header import read_nifti_header
from textbcs.imaging.planes import stack_affine
from textbcs.imaging.volume_files import read_volume
from textbcs.intake.packed_streams import opened
from textbcs.study.reading import Study

STEPS = 1000
_KIND = "NIfTI file"
_SCANNER = 1  # the code of coordinates in the scanner, DICOM's
# What of a header is geometry.
_GEOMETRY = (
    *("qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y"),
    *("qoffset_z", "srow_x", "srow_y", "srow_z"),
)
_LEVEL = 1  # of gzip: higher ones take several times as long for files a tenth smaller
_LENGTH = 7  # of xyzt_units, the bits that name the unit of length


@dataclass(frozen=True)
class SourceGrid:
    """How the source of a study stores its voxels.

    Attributes:
        affine: index (i, j, k) as stored to LPS mm.
        orientation: how an array (k, j, i) becomes LPS.
        header: of a NIfTI source, nibabel's.
    """

    affine: Affine
    orientation: Orientation
    header: Any = None

    @classmethod
    def of(cls, study: Study) -> "SourceGrid":
        """The grid of the phase that is shown.

        Raises:
            InputError: its file has become unreadable.
        """
        files, planes = study.files.needed[0], study.grid.planes
        if planes:
            affine = stack_affine(planes)
            return cls(affine, lps_orientation(affine))
        (path,) = files.paths
        if not path.name.lower().endswith(NIFTI_SUFFIXES):
            affine = read_volume(path, files.part or None)[1]
            return cls(affine, lps_orientation(affine))
        with opened(path, _KIND) as content:
            header = read_nifti_header(content)
        return cls(header.affine, lps_orientation(header.affine), header.fields)

    def stored(self, array: NDArray[Any]) -> NDArray[Any]:
        """An LPS array (z, y, x) as (i, j, k) of the source."""
        return self.orientation.undo(array).transpose(2, 1, 0)


def mask_bytes(mask: NDArray[np.bool_], grid: SourceGrid) -> bytes:
    """A mask (z, y, x) in LPS as the bytes of a .nii.gz on the source's grid, 1 inside."""
    return _bytes(grid.stored(mask).astype(np.uint8), grid, 1.0)


def map_bytes(values: NDArray[np.float32], grid: SourceGrid) -> bytes:
    """A map (z, y, x) in [0, 1] in LPS likewise, in steps of 1 / `STEPS`."""
    steps = np.rint(values * np.float32(STEPS)).astype(np.uint16)
    return _bytes(grid.stored(steps), grid, 1 / STEPS)


def _bytes(array: NDArray[Any], grid: SourceGrid, slope: float) -> bytes:
    """Equal arrays and grids, equal bytes."""
    import nibabel

    stored = np.asfortranarray(array)
    image: Any = nibabel.Nifti1Image(stored, to_ras(grid.affine))  # type: ignore[no-untyped-call]
    header = image.header
    if grid.header is None:
        header.set_qform(to_ras(grid.affine), _SCANNER)
        header.set_sform(to_ras(grid.affine), _SCANNER)
        header.set_xyzt_units("mm")
    else:
        for name in _GEOMETRY:
            header[name] = grid.header[name]
        header["pixdim"][:4] = grid.header["pixdim"][:4]
        header["xyzt_units"] = int(grid.header["xyzt_units"]) & _LENGTH
    header["scl_slope"], header["scl_inter"] = slope, 0.0
    header["magic"] = b"n+1"
    header["vox_offset"] = 352
    content = header.binaryblock + bytes(4) + stored.tobytes(order="F")
    buffer = BytesIO()
    with gzip.GzipFile(
        filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=_LEVEL
    ) as file:
        file.write(content)
    return buffer.getvalue()
