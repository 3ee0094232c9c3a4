"""Claims on what the methods look at, how they bear other wordings, and what their uncertainty is worth.

They are decided by `results/statistics/gradcam.csv`, `results/uncertainty/scores.csv` and `differences.csv`,
and the rows per slice and probe.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.base.variants import BASE, RIVAL
from textbcs.dataset.prompt_grammar import NUMBERS, VOCABULARY
from textbcs.evaluation.statistics.intervals import mean_interval, patient_means
from textbcs.reporting.common.labels import label
from textbcs.reporting.tables.claims import Finding, interval_text

if TYPE_CHECKING:
    import pandas as pd

DOWN = (1, 2, 3, 4)  # DownCNN1 to DownCNN4; the fifth stage is below them
DEEP = (3, 4)
PAIRED = "svli - unet"
Limits = tuple[float, float, float]
UNFAMILIAR = "no network was trained on such a prompt"


def gradcam_findings(summary: "pd.DataFrame") -> dict[str, Finding]:
    """What the heat maps say; of the stages that a sentence is on, the one that speaks most against it.

    The lift is the share of the heat inside the mask over the mask's share of the slice: 1 for heat
    that lies anywhere, 0 for a map without heat. Intervals are over patients; a difference is paired by
    slice.

    Args:
        summary: of the stage `gradcam`.
    """
    rows = {(row["measure"], row["network"], int(row["stage"])): row for row in records(summary)}
    found = {
        "svli_truth": _stage(rows, "lift", "svli", DOWN, least=True),
        "deep_unet": _stage(rows, "lift", "unet", DEEP, least=False),
        "deep_svli": _stage(rows, "lift", "svli", DEEP, least=True),
        "text_locates": _stage(rows, "energy_inside", PAIRED, DEEP, least=True),
    }
    return {key: one for key, one in found.items() if one is not None}


# Rows of the ablation, of which Table 1's UNet is none.
_NAMES = {
    "unet": "the ablation's UNet",
    "svli": "the ablation's UNet+SVLI",
    PAIRED: "the ablation's UNet+SVLI minus its UNet",
}


def _stage(
    rows: Mapping[tuple[str, str, int], Mapping[str, Any]],
    measure: str,
    network: str,
    stages: Sequence[int],
    least: bool,
) -> Finding | None:
    """The finding of the stage with the least, or greatest, mean of a measure."""
    known = {n: rows[measure, network, n] for n in stages if (measure, network, n) in rows}
    known = {n: row for n, row in known.items() if row["mean"] == row["mean"]}
    if not known:
        return None
    best = (min if least else max)(known, key=lambda n: float(known[n]["mean"]))
    row, is_lift = known[best], measure == "lift"
    scale, neutral = (1.0, 1.0) if is_lift else (100.0, 0.0)
    mean, low, high = (scale * float(row[key]) for key in ("mean", "low", "high"))
    text = (
        f"{'lift' if is_lift else 'energy inside the mask, points'}, {_NAMES[network]} (seed "
        f"{int(row['seed'])}), {'least' if least else 'greatest'} of stages {stages[0]} to {stages[-1]}: "
        f"stage {best}, {int(row['slices'])} slices, {int(row['dead_maps'])} of them without heat"
    )
    hot = scale * float(row["mean_with_heat"])
    if row["dead_maps"]:
        text += f" ({hot:z.2f} over the others)" if hot == hot else ""
    share = 100 * float(rows.get(("pointing_hit", network, best), {}).get("mean", float("nan")))
    if share == share:
        text += f"; pointing game there {share:z.0f} {'points' if network == PAIRED else '%'}"
    return Finding(text, mean, low, high, mean > neutral if least else mean <= neutral, neutral)


def style_findings(
    values: "pd.DataFrame",
    complex_variants: Sequence[str],
    margin: float,
    bootstrap: Mapping[str, Any],
) -> dict[str, Finding]:
    """Stability to the prompt's style.

    Args:
        values: TextBCS's quantities per tumour slice (`textworth.slice_values`).
        complex_variants: probes that the paper calls complex.
        margin: points of Dice that count as no difference.
        bootstrap: `resamples` and `seed`.
    """
    own = values["dice_true"]
    table = values[["patient"]].assign(
        style_stable=own - values["paraphrase_mean_paper"],
        style_complex=own - values[[f"dice_{name}" for name in complex_variants]].mean(axis=1),
        style_overall=values["paraphrase_loss"],
        spread=values["paraphrase_sd"],
    )
    limits = {name: points(table, name, bootstrap) for name in map(str, table) if name != "patient"}
    own_minus = "Dice with the own prompt minus"
    over = "points, patients"
    small = f"no difference: less than {margin:g}, the paper's smallest gain"
    spread = f"standard deviation over all paraphrases of a case {limits['spread'][0]:.2f}"
    texts = {
        "style_stable": f"{own_minus} the mean of the paper's variants, {over}; {spread}; {small}",
        "style_complex": f"{own_minus} the mean of the paper's complex variants, {over}",
        "style_overall": f"{own_minus} each case's worst paraphrase, {over}; {small}",
    }
    margins = {"style_stable": margin, "style_overall": margin}
    found = {}
    for key, text in texts.items():
        mean, low, high = limits[key]
        allowed = margins.get(key)
        holds = mean > 0 if allowed is None else abs(mean) < allowed
        found[key] = Finding(text, mean, low, high, holds, margin=allowed)
    return found


def attribution_finding(gain: Limits, empty: Limits | None) -> Finding:
    """Whether the text is what helps: against the same recipe trained without text.

    Args:
        gain: TextBCS's Dice minus that recipe's, points over patients, with limits.
        empty: TextBCS's Dice with the own prompt minus with an empty one, likewise; None if not asked.
    """
    text = (
        "Dice minus that of the same recipe trained without text (Table 2, EL alone), points, mean over "
        "patients"
    )
    if empty is not None:
        mean, low, high = empty
        text += f"; own prompt minus an empty one {mean:z.2f} ({interval_text(low, high)}), but {UNFAMILIAR}"
    return Finding(text, *gain, holds=gain[0] > 0)


def insufficient_finding(values: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> Finding:
    """What a prompt that says less costs: the attribute whose silence costs most decides.

    Args:
        values: as for `style_findings`, with the probes that leave one attribute out; an attribute
            without its probe is not judged.
        bootstrap: `resamples` and `seed`.
    """
    own = values["dice_true"]
    slots = [slot for slot in VOCABULARY if f"dice_without_{slot}" in values]
    loss = values[["patient"]].assign(
        **{slot: own - values[f"dice_without_{slot}"] for slot in slots}
    )
    limits = {slot: points(loss, slot, bootstrap) for slot in slots}
    dearest = max(limits, key=lambda slot: limits[slot][0])
    each = ", ".join(f"{slot} {mean:z.2f}" for slot, (mean, _, _) in limits.items())
    text = (
        f"Dice with the own prompt minus with one that does not say the {dearest}, the dearest of "
        f"{NUMBERS[len(slots) - 1]} attributes, points, patients ({each}); {UNFAMILIAR}; what quadrant, "
        "contour and millimetres would add is not measured"
    )
    return Finding(text, *limits[dearest], holds=limits[dearest][0] > 0)


def points(table: "pd.DataFrame", column: str, bootstrap: Mapping[str, Any]) -> Limits:
    """A column's mean over patients with its limits, shares as points."""
    found = mean_interval(patient_means(table, column).round(12), **bootstrap)
    return 100 * found.mean, 100 * found.low, 100 * found.high


