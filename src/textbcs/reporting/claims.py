"""The claims table: each sentence of the paper that asserts a result, and the quantity that decides it.

A verdict stands only where the cohort is the paper's own; on any other the quantity stands alone.
Pure functions; reads and writes no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.io import records

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


@dataclass(frozen=True)
class Finding:
    """What this run found about one claim.

    Attributes:
        quantity: what is measured, with its unit and aggregation.
        ours: the value; None where it was not measured.
        low: lower limit of its interval, or None.
        high: upper limit.
        holds: whether the value alone agrees with the sentence.
    """

    quantity: str
    ours: float | None
    low: float | None = None
    high: float | None = None
    holds: bool | None = None


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
        limits = found.low is not None and found.high is not None
        rows.append(
            {
                "claim": key,
                "section": claim["section"],
                "sentence": claim["sentence"],
                "quantity": found.quantity,
                "ours": found.ours,
                "low": found.low,
                "high": found.high,
                "interval": f"{found.low:.2f} to {found.high:.2f}" if limits else "",
                "verdict": verdict(claim, found) if is_duke else "",
            }
        )
    return rows


def verdict(claim: Mapping[str, Any], found: Finding) -> str:
    """`supported`, `not supported`, `undecided` (the interval holds both) or `not measured`.

    A claimed number must also lie in the interval; where it does not, the direction may still hold.
    """
    if found.ours is None or found.holds is None:
        return "not measured"
    if found.low is None or found.high is None:
        return "supported" if found.holds else "not supported"
    if found.low <= 0 <= found.high:
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
            found[key] = _difference(dice[name], f"Dice minus {name}'s, points, mean over patients")
    for key, names in groups.items():
        rows = [dice[name] for name in names if name in dice]
        if rows:
            least = min(rows, key=lambda row: float(row["difference"]))
            text = f"smallest Dice difference to {len(rows)} methods ({least['baseline']}), points, patients"
            found[key] = _difference(least, text)
    if dice:
        below = sum(row["p_t_slice"] < 0.05 for row in dice.values())
        holm = sum(row["holm_sign_flip"] < 0.05 for row in dice.values())
        better = sum(row["p_t_slice"] < 0.05 and row["difference"] > 0 for row in dice.values())
        text = (
            f"methods of {len(dice)} with p < 0.05 (paired t over slices) in favour of TextBCS; p < 0.05 in "
            f"either direction: {below}; sign flips over patients, Holm: {holm}"
        )
        found["significant"] = Finding(text, float(better), holds=better == len(dice))
    return found


def _difference(row: Mapping[str, Any], quantity: str) -> Finding:
    mean, low, high = (100 * float(row[key]) for key in ("difference", "low", "high"))
    return Finding(quantity, mean, low, high, mean > 0)


def complexity_findings(
    rows: Sequence[Mapping[str, Any]], guided: Sequence[str]
) -> dict[str, Finding]:
    """How many of the other text-guided methods are smaller or cheaper than TextBCS, by our counts."""
    table = {row["method"]: row for row in rows}
    if "textbcs" not in table:
        return {}
    found = {}
    for key, column, word in (
        ("fewer_params", "params_m", "fewer parameters"),
        ("fewer_flops", "flops_g", "fewer FLOPs"),
    ):
        others = [table[name] for name in guided if name in table]
        less = sum(row[column] < table["textbcs"][column] for row in others)
        text = f"of {len(others)} other text-guided methods, those with {word} than TextBCS (full width)"
        found[key] = Finding(text, float(less), holds=less == 0)
    return found


def pixel_findings(means: Mapping[str, Mapping[str, float]]) -> dict[str, Finding]:
    """Whether any method has fewer false pixels than TextBCS on the tumour slices.

    Args:
        means: per method, `false_positives` and `false_negatives`, pixels a tumour slice.
    """
    if "textbcs" not in means:
        return {}
    found = {}
    for key in ("false_positives", "false_negatives"):
        less = [name for name, row in means.items() if row[key] < means["textbcs"][key]]
        what = key.replace("_", " ")
        text = f"of {len(means) - 1} methods, those with fewer {what} (pixels, tumour slices)"
        found[key] = Finding(text, float(len(less)), holds=not less)
    return found


def ablation_findings(gains: Mapping[str, tuple[float, float, float]]) -> dict[str, Finding]:
    """The gains over the ablation's baseline, in points at patient level, with their limits."""
    text = "Dice over the ablation's own baseline, points, mean over patients"
    return {key: Finding(text, *values, holds=values[0] > 0) for key, values in gains.items()}


def sweep_finding(rows: Sequence[Mapping[str, Any]]) -> Finding:
    """How many cells of Table 3 have a higher test Dice than TextBCS's."""
    base = next(row for row in rows if row["run"] == "textbcs")
    higher = sum(
        row["dice_slice_mean"] > base["dice_slice_mean"] for row in rows if row["run"] != "textbcs"
    )
    text = f"of {sum(row['run'] != 'textbcs' for row in rows)} other cells, those with a higher test Dice"
    return Finding(text, float(higher), holds=higher == 0)


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
        f"smallest Dice difference on slices with several lesions ({least['method']}), points, "
        f"{int(least['patients'])} patients",
        100 * least["reference_minus_method"],
        100 * least["difference_low"],
        100 * least["difference_high"],
        bool(least["reference_minus_method"] > 0),
    )
