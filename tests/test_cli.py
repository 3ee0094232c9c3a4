import os
import subprocess
import sys
from pathlib import Path

import pytest

from textbcs import cli
from textbcs.io import InputError


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
    command = [sys.executable, "-m", "textbcs.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def test_help_names_every_stage_and_imports_nothing_heavy() -> None:
    code = (
        "import sys; from textbcs import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'pandas', 'numpy', 'dvc', 'snakemake'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": "src"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert set(cli.STAGES) <= set(found.stdout.split())


def test_check_says_that_the_parameters_are_valid() -> None:
    found = run("check")
    assert (found.returncode, found.stdout) == (0, "params.yaml is valid\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("dvc.yaml", "workflow", "presets"):
        (tmp_path / name).symlink_to(Path(name).resolve())
    (tmp_path / "params.yaml").write_text(Path("params.yaml").read_text())
    return tmp_path


def fails_in_one_line(found: subprocess.CompletedProcess[str], *words: str) -> None:
    assert found.returncode == 2
    assert found.stderr.startswith("error: ")
    assert found.stderr.count("\n") == 1
    assert all(word in found.stderr for word in words), found.stderr


def test_a_faulty_parameter_stops_a_stage_before_it_starts(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("schedule: onecycle", "schedule: onecicle"))
    fails_in_one_line(run("split", cwd=project), "training.schedule = 'onecicle'", "one of plateau")
    assert not (project / "data").exists()


def test_a_missing_input_is_one_line(project: Path) -> None:
    fails_in_one_line(run("split", cwd=project), "data/cohort/patients.csv: file is missing")
    assert not (project / "data").exists()


def test_wrong_items_are_one_line(project: Path) -> None:
    fails_in_one_line(run("train", "unet", cwd=project), "takes METHOD SEED, not unet")
    fails_in_one_line(run("train", "segnet", "1", cwd=project), "methods.segnet")


def test_a_dry_run_of_the_cohort_prints_and_writes_nothing(project: Path) -> None:
    assert run("use", "duke", cwd=project).returncode == 0
    before = sorted(project.rglob("*"))
    found = run("cohort", "--dry-run", cwd=project)
    assert (found.returncode, found.stderr) == (0, "")
    for words in ("922 patients", "921 series, 75.6 GB", "CC BY-NC 4.0", "10.7937/tcia.e3sv-re93"):
        assert words in found.stdout
    assert sorted(project.rglob("*")) == before
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace('"25.0.5"', '"24.0.0"'))
    fails_in_one_line(run("cohort", "--dry-run", cwd=project), "installed is 25.0.5")


def test_use_switches_and_says_what_changed(project: Path) -> None:
    found = run("use", "tiny", cwd=project)
    assert found.returncode == 0
    assert "phantom.patients: 160 -> 14\n" in found.stdout
    assert (project / "params.yaml").read_text() == Path("presets/tiny.yaml").read_text()
    fails_in_one_line(
        run("use", "nothing", cwd=project), "allowed: duke, fractions, own, phantom, tiny"
    )


def test_a_message_of_several_lines_is_folded(monkeypatch, capsys) -> None:
    def fail(_: object) -> None:
        raise InputError("a\n  b")

    monkeypatch.setattr(cli, "_check", fail)
    assert cli.main(["check"]) == 2
    assert capsys.readouterr().err == "error: a b\n"
