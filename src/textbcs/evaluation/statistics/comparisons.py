"""The tables of differences: tests with effects, subgroups, ranks, variance.

Differences are reference minus other method, per slice, then a mean per patient.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.evaluation.statistics import paired_tests as tests
from textbcs.evaluation.statistics import stability
from textbcs.evaluation.statistics.intervals import CONFIDENCE, mean_interval, patient_means
from textbcs.evaluation.statistics.paired_differences import (
    difference_interval,
    slice_differences,
)
from textbcs.evaluation.statistics.runs import Run, tumour_slices

if TYPE_CHECKING:
    import pandas as pd

Methods = Mapping[str, Sequence[Run]]

# What the tables need of a slice besides its scores.
FACTS = (
    "series_uid",
    "side",
    "reference_mm2",
    "lesions",
    "lesions_found",
    "false_components",
    "false_positive_mm2",
    "distance_replaced",
)
TESTS = ("t_slice", "t_patient", "sign_flip", "wilcoxon")


def compare(
    methods: Methods, reference: str, family: Sequence[str], rules: Mapping[str, Any]
) -> "pd.DataFrame":
    """The reference against each other method, a row per method and metric.

    Columns: `reference`, `baseline`, `metric`, `seeds`, `patients`, `slices`; `difference` at patient
    level with `low` and `high` (BCa), `difference_slices` at slice level; for each of `TESTS` its
    `p_<test>` and, adjusted over the baselines of the metric, `holm_<test>`; `cohen_dz`,
    `cliffs_delta` with limits, `win_share`; `significant_unadjusted_by` and `significant_by`: the tests
    whose p, and whose adjusted p, is below 1 - `CONFIDENCE`; `interval_excludes_zero`;
    `disagree_unadjusted`: the unadjusted tests and the interval, which is not adjusted either, do not all
    say the same; `disagree_holm`: the adjusted tests do not; `holm_changes_verdict`: some test is
    significant before Holm's adjustment and not after it.

    Args:
        methods: the runs of each method.
        reference: the tested method.
        family: metrics; Holm's family is the baselines of one of them.
        rules: the parameters `evaluation`.
    """
    import pandas as pd

    rows: list[dict[str, Any]] = []
    ours = tumour_slices(methods[reference], family)
    for metric in family:
        tested = []
        for baseline in methods:
            if baseline == reference:
                continue
            theirs = tumour_slices(methods[baseline], family)
            tested.append(
                {
                    "reference": reference,
                    "baseline": baseline,
                    "metric": metric,
                    "seeds": len(methods[reference]),
                    **paired_tests(ours, theirs, metric, rules),
                }
            )
        for test in TESTS:
            adjusted = tests.holm([row[f"p_{test}"] for row in tested])
            for row, value in zip(tested, adjusted, strict=True):
                row[f"holm_{test}"] = value
        rows += [row | verdicts(row, 1 - CONFIDENCE) for row in tested]
    return pd.DataFrame(rows, columns=None if rows else _empty_columns())


def paired_tests(
    ours: "pd.DataFrame", theirs: "pd.DataFrame", metric: str, rules: Mapping[str, Any]
) -> dict[str, Any]:
    """Every test and effect size of one metric on two tables of the same slices, in the same order."""
    bootstrap = rules["bootstrap"]
    slices = slice_differences(ours, theirs, metric)
    each = slices["difference"].dropna().to_numpy(dtype=np.float64)
    patients = patient_means(slices, "difference")
    known = slices["difference"].notna().to_numpy()
    first, second = (patient_means(table[known], metric) for table in (ours, theirs))
    interval = mean_interval(patients, **bootstrap)
    found: dict[str, Any] = {
        "patients": len(patients),
        "slices": len(each),
        "difference": interval.mean,
        "low": interval.low,
        "high": interval.high,
        "difference_slices": float(each.mean()),
        "p_t_slice": tests.paired_t(each),
        "p_t_patient": tests.paired_t(patients),
        "p_sign_flip": tests.sign_flip(patients, **rules["permutation"]),
        "p_wilcoxon": tests.wilcoxon(patients),
        "win_share": tests.win_share(patients),
    }
    for name, effect in (
        ("cohen_dz", tests.cohen_dz(patients, **bootstrap)),
        ("cliffs_delta", tests.cliffs_delta(first, second, **bootstrap)),
    ):
        found |= {name: effect.value, f"{name}_low": effect.low, f"{name}_high": effect.high}
    return found


def verdicts(row: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    """What each test says of a row at a level, and whether they agree; a NaN p is no effect.

    Like is held against like: the interval is not adjusted, so it is no witness against Holm's values.
    """
    raw = {test: bool(row[f"p_{test}"] < alpha) for test in TESTS}
    adjusted = {test: bool(row[f"holm_{test}"] < alpha) for test in TESTS}
    excludes = bool(row["low"] > 0 or row["high"] < 0)
    return {
        "significant_unadjusted_by": " ".join(test for test in TESTS if raw[test]),
        "significant_by": " ".join(test for test in TESTS if adjusted[test]),
        "interval_excludes_zero": excludes,
        "disagree_unadjusted": len({*raw.values(), excludes}) > 1,
        "disagree_holm": len(set(adjusted.values())) > 1,
        "holm_changes_verdict": adjusted != raw,
    }


def _empty_columns() -> list[str]:
    return ["reference", "baseline", "metric", "disagree_unadjusted", "disagree_holm"]


def subgroups(
    methods: Methods, reference: str, vendors: Mapping[str, str], bootstrap: Mapping[str, Any]
) -> "pd.DataFrame":
    """Dice of every method within each level of each subgroup.

    Columns: `subgroup`, `level`, `method`, `patients`, `slices`, the patient-level `dice` with `low` and
    `high`, and the paired `reference_minus_method` with its limits. A patient may have slices in
    several levels of `lesions` and `size`.

    Args:
        methods: the runs of each method.
        reference: the tested method.
        vendors: of each patient.
        bootstrap: `resamples` and `seed`.
    """
    import pandas as pd

    facts = levels(next(iter(methods.values()))[0].slices, vendors)
    dice = {name: tumour_slices(runs, ["dice"]) for name, runs in methods.items()}
    rows = []
    for subgroup, table in facts.items():
        for level, members in table.groupby(table, sort=False, observed=True):
            for method, scores in dice.items():
                own = scores[scores["slice_id"].isin(members.index)]
                ours = dice[reference][dice[reference]["slice_id"].isin(members.index)]
                values = patient_means(own, "dice")
                mean = mean_interval(values, **bootstrap)
                other = difference_interval(ours, own, "dice", bootstrap)
                same = method == reference
                rows.append(
                    {
                        "subgroup": subgroup,
                        "level": level,
                        "method": method,
                        "patients": mean.patients,
                        "slices": len(own),
                        "dice": mean.mean,
                        "low": mean.low,
                        "high": mean.high,
                        "reference_minus_method": math.nan if same else other.mean,
                        "difference_low": math.nan if same else other.low,
                        "difference_high": math.nan if same else other.high,
                    }
                )
    return pd.DataFrame(rows)


def levels(slices: "pd.DataFrame", vendors: Mapping[str, str]) -> dict[str, "pd.Series[str]"]:
    """The level of every tumour slice in each subgroup, by slice, levels in their order.

    Size classes are tertiles of the lesion areas of these test slices, their limits in the names.
    """
    import pandas as pd

    tumour = slices[slices["kind"] == "tumour"].set_index("slice_id").sort_index()
    area = tumour["reference_mm2"]
    low, high = np.quantile(area, [1 / 3, 2 / 3])
    names = [f"small, to {low:.0f} mm2", f"medium, to {high:.0f} mm2", "large"]
    size = [names[int(value > low) + int(value > high)] for value in area]
    number = ["one" if count <= 1 else "two or more" for count in tumour["lesions"]]
    vendor = [vendors.get(str(patient), "unknown") for patient in tumour["patient"]]
    found = {
        "lesions": (number, ["one", "two or more"]),
        "size": (size, names),
        "side": (tumour["side"].tolist(), ["left", "right"]),
        "vendor": (vendor, sorted(set(vendor))),
    }
    return {
        name: pd.Series(
            pd.Categorical(values, order, ordered=True), index=tumour.index
        ).sort_values(kind="stable")
        for name, (values, order) in found.items()
    }


def rank_table(
    methods: Methods, family: Sequence[str], bootstrap: Mapping[str, Any]
) -> "pd.DataFrame":
    """How often each method takes each rank: `metric`, `method`, `observed_rank`, `rank`, `probability`."""
    import pandas as pd

    rows = []
    for metric in family:
        values = np.stack(
            [patient_means(tumour_slices(runs, family), metric) for runs in methods.values()],
            axis=1,
        )
        observed = stability.ranks(values.mean(axis=0))
        shares = stability.rank_probabilities(values, bootstrap["resamples"], bootstrap["seed"])
        for place, method in enumerate(methods):
            rows += [
                {
                    "metric": metric,
                    "method": method,
                    "observed_rank": int(observed[place]),
                    "rank": rank + 1,
                    "probability": float(shares[place, rank]),
                }
                for rank in range(len(methods))
            ]
    return pd.DataFrame(rows)


def variance_table(methods: Methods, reference: str, family: Sequence[str]) -> "pd.DataFrame":
    """Variance of patient means and of differences, between patients and between seeds.

    Columns: `of` (a method, or the reference minus it), `metric`, `patients`, `seeds`, `var_patient`,
    `var_seed`, `var_residual`, `run_to_run_sd` (of the mean over these patients). No row with one seed.
    """
    import pandas as pd

    columns = ["of", "metric", "patients", "seeds", "var_patient", "var_seed", "var_residual"]
    rows = []
    for metric in family:
        tables = {name: _patients_by_seeds(runs, metric) for name, runs in methods.items()}
        ours = tables[reference]
        named = dict(tables)
        named |= {f"{reference} - {m}": ours - t for m, t in tables.items() if m != reference}
        for name, values in named.items():
            if min(values.shape) < 2:
                continue
            split = stability.split_variance(values)
            rows.append(
                {
                    "of": name,
                    "metric": metric,
                    "patients": split.patients,
                    "seeds": split.seeds,
                    "var_patient": split.patient,
                    "var_seed": split.seed,
                    "var_residual": split.residual,
                    "run_to_run_sd": split.run_to_run_sd,
                }
            )
    return pd.DataFrame(rows, columns=[*columns, "run_to_run_sd"])


def _patients_by_seeds(runs: Sequence[Run], metric: str) -> "np.ndarray":
    return np.stack([patient_means(tumour_slices([run], [metric]), metric) for run in runs], axis=1)
