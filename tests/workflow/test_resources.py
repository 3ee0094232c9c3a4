"""The table of resources names stages that exist, and all that need a GPU."""

from pathlib import Path

from resources import THREADS, gpus, on_device, threads
from slurm.job_request import is_submitted

from textbcs.settings.params import read_yaml

ROOT = Path(__file__).resolve().parents[2]
STAGES = read_yaml(ROOT / "dvc.yaml")["stages"]


def test_a_stage_that_computes_on_the_device_asks_for_a_gpu() -> None:
    """tests/stage/test_gpu.py holds these against the code."""
    asking = {name for name in STAGES if gpus(name, 1)}
    assert {"pretrain", "search", "train_use", "predict", "robustness", "gradcam"} < asking
    assert {"prompt_features", "volumes_image"} < asking
    assert not {"phantom", "complexity", "score", "report", "package"} & asking
    assert not any(gpus(name, 0) for name in STAGES)


def test_stages_with_several_processes_are_those_that_use_the_pool() -> None:
    modules = (ROOT / "src/textbcs/stages").glob("*/*.py")
    pooled = {path.stem for path in modules if "textbcs.stage.pool" in path.read_text()}
    assert set(THREADS) == pooled
    assert all(threads(name) == THREADS.get(name, 1) for name in STAGES)


def test_a_profile_names_only_rules_that_there_are() -> None:
    settings = read_yaml(ROOT / "profiles/default/config.yaml").get("set-resources", {})
    assert set(settings) <= set(STAGES)


def test_what_runs_a_network_or_a_pool_is_a_job_of_slurm() -> None:
    assert {name for name in STAGES if is_submitted(name)} == {*on_device(), *THREADS}
