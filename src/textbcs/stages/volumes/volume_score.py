"""Stage `volume_score`: what findings in whole volumes are worth, by network and source of prompts.

Reads the maps of all runs, the volumes of validation and test, and the cohort; runs no network. Writes to
`results/volume_scores/`:

- `points.csv`: the operating point of each run, chosen on validation;
- `patients.csv`: a row of metrics per run, source and test patient, on the native grid at that point;
- `curve.csv`: counts over thresholds, on the square grid;
- `means.csv` and `comparisons.csv`: means and paired differences, with intervals over patients;
- `mamamia.csv`: the scores of that challenge.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv, records, write_csv
from textbcs.base.variants import volume_methods
from textbcs.dataset.volume_store import (
    Volume,
    load_volume,
    native_spacing_of,
    read_patients,
    spacing_of,
    volume_file,
    voxel_mm3,
)
from textbcs.evaluation.volumes.comparisons import comparisons
from textbcs.evaluation.volumes.free_response import curve, response
from textbcs.evaluation.volumes.mamamia import challenge_scores, fairness_groups
from textbcs.evaluation.volumes.means import KEYS, means
from textbcs.evaluation.volumes.patient_scores import Reference, Rules, score_patient, to_native
from textbcs.stage.pool import allowed_jobs, each
from textbcs.volumes.coded_maps import Codes, above, file_of, read_codes
from textbcs.volumes.operating_point import MarkedCase, OperatingPoint, apply, choose
from textbcs.volumes.prompt_sources import AUTOMATIC, NONE, PATIENT

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

SCORES = Path("results/volume_scores")
COHORT = Path("data/cohort/patients.csv")
CHOOSING = (NONE, PATIENT, AUTOMATIC)  # sources on which the operating point is chosen
Facts = dict[str, Any]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """One network with its seed."""

    method: str
    seed: int

    @property
    def name(self) -> str:
        """Its folder's."""
        return f"{self.method}-s{self.seed}"


@dataclass(frozen=True)
class Choice:
    """A run whose operating point is to be chosen, small enough to travel to another process.

    Attributes:
        cases: facts of each patient, the file of her volume and that of the run's maps.
        thresholds: candidates.
        smallest_mm3: candidates.
    """

    cases: Sequence[tuple[Facts, Path, Path]]
    thresholds: Sequence[float]
    smallest_mm3: Sequence[float]


@dataclass(frozen=True)
class Patient:
    """A patient in whom all runs are scored, likewise.

    Attributes:
        facts: her row.
        volume: the file of her volume.
        runs: each run, its operating point and the file of its maps.
        thresholds: of the curve.
        rules: how volumes are scored.
    """

    facts: Facts
    volume: Path
    runs: Sequence[tuple[Run, OperatingPoint, Path]]
    thresholds: Sequence[float]
    rules: Rules


def run(stage: "Stage") -> None:
    """Score every run that the parameters name; patients spread over processes where that is allowed.

    Params read: `volumes`, `seeds`, `evaluation`.

    Raises:
        InputError: an input is missing or damaged, or the maps are of other volumes.
    """
    import pandas as pd

    runs = volume_runs(stage.params)
    points = _points(stage, runs)
    write_csv(stage.output(SCORES / "points.csv"), pd.DataFrame(_point_rows(runs, points)))
    tasks = _patients(stage, list(zip(runs, points, strict=True)))
    scored, swept = [], []
    with closing(each(score_task, tasks, allowed_jobs())) as found:
        for rows, responses in stage.progress(found, total=len(tasks), desc="patients"):
            scored += rows
            swept += responses
    patients = _by_run(scored, runs)
    write_csv(stage.output(SCORES / "patients.csv"), patients)
    write_csv(stage.output(SCORES / "curve.csv"), curve(_by_run(swept, runs)))
    _write_aggregates(stage, patients)


def volume_runs(params: Mapping[str, Any]) -> list[Run]:
    """Every network that is asked about whole volumes, with each seed."""
    return [Run(method, seed) for method in volume_methods(params) for seed in params["seeds"]]


def _points(stage: "Stage", runs: Sequence[Run]) -> list[OperatingPoint]:
    """The operating point of each run, in their order."""
    rules = stage.params["volumes"]
    patients = records(read_patients(stage, "val"))
    choices = []
    for one in runs:
        cases = [(facts, *_files(stage, one, "val", facts["patient"])) for facts in patients]
        choices.append(Choice(cases, rules["thresholds"], rules["smallest_mm3"]))
    with closing(each(choose_task, choices, allowed_jobs())) as found:
        return list(stage.progress(found, total=len(choices), desc="operating points"))


