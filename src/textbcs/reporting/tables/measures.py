"""What overlap does not say: boundaries, lesions and false alarms of every method, and Dice by subgroup."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import limits_text
from textbcs.reporting.common.notes import alarm_notes

if TYPE_CHECKING:
    import pandas as pd

_NSD = re.compile(r"nsd_([\d.]+)mm_patient_mean")
ALARMS = "false_alarm_share_tumour_free_patient_mean"
COMPONENTS = "false_components_tumour_free_patient_mean"
# Measure of means.csv -> heading and factor; NSD's come first, their tolerances from the file.
MEASURES = {
    "hd95_mm_patient_mean": ("HD95 mm (patients)", 1),
    "hd95_mm_where_found_patient_mean": ("HD95 mm where something is predicted (patients)", 1),
    "assd_mm_patient_mean": ("ASSD mm (patients)", 1),
    "assd_mm_where_found_patient_mean": ("ASSD mm where something is predicted (patients)", 1),
    "predicted_tumour_slices": ("Tumour slices with a prediction", 1),
    "lesion_recall_patient_mean": ("Lesions found % (patients)", 100),
    "false_components_tumour_patient_mean": ("False components a tumour slice (patients)", 1),
    "false_positive_mm2_tumour_patient_mean": ("False area a tumour slice, mm2 (patients)", 1),
    ALARMS: ("False alarms % of tumour-free slices (patients)", 100),
    COMPONENTS: ("False components a tumour-free slice (patients)", 1),
    "dice_volume": ("Dice % of whole volumes (patients)", 100),
    "dice_stacked_slices": ("Dice % of a patient's stacked slices", 100),
}
LEVEL = {"level": "Subgroup", "patients": "Patients", "slices": "Slices"}
# Flipping the signs of five differences gives 32 samples: the least two-sided p is 2 / 32, above 0.05
# whatever was measured. With six it is 2 / 64.
FEWEST = 6
TOO_FEW = "too few to decide"
FEW = (
    f"Subgroups of fewer than {FEWEST} patients have no interval: with so few neither sign flips nor "
    "Wilcoxon's test can reach p < 0.05, whatever the differences."
)
UNADJUSTED = (
    "Differences in Dice, in points, mean over patients; above 0 TextBCS is better. The intervals are not "
    "adjusted for their number: some will exclude 0 by chance."
)
OVERLAPPING = (
    "A patient stands in each subgroup in which she has slices, so subgroups of one kind may share patients. "
    "Size: tertiles of the lesion area of these test slices, not the limits of the prompts' words."
)
SPREAD = ("spread", "Dice: standard deviation over seeds, points")
DISTANCES = (
    "Distances are in mm with each slice's own spacing; a tumour slice on which nothing is predicted "
    "counts with the slice's diagonal, which can outweigh all others. 'Where something is predicted' leaves "
    "those slices out, and with them a method's failures; the numbers behind it say how many patients are "
    "left."
)
PATIENTS = (
    "False components and areas are means over patients of their slices: a component is false where it "
    "touches no reference pixel, an area where it lies outside the mask."
)


def measure_table(
    means: "pd.DataFrame",
    reference: str,
    methods: Sequence[str],
    labels: Mapping[str, str],
    pixel_mm: tuple[float, float],
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Headings, a row per method, and the sentences below.

    Args:
        means: as the stage `statistics` writes it.
        reference: the tested method.
        methods: in the order of Table 1.
        labels: their printed names.
        pixel_mm: the least and the greatest side of a pixel of the test slices' DICOM grids.
    """
    known = {(str(row["method"]), str(row["measure"])): row for row in records(means)}
    found = (_NSD.fullmatch(measure) for _, measure in known)
    wanted = {match[0]: (_nsd_heading(match[1], pixel_mm), 100) for match in found if match}
    wanted |= {m: one for m, one in MEASURES.items() if any((n, m) in known for n in methods)}
    headers = {"label": "Method"} | {m: text for m, (text, _) in wanted.items()}
    rows = []
    for method in methods:
        row: dict[str, Any] = {"method": method, "label": labels.get(method, method)}
        row |= {m: _cell(m, known.get((method, m)), scale) for m, (_, scale) in wanted.items()}
        dice = known.get((method, "dice_patient_mean"), {})
        spread = float(dice.get("seed_sd", float("nan")))
        if spread == spread:
            row[SPREAD[0]] = 100 * spread
        rows.append(row)
    seeds = any(SPREAD[0] in row for row in rows)
    notes = [DISTANCES, PATIENTS, *_alarms(known, rows, reference)]
    last = {SPREAD[0]: SPREAD[1]} if seeds else {}
    return headers | last, rows, notes


