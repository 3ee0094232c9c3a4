"""Sources of masks as people may write them in params.yaml."""

from typing import Any

import pytest

from textbcs.settings.checking import first_fault
from textbcs.settings.data import DicomSegmentation, NiftiMasks

FILES = {"source": "expert", "kind": "nifti", "folder": ".", "join": "patient"}
OBJECTS = {"source": "expert", "kind": "dicom_seg", "description": "x", "segment": "Tumour"}


@pytest.mark.parametrize(
    ("base", "keys", "fault"),
    [
        (FILES, {}, None),
        (FILES, {"names": "{patient}_mask*", "labels": "all", "several": "unite"}, None),
        (FILES, {"names": "{series}", "labels": [1, 2], "several": "first"}, None),
        (FILES, {"segment": ["a", "b"]}, None),
        (FILES, {"names": "mask"}, "names = 'mask'"),
        (FILES, {"labels": []}, "labels = []"),
        (FILES, {"labels": [0]}, "labels = [0]"),
        (FILES, {"several": "last"}, "several = 'last': allowed: one of error, unite, first"),
        (OBJECTS, {"segment": ["a", "b"], "several": "unite"}, None),
        (OBJECTS, {"segment": []}, "segment = []"),
        (OBJECTS, {"labels": "all"}, "labels = 'all': unknown key"),
    ],
)
def test_sources_of_masks(base: dict[str, Any], keys: dict[str, Any], fault: str | None) -> None:
    found = first_fault(base | keys, NiftiMasks if base is FILES else DicomSegmentation)
    assert (found or "").startswith(fault or "")
    assert bool(found) == bool(fault)
