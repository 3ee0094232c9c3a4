"""The evaluated runs of a table: which there should be, and their row per test slice.

Reads `results/evaluation/<method>-s<seed>/slices.csv`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv
from textbcs.base.variants import BASE, configuration

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage


EVALUATION = Path("results/evaluation")
COLUMNS = ("slice_id", "patient", "kind", "dice", "iou")


@dataclass(frozen=True)
class Run:
    """One method trained with one seed, and its row per test slice."""

    method: str
    seed: int
    slices: "pd.DataFrame"

    @property
    def name(self) -> str:
        """The run's folder name."""
        return f"{self.method}-s{self.seed}"


def read_runs(stage: "Stage", columns: Sequence[str] = COLUMNS, rows: str = "table1") -> list[Run]:
    """The runs that the parameters name, in the order of the table's rows, then seeds.

    Args:
        stage: its parameters hold `tables` and `seeds`.
        columns: that every run must have.
        rows: `table1` for the methods, `variants` for the variants of the proposed one, `for_use` for
            those that are made for use.
    """
    names = [(m, s) for m in stage.params["tables"][rows] for s in stage.params["seeds"]]
    return [
        Run(m, s, read_csv(stage.input(EVALUATION / f"{m}-s{s}" / "slices.csv"), columns))
        for m, s in names
    ]


def fraction_names(params: Mapping[str, Any]) -> dict[str, float]:
    """Share of the training patients of each run, growing; the method itself comes last.

    A variant belongs to the test if it changes that share. Without such a variant there is no test.
    """
    found = {
        name: float(params["variants"][name]["training"]["fraction"])
        for name in params["tables"]["variants"]
        if "fraction" in params["variants"][name].get("training", {})
    }
    if not found:
        return {}
    own = configuration(params, BASE).get("training", {}).get("fraction")
    whole = float(params["training"]["fraction"] if own is None else own)
    return dict(sorted(found.items(), key=lambda entry: entry[1])) | {BASE: whole}


def first_seed(runs: Sequence[Run], slice_ids: Iterable[str]) -> dict[str, Run]:
    """Each method's run with the first seed, whose maps lie in the order of the test split's slices.

    Args:
        runs: of all methods and seeds.
        slice_ids: of `data/slices/test`, in order.

    Raises:
        InputError: a run holds other slices than the test split.
    """
    first: dict[str, Run] = {}
    wanted = list(slice_ids)
    for run in runs:
        if run.method not in first:
            first[run.method] = run
            if run.slices["slice_id"].tolist() != wanted:
                raise InputError(
                    f"{EVALUATION}/{run.name}/slices.csv: other slices than data/slices/test; run the "
                    "stage score again"
                )
    return first


def by_method(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """The runs of each method, in their order.

    Raises:
        InputError: two runs hold other slices, so that nothing could be paired.
    """
    wanted = sorted(runs[0].slices["slice_id"]) if runs else []
    methods: dict[str, list[Run]] = {}
    for run in runs:
        if sorted(run.slices["slice_id"]) != wanted:
            raise InputError(
                f"{EVALUATION}/{run.name}/slices.csv: holds other slices than {runs[0].name}; run the "
                "stage score again"
            )
        methods.setdefault(run.method, []).append(run)
    return methods


def tumour_slices(runs: Sequence[Run], columns: Sequence[str]) -> "pd.DataFrame":
    """A method's tumour slices, see `mean_slices`."""
    return mean_slices(runs, columns, "tumour")


def mean_slices(runs: Sequence[Run], columns: Sequence[str], kind: str) -> "pd.DataFrame":
    """A method's slices of one kind, each value the mean over its seeds.

    Returns:
        `slice_id`, `patient` and `columns`, sorted by slice. A slice has a value where every seed
        has one.
    """
    tables = [
        run.slices[run.slices["kind"] == kind].set_index("slice_id").sort_index() for run in runs
    ]
    mean = tables[0][list(columns)].astype(float)
    for table in tables[1:]:
        mean = mean + table[list(columns)].astype(float)
    return tables[0][["patient"]].join(mean / len(tables)).reset_index()


TRIVIAL = ("empty", "prior")  # made by no network, and named as a run with seed 0


def run_names(params: Mapping[str, Any]) -> list[str]:
    """The folders of all runs: methods and variants with each seed, further seeds of some methods, and
    those that no network made."""
    rows = [name for kind in ("table1", "variants", "for_use") for name in params["tables"][kind]]
    repeated = params["replicates"]
    runs = [f"{name}-s{seed}" for name in rows for seed in params["seeds"]]
    runs += [f"{name}-s{seed}" for name in repeated["methods"] for seed in repeated["seeds"]]
    return [*runs, *(f"{name}-s0" for name in TRIVIAL)]