def _nsd_heading(tolerance: str, pixel_mm: tuple[float, float]) -> str:
    """The tolerance in mm and in pixels of the grid on which it is measured."""
    sizes = sorted({f"{float(tolerance) / side:.1f}" for side in pixel_mm}, key=float)
    return f"NSD % at {tolerance} mm, {' to '.join(sizes)} pixels (patients)"


def size_rules(smallest_mm2: float, covered: float) -> str:
    """What counts as a lesion or a component, and as a lesion that was found.

    Args:
        smallest_mm2: components below this area are left out.
        covered: share of a lesion that must be predicted.
    """
    return (
        f"Lesions and components of less than {smallest_mm2:g} mm2 are left out; a lesion is found where at "
        f"least {100 * covered:g} % of it are predicted."
    )


def _alarms(
    known: Mapping[tuple[str, str], Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    reference: str,
) -> list[str]:
    """A sentence for each kind of false prediction of which the reference has most."""
    notes = []
    for measure, what in (
        (ALARMS, "false alarms on tumour-free slices, in percent"),
        (COMPONENTS, "false components on a tumour-free slice"),
        ("false_components_tumour_patient_mean", "false components on a tumour slice"),
    ):
        scale = MEASURES[measure][1]
        values = [
            {**row, "value": scale * float(known[str(row["method"]), measure]["value"])}
            for row in rows
            if (str(row["method"]), measure) in known
        ]
        notes += alarm_notes(values, "value", what, reference)
    return notes


def _cell(measure: str, row: Mapping[str, Any] | None, scale: float) -> str:
    """A value, with its interval where there is one, or with how many had a value."""
    if row is None or row["value"] != row["value"]:
        return "–"
    value, used, total = float(row["value"]), int(row["used"]), int(row["total"])
    if measure == "predicted_tumour_slices":
        return f"{value:g} of {total}"
    text = f"{scale * value:.2f}"
    if "_where_found_" in measure:
        return f"{text}; {used} of {total}"
    if measure.endswith("_patient_mean"):
        text += f" ({limits_text(scale * row['low'], scale * row['high'], used)})"
    return text


def subgroup_table(
    subgroups: "pd.DataFrame", reference: str, methods: Sequence[str], labels: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """Headings, a row per level of each subgroup, notes: every method's Dice, the reference's with limits.

    Args:
        subgroups: as the stage `statistics` writes it.
        reference: the tested method; its column comes first.
        methods: in the order of Table 1.
        labels: their printed names.
    """
    order = [reference, *(name for name in methods if name != reference)]
    lines = _levels(
        subgroups,
        lambda row: (
            _decided(row["dice"], row["low"], row["high"], row["patients"])
            if row["method"] == reference
            else 100 * float(row["dice"])
        ),
    )
    headers = LEVEL | {name: f"{labels.get(name, name)}, Dice %" for name in order}
    return headers, lines, [OVERLAPPING, *_few(lines)]


def gap_table(
    subgroups: "pd.DataFrame", reference: str, methods: Sequence[str], labels: Mapping[str, str]
) -> tuple[dict[str, str], list[dict[str, Any]], list[str]]:
    """The same of the paired differences: the reference's Dice minus each other method's, with intervals."""
    lines = _levels(
        subgroups[subgroups["method"] != reference],
        lambda row: _decided(
            row["reference_minus_method"],
            row["difference_low"],
            row["difference_high"],
            row["patients"],
        ),
    )
    others = {name: f"minus {labels.get(name, name)}" for name in methods if name != reference}
    return LEVEL | others, lines, [UNADJUSTED, OVERLAPPING, *_few(lines)]


def _levels(
    subgroups: "pd.DataFrame", text: Callable[[Mapping[str, Any]], Any]
) -> list[dict[str, Any]]:
    """A row per level of each subgroup, with a cell per method."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for row in records(subgroups):
        key = (str(row["subgroup"]), str(row["level"]))
        line = found.setdefault(
            key,
            {
                "level": f"{key[0]}: {key[1]}",
                "patients": int(row["patients"]),
                "slices": int(row["slices"]),
            },
        )
        line[str(row["method"])] = text(row)
    return list(found.values())


def _decided(value: float, low: float, high: float, patients: int) -> str:
    """A fraction in percent with its interval, or without one where too few patients stand behind it."""
    if value != value:
        return "–"
    limits = limits_text(100 * low, 100 * high, patients) if patients >= FEWEST else TOO_FEW
    return f"{100 * value:z.2f} ({limits})"


def _few(lines: Sequence[Mapping[str, Any]]) -> list[str]:
    return [FEW] if any(line["patients"] < FEWEST for line in lines) else []
