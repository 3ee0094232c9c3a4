"""The device of params.yaml: what a receipt says of it, and what bfloat16 costs on a CPU."""

import copy
from types import SimpleNamespace

import pytest

from textbcs import kernels
from textbcs.device import open_device, slow_precision
from textbcs.params import read_yaml

PARAMS = read_yaml("presets/phantom.yaml")


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
    assert slow_precision(read_yaml(f"presets/{name}.yaml")) == ""


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
