import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from textbcs import cli
from textbcs.base.io import InputError
from textbcs.settings.presets import preset_text
from textbcs.stage.definition import read_stages


def run(
    *arguments: str, cwd: Path | None = None, module: str = "textbcs.cli"
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=cwd, check=False
    )


def stage(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(*arguments, cwd=cwd, module="textbcs.stages")


def test_help_imports_nothing_heavy_and_names_no_stage() -> None:
    code = (
        "import sys; from textbcs import cli\n"
        "try: cli.main(['--help'])\nexcept SystemExit: pass\n"
        "assert not {'torch', 'pandas', 'numpy', 'dvc', 'snakemake'} & set(sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": "src"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    # Without the second lines of their descriptions, which stand further to the right.
    commands = re.findall(r"^ {4}([a-z][\w-]*)", found.stdout, re.MULTILINE)
    assert {"check", "use", "estimate", "complexity", "audit", "track"} <= set(commands)
    # One counts without a run; the others do for one run, or one study, what a stage does for all.
    assert set(commands) & set(read_stages()) == {"complexity", "package", "predict"}


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
    found = stage("split", cwd=project)
    fails_in_one_line(found, "training.schedule = 'onecicle'", "one of plateau")
    assert not (project / "data").exists()


def test_a_missing_input_is_one_line(project: Path) -> None:
    fails_in_one_line(stage("split", cwd=project), "data/cohort/patients.csv: file is missing")
    assert not (project / "data").exists()


def test_wrong_items_are_one_line(project: Path) -> None:
    fails_in_one_line(
        stage("train", "unet", cwd=project), "stage train takes METHOD SEED, not unet"
    )
    fails_in_one_line(
        stage("train", "segnet", "1", cwd=project), "method = 'segnet': allowed: unet, unetpp"
    )
    fails_in_one_line(
        stage("train", "unet", "99", cwd=project), "seed = '99': allowed: 1 (seeds of params.yaml)"
    )
    fails_in_one_line(stage("split", "unet", cwd=project), "stage split takes nothing, not unet")
    fails_in_one_line(stage("splot", cwd=project), "no stage 'splot'")
    assert stage(cwd=project).stderr.startswith("usage: workflow/stage NAME")
    assert not (project / "results").exists()


@pytest.mark.parametrize(
    "command", ["check", "use", "compare", "clean", "audit", "audit trace", "track ui"]
)
def test_every_command_says_what_it_does(command: str, capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main([*command.split(), "--help"])
    usage, description = capsys.readouterr().out.split("\n\n")[:2]
    assert usage.startswith("usage: textbcs")
    assert description.endswith(".")
    assert "ptions:" not in description


def test_use_names_the_presets_and_takes_no_path(project: Path) -> None:
    assert (
        "duke, fractions, own, own_first, phantom, tiny" in run("use", "--help", cwd=project).stdout
    )
    (project / "other.yaml").write_text((project / "params.yaml").read_text())
    fails_in_one_line(
        run("use", "../other", "--dry-run", cwd=project), "no preset '../other'", "allowed: duke"
    )
    fails_in_one_line(run("use", "./phantom", cwd=project), "no preset './phantom'")


def test_outside_of_a_checkout_the_advice_is_to_go_there(project: Path) -> None:
    (project / "params.yaml").unlink()
    fails_in_one_line(
        run("check", cwd=project), "run in the root of the checkout, or: textbcs use phantom"
    )
    (project / "presets").unlink()
    fails_in_one_line(
        run("use", "phantom", cwd=project), "presets/", "run in the root of the checkout"
    )


def test_a_missing_file_of_ones_own_is_made_by_no_stage(project: Path) -> None:
    fails_in_one_line(
        run("prompts-report", "nope.csv", cwd=project), "nope.csv: file is missing; no stage makes"
    )


def test_a_file_that_is_no_utf8_is_one_line(project: Path) -> None:
    (project / "params.yaml").write_bytes("# Müller\n".encode("latin-1"))
    fails_in_one_line(run("check", cwd=project), "params.yaml: not UTF-8", "save it as UTF-8")


def test_what_the_system_refuses_is_one_line(monkeypatch, capsys) -> None:
    def fail(_: object) -> None:
        Path("README.md/crate").mkdir()

    monkeypatch.setattr(cli, "_check", fail)
    assert cli.main(["check"]) == 2
    assert capsys.readouterr().err == "error: README.md/crate: Not a directory\n"


@pytest.mark.skipif(sys.platform == "win32", reason="a signal of Unix")
def test_a_reader_who_has_seen_enough_is_no_traceback() -> None:
    command = [sys.executable, "-m", "textbcs.cli", "use", "duke", "--dry-run"]
    environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command, stdout=writing, stderr=subprocess.PIPE, env=environment, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, b"")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("audit export x --limit -1", "--limit: '-1': a number from 0 to 1e+09"),
        ("audit export x --limit nan", "--limit: 'nan': a number"),
        ("audit verify --sample -3", "--sample: '-3': a whole number from 0"),
        ("track ui --port 99999999", "--port: '99999999': a whole number from 1 to 65535"),
        ("track ui --port a", "--port: 'a': a whole number"),
    ],
)
def test_numbers_have_ranges(command: str, words: str, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(command.split())
    assert stopped.value.code == 2
    assert words in capsys.readouterr().err


def test_an_estimate_prints_and_writes_nothing(project: Path) -> None:
    assert run("use", "duke", cwd=project).returncode == 0
    before = sorted(project.rglob("*"))
    found = run("estimate", cwd=project)
    assert (found.returncode, found.stderr) == (0, "")
    for words in ("922 patients", "921 series, 75.6 GB", "CC BY-NC 4.0", "10.7937/tcia.e3sv-re93"):
        assert words in found.stdout
    assert sorted(project.rglob("*")) == before
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace('"25.0.5"', '"24.0.0"'))
    fails_in_one_line(run("estimate", cwd=project), "installed is 25.0.5")


def test_use_switches_and_says_what_changed(project: Path) -> None:
    found = run("use", "tiny", cwd=project)
    assert found.returncode == 0
    assert "phantom.patients: 160 -> 14\n" in found.stdout
    assert (project / "params.yaml").read_text() == preset_text("tiny")
    fails_in_one_line(
        run("use", "nothing", cwd=project),
        "allowed: duke, fractions, own, own_first, phantom, tiny",
    )


def test_a_message_of_several_lines_is_shown_in_one(monkeypatch, capsys) -> None:
    def fail(_: object) -> None:
        raise InputError("a\n  b")

    monkeypatch.setattr(cli, "_check", fail)
    assert cli.main(["check"]) == 2
    assert capsys.readouterr().err == "error: a\\n  b\n"
