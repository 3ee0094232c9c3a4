"""Tables 2 to 4 once more: what the tables' own rooms print must follow, and a slip must show.

The two ways from per-slice rows to a cell share no code; what they share is drawn at random here.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from textbcs.evaluation.statistics import ablation_rows
from textbcs.evaluation.statistics.comparisons import compare
from textbcs.evaluation.statistics.paired_tests import cliffs_delta, cohen_dz
from textbcs.evaluation.statistics.runs import Run
from textbcs.lineage.tracing import cells, effects, rules
from textbcs.reporting.tables import ablation, paired_tests
from textbcs.reporting.tables.overlap import differences
from textbcs.settings.params import flatten

METHODS = ("unet", "lvit", "same", "textbcs")
VARIANTS = {
    "ablation_none": {"network": {"svli": False, "evidential": False}},
    "ablation_svli": {"network": {"evidential": False}},
    "evidence_e0": {"loss": {"lambda_evidence": 1.0}},
    "plus": {"network": {"svli": False}, "loss": {"lambda_evidence": 0.5}},
}


def params(patients: int, seeds: int) -> dict[str, Any]:
    """As the stages get them; sign flips are drawn where patients are many."""
    return {
        "seeds": [3, 10, 2][:seeds],
        "tables": {"table1": list(METHODS), "variants": list(VARIANTS)},
        "variants": VARIANTS,
        "methods": {
            "textbcs": {
                "network": {"svli": True, "evidential": True},
                "loss": {"lambda_evidence": 0.01, "lambda_alignment": 0.01},
            }
        },
        "evaluation": {
            "bootstrap": {"resamples": 499, "seed": 31},
            "permutation": {"resamples": 3000 if patients > 11 else 5000, "seed": 37},
        },
    }


def scored(name: str, seed: int, patients: int) -> pd.DataFrame:
    """Per-slice metrics: one to four tumour slices a patient and one without tumour, in any order."""
    generator = np.random.default_rng([*name.encode(), seed, patients])
    rows = []
    for patient in range(patients):
        slices = [f"p{patient:02}-z{z}" for z in range(1 + patient % 4)]
        rows += [(one, f"p{patient:02}", "tumour", generator.random()) for one in slices]
        rows.append((f"p{patient:02}-free", f"p{patient:02}", "negative", np.nan))
    table = pd.DataFrame(rows, columns=["slice_id", "patient", "kind", "dice"])
    if name in ("unet", "lvit"):
        table["dice"] *= 0.8
    table.loc[table["dice"] < 0.1, "dice"] = 0.0
    table["iou"] = table["dice"] / (2 - table["dice"])
    return table.sample(frac=1, random_state=seed)


def world(patients: int, seeds: int) -> tuple[dict[str, Any], dict[str, list[Run]]]:
    """Parameters and the runs of every method and variant; `same` scores as the proposed method does."""
    values = params(patients, seeds)
    runs = {
        name: [
            Run(name, seed, scored("textbcs" if name == "same" else name, seed, patients))
            for seed in values["seeds"]
        ]
        for name in (*METHODS, *VARIANTS)
    }
    return values, runs


def curves(runs: dict[str, list[Run]]) -> dict[str, list[pd.DataFrame]]:
    """A training curve a run."""
    return {
        name: [pd.DataFrame({"validation_dice": one.slices["iou"].dropna()}) for one in own]
        for name, own in runs.items()
    }


def tables(values: dict[str, Any], runs: dict[str, list[Run]]) -> dict[str, list[dict[str, str]]]:
    """Tables 2 to 4 as the tables' rooms make them, with the texts that a CSV file has."""
    methods = {name: runs[name] for name in METHODS}
    compared = compare(methods, "textbcs", ["iou", "dice"], values["evaluation"])
    best = ablation_rows.best_validation(curves(runs))
    made = {
        "table2": ablation.table2_rows(values, runs, []),
        "table3": ablation.table3_rows(values, runs, best, {}),
        "table4": paired_tests.table4_rows(compared, {}, {}),
        "table4_metrics": paired_tests.metric_rows(compared, {}),
        "table1_differences": differences(
            [run for own in methods.values() for run in own], values["evaluation"]["bootstrap"]
        ).to_dict("records"),
    }
    columns = {
        name: list(dict.fromkeys(k for row in rows for k in row)) for name, rows in made.items()
    }
    return {
        name: [{key: _text(row.get(key)) for key in columns[name]} for row in rows]
        for name, rows in made.items()
    }


