"""A run of MLflow, as plain values, from a receipt and its outputs. Knows nothing of MLflow's code.

One experiment a phase, one run a receipt; its name is the stage's address. Two trees with the same
receipts, run information and outputs give equal runs, in whatever order the stages ran.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from textbcs.base.io import canonical_json
from textbcs.lineage.tracking.measures import Point, measures
from textbcs.lineage.tracking.sources import Source
from textbcs.stage.run_information import WATCHED
from textbcs.stages.modules import module_names

# The folder of a stage's module -> phase.
PHASES = {
    "data": "data",
    "train": "training",
    "predict": "evaluation",
    "evaluation": "evaluation",
    "reporting": "reports",
    "volumes": "evaluation",
}
# What comes before training has a phase for each stage, named after it but for these.
BEFORE_TRAINING, NAMED = "training", {"pretrain": "pretraining"}
OTHER = "other"  # a stage of another version
# The first word of a variant's name -> the phase of its training; variants of other names are VARIANTS.
FAMILIES = {"ablation": "ablation", "evidence": "sweep", "alignment": "sweep"}
VARIANTS = "variants"
LONGEST = 500  # characters of a parameter; MLflow shows no more of it at a glance


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes:
        experiment: its phase.
        name: the stage's address.
        params: by dotted name, as text.
        metrics: (name, value, step).
        tags: by name.
        artifacts: paths of pictures and tables that are copied to it.
        started: milliseconds since 1970, as `ended`; 1 where no run information is here.
        ended: as `started`.
    """

    experiment: str
    name: str
    params: Mapping[str, str]
    metrics: tuple[Point, ...]
    tags: Mapping[str, str]
    artifacts: tuple[str, ...]
    started: int
    ended: int


def describe(source: Source) -> Run:
    """The run of one source.

    Raises:
        InputError: an output cannot be read.
    """
    paths = [item.path for item in source.files]
    runinfo = source.runinfo
    seconds = runinfo.get("cpu_seconds")
    cost: list[Point] = [] if seconds is None else [("cpu_seconds", float(seconds), 0)]
    return Run(
        experiment=phase_of(source.receipt.stage, source.receipt.argv),
        name=source.receipt.address,
        params={_name(key): _text(value) for key, value in sorted(source.receipt.params.items())},
        metrics=tuple(
            (_name(name), value, step) for name, value, step in [*measures(paths), *cost]
        ),
        tags=tags_of(source),
        artifacts=tuple(path for path in paths if path.startswith("reports/")),
        started=_milliseconds(runinfo.get("started")),
        ended=_milliseconds(runinfo.get("ended")),
    )


def phase_of(stage: str, argv: tuple[str, ...]) -> str:
    """The experiment that a stage belongs to; `argv` are its name and its matrix values."""
    if stage == "train_use":
        return VARIANTS
    if stage == "train_variant" and len(argv) > 1:
        return FAMILIES.get(argv[1].partition("_")[0], VARIANTS)
    folder = _folders().get(stage, "")
    return NAMED.get(stage, stage) if folder == BEFORE_TRAINING else PHASES.get(folder, OTHER)


@cache
def _folders() -> Mapping[str, str]:
    """The folder of each stage's module in `textbcs.stages`."""
    return {stage: module.split(".")[-2] for stage, module in module_names().items()}


def tags_of(source: Source) -> dict[str, str]:
    """What people filter by; what is not known is not there."""
    receipt, runinfo = source.receipt, source.runinfo
    uncommitted = runinfo.get("uncommitted")
    method = receipt.argv[1] if len(receipt.argv) > 1 else None
    known = {
        "stage": receipt.stage,
        "receipt": source.sha256,
        "key": source.key,
        "commit": runinfo.get("commit"),
        "mlflow.source.git.commit": runinfo.get("commit"),
        "mlflow.source.name": receipt.address,
        # Which of the files that make a result differed from the commit.
        "uncommitted": None if uncommitted is None else ", ".join(uncommitted) or "nothing",
        "seed": receipt.seed,
        "method": method,
        "cohort": source.cohort,
        "device": receipt.device,
        "environment": receipt.environment.get(WATCHED[-1]),
        "left_out": ", ".join(source.left_out) or None,
    }
    return {name: str(value)[:LONGEST] for name, value in known.items() if value is not None}


def _milliseconds(text: Any) -> int:
    try:
        return int(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except ValueError:
        return 1  # MLflow would put the present for 0


def _name(text: str) -> str:
    """A name that MLflow takes: letters, digits, and `_-. :/`."""
    return re.sub(r"[^\w\-. :/]", "_", text)[:250]


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else canonical_json(value)
    return text[:LONGEST]
