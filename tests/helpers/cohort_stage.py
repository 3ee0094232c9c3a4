"""Parameters, stages and listed series for tests of a cohort; no fixture, so that any test may import it."""

import copy
from pathlib import Path
from typing import Any

from textbcs.archives.archive import Series
from textbcs.base.io import NONE
from textbcs.imaging.dicom import Header
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage

ROOT = Path(__file__).parents[2]
PATIENTS = 6


def small_params() -> dict[str, Any]:
    """The tiny preset with few patients and both phases."""
    params = copy.deepcopy(read_preset("tiny", ROOT / "presets"))
    params["cohort"]["phases"] = ["pre", "post1"]
    params["phantom"] |= {"patients": PATIENTS, "seed": 11, "slices": 10, "matrix": 48}
    return params


def make_stage(params: dict[str, Any], name: str = "probe") -> Stage:
    """A stage that may read and write below data/ of the working folder."""
    return Stage(
        Definition(name, (), ("data", params["cohort"]["index"]), ("data",)), params, [name]
    )


# Section `cohort` as far as the choice among listed series reads it.
COHORT: dict[str, Any] = {
    "kind": "folder",
    "source": "own",
    "licence": "none",
    "doi": "",
    "patients": [],
    "exclude": [],
    "visit": "first",
    "series": NONE,
    "phases": ["pre", "post1"],
    "descriptions": {"pre": "native", "post1": "min 1$"},
    "spacing_tolerance": 0.05,
}


def made_series(uid: str, description: str = "", **facts: Any) -> Series:
    """A series of patient P1 and of study 1.1, in frame of reference 1.9, unless `facts` say other."""
    fault, visit = facts.pop("fault", ""), facts.pop("visit", "")
    header = {
        "path": f"archive/{uid}",
        "size": 10,
        "patient": "P1",
        "study_uid": "1.1",
        "sop_uid": "",
        "modality": "MR",
        "series_number": 1,
        "instance_number": 0,
        "manufacturer": "",
        "patient_position": "",
        "tesla": "",
        "plane": None,
        "frame_of_reference": "1.9",
    } | facts
    first = Header(series_uid=uid, description=description, **header)
    return Series(first, 1, 10, visit=visit, fault=fault)
