"""Stage `statistics`: what the runs of Table 1 amount to, and what of their differences is chance.

Reads `results/evaluation/<method>-s<seed>/slices.csv` and `results/uncertainty/<method>-s<seed>.json` of
every method and seed, the former of every variant and trivial row too, `ensemble.json` and `dropout.json`
beside the latter, `results/gradcam/slices.csv`, and the cohort's series and patients; writes
`results/statistics/`:

- `means.csv`: a method's aggregates, each named (`evaluation.statistics.aggregates`), and its calibration.
- `comparisons.csv`: the reference method against each other one, per metric; this is the family of
  Holm's adjustment. With several seeds a slice's value is the mean over them.
- `subgroups.csv`: Dice by number of lesions, size, side and vendor.
- `ranks.csv`: how firm the ranking is when patients are resampled.
- `variance.csv`: patients against seeds; no row where there is one seed.
- `gradcam.csv`: how well heat maps find the lesion, with and without the interaction.
- `trivial.csv`: every method and variant against the rows that no network made.

Differences are reference minus other method; all scores are fractions.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv, read_json, records, write_csv
from textbcs.base.variants import BASE
from textbcs.evaluation.metrics.surfaces import nsd_columns
from textbcs.evaluation.statistics import aggregates, comparisons
from textbcs.evaluation.statistics.against_trivial import against_trivial
from textbcs.evaluation.statistics.calibration_means import (
    calibration_means,
    dropout_means,
    ensemble_means,
)
from textbcs.evaluation.statistics.runs import (
    COLUMNS,
    EVALUATION,
    TRIVIAL,
    Run,
    by_method,
    read_runs,
)
from textbcs.explain.summary import summary

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

FOLDER = Path("results/statistics")
UNCERTAINTY = Path("results/uncertainty")


def run(stage: "Stage") -> None:
    """Write the seven tables.

    Raises:
        InputError: runs hold other slices.
    """
    rules = stage.params["evaluation"]
    nsd = nsd_columns(rules["nsd_tolerances_mm"])
    needed = {*COLUMNS, *aggregates.PER_SLICE, *aggregates.PIXELS, *nsd, *comparisons.FACTS}
    runs = read_runs(stage, sorted(needed))
    # One check for all: whatever is paired below holds the same slices.
    every = by_method([*runs, *_variants(stage), *_trivial(stage)])
    methods = {name: every[name] for name in stage.params["tables"]["table1"]}
    stage.seed = rules["bootstrap"]["seed"]
    vendors = _vendors(
        read_csv(stage.input("data/cohort/patients.csv"), ["patient", "manufacturer"])
    )
    # The strictest tolerance is the one that is tested.
    family = ["dice", "iou", nsd[0]]
    results = {
        "means": _means(stage, methods, nsd),
        "comparisons": comparisons.compare(methods, BASE, family, rules),
        "subgroups": comparisons.subgroups(methods, BASE, vendors, rules["bootstrap"]),
        "ranks": comparisons.rank_table(methods, family, rules["bootstrap"]),
        "variance": comparisons.variance_table(methods, BASE, family),
        "gradcam": summary(
            read_csv(stage.input("results/gradcam/slices.csv"), ["network", "stage", "has_heat"]),
            rules["bootstrap"],
        ),
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


def _means(stage: "Stage", methods: comparisons.Methods, nsd: Sequence[str]) -> "pd.DataFrame":
    """Every method's aggregates, its calibration and that of the mean of its seeds; then dropout's."""
    import pandas as pd

    depth = _depth(read_csv(stage.input("data/cohort/series.csv"), ["series_uid", "instances"]))
    ensembles = read_json(stage.input(UNCERTAINTY / "ensemble.json"))
    bootstrap, tables = stage.params["evaluation"]["bootstrap"], []
    for own in stage.progress(methods.values(), desc="means"):
        tables.append(aggregates.method_means(own, nsd, depth, bootstrap))
        tables.append(calibration_means(own[0].method, _calibrations(stage, own)))
        if own[0].method in ensembles:
            tables.append(ensemble_means(own[0].method, ensembles[own[0].method]))
    for method, results in read_json(stage.input(UNCERTAINTY / "dropout.json")).items():
        tables.append(dropout_means(method, results))
    return pd.concat(tables, ignore_index=True)


def _variants(stage: "Stage") -> list[Run]:
    return [run for rows in ("variants", "for_use") for run in read_runs(stage, rows=rows)]


def _trivial(stage: "Stage") -> list[Run]:
    files = {name: stage.input(EVALUATION / f"{name}-s0" / "slices.csv") for name in TRIVIAL}
    return [Run(name, 0, read_csv(path, COLUMNS)) for name, path in files.items()]


def _calibrations(stage: "Stage", runs: Sequence[Run]) -> list[Mapping[str, Any]]:
    return [read_json(stage.input(UNCERTAINTY / f"{run.name}.json")) for run in runs]


def _depth(series: "pd.DataFrame") -> dict[str, int]:
    return {str(row["series_uid"]): int(row["instances"]) for row in records(series)}


def _vendors(patients: "pd.DataFrame") -> dict[str, str]:
    named = patients.assign(manufacturer=patients["manufacturer"].fillna("unknown"))
    return {str(row["patient"]): str(row["manufacturer"]) for row in records(named)}
