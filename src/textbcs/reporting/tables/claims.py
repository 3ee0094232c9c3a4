"""The claims table: each sentence of the paper that asserts a result, and the quantity that decides it.

A verdict stands only where the cohort is the paper's own; on any other the quantity stands alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.base.variants import BASE, RIVAL
from textbcs.reporting.common.labels import label

if TYPE_CHECKING:
    import pandas as pd

HEADERS = {
    "section": "Section",
    "sentence": "The paper says",
    "quantity": "Quantity that decides it",
    "ours": "Here",
    "interval": "95 % interval",
    "verdict": "Verdict",
}
WITHOUT_VERDICT = {key: text for key, text in HEADERS.items() if key != "verdict"}

NOTES = (
    "A count (of methods, of cells) has no interval: nothing is estimated by it.",
    "A gain by evidential learning, alone or with SVLI, includes the change of the loss that comes with it "
    "(notes of Table 2).",
)


@dataclass(frozen=True)
class Finding:
    """What this run found about one claim.

    Attributes:
        quantity: what is measured, with its unit and aggregation.
        ours: the value; None where it was not measured.
        low: lower limit of its interval, or None.
        high: upper limit.
        holds: whether the value alone agrees with the sentence.
        neutral: the value that says neither yes nor no; an interval that holds it decides nothing.
        margin: for a sentence that denies a difference: how large one it still allows, either way.
    """

    quantity: str
    ours: float | None  # an int where methods are counted
    low: float | None = None
    high: float | None = None
    holds: bool | None = None
    neutral: float = 0.0
    margin: float | None = None


def claim_rows(
    claims: Mapping[str, Mapping[str, Any]], findings: Mapping[str, Finding], is_duke: bool
) -> list[dict[str, Any]]:
    """One row a claim, in the paper's order.

    Args:
        claims: the sentences, by key.
        findings: what was found, by the same keys; a claim without one is `not measured here`.
        is_duke: whether the cohort is the paper's.
    """
    rows = []
    for key, claim in claims.items():
        found = findings.get(key, Finding("not measured in this run", None))
        rows.append(
            {
                "claim": key,
                "section": claim["section"],
                "sentence": claim["sentence"],
                "quantity": found.quantity,
                "ours": found.ours,
                "low": found.low,
                "high": found.high,
                "interval": interval_text(found.low, found.high),
                "verdict": verdict(claim, found) if is_duke else "",
            }
        )
    return rows


def interval_text(low: float | None, high: float | None) -> str:
    """Limits as they are printed; in words where they were asked for and there are none."""
    if low is None or high is None:
        return ""
    if low != low or high != high:
        return "none: too few patients, or all values equal"
    if max(abs(low), abs(high)) < 0.005 and low != high:
        return f"{low:z.1g} to {high:z.1g}"
    return f"{low:z.2f} to {high:z.2f}"


def verdict(claim: Mapping[str, Any], found: Finding) -> str:
    """`supported`, `not supported`, `undecided` (the interval holds both) or `not measured`.

    A claimed number must also lie in the interval; where it does not, the direction may still hold. That
    there is no difference is supported where the whole interval lies within the margin.
    """
    if found.ours is None or found.holds is None:
        return "not measured"
    if found.low is None or found.high is None:
        return "supported" if found.holds else "not supported"
    if found.low != found.low:
        return "undecided"
    if found.margin is not None:
        if -found.margin < found.low and found.high < found.margin:
            return "supported"
        outside = found.low > found.margin or found.high < -found.margin
        return "not supported" if outside else "undecided"
    if found.low <= found.neutral <= found.high:
        return "undecided"
    if not found.holds:
        return "not supported"
    said = claim.get("says")
    if said is not None and not found.low <= said <= found.high:
        return "direction supported, size not"
    return "supported"


def comparison_findings(
    comparisons: "pd.DataFrame", groups: Mapping[str, Sequence[str]]
) -> dict[str, Finding]:
    """Claims about TextBCS against one method, or against the best of a group.

    Args:
        comparisons: as the stage `statistics` writes them.
        groups: methods of `unet_based` and `text_guided`.
    """
    dice = {row["baseline"]: row for row in records(comparisons[comparisons["metric"] == "dice"])}
    found = {}
    for key, name in (("over_transunet", "transunet"), ("over_mgca", "mgca")):
        if name in dice:
            found[key] = _difference(
                dice[name], f"Dice minus {label(name)}'s, points, mean over patients"
            )
    for key, names in groups.items():
        rows = [dice[name] for name in names if name in dice]
        if rows:
            least = min(rows, key=lambda row: float(row["difference"]))
            text = (
                f"smallest Dice difference to {len(rows)} methods ({label(least['baseline'])}), points, "
                "patients"
            )
            found[key] = _difference(least, text)
    if dice:
        found |= _significance(list(dice.values()))
    boundary = comparisons[comparisons["metric"].str.startswith("nsd")]
    if len(boundary):
        least = min(records(boundary), key=lambda row: float(row["difference"]))
        text = (
            f"smallest difference of the surface Dice ({_tolerance(least['metric'])}) to {len(boundary)} "
            f"methods ({label(least['baseline'])}), points, patients"
        )
        found["ground_truth"] = _difference(least, text)
    return found


def _significance(rows: Sequence[Mapping[str, Any]]) -> dict[str, Finding]:
    """The paper's test over slices, and what is left over patients after Holm's adjustment."""
    below = sum(row["p_t_slice"] < 0.05 for row in rows)
    found = {}
    for key, column, test in (
        ("significant", "p_t_slice", "paired t over slices"),
        ("conclusion", "holm_sign_flip", "sign flips over patients, Holm"),
    ):
        better = sum(row[column] < 0.05 and row["difference"] > 0 for row in rows)
        text = f"methods of {len(rows)} with p < 0.05 in favour of TextBCS ({test})"
        if key == "significant":
            text += f"; in either direction: {below}"
        found[key] = Finding(text, better, holds=better == len(rows))
    return found


def _tolerance(metric: str) -> str:
    """`nsd_3mm` in words."""
    return f"NSD at {metric.removeprefix('nsd_').removesuffix('mm')} mm"


def _difference(row: Mapping[str, Any], quantity: str) -> Finding:
    mean, low, high = (100 * float(row[key]) for key in ("difference", "low", "high"))
    return Finding(quantity, mean, low, high, mean > 0)


def complexity_findings(
    rows: Sequence[Mapping[str, Any]], guided: Sequence[str]
) -> dict[str, Finding]:
    """How many of the other text-guided methods are smaller or cheaper than TextBCS, by our counts."""
    table = {row["method"]: row for row in rows}
    if BASE not in table:
        return {}
    found = {}
    for key, column, word in (
        ("fewer_params", "params_m", "fewer parameters"),
        ("fewer_flops", "flops_g", "fewer FLOPs"),
    ):
        others = [table[name] for name in guided if name in table]
        if not others:
            continue
        less = sum(row[column] < table[BASE][column] for row in others)
        text = f"of {len(others)} other text-guided methods, those with {word} than TextBCS (full width)"
        found[key] = Finding(text, less, holds=less == 0)
    if RIVAL in table:
        own = [table[name] for name in (*guided, BASE) if name in table]
        more = sum(
            all(row[column] > table[RIVAL][column] for column in ("params_m", "flops_g"))
            for row in own
        )
        text = f"of {len(own)} text-guided methods, those with more parameters and more FLOPs than UNet"
        found["guided_costs"] = Finding(text, more, holds=2 * more > len(own))
        if "uctransnet" in table:
            found["guided_flops"] = _flops(own, table[RIVAL], table["uctransnet"])
    return found


def _flops(
    own: Sequence[Mapping[str, Any]], unet: Mapping[str, Any], uctransnet: Mapping[str, Any]
) -> Finding:
    """How many text-guided methods take more operations than both U-shaped networks that are named."""
    above = [sum(row["flops_g"] > one["flops_g"] for row in own) for one in (unet, uctransnet)]
    both = max(unet["flops_g"], uctransnet["flops_g"])
    more = sum(row["flops_g"] > both for row in own)
    text = (
        f"of {len(own)} text-guided methods, those with more FLOPs than UNet and than UCTransNet (than UNet "
        f"{above[0]}, than UCTransNet {above[1]})"
    )
    return Finding(text, more, holds=2 * more > len(own))


def pixel_findings(
    differences: Mapping[str, Mapping[str, tuple[float, float, float]]],
) -> dict[str, Finding]:
    """Whether any method has fewer false pixels than TextBCS on the tumour slices.

    Args:
        differences: of `false_positives` and `false_negatives`: each other method's pixels a tumour
            slice minus TextBCS's, the mean over patients, with its limits.
    """
    found = {}
    for key, others in differences.items():
        if others:
            name = min(others, key=lambda one: others[one][0])
            fewer = sum(values[0] < 0 for values in others.values())
            text = (
                f"{key.replace('_', ' ')} of {label(name)} minus TextBCS's, pixels a tumour slice, mean over "
                f"patients: the fewest of {len(others)} methods; {fewer} have fewer than TextBCS"
            )
            found[key] = Finding(text, *others[name], holds=others[name][0] > 0)
    return found


def ablation_findings(gains: Mapping[str, tuple[float, float, float]]) -> dict[str, Finding]:
    """The gains over the ablation's baseline, in points at patient level, with their limits."""
    text = "Dice over the ablation's own baseline, points, mean over patients"
    return {key: Finding(text, *values, holds=values[0] > 0) for key, values in gains.items()}


