"""How the cells of Tables 2 to 4 follow from per-slice rows: gains, tests, effects and their limits.

Written once more, apart from the packages that printed them: p values and limits come from scipy directly,
Holm's adjustment from its closed form. Random draws follow from the receipt's own seeds.

A rule gives the values that a cell may have: a number in full precision, or its text. Where a text rounds a
number that lies on the edge between two texts, both count.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.lineage.tracing.effects import (
    CONFIDENCE,
    cliffs_delta,
    cohen_dz,
    mean_limits,
    settings,
    sign_flip,
)

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, str]
Runs = Mapping[str, Sequence["pd.DataFrame"]]
Values = tuple[float | str, ...]
Params = Mapping[str, Any]
Cells = dict[tuple[int, str], Values]

OURS = "textbcs"
TESTS = ("t_slice", "t_patient", "sign_flip", "wilcoxon")
NAMES = ("t over slices", "t over patients", "sign flips", "Wilcoxon")
GAINS = ("gain", "gain_interval", "against_base", "against_base_interval")
_EDGE = 1e-9  # relative; another order of summation moves a result by far less


def cells_of(name: str, table: Sequence[Row], runs: Runs, histories: Runs, params: Params) -> Cells:
    """What the cells of a table may hold, by row number and column, as far as there is a rule here.

    Args:
        name: of the table: `table2` to `table4`, `table4_metrics`, `table1_differences`; others have none.
        table: its rows, as texts.
        runs: per-slice metrics of each run that its stage read, a table a seed.
        histories: training curves of each run, likewise.
        params: parameters of the table's stage, by dotted key.
    """
    if name == "table2":
        return gains(table, baseline(params), "gain", runs, params)
    if name == "table3":
        found = gains(table, OURS, "against_base", runs, params)
        return found | validation(table, histories)
    if name == "table1_differences":
        return gaps(table, runs, params)
    if name == "table4_metrics":
        return metric_tests(table, runs, params)
    return tests(table, runs, params) if name == "table4" else {}


def gaps(table: Sequence[Row], runs: Runs, params: Params) -> Cells:
    """The table of differences: Dice of each row's `minuend` minus its `subtrahend`, points, patients."""
    cells: Cells = {}
    for number, row in enumerate(table):
        if row["minuend"] in runs and row["subtrahend"] in runs:
            own = runs[row["subtrahend"]]
            _, values = differences(runs[row["minuend"]], own)
            mean, low, high = mean_limits(values, params)
            cells[number, "seeds"] = (float(len(own)),)
            cells[number, "patients"] = (float(len(values)),)
            cells[number, "dice_difference"] = (100 * mean,)
            if settings(params) is not None:
                cells[number, "low"], cells[number, "high"] = (100 * low,), (100 * high,)
    return cells


def gains(table: Sequence[Row], base: str | None, name: str, runs: Runs, params: Params) -> Cells:
    """The columns `name` and `<name>_interval`: patients' Dice over a base run, in points.

    Args:
        table: its rows, as texts; `run` names each.
        base: the run that the others are held against; None: no gain can be known.
        name: of the column.
        runs: per-slice metrics of each run, a table a seed.
        params: parameters of the table's stage, by dotted key.
    """
    cells: Cells = {}
    for number, row in enumerate(table):
        other = base in ("", None, row["run"]) or row["run"] not in variants(params)
        if other:
            cells[number, name], cells[number, f"{name}_interval"] = (math.nan,), ("",)
        elif row["run"] in runs and base in runs:
            _, values = differences(runs[row["run"]], runs[str(base)])
            mean, low, high = (100 * one for one in mean_limits(values, params))
            cells[number, name] = (mean,)
            if settings(params) is not None:
                cells[number, f"{name}_interval"] = interval_texts(low, high, len(values))
    return cells


def variants(params: Params) -> list[str]:
    """The runs of Tables 2 and 3: the proposed method and what is trained beside it."""
    return [OURS, *params.get("tables.variants", ())]


def baseline(params: Params) -> str | None:
    """The variant that has neither SVLI nor evidential learning and differs in nothing else."""
    parts = ("svli", "evidential")
    found = None
    for name in variants(params):
        start = f"variants.{name}."
        changes = {key[len(start) :] for key in params if key.startswith(start)}
        on = [
            params.get(f"{start}network.{part}", params.get(f"methods.{OURS}.network.{part}"))
            for part in parts
        ]
        if changes <= {f"network.{part}" for part in parts} and on == [False, False]:
            found = name
    return found