def _text(value: Any) -> str:
    return "" if value is None or value != value else str(value)


def expected(
    name: str, rows: list, values: dict[str, Any], runs: dict[str, list[Run]]
) -> rules.Cells:
    """What the audit says of a table."""
    slices = {method: [one.slices for one in own] for method, own in runs.items()}
    return rules.cells_of(name, rows, slices, curves(runs), flatten(values))


def differing(rows: list[dict[str, str]], cells: rules.Cells) -> Iterator[tuple[int, str]]:
    """Cells that hold none of what they may hold, to the last digit."""
    for (number, column), wanted in cells.items():
        text = rows[number][column]
        if not any(
            text == one
            if isinstance(one, str)
            else text == ""
            if one != one
            else float(text) == one
            for one in wanted
        ):
            yield number, column


@pytest.mark.parametrize(("patients", "seeds"), [(14, 3), (14, 1), (7, 2), (3, 1), (2, 1), (4, 3)])
def test_the_tables_follow_from_their_rows(patients: int, seeds: int) -> None:
    values, runs = world(patients, seeds)
    for name, rows in tables(values, runs).items():
        cells = expected(name, rows, values, runs)
        assert list(differing(rows, cells)) == [], name
        if name == "table4":
            assert len(cells) == 17 * len(rows) == 51
        elif name == "table4_metrics":
            assert len(cells) == 13 * len(rows) == 78
        elif name == "table1_differences":
            assert len(cells) == 5 * len(rows) == 15
        else:
            column = {"table2": "gain", "table3": "against_base"}[name]
            assert {(n, column) for n in range(len(rows))} < set(cells)


def test_any_slip_shows() -> None:
    """Each cell that has a rule, changed in its last printed digit."""
    values, runs = world(14, 2)
    seen = 0
    for name, rows in tables(values, runs).items():
        cells = expected(name, rows, values, runs)
        for number, column in cells:
            text = rows[number][column]
            digits = [place for place, sign in enumerate(text) if sign.isdigit()]
            if column.startswith("agree_"):
                other = "yes" if text == "no" else "no"
            elif digits:
                last = digits[-1]
                other = f"{text[:last]}{(int(text[last]) + 5) % 10}{text[last + 1 :]}"
                if "." not in text.lower() and column not in ("patients", "slices"):
                    other += "1"
            else:
                other = text + "0.1"
            changed = [dict(row) for row in rows]
            changed[number][column] = other
            assert list(differing(changed, cells)) == [(number, column)], (name, text, other)
            seen += 1
    assert seen > 60


@pytest.mark.parametrize(
    "fault", ["unpaired", "over slices", "uncorrected", "other seed", "one seed"]
)
def test_a_test_that_was_done_otherwise_shows(fault: str) -> None:
    """Plausible slips of the stage itself; every hash would be right."""
    values, runs = world(14, 2)
    rows = tables(values, runs)["table4"]
    ours, theirs = (rules.over_seeds([one.slices for one in runs[n]]) for n in ("textbcs", "unet"))
    if fault == "unpaired":
        rows[0]["p_t_slice"] = paired_tests.p_value(
            stats.ttest_ind(ours["dice"], theirs["dice"]).pvalue
        )
        column = "p_t_slice"
    elif fault == "over slices":
        rows[0]["difference_points"] = str(100 * (ours["dice"] - theirs["dice"]).mean())
        column = "difference_points"
    elif fault == "uncorrected":
        for row in rows:
            row["holm_t_patient"] = row["p_t_patient"]
        column = "holm_t_patient"
    else:
        other = {**values, "evaluation": {**values["evaluation"]}}
        if fault == "other seed":
            other["evaluation"]["bootstrap"] = {**values["evaluation"]["bootstrap"], "seed": 5}
            rows, column = tables(other, runs)["table4"], "interval"
        else:
            rows = tables(values, {name: own[:1] for name, own in runs.items()})["table4"]
            column = "difference_points"
    assert column in {name for _, name in differing(rows, expected("table4", rows, values, runs))}


def test_a_method_that_is_left_out_is_named() -> None:
    values, runs = world(7, 1)
    rows = tables(values, runs)["table4"]
    assert rules.missing_methods(rows, flatten(values)) == []
    assert rules.missing_methods(rows[1:], flatten(values)) == ["unet"]


