"""The measurements of an outline as a DICOM structured report (PS3.16 TID 1500), by highdicom.

An Enhanced SR with one group of measurements (TID 1411): of the whole outline, which is the one segment of
the SEG object that the report refers to. It is complete, preliminary and unverified: nobody has looked at it.
Patient, study, date and UIDs as in `source_study`: nothing is taken but what is required, and the same input
gives the same bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import canonical_json
from textbcs.intake.dicom_parsing import text
from textbcs.outline.segment_description import (
    LATERALITY,
    MANUFACTURER,
    Algorithm,
    equipment,
    tracking_uid,
)
from textbcs.outline.source_study import UTF_8, derived_uid, line, take_required

if TYPE_CHECKING:
    from highdicom.seg import Segmentation
    from highdicom.sr import EnhancedSR
    from pydicom.dataset import Dataset

_SERIES_NUMBER = 7003
_MILLILITRE = ("ml", "UCUM", "milliliter")
_MILLIMETRE = ("mm", "UCUM", "millimeter")


@dataclass(frozen=True)
class LesionMeasurements:
    """What an outline measures.

    Attributes:
        volume_ml: of all its voxels; 0 where it is empty.
        diameter_mm: the largest distance within it, in space; None where it is empty.
        plane_diameter_mm: the largest distance within one slice; None where it is empty.
        side: left, right or both of the patient; "" where it is not known.
    """

    volume_ml: float
    diameter_mm: float | None
    plane_diameter_mm: float | None
    side: str = ""


def structured_report(
    sources: Sequence["Dataset"],
    segmentation: "Segmentation",
    measurements: LesionMeasurements,
    about: Algorithm,
) -> "EnhancedSR":
    """Measurements as a report; `source_study.encoded` gives its bytes.

    An empty outline gives a report of a volume of 0 ml, which names no finding.

    Args:
        sources: headers of the images that the segmentation refers to.
        segmentation: the binary SEG of the outline.
        measurements: of the same outline.
        about: what made it, as in the segmentation.
    """
    from highdicom.sr import EnhancedSR

    series = text(sources[0], "SeriesInstanceUID")
    identity = (
        str(segmentation.SOPInstanceUID),
        canonical_json([measurements.volume_ml, measurements.diameter_mm]),
        canonical_json([measurements.plane_diameter_mm, measurements.side]),
    )
    found = EnhancedSR(
        evidence=[segmentation],
        content=_content(segmentation, measurements, about, series)[0],
        series_instance_uid=derived_uid("report series", *identity),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid("report", *identity),
        instance_number=1,
        is_complete=True,
        is_final=False,
        is_verified=False,
        specific_character_set=UTF_8,
        series_description=line(f"{about.name} measurements", 64),
        **equipment(about),
    )
    take_required(found, segmentation)
    _add_sources(found, sources)
    return found


def _content(
    segmentation: "Segmentation", measured: LesionMeasurements, about: Algorithm, series: str
) -> Any:
    """The tree of the report."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    device = sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", about.package_sha256),
        name=line(about.name, 64),
        manufacturer_name=MANUFACTURER,
        model_name=line(f"{about.name} {about.version}", 64),
        serial_number=about.package_sha256,
    )
    observer = sr.ObserverContext(
        observer_type=codes.DCM.Device, observer_identifying_attributes=device
    )
    return sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=observer),
        procedure_reported=codes.SCT.MRIOfBreast,
        imaging_measurements=[_group(segmentation, measured, about, series)],
        title=codes.DCM.ImagingMeasurementReport,
    )


def _group(
    segmentation: "Segmentation", measured: LesionMeasurements, about: Algorithm, series: str
) -> Any:
    """The group of measurements of the outline."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    side = LATERALITY.get(measured.side)
    site = sr.FindingSite(
        anatomic_location=codes.SCT.Breast,
        laterality=sr.CodedConcept(side[0], "SCT", side[1]) if side else None,
    )
    present = measured.volume_ml > 0
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=tracking_uid(about, series), identifier=line(f"{about.name} outline", 64)
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=segmentation.SOPClassUID,
            sop_instance_uid=segmentation.SOPInstanceUID,
            segment_number=1,
            source_series=sr.SourceSeriesForSegmentation(referenced_series_instance_uid=series),
        ),
        finding_category=codes.SCT.MorphologicallyAbnormalStructure if present else None,
        finding_type=codes.SCT.Neoplasm if present else None,
        finding_sites=[site] if present else None,
        algorithm_id=sr.AlgorithmIdentification(
            name=line(about.name, 64),
            version=line(about.version, 64),
            parameters=[f"{name}={value}" for name, value in about.parameters.items()],
            family=codes.DCM.ArtificialIntelligence,
            manufacturer=MANUFACTURER,
        ),
        measurements=_measurements(measured),
    )


def _measurements(measured: LesionMeasurements) -> list[Any]:
    """Volume, largest diameter in space, and in a slice (the long axis, as RECIST measures it)."""
    from highdicom.sr import CodedConcept, Measurement
    from pydicom.sr.codedict import codes

    found = [
        Measurement(
            name=codes.SCT.Volume,
            value=round(measured.volume_ml, 4),
            unit=CodedConcept(*_MILLILITRE),
        )
    ]
    for name, value, derivation in (
        (codes.SCT.Diameter, measured.diameter_mm, codes.SCT.Maximum),
        (codes.SCT.LongAxis, measured.plane_diameter_mm, None),
    ):
        if value is not None:
            unit = CodedConcept(*_MILLIMETRE)
            found.append(
                Measurement(name=name, value=round(value, 2), unit=unit, derivation=derivation)
            )
    return found


def _add_sources(found: "EnhancedSR", sources: Sequence["Dataset"]) -> None:
    """Name the source images as evidence of the requested procedure, beside the segmentation."""
    from pydicom.dataset import Dataset

    series = Dataset()
    series.SeriesInstanceUID = text(sources[0], "SeriesInstanceUID")
    series.ReferencedSOPSequence = []
    uids = {text(one, "SOPInstanceUID"): text(one, "SOPClassUID") for one in sources}
    for uid in sorted(uids):
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = uids[uid], uid
        series.ReferencedSOPSequence.append(item)
    study = found.CurrentRequestedProcedureEvidenceSequence[0]
    study.ReferencedSeriesSequence.append(series)