def _files(stage: "Stage", one: Run, split: str, patient: str) -> tuple[Path, Path]:
    """A patient's volume, and what a run says of it."""
    volume, maps = volume_file(split, patient), file_of(one.name, split, patient)
    return stage.input(volume), stage.input(maps)


def _point_rows(runs: Sequence[Run], points: Sequence[OperatingPoint]) -> Rows:
    rows = []
    for one, point in zip(runs, points, strict=True):
        row = {"method": one.method, "seed": one.seed, "threshold": point.threshold}
        rows.append({**row, "smallest_mm3": point.smallest_mm3, "dice_val": point.dice})
    return rows


def _patients(stage: "Stage", runs: Sequence[tuple[Run, OperatingPoint]]) -> list[Patient]:
    """What is to be scored, in the order of the table of patients."""
    volumes, evaluation = stage.params["volumes"], stage.params["evaluation"]
    rules = Rules(
        evaluation["nsd_tolerances_mm"],
        float(volumes["minimum_lesion_mm3"]),
        float(evaluation["lesions"]["minimum_covered"]),
    )
    tasks = []
    for facts in records(read_patients(stage, "test")):
        patient = facts["patient"]
        own = [(one, point, _files(stage, one, "test", patient)[1]) for one, point in runs]
        volume = stage.input(volume_file("test", patient))
        tasks.append(Patient(facts, volume, own, volumes["thresholds"], rules))
    return tasks


def choose_task(task: Choice) -> OperatingPoint:
    """The operating point of one run; of a network that reads text, on all its sources together."""
    return choose(_marked(task.cases), task.thresholds, task.smallest_mm3)


def _marked(cases: Sequence[tuple[Facts, Path, Path]]) -> Iterator[MarkedCase]:
    for facts, volume_path, maps in cases:
        volume = load_volume(volume_path, facts)
        for source, codes in _codes(maps, volume).items():
            if source in CHOOSING:
                yield codes, volume.mask, voxel_mm3(facts)


def _codes(path: Path, volume: Volume) -> dict[str, Codes]:
    """The maps of a run, by source."""
    found = read_codes(path)
    for source, codes in found.items():
        if codes.shape != volume.mask.shape:
            raise InputError(
                f"{path}: {source} is of {codes.shape} voxels and the patient's volume of "
                f"{volume.mask.shape}; run the stage that predicts it again"
            )
    return found


def score_task(task: Patient) -> tuple[Rows, Rows]:
    """A patient's rows of all runs and sources, and what she adds to their curves."""
    volume = load_volume(task.volume, task.facts)
    native = Reference.of(volume.native_mask, native_spacing_of(task.facts))
    square = Reference.of(volume.mask, spacing_of(task.facts))
    scored, swept = [], []
    for one, point, path in task.runs:
        for source, codes in _codes(path, volume).items():
            key = {"method": one.method, "seed": one.seed, "source": source}
            found = to_native(apply(codes, point, square.voxel_mm3), task.facts)
            scores = score_patient(found, native, task.rules)
            scored.append({**key, "patient": task.facts["patient"], **scores})
            masks = ((threshold, above(codes, threshold)) for threshold in task.thresholds)
            swept += [{**key, **row} for row in response(masks, square, task.rules)]
    return scored, swept


def _by_run(rows: Rows, runs: Sequence[Run]) -> "pd.DataFrame":
    """Rows in the order of the runs, then of the sources' names, then of the patients."""
    import pandas as pd

    order = {(one.method, one.seed): place for place, one in enumerate(runs)}
    kept = sorted(rows, key=lambda row: (order[row["method"], row["seed"]], row["source"]))
    return pd.DataFrame(kept)


def _write_aggregates(stage: "Stage", patients: "pd.DataFrame") -> None:
    """Means, comparisons and the challenge's scores."""
    import pandas as pd

    rules = stage.params["evaluation"]
    tolerances, bootstrap = rules["nsd_tolerances_mm"], rules["bootstrap"]
    write_csv(stage.output(SCORES / "means.csv"), means(patients, tolerances, bootstrap))
    for_use = stage.params["volumes"]["variants"]["text"]
    compared = comparisons(patients, for_use, tolerances, bootstrap)
    write_csv(stage.output(SCORES / "comparisons.csv"), compared)
    groups = fairness_groups(read_csv(stage.input(COHORT), ["patient"]))
    rows = []
    for key, own in patients.groupby(KEYS, sort=False):
        rows.append({**dict(zip(KEYS, key, strict=True)), **challenge_scores(own, groups)})
    write_csv(stage.output(SCORES / "mamamia.csv"), pd.DataFrame(rows))
