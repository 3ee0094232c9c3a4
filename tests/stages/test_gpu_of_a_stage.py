"""What a started stage sees of the GPUs, and what its run information says; the GPUs are names."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from textbcs.base.io import read_json, write_text
from textbcs.settings.presets import preset_text
from textbcs.stage import gpu
from textbcs.stages import __main__ as started

STAGES = """stages:
  learn:
    cmd: exec workflow/stage learn
    params: [training]
    deps: [src/textbcs/models/common]
    outs: [learn.txt, results/receipts/learn.json]
  count:
    cmd: exec workflow/stage count
    params: [slices]
    deps: [src/textbcs/models/common]
    outs: [count.txt, results/receipts/count.json]
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a stage that writes which GPUs it sees; returns that, and which its run information names."""
    presets = Path("presets").absolute()

    def module(name: str) -> SimpleNamespace:
        def work(stage) -> None:
            write_text(stage.output(f"{name}.txt"), repr(os.environ[gpu.VISIBLE]))

        return SimpleNamespace(run=work)

    def of(name: str, device: str) -> tuple[str, str | None]:
        text = preset_text("phantom", presets)
        write_text("params.yaml", text.replace("device: cpu", f"device: {device}", 1))
        assert started.main([name]) == 0
        return Path(f"{name}.txt").read_text(), read_json(f"results/runinfo/{name}.json")["gpu"]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(gpu.VISIBLE, "5")
    monkeypatch.setattr(gpu.allocate, "__defaults__", (tmp_path / "locks",))
    monkeypatch.setattr(started, "module_of", module)
    write_text("dvc.yaml", STAGES)
    return of


def test_a_stage_on_the_gpu_names_it(run) -> None:
    assert run("learn", "cuda") == ("'5'", "5")


@pytest.mark.parametrize(("name", "device"), [("learn", "cpu"), ("count", "cuda")])
def test_what_needs_no_gpu_sees_none(name: str, device: str, run) -> None:
    assert run(name, device) == ("''", None)
