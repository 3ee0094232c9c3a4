"""A free-text report of a synthetic patient, in four styles, as radiologists write them.

Written from what was drawn (`findings.py`), with a random stream of its own. The wording is that of the
BI-RADS lexicon and of everyday reports, made without regard to what any rule can read: synonyms, denials,
benign findings beside the tumours, and words that no rule may know. docs/explanation/phantom.md.
"""

from collections.abc import Callable, Sequence

import numpy as np

from textbcs.phantom.findings import Finding, describe
from textbcs.phantom.patient import Patient
from textbcs.phantom.settings import Settings, stream

_SHAPES = {
    "round": ("round", "round", "rounded", "spherical"),
    "ellipse": ("oval", "oval", "ovoid", "elongated oval", "lobulated oval"),
    "irregular": (
        "irregular",
        "irregular",
        "irregularly shaped",
        "spiculated",
        "irregular spiculated",
    ),
}
_NOUNS = ("mass", "mass", "enhancing mass", "lesion", "enhancing lesion", "tumour")
_INSIDE = ("heterogeneous internal enhancement", "heterogeneous enhancement", "avid enhancement")
_CURVES = {
    "washout": ("washout kinetics", "a type III curve", "rapid uptake and delayed washout"),
    "plateau": ("plateau kinetics", "a type II curve"),
    "persistent": ("persistent kinetics", "a type I curve"),
}
_BENIGN = (
    "circumscribed {shape} {size} nodule, stable and of benign appearance",
    "{size} {shape} mass with smooth margins, typical of a fibroadenoma",
    "{size} focus of benign-looking enhancement",
    "{shape} {size} lesion with dark internal septations, probably a fibroadenoma (BI-RADS 2)",
)
_CLEAR = (
    "No suspicious enhancement in the {side} breast.",
    "The {side} breast is unremarkable.",
    "There is no suspicious mass or non-mass enhancement in the {side} breast.",
    "{Side} breast: no abnormal enhancement.",
)
_NODES = (
    "No enlarged axillary or internal mammary lymph nodes.",
    "No axillary lymphadenopathy.",
    "Axillary nodes are normal in size and morphology.",
)
_WALL = (
    "No involvement of skin, nipple or chest wall.",
    "The pectoral muscle is not involved.",
    "",
)
_TISSUE = (
    "almost entirely fat",
    "scattered fibroglandular tissue",
    "heterogeneous fibroglandular tissue",
    "extreme fibroglandular tissue",
)
_BACKGROUND = ("minimal", "mild", "moderate", "marked")
_COUNTS = ("no", "one", "two", "three", "four")
_MENTIONED = 0.75  # share of distractors that a reader finds worth a sentence


