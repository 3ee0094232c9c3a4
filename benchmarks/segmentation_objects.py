"""DICOM SEG objects by highdicom, another implementation than ours: for the fuzz and for tests."""

from collections.abc import Sequence
from typing import Any

import highdicom as hd
import numpy as np
import pydicom
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentationTypeValues, SegmentDescription
from pydicom.sr.codedict import codes


def segmentation_object(
    source: Sequence[pydicom.Dataset],
    pixels: np.ndarray,
    kind: str = "BINARY",
    labels: Sequence[str] = ("Tumor",),
    **options: Any,
) -> hd.seg.Segmentation:
    """Segments drawn on the images of a series.

    Args:
        source: the images.
        pixels: (slice, row, column, segment) of zeros and ones, of kind FRACTIONAL also between them; of
            kind LABELMAP (slice, row, column) with the numbers of segments, from 1.
        kind: BINARY, FRACTIONAL or LABELMAP.
        labels: of the segments, in the order of their numbers.
        options: more of what highdicom takes, or others than are usual here: UIDs, geometry.
    """
    described = [
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Neoplasm,
            algorithm_type=SegmentAlgorithmTypeValues.MANUAL,
        )
        for number, label in enumerate(labels, start=1)
    ]
    usual = {
        "series_instance_uid": hd.UID(),
        "series_number": 300,
        "sop_instance_uid": hd.UID(),
        "instance_number": 1,
        "manufacturer": "tests",
        "manufacturer_model_name": "tests",
        "software_versions": "1",
        "device_serial_number": "1",
    }
    return hd.seg.Segmentation(
        source_images=source,
        pixel_array=pixels.copy(),  # highdicom scales fractional input in place
        segmentation_type=SegmentationTypeValues[kind],
        segment_descriptions=described,
        **(usual | options),
    )
