"""The parts of `make gpu-check` on the CPU, at a tiny size, and what it says without a GPU."""

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import gpu_check
import pytest
import torch
from gpu_hours import Slices, gpu_hours, images_a_second

from textbcs.settings.presets import read_preset
from textbcs.stage.definition import define_all

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
SIZES = Namespace(preset="tiny", device="cpu", size=64, batches=(2,), steps=2, rounds=1)


@pytest.fixture(scope="module")
def pieces() -> dict:
    return dict(gpu_check.parts(SIZES, minutes=1))


def test_every_network_and_precision_has_its_piece(pieces: dict) -> None:
    table = read_preset("tiny")["tables"]["table1"]
    loops = [f"loop {n} {p} 2" for n in ("unet", "textbcs") for p in ("float32", "bfloat16")]
    assert list(pieces) == [
        "contract",
        *loops,
        *["repeated unet", "repeated textbcs"],
        *[f"methods {name}" for name in table],
        *[f"compiled {name}" for name in table],
    ]


@pytest.mark.parametrize("name", ["loop textbcs bfloat16 2", "methods nnunet"])
def test_the_loop_is_held_against_the_bare_step(pieces: dict, name: str) -> None:
    row = pieces[name]()
    assert row["loop_images_per_s"] > 0
    assert 0.2 < row["ratio_median"] < 2
    assert (row["batch"], row["peak_memory_mb"]) == (2, None)


def test_two_runs_on_the_cpu_have_the_same_bytes(
    pieces: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pieces["repeated textbcs"]()["same_bytes"]
    seeds = iter((1, 2))
    drawn = torch.manual_seed
    monkeypatch.setattr(torch, "manual_seed", lambda _: drawn(next(seeds)))
    other = pieces["repeated unet"]()
    assert not other["same_bytes"]
    assert other["largest_difference"] > 0


def test_a_compiled_step(pieces: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    """tests/training/test_loop.py trains a compiled network; what is asked here is that it was compiled."""
    asked: list[torch.nn.Module] = []
    monkeypatch.setattr(torch, "compile", lambda model: asked.append(model) or model)
    row = pieces["compiled unet"]()
    assert len(asked) == 1
    assert row["first_step_s"] > 0
    assert row["images_per_s"] > 0


def test_the_networks_contract_is_run_by_its_tests(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    test = tmp_path / "test_device.py"
    test.write_text("import os\n\ndef test_it(): assert os.environ['TEXTBCS_TEST_DEVICE'] == 'x'\n")
    monkeypatch.setattr(gpu_check, "CONTRACT", str(test))
    assert gpu_check.contract("x", 1) | {"line": ""} == {"passed": True, "line": ""}
    assert not gpu_check.contract("y", 1)["passed"]


def test_what_fails_is_told_and_what_comes_too_late_is_named() -> None:
    def bad() -> dict:
        raise RuntimeError("no kernel\nfor this GPU")

    found = gpu_check.check(iter([("a", bad), ("b", lambda: {"x": 1})]), 1)
    assert found["a"]["failed"] == "RuntimeError: no kernel"
    assert found["b"]["x"] == 1
    assert gpu_check.check(iter([("c", bad)]), 0)["c"] == {"skipped": "the time was over"}


def test_hours_are_slices_over_speed() -> None:
    params = read_preset("duke")
    stages = define_all(params)
    chosen = {name: stages[name] for name in ("train@unet-1", "search@unet", "predict@unet-1")}
    hours = gpu_hours(chosen, params, Slices(900, 300, 200, 0), {"unet": 100.0})["hours"]
    assert hours["train"] == pytest.approx(2000 * (900 + 100) / 100 / 3600, abs=0.01)
    assert hours["search"] == pytest.approx(4 * 50 * (900 + 100) / 100 / 3600, abs=0.01)
    assert hours["predict"] == pytest.approx(21 * 500 / 3 / 100 / 3600, abs=0.01)


def test_operations_tell_the_speed(tmp_path: Path) -> None:
    """Ten teraflops do 3 x 40 giga operations, a step of a slice, 83 times a second."""
    (tmp_path / "table1.csv").write_text("method,flops_g\nunet,40.0\n")
    found = images_a_second(tmp_path / "table1.csv", teraflops=10)
    assert found == {"unet": pytest.approx(83.33, abs=0.01)}


def test_the_whole_of_duke_is_reckoned() -> None:
    found = {"methods unet": {"loop_images_per_s": 500.0}, "methods lvit": {"failed": "x"}}
    hours = gpu_check.projected(found, "duke", Slices(3000, 750, 750, 12000))
    assert hours is not None
    assert set(hours["hours"]) >= {"pretrain", "search", "train", "train_variant", "volumes_text"}
    assert hours["total"] == pytest.approx(sum(hours["hours"].values()), abs=0.2)
    assert gpu_check.projected({}, "duke", Slices(1, 1, 1, 1)) is None


def test_without_a_gpu_it_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / "gpu_check.py")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        "error: no CUDA device here: torch sees none; run it on a machine with a GPU"
    ]