def reliability_findings(
    scores: "pd.DataFrame", differences: "pd.DataFrame", without: str
) -> dict[str, Finding]:
    """Whether EL's uncertainty finds the wrong pixels better: in the image, and at blurred outlines.

    TextBCS against the same network and recipe without EL, each by the uncertainty that its head offers:
    vacuity and entropy. UNet, of another recipe, decides nothing and is named.

    Args:
        scores: `results/uncertainty/scores.csv`.
        differences: `differences.csv` beside it.
        without: the run that lacks EL alone.
    """
    value = {
        (row["method"], row["measure"]): 100 * float(row["value"])
        for row in records(scores[scores["kind"] == "raw"])
    }
    pair = (BASE, without, "raw")
    rows = {
        row["measure"]: row
        for row in records(differences)
        if (row["first"], row["second"], row["second_kind"]) == pair
    }
    found = {}
    for key, scope, where in (
        ("reliable", "image", ""),
        ("reliable_boundary", "band", " within the outline's band"),
    ):
        row = rows.get(f"own_auroc_{scope}")
        if row is None:
            continue
        ours = value[BASE, f"vacuity_auroc_{scope}"]
        theirs = value[without, f"entropy_auroc_{scope}"]
        other = value.get((RIVAL, f"entropy_auroc_{scope}"))
        text = (
            f"AUROC of uncertainty for wrong pixels{where}, points: TextBCS's vacuity minus the entropy of "
            f"the same network without EL ({ours:.1f}, {theirs:.1f}; 50 is chance"
        )
        text += "" if other is None else f"; UNet's entropy, of another recipe: {other:.1f}"
        mean, low, high = (100 * float(row[name]) for name in ("value", "low", "high"))
        found[key] = Finding(f"{text})", mean, low, high, mean > 0)
    return found


def guided_finding(
    differences: Mapping[tuple[str, str], tuple[float, float, float]],
) -> Finding | None:
    """The least that a text-guided method gains over UNet or UCTransNet.

    Args:
        differences: by text-guided method and the other, points of Dice over patients, with limits.
    """
    if not differences:
        return None
    pair = min(differences, key=lambda one: differences[one][0])
    above = sum(values[1] > 0 for values in differences.values())
    text = (
        f"smallest Dice difference of a text-guided method to UNet or UCTransNet ({label(pair[0])} to "
        f"{label(pair[1])}), points, patients; {above} of {len(differences)} intervals lie above 0"
    )
    return Finding(text, *differences[pair], holds=differences[pair][0] > 0)
