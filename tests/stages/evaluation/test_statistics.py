"""The stage on runs made by hand: it writes its tables, the same bytes each time."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from made_runs import BOOTSTRAP, CALIBRATED, PATIENTS, RULES, heat_map_facts, methods

from textbcs.base.io import read_csv, write_csv, write_json
from textbcs.evaluation.statistics.runs import Run
from textbcs.explain.summary import summary
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation.statistics import run as statistics


def write_inputs(runs: dict[str, list[Run]]) -> None:
    for own in runs.values():
        for run in own:
            write_csv(Path(f"results/evaluation/{run.name}/slices.csv"), run.slices)
            write_json(Path(f"results/uncertainty/{run.name}.json"), CALIBRATED)
    write_json(
        Path("results/uncertainty/ensemble.json"),
        {"unet": CALIBRATED | {"members": 5, "temperature": None, "dice_patient_mean": 0.9}},
    )
    sampled = CALIBRATED | {"temperature": None, "scaled": None, "dice_patient_mean": 0.8}
    write_json(
        Path("results/uncertainty/dropout.json"),
        {"dropout_unet": [sampled, sampled | {"dice_patient_mean": 0.6}]},
    )
    write_csv(Path("results/gradcam/slices.csv"), heat_map_facts())
    patients = [f"p{n:02d}" for n in range(PATIENTS)]
    series = {"series_uid": [f"1.{n}" for n in range(PATIENTS)], "instances": 24}
    write_csv(Path("data/cohort/series.csv"), pd.DataFrame(series))
    write_csv(
        Path("data/cohort/patients.csv"), pd.DataFrame({"patient": patients, "manufacturer": "GE"})
    )


def test_the_stage_writes_its_tables(stage_in: Callable[..., Stage]) -> None:
    params = {
        "evaluation": RULES | {"bootstrap": BOOTSTRAP | {"resamples": 99}},
        "tables": {"table1": ["unet", "textbcs"], "variants": ["own"], "for_use": []},
        "seeds": [1],
    }
    stage = stage_in(params)
    own = methods()
    write_inputs(own)
    other = {"own": own["middle"], "empty": own["unet"], "prior": own["middle"]}
    for name, (run,) in other.items():
        seed = 1 if name == "own" else 0
        write_csv(Path(f"results/evaluation/{name}-s{seed}/slices.csv"), run.slices)
    statistics(stage)
    folder = Path("results/statistics")
    sizes = {path.stem: len(read_csv(path)) for path in sorted(folder.iterdir())}
    assert sizes["comparisons"] == 3
    assert (sizes["ranks"], sizes["variance"]) == (12, 0)
    wanted = summary(heat_map_facts(), params["evaluation"]["bootstrap"])
    assert read_csv(folder / "gradcam.csv")["mean"].tolist() == pytest.approx(
        wanted["mean"].tolist()
    )
    trivial = read_csv(folder / "trivial.csv").set_index(["method", "trivial"])
    assert set(trivial.index) == {
        (m, t) for m in ("unet", "textbcs", "own") for t in ("empty", "prior")
    }
    assert trivial.loc[("textbcs", "empty"), "above"]
    assert trivial.loc[("unet", "empty"), "difference"] == 0
    assert sizes["subgroups"] == 2 * (2 + 3 + 2 + 1)
    table = read_csv(folder / "means.csv").set_index(["method", "measure"])
    assert table.loc[("unet", "ensemble_dice_patient_mean"), ["value", "seeds"]].tolist() == [
        0.9,
        5,
    ]
    assert ("textbcs", "ensemble_ece_image") not in table.index
    sampled = table.loc["dropout_unet"]
    assert all(name.startswith("sampled_") for name in sampled.index)
    assert sampled.loc["sampled_dice_patient_mean", ["value", "seeds"]].tolist() == [0.7, 2]
    assert sampled.loc["sampled_ece_image", "value"] == 0.1
    again = {path.name: path.read_bytes() for path in folder.iterdir()}
    statistics(stage)
    assert again == {path.name: path.read_bytes() for path in folder.iterdir()}
