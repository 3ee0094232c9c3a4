"""Whatever a library raises becomes one line with the user's file."""

import struct
import warnings
import zlib

import numpy as np
import pytest

from textbcs.base.io import InputError
from textbcs.intake.guard import reading


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("no int: '4A'\nsecond line"), "a.dcm: no readable DICOM file (no int: '4A')"),
        (KeyError("x"), "a.dcm: no readable DICOM file ('x')"),
        (struct.error("unpack requires"), "a.dcm: no readable DICOM file (unpack requires)"),
        (zlib.error(), "a.dcm: no readable DICOM file (error)"),
        (InputError("other.dcm: said already"), "other.dcm: said already"),
    ],
)
def test_every_error_is_one_line_that_names_the_file(error: Exception, words: str) -> None:
    with pytest.raises(InputError) as found, reading("a.dcm", "DICOM file"):
        raise error
    assert str(found.value) == words


def test_what_is_no_fault_of_the_file_passes() -> None:
    with pytest.raises(MemoryError), reading("a.dcm", "DICOM file"):
        raise MemoryError
    with pytest.raises(KeyboardInterrupt), reading("a.dcm", "DICOM file"):
        raise KeyboardInterrupt


def test_what_a_library_thinks_is_not_said(recwarn: pytest.WarningsRecorder) -> None:
    with reading("a.nii", "NIfTI file"):
        warnings.warn("pixdim is odd", stacklevel=1)
        assert np.isnan(np.float64(np.inf) - np.inf)
    assert not recwarn.list
