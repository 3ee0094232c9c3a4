"""The table of resources names stages that exist, and all that need a GPU."""

from pathlib import Path

from resources import NETWORK, THREADS, gpus, threads
from slurm.job_request import is_submitted

from textbcs.settings.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]
# It prints how the networks were trained, and runs none.
PRINTS_SETTINGS = {"report"}


def test_every_stage_that_chooses_a_device_asks_for_a_gpu() -> None:
    chooses = {
        name
        for name, stage in STAGES.items()
        if {"training", "training.device"} & set(stage.get("params", []))
    }
    assert set(NETWORK) == chooses - PRINTS_SETTINGS
    assert {name for name in STAGES if gpus(name, 1)} == set(NETWORK)
    assert not any(gpus(name, 0) for name in STAGES)


def test_stages_with_several_processes_are_those_that_use_the_pool() -> None:
    modules = (ROOT / "src/textbcs/stages").glob("*/*.py")
    pooled = {path.stem for path in modules if "textbcs.stage.pool" in path.read_text()}
    assert set(THREADS) == pooled
    assert all(threads(name) == THREADS.get(name, 1) for name in STAGES)


def test_what_runs_a_network_or_a_pool_is_a_job_of_slurm() -> None:
    assert {name for name in STAGES if is_submitted(name)} == {*NETWORK, *THREADS}
