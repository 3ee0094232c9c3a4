"""Stage `statistics`: what the runs of Table 1 amount to, and what of their differences is chance.

Reads `results/evaluation/<method>-s<seed>/slices.csv` and `results/uncertainty/<method>-s<seed>.json` of
every method and seed, the former of every variant and trivial row too, `ensemble.json` and `dropout.json`
beside the latter, and the cohort's series and patients; writes `results/statistics/`:

- `means.csv`: a method's aggregates, each named (`evaluation.means`), and its calibration.
- `comparisons.csv`: the reference method against each other one, per metric; this is the family of
  Holm's adjustment. With several seeds a slice's value is the mean over them.
- `subgroups.csv`: Dice by number of lesions, size, side and vendor.
- `ranks.csv`: how firm the ranking is when patients are resampled.
- `variance.csv`: patients against seeds; no row where there is one seed.
- `trivial.csv`: every method and variant against the rows that no network made (`evaluation.learning`).

Differences are reference minus other method; all scores are fractions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.evaluation import comparisons, means
from textbcs.evaluation.learning import against_trivial
from textbcs.evaluation.runs import COLUMNS, EVALUATION, Run, by_method, read_runs
from textbcs.evaluation.surfaces import nsd_columns
from textbcs.io import InputError, read_csv, read_json, records, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

FOLDER = Path("results/statistics")
UNCERTAINTY = Path("results/uncertainty")
SCORES = ("ece", "brier", "nll")
TRIVIAL = ("empty", "prior")


def statistics(stage: "Stage") -> None:
    """Write the six tables.

    Raises:
        InputError: the reference method is no row of Table 1, or runs hold other slices.
    """
    import pandas as pd

    rules, reference = stage.params["evaluation"], stage.params["tables"]["reference"]
    if reference not in stage.params["tables"]["table1"]:
        raise InputError(
            f"params.yaml: tables.reference = {reference!r} is no row of tables.table1; name one of it"
        )
    nsd = nsd_columns(rules["nsd_tolerances_mm"])
    needed = {*COLUMNS, *means.PER_SLICE, *means.PIXELS, *nsd, *comparisons.FACTS}
    runs = read_runs(stage, sorted(needed))
    # One check for all: whatever is paired below holds the same slices.
    every = by_method([*runs, *read_runs(stage, rows="variants"), *_trivial(stage)])
    methods = {name: every[name] for name in stage.params["tables"]["table1"]}
    stage.seed = rules["bootstrap"]["seed"]
    depth = _depth(read_csv(stage.input("data/cohort/series.csv"), ["series_uid", "instances"]))
    vendors = _vendors(
        read_csv(stage.input("data/cohort/patients.csv"), ["patient", "manufacturer"])
    )
    ensembles = read_json(stage.input(UNCERTAINTY / "ensemble.json"))
    tables = []
    for own in stage.progress(methods.values(), desc="means"):
        tables.append(means.method_means(own, nsd, depth, rules["bootstrap"]))
        tables.append(calibration_means(own[0].method, _calibrations(stage, own)))
        if own[0].method in ensembles:
            tables.append(ensemble_means(own[0].method, ensembles[own[0].method]))
    for method, own in read_json(stage.input(UNCERTAINTY / "dropout.json")).items():
        tables.append(dropout_means(method, own))
    # The strictest tolerance is the one that is tested.
    family = ["dice", "iou", nsd[0]]
    results = {
        "means": pd.concat(tables, ignore_index=True),
        "comparisons": comparisons.compare(methods, reference, family, rules),
        "subgroups": comparisons.subgroups(methods, reference, vendors, rules["bootstrap"]),
        "ranks": comparisons.rank_table(methods, family, rules["bootstrap"]),
        "variance": comparisons.variance_table(methods, reference, family),
        "trivial": against_trivial(
            {name: own for name, own in every.items() if name not in TRIVIAL},
            {name: every[name] for name in TRIVIAL},
            rules["bootstrap"],
        ),
    }
    for name, table in results.items():
        write_csv(stage.output(FOLDER / f"{name}.csv"), table)
    compared = results["comparisons"]
    raw, adjusted = (int(compared[f"disagree_{name}"].sum()) for name in ("unadjusted", "holm"))
    stage.log(
        f"{len(compared)} comparisons; tests disagree in {raw} unadjusted, {adjusted} after Holm"
    )


def _trivial(stage: "Stage") -> list[Run]:
    files = {name: stage.input(EVALUATION / f"{name}-s0" / "slices.csv") for name in TRIVIAL}
    return [Run(name, 0, read_csv(path, COLUMNS)) for name, path in files.items()]


def _calibrations(stage: "Stage", runs: Sequence[Run]) -> list[Mapping[str, Any]]:
    return [read_json(stage.input(UNCERTAINTY / f"{run.name}.json")) for run in runs]


def calibration_means(method: str, results: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Pooled calibration of a method, the mean over its seeds, in the rows of `means.csv`.

    Names: `ece_image`, `ece_region`, likewise `brier` and `nll`, with `_scaled` where a temperature
    was fitted; `<map>_auroc_<scope>`, `<map>_auprc_<scope>`; `<map>_aurc_slices` and so on.
    """
    import pandas as pd

    each = [_flat(result) for result in results]
    rows = []
    for name in each[0]:
        values = pd.Series([one.get(name) for one in each], dtype=float)
        unit = "patients" if "patient" in name else "slices"
        cases = results[0][f"tumour_{unit}"]
        rows.append(
            {
                "method": method,
                "measure": name,
                "value": values.mean(skipna=False),
                "seed_sd": values.std(ddof=1),
                "used": cases,
                "total": cases,
                "unit": unit,
                "seeds": len(results),
            }
        )
    return pd.DataFrame(rows)


def ensemble_means(method: str, result: Mapping[str, Any]) -> "pd.DataFrame":
    """The same of the mean of a method's seeds, each name behind `ensemble_`, and its Dice."""
    table = calibration_means(method, [result])
    table["measure"] = "ensemble_" + table["measure"]
    table["seeds"] = result["members"]
    return table


def dropout_means(method: str, results: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """The same of the mean of a network's passes with dropout, each name behind `sampled_`."""
    table = calibration_means(method, results)
    table["measure"] = "sampled_" + table["measure"]
    return table


def _flat(result: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores of one result as columns; those that it lacks are left out."""
    values: dict[str, float | None] = {"temperature": result["temperature"]}
    for stem, scored in (("", result["raw"]), ("_scaled", result["scaled"] or {})):
        for where, found in scored.items():
            values |= {f"{score}_{where}{stem}": found[score] for score in SCORES}
    for where, found in result["error_detection"].items():
        values |= {f"{name}_{where}": value for name, value in found.items()}
    for name, found in result["risk_coverage"].items():
        values |= {f"{name}_{measure}": value for measure, value in found.items()}
    values |= {name: result.get(name) for name in ("dice_slice_mean", "dice_patient_mean")}
    return {name: value for name, value in values.items() if value is not None}


def _depth(series: "pd.DataFrame") -> dict[str, int]:
    return {str(row["series_uid"]): int(row["instances"]) for row in records(series)}


def _vendors(patients: "pd.DataFrame") -> dict[str, str]:
    named = patients.assign(manufacturer=patients["manufacturer"].fillna("unknown"))
    return {str(row["patient"]): str(row["manufacturer"]) for row in records(named)}
