"""What this run found about each claim of the paper, for the stage `tables`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv, read_json
from textbcs.base.variants import BASE, RIVAL
from textbcs.evaluation.statistics import ablation_rows, robustness_rows
from textbcs.evaluation.statistics.ablation_rows import ablation_names
from textbcs.evaluation.statistics.paired_differences import paired_difference
from textbcs.evaluation.statistics.runs import Run
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.reporting.tables import ablation, claims, claims_behaviour
from textbcs.reporting.tables.claims import Finding
from textbcs.reporting.tables.complexity_columns import complexity_row

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

STATISTICS = Path("results/statistics")
UNCERTAINTY = Path("results/uncertainty")
COMPLEXITY = Path("results/complexity")
HEAT_MAPS = Path("results/statistics/gradcam.csv")
TEST_SLICES = Path("data/slices/test/slices.csv")
UNGUIDED = (RIVAL, "uctransnet")  # with whom 4.4 (3) compares the text-guided methods
Limits = tuple[float, float, float]


def findings(
    stage: "Stage",
    runs: ablation_rows.Runs,
    comparisons: "pd.DataFrame",
    three: Sequence[Mapping[str, Any]],
    printed: Mapping[str, Any],
) -> dict[str, Finding]:
    """What was found about each claim; one that this run cannot decide is left out.

    Args:
        stage: `tables`.
        runs: of every method and variant.
        comparisons: as the stage `statistics` writes them.
        three: the rows of Table 3.
        printed: the paper's values.
    """
    methods = stage.params["tables"]["table1"]
    groups = {name: printed[name] for name in ("unet_based", "text_guided")}
    counted = [
        complexity_row(m, read_json(stage.input(COMPLEXITY / f"{m}.json")), {}) for m in methods
    ]
    values = _asked(stage)
    found: dict[str, Finding | None] = {
        **claims.comparison_findings(comparisons, groups),
        **claims.complexity_findings(counted, printed["text_guided"]),
        **claims.pixel_findings(_false_pixels(stage, runs)),
        **_parts(stage, runs),
        **claims.sweep_findings(three),
        "too_large": _largest_weight(stage, runs),
        "guided_gain": _guided(stage, runs, printed["text_guided"]),
        "several_lesions": claims.lesion_finding(
            read_csv(stage.input(STATISTICS / "subgroups.csv"))
        ),
        **_reliability(stage),
        **claims_behaviour.gradcam_findings(read_csv(stage.input(HEAT_MAPS))),
        "text_attribution": _attribution(stage, runs, values),
        **_styles(stage, printed, values),
    }
    return {key: one for key, one in found.items() if one is not None}


def difference(
    first: Sequence[Run], second: Sequence[Run], column: str, bootstrap: Mapping[str, Any]
) -> Limits:
    """Patient-level mean of `first - second` on the tumour slices, with its limits, in the column's unit."""
    found = paired_difference(first, second, bootstrap, column)
    return found.mean, found.low, found.high


def _false_pixels(stage: "Stage", runs: ablation_rows.Runs) -> dict[str, dict[str, Limits]]:
    others = [name for name in stage.params["tables"]["table1"] if name != BASE]
    bootstrap = stage.params["evaluation"]["bootstrap"]
    return {
        f"{column}s": {
            name: difference(runs[name], runs[BASE], column, bootstrap) for name in others
        }
        for column in ("false_positive", "false_negative")
    }


def _parts(stage: "Stage", runs: ablation_rows.Runs) -> dict[str, Finding | None]:
    """The parts of the method over the baseline, and over each other."""
    params = stage.params
    names = ablation_names(params)
    bootstrap = params["evaluation"]["bootstrap"]

    def gains(
        pairs: Mapping[str, tuple[tuple[bool, bool], tuple[bool, bool]]],
    ) -> dict[str, Limits]:
        return {
            key: ablation.gain(runs[names[one]], runs[names[other]], bootstrap)
            for key, (one, other) in pairs.items()
            if one in names and other in names
        }

    neither, svli, evidential, both = (False, False), (True, False), (False, True), (True, True)
    over_baseline = gains(
        {"svli": (svli, neither), "evidential": (evidential, neither), "both": (both, neither)}
    )
    over_other = gains({"SVLI": (both, evidential), "EL": (both, svli)})
    return {
        **claims.ablation_findings(over_baseline),
        "each_component": claims.component_finding(over_other),
    }


def _largest_weight(stage: "Stage", runs: ablation_rows.Runs) -> Finding | None:
    cells = [
        (value, name)
        for weight, value, name in ablation_rows.sweep_names(stage.params)
        if weight == "lambda_evidence"
    ]
    value, name = max(cells)
    if name == BASE:
        return None
    bootstrap = stage.params["evaluation"]["bootstrap"]
    return claims.weight_finding(value, ablation.gain(runs[name], runs[BASE], bootstrap))


def _reliability(stage: "Stage") -> dict[str, Finding]:
    """Nothing where TextBCS without evidential learning was not trained."""
    without = ablation_names(stage.params).get((True, False))
    if without is None:
        return {}
    scores, differences = (
        read_csv(stage.input(UNCERTAINTY / f"{name}.csv"), ["measure", "value"])
        for name in ("scores", "differences")
    )
    return claims_behaviour.reliability_findings(scores, differences, without)


def _guided(stage: "Stage", runs: ablation_rows.Runs, guided: Sequence[str]) -> Finding | None:
    there = set(stage.params["tables"]["table1"])
    bootstrap = stage.params["evaluation"]["bootstrap"]
    return claims_behaviour.guided_finding(
        {
            (name, other): ablation.gain(runs[name], runs[other], bootstrap)
            for name in (*guided, BASE)
            for other in UNGUIDED
            if {name, other} <= there
        }
    )


def _asked(stage: "Stage") -> "pd.DataFrame | None":
    """TextBCS's quantities per tumour slice under other wordings; None where it was not asked."""
    if BASE not in stage.params["robustness"]["methods"]:
        return None
    tables = [robustness_rows.read_run(stage, f"{BASE}-s{seed}") for seed in stage.params["seeds"]]
    values = robustness_rows.pooled(tables, read_paraphrases())
    sides = read_csv(stage.input(TEST_SLICES), ["side"])["side"]
    # Where nothing has a side, leaving it out of the prompt leaves nothing out.
    return values if sides.notna().any() else values.drop(columns="dice_without_location")


def _attribution(
    stage: "Stage", runs: ablation_rows.Runs, values: "pd.DataFrame | None"
) -> Finding | None:
    """TextBCS against its own recipe without text, the row of the ablation without SVLI."""
    name = ablation_names(stage.params).get((False, True))
    if name is None:
        return None
    bootstrap = stage.params["evaluation"]["bootstrap"]
    empty = None
    if values is not None:
        empty = claims_behaviour.points(values, "text_gain", bootstrap)
    return claims_behaviour.attribution_finding(
        ablation.gain(runs[BASE], runs[name], bootstrap), empty
    )


def _styles(
    stage: "Stage", printed: Mapping[str, Any], values: "pd.DataFrame | None"
) -> dict[str, Finding]:
    """Of TextBCS alone; nothing where it was not asked with other wordings."""
    if values is None:
        return {}
    bootstrap = stage.params["evaluation"]["bootstrap"]
    # A difference that the paper itself would not call a gain is none.
    margin = min(claim["says"] for claim in printed["claims"].values() if "says" in claim)
    found = claims_behaviour.style_findings(values, printed["complex_variants"], margin, bootstrap)
    return found | {"insufficient_text": claims_behaviour.insufficient_finding(values, bootstrap)}
