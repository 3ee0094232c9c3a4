"""`python -m textbcs.stages` with wrong words, or in a wrong place: one line that says what to do."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.stage.definition import read_stages
from textbcs.stages.__main__ import main
from textbcs.stages.modules import module_names, module_of


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("", "usage: workflow/stage NAME [ITEM...]"),
        ("--help", "error: dvc.yaml: no stage '--help'; it has phantom, cohort,"),
        ("evaluate unet 1", "error: dvc.yaml: no stage 'evaluate'; it has phantom, cohort,"),
        ("train unet", "error: stage train takes METHOD SEED, not unet"),
        ("split 1", "error: stage split takes nothing, not 1"),
        ("train nobody 1", "error: stage train: method = 'nobody': allowed: unet,"),
    ],
)
def test_wrong_words(words: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == 1


def test_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["split"]) == 2
    said = capsys.readouterr().err
    assert "run in the root of the checkout" in said
    assert said.count("\n") == 1


def test_every_stage_has_its_module_and_every_module_its_stage() -> None:
    assert set(module_names()) == set(read_stages())
    with pytest.raises(InputError, match="stage mine has no module; write src/textbcs/stages/"):
        module_of("mine")