class _Writer:
    """Who writes a report: draws words, units and what is left out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.centimetres = bool(rng.random() < 0.45)

    def pick(self, words: Sequence[str]) -> str:
        return words[int(self.rng.integers(len(words)))]

    def often(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def size(self, *diameters_mm: float) -> str:
        """One or more diameters with their unit, rounded as they are dictated."""
        if self.centimetres:
            return " x ".join(f"{mm / 10:.1f}" for mm in diameters_mm) + " cm"
        return " x ".join(f"{mm:.0f}" for mm in diameters_mm) + " mm"

    def measure(self, one: Finding) -> str:
        both = self.often(0.5)
        return self.size(one.long_mm, one.short_mm) if both else self.size(one.long_mm)

    def shape(self, one: Finding) -> str:
        return self.pick(_SHAPES[one.shape])

    def place(self, one: Finding) -> str:
        """Where in the breast it lies, in one of three ways."""
        if one.quadrant == "retroareolar":
            return "in the retroareolar region"
        clock = f"at {one.clock} o'clock, {self.size(one.nipple_mm)} from the nipple"
        quadrant = f"in the {one.quadrant} quadrant"
        return self.pick((quadrant, f"{quadrant}, {one.depth} third", clock))


def write_report(settings: Settings, patient: Patient) -> str:
    """The report of a patient: lines of text, a function of (settings, index) alone."""
    rng = stream(settings, patient.facts.index, "reports")
    tumours, others = describe(patient, rng)
    writer = _Writer(rng)
    benign = [one for one in others if writer.often(_MENTIONED)]
    styles: tuple[_Style, ...] = (_narrative, _headed, _telegraphic, _numbered)
    style = styles[int(rng.integers(len(styles)))]
    return style(writer, patient, tumours, benign)


def _narrative(
    writer: _Writer, patient: Patient, tumours: list[Finding], benign: list[Finding]
) -> str:
    """Flowing prose."""
    first, own = tumours[0], f"the {tumours[0].side} breast"
    article = "an" if (shape := writer.shape(first))[0] in "aeiou" else "a"
    said = [
        _tissue(writer, patient),
        f"{writer.pick(('In', 'Within'))} {own} there is {article} {shape} {writer.pick(_NOUNS)} "
        f"{writer.place(first)}, {writer.pick(('measuring', 'which measures'))} "
        f"{writer.measure(first)}, with {_enhancement(writer, first)}.",
        _further(writer, tumours),
        *(_beside(writer, one) for one in benign),
        _clear(writer, first.side, benign),
        writer.pick(_NODES),
        writer.pick(_WALL),
    ]
    return " ".join(sentence for sentence in said if sentence)


def _headed(
    writer: _Writer, patient: Patient, tumours: list[Finding], benign: list[Finding]
) -> str:
    """Sections under headings, and an impression that repeats the main finding."""
    first = tumours[0]
    sides = {"right": "", "left": ""}
    for side in sides:
        mine = [_beside(writer, one) for one in benign if one.side == side]
        if side == first.side:
            mine = [
                f"{writer.shape(first).capitalize()} {writer.pick(_NOUNS)} {writer.place(first)}, "
                f"{writer.measure(first)}, showing {_enhancement(writer, first)}.",
                _further(writer, tumours),
                *mine,
            ]
        sides[side] = " ".join(text for text in mine if text) or "No suspicious enhancement."
    many = len(tumours) > 1 and writer.often(0.5)
    return "\n".join(
        [
            f"CLINICAL HISTORY: {writer.pick(('Newly diagnosed', 'Biopsy-proven'))} carcinoma of the "
            f"{first.side} breast, extent of disease.",
            "TECHNIQUE: Dynamic contrast-enhanced MRI of both breasts.",
            f"FINDINGS: {_tissue(writer, patient)}",
            f"RIGHT BREAST: {sides['right']}",
            f"LEFT BREAST: {sides['left']}",
            f"LYMPH NODES: {writer.pick(_NODES)}",
            f"IMPRESSION: Known {'multifocal ' if many else ''}malignancy of the {first.side} breast. "
            "BI-RADS 6.",
        ]
    )


def _telegraphic(
    writer: _Writer, patient: Patient, tumours: list[Finding], benign: list[Finding]
) -> str:
    """Short phrases without verbs."""
    first = tumours[0]
    said = [
        f"{first.side.capitalize()} breast, {writer.place(first)}: {writer.measure(first)} "
        f"{writer.shape(first)} {writer.pick(_NOUNS)}, {_enhancement(writer, first)}.",
        _further(writer, tumours),
        *(_beside(writer, one) for one in benign),
        _clear(writer, first.side, benign),
        writer.pick(_NODES),
        f"BPE {_BACKGROUND[patient.anatomy.background]}.",
    ]
    return " ".join(sentence for sentence in said if sentence)


def _numbered(
    writer: _Writer, patient: Patient, tumours: list[Finding], benign: list[Finding]
) -> str:
    """A list with a line for each lesion."""
    lines = [_tissue(writer, patient), "Findings are as follows."]
    for number, one in enumerate(tumours, start=1):
        lines.append(
            f"{number}) {one.side.capitalize()} breast, {writer.place(one)}: {writer.shape(one)} "
            f"{writer.pick(_NOUNS)} of {writer.measure(one)}, {_enhancement(writer, one)}."
        )
    lines += [_beside(writer, one) for one in benign]
    lines += [_clear(writer, tumours[0].side, benign), writer.pick(_NODES)]
    return "\n".join(line for line in lines if line)


_Style = Callable[[_Writer, Patient, list[Finding], list[Finding]], str]


def _tissue(writer: _Writer, patient: Patient) -> str:
    """The amount of gland and its background enhancement."""
    anatomy = patient.anatomy
    background = f"{_BACKGROUND[anatomy.background]} background parenchymal enhancement"
    return f"{_TISSUE[anatomy.density].capitalize()}, {background}."


def _enhancement(writer: _Writer, one: Finding) -> str:
    """Inside and kinetics; the second is often left out."""
    inside = "rim enhancement" if one.rim else writer.pick(_INSIDE)
    if writer.often(0.4):
        return inside
    return f"{inside} and {writer.pick(_CURVES[one.curve])}"


def _further(writer: _Writer, tumours: list[Finding]) -> str:
    """The tumours beside the first: summed up, or one by one; "" where there are none."""
    rest = tumours[1:]
    if not rest:
        return ""
    if len(rest) > 1 or writer.often(0.4):
        word = _COUNTS[len(rest)] if writer.often(0.7) else str(len(rest))
        noun = writer.pick(("satellite lesion", "smaller mass", "satellite nodule"))
        plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
        largest = writer.size(rest[0].long_mm)
        if len(rest) == 1:
            return f"{word.capitalize()} further {noun} of {largest} in the same breast."
        return (
            f"{word.capitalize()} further {plural} in the same breast, measuring up to {largest}."
        )
    one = rest[0]
    return (
        f"A second, smaller {writer.shape(one)} {writer.pick(_NOUNS)} of {writer.measure(one)} lies "
        f"{writer.place(one)} of the same breast."
    )


def _beside(writer: _Writer, one: Finding) -> str:
    """A lesion that is no tumour."""
    text = writer.pick(_BENIGN).format(shape=writer.shape(one), size=writer.size(one.long_mm))
    return f"Incidental {text}, {one.side} breast."


def _clear(writer: _Writer, side: str, benign: list[Finding]) -> str:
    """What is said of the other breast, where nothing lies in it."""
    other = "right" if side == "left" else "left"
    if any(one.side == other for one in benign):
        return "No further suspicious lesion." if writer.often(0.5) else ""
    return writer.pick(_CLEAR).format(side=other, Side=other.capitalize())
