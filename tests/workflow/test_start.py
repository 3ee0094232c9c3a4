"""Options: which invocations only look, and which are refused."""

import argparse
import ast
import inspect
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import locks
import pytest
import start
from snakemake.cli import args_to_api, parse_args

from textbcs.base.io import InputError

# Modes that change files without running rules: they need the run lock as a run does.
CHANGING = {
    "delete_all_output", "delete_temp_output", "cleanup_metadata", "cleanup_shadow",
    "conda_cleanup_envs", "conda_create_envs_only", "container_cleanup_images",
}  # fmt: skip


def options(line: str) -> argparse.Namespace:
    return parse_args(shlex.split(line))[1]


@pytest.mark.parametrize(
    "line",
    ["-n", "--dag", "--rulegraph", "--filegraph", "--summary", "-D", "--list", "--lint", "--report r.html",
     "--list-untracked", "--unlock", "--d3dag", "--print-compilation", "--archive a.tar.gz"],
)  # fmt: skip
def test_modes_that_look(line: str) -> None:
    assert start.reads_only(options(line))


@pytest.mark.parametrize(
    "line",
    ["--cores all", "--cores 1 all", "--cores 1 --forceall", "--delete-all-output --cores 1",
     "--cores 1 --report r.html --report-after-run"],
)  # fmt: skip
def test_modes_that_change(line: str) -> None:
    assert not start.reads_only(options(line))


def test_every_mode_of_this_snakemake_is_known() -> None:
    """Snakemake's own dispatcher is the oracle: a new version's new mode has to be sorted by hand."""
    dispatcher = ast.parse(inspect.getsource(args_to_api))
    modes = set()
    for branch in (node for node in ast.walk(dispatcher) if isinstance(node, ast.If)):
        first = ast.unparse(branch.body[0])
        if re.search(r"(workflow|dag)_api\.(?!dag\()\w+\(", first) and "\n" not in first:
            modes |= set(re.findall(r"args\.(\w+)", ast.unparse(branch.test)))
    assert {"summary", "rulegraph", "unlock", "delete_all_output"} <= modes, (
        "it is written otherwise now"
    )
    # `-n` and `--touch` are executors there; `--report` hides behind its plugin.
    assert modes - {"report_after_run"} | {"dryrun", "report"} == set(start.READ_ONLY) | CHANGING


SETTINGS = "--rerun-triggers mtime --rerun-incomplete --nolock"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--rerun-incomplete --nolock", r"rerun-triggers: \[mtime\]"),
        ("--rerun-triggers mtime params --rerun-incomplete --nolock", r"rerun-triggers: \[mtime\]"),
        ("--rerun-triggers mtime --nolock", "rerun-incomplete: true"),
        ("--rerun-triggers mtime --rerun-incomplete", "nolock: true"),
        (f"{SETTINGS} --touch", "bless"),
    ],
)
def test_settings_that_dvc_needs(here: Path, line: str, message: str) -> None:
    (here / "dvc.yaml").touch()
    with pytest.raises(InputError, match=message):
        start.check_options(options(f"--cores 1 {line}"))


def test_settings_that_suffice(here: Path) -> None:
    (here / "dvc.yaml").touch()
    start.check_options(options(f"--cores 1 {SETTINGS}"))


def test_another_folder_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc\.yaml"):
        start.check_options(options(f"--cores 1 {SETTINGS}"))


def fake_squeue(folder: Path, lines: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program = folder / "squeue"
    program.write_text('#!/bin/sh\necho > "$0.asked"\ncat <<END\n' + "\n".join(lines) + "\nEND\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_cluster_jobs_of_a_killed_run_are_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_squeue(here, [f"11 {here}", "12 /elsewhere", f"13 {here}"], monkeypatch)
    with pytest.raises(locks.BusyError, match="Slurm jobs 11 13 .* scancel 11 13"):
        start.refuse_running_cluster_jobs()


def test_other_peoples_cluster_jobs_do_not_matter(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_squeue(here, ["12 /elsewhere"], monkeypatch)
    start.refuse_running_cluster_jobs()
    assert (here / "squeue.asked").exists()  # it was read, and did not stop the start


TRAIN = """
stages:
  train: {matrix: {seed: "${seeds}"}, cmd: x, outs: ["results/runs/s${item.seed}"]}
"""


def test_leftovers_go_and_are_named_in_one_line(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "dvc.yaml").write_text(TRAIN)
    for seed in (1, 2, 3):
        (here / f"results/runs/s{seed}").mkdir(parents=True)
    (here / "results/runs/notes.txt").touch()
    assert start.remove_leftovers({"seeds": [1]})
    said = capsys.readouterr().err
    assert said.startswith(
        "removed what no stage writes with these parameters: results/runs/s2 and 1 more"
    )
    assert said.count("\n") == 1
    assert sorted(path.name for path in (here / "results/runs").iterdir()) == ["notes.txt", "s1"]
    assert not start.remove_leftovers({"seeds": [1]})
    assert capsys.readouterr().err == ""