def component_finding(gains: Mapping[str, tuple[float, float, float]]) -> Finding | None:
    """What the less useful part adds to the other one.

    Args:
        gains: by part, Dice of both parts minus that of the other part alone, points, with limits.
    """
    if len(gains) < 2:
        return None
    name = min(gains, key=lambda one: gains[one][0])
    text = f"Dice of both parts minus that without {name}, points, patients: the smaller of the two"
    return Finding(text, *gains[name], holds=gains[name][0] > 0)


def weight_finding(value: float, gain: tuple[float, float, float]) -> Finding:
    """Dice with the largest weight of evidential learning over that with the paper's weight."""
    text = f"Dice with lambda_evidence = {value:g} minus TextBCS's, points, mean over patients"
    return Finding(text, *gain, holds=gain[0] < 0)


def sweep_findings(rows: Sequence[Mapping[str, Any]]) -> dict[str, Finding]:
    """How many cells of Table 3 have a higher test Dice than TextBCS's, and how many have not.

    Nothing where there are no others.
    """
    base = next(row for row in rows if row["run"] == BASE)
    others = [row for row in rows if row["run"] != BASE]
    if not others:
        return {}
    higher = sum(row["dice_slice_mean"] > base["dice_slice_mean"] for row in others)
    of, no_higher = f"of {len(others)} other cells, those", len(others) - higher
    return {
        "weights": Finding(f"{of} with a higher test Dice", higher, holds=higher == 0),
        "other_weights": Finding(
            f"{of} without a higher test Dice", no_higher, holds=no_higher > 0
        ),
    }


def lesion_finding(subgroups: "pd.DataFrame") -> Finding | None:
    """TextBCS against the best other method on slices with several lesions."""
    several = subgroups[
        (subgroups["subgroup"] == "lesions") & (subgroups["level"] == "two or more")
    ]
    others = several[several["reference_minus_method"].notna()]
    if not len(others):
        return None
    least = records(others.sort_values("reference_minus_method"))[0]
    return Finding(
        f"smallest Dice difference on slices with several lesions ({label(least['method'])}), points, "
        f"patients: {int(least['patients'])}",
        100 * least["reference_minus_method"],
        100 * least["difference_low"],
        100 * least["difference_high"],
        bool(least["reference_minus_method"] > 0),
    )