def validation(table: Sequence[Row], histories: Runs) -> Cells:
    """The column `validation_dice`: the best epoch's, in percent, the mean over seeds."""
    cells: Cells = {}
    for number, row in enumerate(table):
        best = [float(one["validation_dice"].max()) for one in histories.get(row["run"], ())]
        if best:
            cells[number, "validation_dice"] = (100 * (sum(best) / len(best)),)
    return cells


def tests(table: Sequence[Row], runs: Runs, params: Params) -> Cells:
    """Table 4: the reference against each other method, Dice.

    Args:
        table: its rows, as texts; `method` names each.
        runs: per-slice metrics of each method, a table a seed.
        params: parameters of the table's stage, by dotted key.

    Returns:
        The cells; none where a method's rows or a setting are missing, since Holm's adjustment needs all.
    """
    found = _family(runs, params, "dice")
    cells: Cells = {}
    for number, row in enumerate(table):
        if row["method"] in found:
            alpha = 1 - CONFIDENCE
            for column, values in _printed(found[row["method"]], alpha):
                cells[number, column] = values
    return cells


def metric_tests(table: Sequence[Row], runs: Runs, params: Params) -> Cells:
    """Table 4 by metric: the columns that it shares with Table 4, and who wins how often."""
    found = {metric: _family(runs, params, metric) for metric in {row["metric"] for row in table}}
    cells: Cells = {}
    for number, row in enumerate(table):
        if row["method"] in found[row["metric"]]:
            one = found[row["metric"]][row["method"]]
            for column, values in _printed(one, 1 - CONFIDENCE):
                if column in row and column != "patients":
                    cells[number, column] = values
            cells[number, "win_share"] = (100 * one["win_share"],)
    return cells


def _family(runs: Runs, params: Params, metric: str) -> dict[str, dict[str, Any]]:
    """What the reference's comparison with each other method gives; nothing where some part is missing."""
    family = [name for name in params.get("tables.table1", ()) if name != OURS]
    needed = [params.get(f"evaluation.permutation.{name}") for name in ("resamples", "seed")]
    every = [runs.get(name, ()) for name in (OURS, *family)]
    if None in needed or not all(own and all(metric in one for one in own) for own in every):
        return {}
    found = {name: _compared(runs[OURS], runs[name], params, metric) for name in family}
    for test in TESTS:
        raw = {name: one[f"p_{test}"] for name, one in found.items()}
        for name, value in raw.items():
            found[name][f"holm_{test}"] = _holm(value, raw.values())
    return found


def compared_with(name: str, column: str, params: Params) -> list[str]:
    """The runs that a cell of a table rests on beside those of its own row."""
    if name in ("table4", "table4_metrics"):
        adjusted = column.startswith("holm_") or column == "agree_holm"
        return list(params.get("tables.table1", ())) if adjusted else [OURS]
    base = OURS if column.startswith("against_base") else baseline(params)
    return [base] if base and column in GAINS else []


def missing_methods(table: Sequence[Row], params: Params) -> list[str]:
    """Methods that the parameters name and Table 4 leaves out."""
    here = {row["method"] for row in table} | {OURS}
    return [name for name in params.get("tables.table1", ()) if name not in here]


def differences(
    ours: Sequence["pd.DataFrame"], theirs: Sequence["pd.DataFrame"], metric: str = "dice"
) -> tuple[Any, Any]:
    """A metric of one run minus another's: per tumour slice (with `patient`), and per patient.

    With several seeds a slice's value is the mean over them.
    """
    first, second = over_seeds(ours, metric), over_seeds(theirs, metric)
    slices = first[["patient"]].assign(
        ours=first[metric], theirs=second[metric], difference=first[metric] - second[metric]
    )
    slices = slices[slices["difference"].notna()]
    return slices, _by_patient(slices, "difference")


def over_seeds(runs: Sequence["pd.DataFrame"], metric: str = "dice") -> "pd.DataFrame":
    """`patient` and a metric of the tumour slices, by slice_id: the mean over the runs."""
    tables = [
        run[run["kind"] == "tumour"].set_index("slice_id").sort_index()[["patient", metric]]
        for run in runs
    ]
    total = tables[0][metric].astype(float)
    for table in tables[1:]:
        total = total + table[metric].astype(float)
    return tables[0][["patient"]].assign(**{metric: total / len(tables)})


