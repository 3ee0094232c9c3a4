"""`textbcs package`: what it writes, and how it says what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest
from packed_runs import PARAMS, PLUS, finish_runs

from textbcs.base.io import InputError, sha256_file
from textbcs.cli import main
from textbcs.commands.use import package_run
from textbcs.commands.use.package_run import package_lines, run_of
from textbcs.package.reading import read_package
from textbcs.stage.receipt import Stage

RUN = f"{PLUS}-s1"


@pytest.fixture
def finished(stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    """A working folder where everything has run; of dvc.yaml only what trains the runs is known."""
    finish_runs(stage_in(PARAMS))
    Path("dvc.yaml").write_text(
        "stages:\n  train:\n    matrix: {method: [unet, lvit], seed: [1]}\n    cmd: x\n"
        '    outs: ["results/runs/${item.method}-s${item.seed}"]\n'
    )


def test_a_folder_and_a_zip_of_the_same_package(finished: None, tmp_path: Path) -> None:
    folder, zipped = package_lines(RUN, PARAMS, tmp_path / "out", zip=True)
    package = read_package(tmp_path / "out" / RUN)
    assert folder.startswith(f"{tmp_path}/out/{RUN}: ")
    assert folder.endswith(f"sha256 {package.sha256}")
    assert zipped == f"{tmp_path}/out/{RUN}.zip"
    assert read_package(Path(zipped)).sha256 == package.sha256
    first = sha256_file(zipped)
    list(package_lines(RUN, PARAMS, tmp_path / "out", zip=True))
    assert sha256_file(zipped) == first


def test_a_dry_run_lists_the_files_and_writes_nothing(finished: None) -> None:
    before = sorted(Path().rglob("*"))
    lines = list(package_lines(RUN, PARAMS, Path("packages"), zip=True, onnx=True, dry_run=True))
    assert sorted(Path().rglob("*")) == before
    assert [line for line in lines if line.endswith("  model.safetensors")]
    assert lines[-1].startswith(f"would write packages/{RUN}: {len(lines) - 1} files, ")


def test_what_lies_there_already_is_not_written_over(finished: None, tmp_path: Path) -> None:
    (tmp_path / "out" / RUN).mkdir(parents=True)
    (tmp_path / "out" / RUN / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is no package"):
        list(package_lines(RUN, PARAMS, tmp_path / "out"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("textbcs_plus-s2", r"no run 'textbcs_plus-s2'; did you mean 'textbcs_plus-s1'\?"),
        ("textbcs_plus", r"no run 'textbcs_plus'; did you mean 'textbcs_plus-s1'\?"),
        ("zebra", "no run 'zebra'; there are textbcs-s1, textbcs_plus-s1, "),
        ("../../etc", r"no run '\.\./\.\./etc'"),
        ("lvit-s1", r"results/runs/lvit-s1: is not trained yet; run snakemake --cores all"),
    ],
)
def test_a_run_that_is_not_there(finished: None, name: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        run_of(name, PARAMS)


def test_where_nothing_is_trained(finished: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package_run, "RUNS", Path("results/none"))
    with pytest.raises(InputError, match="no run 'x'; nothing is trained here"):
        run_of("x", PARAMS)


def test_typed_in_the_checkout(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["package", "zebra-s1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: results/runs: no run 'zebra-s1'")
    assert error.count("\n") == 1
