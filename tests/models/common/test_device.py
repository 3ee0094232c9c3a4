"""The device of params.yaml: what a receipt says of it, and what bfloat16 costs on a CPU."""

import copy
from types import SimpleNamespace

import pytest

from textbcs.base import kernels
from textbcs.models.common.device import open_device, slow_precision
from textbcs.settings.presets import read_preset

PARAMS = read_preset("phantom")


def changed(section: dict, **values) -> dict:
    params = copy.deepcopy(PARAMS)
    node = params
    for name in section["at"]:
        node = node.setdefault(name, {})
    node |= values
    return params


def test_the_receipt_names_the_kernels_and_no_machine() -> None:
    stage = SimpleNamespace(device="")
    assert open_device(stage, "cpu").type == "cpu"
    assert stage.device == kernels.device() == f"cpu {kernels.label()}"


@pytest.mark.parametrize("name", ["phantom", "own", "fractions", "tiny", "duke"])
def test_no_preset_is_slow(name: str) -> None:
    assert slow_precision(read_preset(name)) == ""


@pytest.mark.parametrize(
    "at",
    [
        ("training",),
        ("methods", "lvit", "training"),
        ("variants", "ablation_svli", "training"),
    ],
)
def test_bfloat16_on_the_cpu_is_one_line_that_names_the_setting(at: tuple[str, ...]) -> None:
    line = slow_precision(changed({"at": at}, precision="bfloat16"))
    assert f"{'.'.join(at)}.precision" in line
    assert "set " in line
    assert "float32" in line
    assert "\n" not in line


def test_on_a_gpu_bfloat16_is_no_matter() -> None:
    assert slow_precision(changed({"at": ("training",)}, precision="bfloat16", device="cuda")) == ""


def test_a_training_stage_says_what_bfloat16_costs_too() -> None:
    """Its own parameters are enough: under plain `dvc repro` nobody else says so."""
    own = {
        "training": {"device": "cpu", "precision": "bfloat16"},
        "methods": {"unet": {"network": {}, "training": {}}},
    }
    assert slow_precision(own).startswith("training.precision = bfloat16")
    own["training"]["precision"] = "float32"
    assert slow_precision(own) == ""