def _by_patient(slices: "pd.DataFrame", column: str) -> Any:
    means = slices.groupby("patient")[column].mean().sort_index()
    return means.to_numpy(dtype=float)


def _compared(
    ours: Sequence["pd.DataFrame"], theirs: Sequence["pd.DataFrame"], params: Params, metric: str
) -> dict[str, Any]:
    """Every quantity of a row of Table 4 but the adjusted p values."""
    slices, patients = differences(ours, theirs, metric)
    first, second = (_by_patient(slices, side) for side in ("ours", "theirs"))
    each = slices["difference"].to_numpy(dtype=float)
    return {
        "patients": len(patients),
        "slices": len(each),
        "difference": mean_limits(patients, params),
        "p_t_slice": _paired_t(each),
        "p_t_patient": _paired_t(patients),
        "p_sign_flip": sign_flip(patients, params),
        "p_wilcoxon": _signed_rank(patients),
        "win_share": sum(1.0 if one > 0 else 0.5 if one == 0 else 0.0 for one in patients)
        / len(patients),
        "dz": cohen_dz(patients, params),
        "cliff": cliffs_delta(first, second, params),
    }


def _paired_t(values: Any) -> float:
    """Two-sided p of Student's t, from its formula; NaN where the differences do not differ."""
    import numpy as np
    from scipy.stats import t

    n = len(values)
    if n < 2 or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return math.nan
    statistic = values.mean() / (values.std(ddof=1) / math.sqrt(n))
    return float(2 * t.sf(abs(statistic), n - 1))


def _signed_rank(values: Any) -> float:
    import numpy as np
    from scipy.stats import wilcoxon

    return float(wilcoxon(values).pvalue) if np.any(values) else math.nan


def _holm(p: float, family: Iterable[float]) -> float:
    """Holm's adjusted p in closed form: the largest of q times how many are not below q, q up to p."""
    known = [one for one in family if one == one]
    if p != p:
        return p
    return min(1.0, max(q * sum(one >= q for one in known) for q in known if q <= p))


def _printed(found: Mapping[str, Any], alpha: float) -> Iterator[tuple[str, Values]]:
    """The row's columns and what each may say."""
    mean, low, high = found["difference"]
    for test in TESTS:
        for column in (f"p_{test}", f"holm_{test}"):
            yield column, _near(_p_text, found[column])
    yield "difference_points", (100 * mean,)
    yield "interval", interval_texts(100 * low, 100 * high, found["patients"])
    for column in ("dz", "cliff"):
        is_defined, has_limits = (one == one for one in found[column][:2])
        form = "{:z.2f} ({:z.2f} to {:z.2f})" if has_limits else "{:z.2f} (–)"
        yield column, _texts(form if is_defined else "–", *found[column])
    yield "patients", (float(found["patients"]),)
    yield "slices", (float(found["slices"]),)
    before, after = (
        [bool(found[f"{kind}_{test}"] < alpha) for test in TESTS] for kind in ("p", "holm")
    )
    unadjusted = {*before, bool(low > 0 or high < 0)}
    yield "agree_unadjusted", ("no" if len(unadjusted) > 1 else "yes",)
    yield "agree_holm", ("no" if len(set(after)) > 1 else "yes",)
    lost = [was and not now for was, now in zip(before, after, strict=True)]
    yield "holm_changes", (", ".join(name for name, gone in zip(NAMES, lost, strict=True) if gone),)


def _p_text(p: float) -> str:
    return "–" if p != p else "< 0.0001" if p < 1e-4 else f"{p:.4f}"


def interval_texts(low: float, high: float, patients: int) -> Values:
    """Limits as printed; without them, that all patients are equal, or a dash where they are too few."""
    if low == low:
        return _texts("{:z.2f} to {:z.2f}", low, high)
    return ("all equal" if patients > 2 else "–",)


def _texts(form: str, *values: float) -> Values:
    return _near(form.format, *values)


def _near(text: Callable[..., str], *values: float) -> Values:
    """The text of the values, and of those just beside them."""
    factors = (1, 1 - _EDGE, 1 + _EDGE)
    return tuple(dict.fromkeys(text(*(one * factor for one in values)) for factor in factors))
