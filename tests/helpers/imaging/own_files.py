"""Small DICOM files as people bring them; no fixture, so that any test may import it."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

MR, SR, CT = (f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("4", "88.11", "2"))
SIDE = 16


def write_dicom(path: Path, number: int = 1, series: str = "1.2.3", **tags: Any) -> Path:
    """An axial slice at z = 2 mm x number; `tags` replace elements, None takes one away.

    Its values are random, the same for one series and number.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = tags.get("SOPClassUID", MR)
    meta.MediaStorageSOPInstanceUID = tags.get("SOPInstanceUID", f"{series}.{number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    values = np.random.default_rng([number, len(series)]).integers(1, 999, (SIDE, SIDE), np.uint16)
    elements = {
        "SOPClassUID": MR,
        "SOPInstanceUID": f"{series}.{number}",
        "PatientID": "P1",
        "StudyInstanceUID": "1.2",
        "SeriesInstanceUID": series,
        "FrameOfReferenceUID": "1.9",
        "Modality": "MR",
        "SeriesDescription": "min 1",
        "SeriesNumber": 5,
        "InstanceNumber": number,
        "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, 2.0 * number],
        "PixelSpacing": [1, 1],
        "Rows": SIDE,
        "Columns": SIDE,
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": values.tobytes(),
    }
    for keyword, value in (elements | tags).items():
        if value is not None:
            setattr(dataset, keyword, value)
    path.parent.mkdir(parents=True, exist_ok=True)
    pydicom.dcmwrite(path, dataset)
    return path


def write_series(folder: Path, series: str = "1.2.3", count: int = 4, **tags: Any) -> list[Path]:
    """Files IM1, IM2, ... of one series."""
    return [write_dicom(folder / f"IM{n}", n, series, **tags) for n in range(1, count + 1)]