def test_without_the_runs_or_the_settings_nothing_is_said() -> None:
    values, runs = world(7, 1)
    rows = tables(values, runs)
    fewer = {name: own for name, own in runs.items() if name not in ("lvit", "ablation_none")}
    assert expected("table4", rows["table4"], values, fewer) == {}
    gains = expected("table2", rows["table2"], values, fewer)
    assert (1, "gain") not in gains
    del values["evaluation"]["permutation"]
    assert expected("table4", rows["table4"], values, runs) == {}
    assert expected("table1", [], values, runs) == {}


def test_the_baseline_changes_the_two_switches_and_nothing_else() -> None:
    values = flatten(params(5, 1))
    assert rules.baseline(values) == "ablation_none"
    values["variants.ablation_none.loss.lambda_evidence"] = 0.3
    assert rules.baseline(values) is None


def test_holm_against_its_definition() -> None:
    """Marcus and others: the closed test of Bonferroni tests, over all subsets that hold the hypothesis."""
    family = [0.01, 0.04, 0.03, 0.01, 0.2, math.nan]
    known = [p for p in family if p == p]
    for place, p in enumerate(known):
        closed = max(
            min(1.0, min(known[i] for i in range(5) if 1 << i & bits) * bits.bit_count())
            for bits in range(1 << 5)
            if bits >> place & 1
        )
        assert rules._holm(p, family) == pytest.approx(closed)
    assert math.isnan(rules._holm(math.nan, family))


def test_effects_against_scipy() -> None:
    """The limits from given samples are scipy's own; where few patients are, both rooms agree."""
    generator = np.random.default_rng(1)
    first, second = generator.random(9), generator.random(9)
    settings = {"resamples": 2000, "seed": 4}
    values = {f"evaluation.bootstrap.{key}": value for key, value in settings.items()}
    dz = effects.cohen_dz(first - second, values)
    found = cohen_dz(first - second, **settings)
    assert dz == pytest.approx((found.value, found.low, found.high), rel=1e-9)
    theirs = stats.bootstrap(
        (first - second,), lambda x, axis: x.mean(axis) / x.std(axis, ddof=1),
        n_resamples=20000, confidence_level=0.95, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    assert dz[1:] == pytest.approx(tuple(theirs), abs=0.25)
    delta = effects.cliffs_delta(first, second, values)
    found = cliffs_delta(first, second, **settings)
    assert delta == pytest.approx((found.value, found.low, found.high), rel=1e-9)
    pairs = [np.sign(one - two) for one in first for two in second]
    assert delta[0] == pytest.approx(np.mean(pairs))


def test_sign_flips_against_scipy() -> None:
    values = {"evaluation.permutation.resamples": 1 << 10, "evaluation.permutation.seed": 1}
    sample = np.random.default_rng(3).normal(0.4, 1, 10)
    exact = stats.permutation_test(
        (sample,), lambda x, axis: x.mean(axis), permutation_type="samples", vectorized=True,
        n_resamples=np.inf,
    ).pvalue  # fmt: skip
    assert effects.sign_flip(sample, values) == pytest.approx(exact)
    drawn = {**values, "evaluation.permutation.resamples": 900}
    assert effects.sign_flip(sample, drawn) == pytest.approx(exact, abs=0.04)


def test_a_side_that_follows_the_prompt_by_hand() -> None:
    """Of three tumour slices with a prediction one goes over, one stays, one vanishes."""
    table = pd.DataFrame(
        {"slice_id": list("abcde"), "patient": list("ppqqq"),
         "kind": ["tumour"] * 4 + ["negative"],
         "dice_swapped": [0.1, 0.2, 0.0, 0.0, np.nan],
         "predicted_side": ["left", "right", "left", None, "left"],
         "predicted_side_swapped": ["right", "right", None, None, "right"]}
    )  # fmt: skip
    assert cells.recompute("side_follows_prompt", [table], {}) == (100 * (1 / 3),)
    without_text = table.assign(dice_swapped=np.nan)
    assert math.isnan(float(cells.recompute("side_follows_prompt", [without_text], {})[0]))
    assert math.isnan(float(cells.recompute("side_follows_prompt", [table.iloc[3:4]], {})[0]))
    assert cells.recompute("seeds", [table, table], {}) == (2.0,)
