"""The one segment of a SEG object: what it is, what drew it and from which words."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import canonical_json
from textbcs.outline.source_study import derived_uid, line
from textbcs.slices.laterality import BOTH

if TYPE_CHECKING:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentDescription

LABEL, PROBABILITY_LABEL = "Tumor", "Tumor probability"
# Sides of the patient in SNOMED CT (CID 244).
LATERALITY = {
    "left": ("7771000", "Left"),
    "right": ("24028007", "Right"),
    BOTH: ("51440002", "Right and left"),
}
MANUFACTURER = "textbcs"
# The colour of predictions in the report.
_ORANGE = (230, 120, 20)
# AlgorithmParameters is a list of name=value, divided by commas.
_ESCAPES = str.maketrans({"%": "%25", ",": "%2C", "=": "%3D"})


@dataclass(frozen=True)
class Algorithm:
    """What made an outline.

    Attributes:
        name: the model, as its package calls it.
        version: of this software.
        package_sha256: the package's, in hexadecimal.
        prompt: the prompt that was used, "" where none was.
        prompt_origin: where it came from: given, report, automatic, ...
    """

    name: str
    version: str
    package_sha256: str
    prompt: str
    prompt_origin: str

    @property
    def parameters(self) -> dict[str, str]:
        """What a person needs to run it again, by name."""
        return {
            "package_sha256": self.package_sha256,
            "prompt": line(self.prompt, 1024),
            "prompt_origin": line(self.prompt_origin, 64),
        }

    @property
    def description(self) -> str:
        """The prompt and its origin in one line of at most 1024 characters."""
        origin = line(self.prompt_origin, 64) or "unknown"
        prompt = f"prompt ({origin}): {line(self.prompt, 800)}" if self.prompt else "no prompt"
        return f"{prompt}; package {self.package_sha256}"


def equipment(about: Algorithm) -> dict[str, Any]:
    """What made an object, as highdicom's objects take it; the package's sha256 is its serial number."""
    return {
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": line(about.name, 64),
        "software_versions": line(about.version, 64),
        "device_serial_number": line(about.package_sha256, 64),
    }


def tracking_uid(about: Algorithm, series_uid: str) -> str:
    """The identifier that segment and report share: one for each package, prompt and series."""
    return derived_uid("tracking", canonical_json(about.parameters), series_uid)


def segment(about: Algorithm, side: str, series_uid: str, label: str) -> "SegmentDescription":
    """The one segment: a neoplasm of the breast, by which algorithm, from which prompt.

    Args:
        about: the algorithm.
        side: `left`, `right` or `both`, "" where it is not known.
        series_uid: of the images.
        label: of the segment, as viewers show it.
    """
    from highdicom.color import CIELabColor
    from highdicom.seg import SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes

    found = SegmentDescription(
        segment_number=1,
        segment_label=label,
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
        algorithm_type="AUTOMATIC",
        algorithm_identification=_identification(about),
        tracking_uid=tracking_uid(about, series_uid),
        tracking_id=line(f"{about.name} outline", 64),
        anatomic_regions=[codes.SCT.Breast],
        display_color=CIELabColor.from_rgb(*_ORANGE),
    )
    found.SegmentDescription = about.description
    if side:
        value, meaning = LATERALITY[side]
        region = found.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [CodedConcept(value, "SCT", meaning)]
    return found


def _identification(about: Algorithm) -> "AlgorithmIdentificationSequence":
    """Name, version and parameters of the algorithm."""
    from highdicom import AlgorithmIdentificationSequence
    from pydicom.sr.codedict import codes

    return AlgorithmIdentificationSequence(
        name=line(about.name, 64),
        family=codes.DCM.ArtificialIntelligence,
        version=line(about.version, 64),
        source=MANUFACTURER,
        parameters={name: value.translate(_ESCAPES) for name, value in about.parameters.items()},
    )
