"""What each option of the engines does, as docs/reference/engine_options.md says."""

import argparse
import ast
import inspect
import re
import shlex
from pathlib import Path

import engine_options
import pytest
from engine_options import REFUSED, check_options, forced, reads_only
from snakemake.cli import args_to_api, get_argument_parser, parse_args
from stale import Pipeline, StageFacts

from textbcs.base.io import InputError

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "--rerun-triggers mtime --rerun-incomplete --nolock"
# Modes that change files without running rules: they need the run lock as a run does.
CHANGING = {
    "delete_all_output", "delete_temp_output", "cleanup_metadata", "cleanup_shadow",
    "conda_cleanup_envs", "conda_create_envs_only", "container_cleanup_images",
}  # fmt: skip
# Values of those refused options that take one.
VALUES = {
    "config": "seeds=1", "configfile": "dvc.yaml", "consider_ancient": "train=0",
    "omit_flags": "ancient", "cache": "train", "export_cwl": "x.cwl",
    "default_storage_provider": "s3", "default_storage_prefix": "x", "shadow_prefix": "x",
    "software_deployment_method": "conda", "conda_prefix": "x", "conda_base_path": "x",
    "apptainer_prefix": "x", "apptainer_args": "x", "set_scatter": "split=2", "wrapper_prefix": "x",
    "draft_notebook": "x", "edit_notebook": "x", "allowed_rules": "train",
}  # fmt: skip


def options(line: str) -> argparse.Namespace:
    return parse_args(shlex.split(line))[1]


@pytest.fixture
def checkout(here: Path) -> Path:
    """A folder with a dvc.yaml."""
    (here / "dvc.yaml").touch()
    return here


@pytest.mark.parametrize(
    "line",
    ["-n", "--dag", "--rulegraph", "--filegraph", "--summary", "-D", "--list", "--lint", "--report r.html",
     "--list-untracked", "--unlock", "--d3dag", "--print-compilation", "--archive a.tar.gz",
     "--executor dryrun"],
)  # fmt: skip
def test_modes_that_look(line: str) -> None:
    assert reads_only(options(line))


@pytest.mark.parametrize(
    "line",
    ["--cores all", "--cores 1 all", "--cores 1 --forceall", "--delete-all-output --cores 1",
     "--cores 1 --report r.html --report-after-run"],
)  # fmt: skip
def test_modes_that_change(line: str) -> None:
    assert not reads_only(options(line))


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
    known = set(engine_options.READ_ONLY) | CHANGING
    assert modes - {"report_after_run"} | {"dryrun", "report"} == known


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--rerun-incomplete --nolock", r"rerun-triggers: \[mtime\]"),
        ("--rerun-triggers mtime params --rerun-incomplete --nolock", r"rerun-triggers: \[mtime\]"),
        ("--rerun-triggers mtime --nolock", "rerun-incomplete: true"),
        ("--rerun-triggers mtime --rerun-incomplete", "nolock: true"),
        (f"{SETTINGS} --executor touch", "--touch: it would bless"),
        (f"{SETTINGS} --shared-fs-usage none", "--shared-fs-usage"),
    ],
)
def test_settings_that_dvc_needs(checkout: Path, line: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_options(options(f"--cores 1 {line}"))


def test_settings_that_suffice(checkout: Path) -> None:
    check_options(options(f"--cores 1 {SETTINGS}"))
    check_options(options(f"{SETTINGS} -n"))


def test_another_folder_is_refused(here: Path) -> None:
    with pytest.raises(InputError, match=r"no dvc\.yaml"):
        check_options(options(f"--cores 1 {SETTINGS}"))


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_do_nothing_or_harm_is_refused_by_its_name(checkout: Path, name: str) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(InputError, match=f"^snakemake {flag}: ") as caught:
        check_options(options(f"--cores 1 {SETTINGS} {flag} {VALUES.get(name, '')}"))
    assert "\n" not in str(caught.value)


def test_what_a_profile_asks_for_is_refused_too(checkout: Path) -> None:
    (checkout / "mine").mkdir()
    (checkout / "mine/config.yaml").write_text("config: [seeds=1]\nuse-conda: true\n")
    with pytest.raises(InputError, match="^snakemake --config: "):
        check_options(options(f"--cores 1 {SETTINGS} --profile mine"))


def sections() -> dict[str, set[str]]:
    """The options that each part of the page names."""
    text = (ROOT / "docs/reference/engine_options.md").read_text()
    ours, dvc = text.split("## dvc repro")
    honoured, rest = ours.split("**They look")
    looks, refused = rest.split("**Refused.**")
    parts = {"honoured": honoured, "looks": looks, "refused": refused, "dvc": dvc}
    cells = {
        name: "\n".join(
            line.split("|")[1] if line.startswith("|") else line if name == "looks" else ""
            for line in part.splitlines()
        )
        for name, part in parts.items()
    }
    return {name: set(re.findall(r"`(--[\w-]+)`", cell)) for name, cell in cells.items()}


def test_the_page_names_every_option_of_snakemake_once_and_where_it_belongs() -> None:
    named = sections()
    parser = get_argument_parser()
    dests = {flag: one.dest for one in parser._actions for flag in one.option_strings}
    found = {
        part: {dests[flag] for flag in named[part]} for part in ("honoured", "looks", "refused")
    }
    assert found["refused"] == set(REFUSED)
    assert found["looks"] == set(engine_options.READ_ONLY) - {"report"}
    assert not found["honoured"] & (found["refused"] | found["looks"])
    assert set.union(*found.values()) == set(dests.values())


def test_the_page_names_every_option_of_dvc_repro() -> None:
    from dvc.cli.parser import get_main_parser

    parser = get_main_parser()
    commands = next(one for one in parser._actions if isinstance(one.choices, dict))
    assert commands.choices is not None
    repro = dict(commands.choices)["repro"]  # type: ignore[call-overload]
    shown = [one for one in repro._actions if one.help != argparse.SUPPRESS and one.option_strings]
    known = {max(one.option_strings, key=len) for one in shown}
    assert sections()["dvc"] == known


STAGES = Pipeline(
    {
        "a": StageFacts(("data/a",), frozenset(), (), frozenset()),
        "b@x-1": StageFacts(("b/x.bin", "b/x.json"), frozenset(), (), frozenset({"a"})),
        "b@y-1": StageFacts(("b/y.bin", "b/y.json"), frozenset(), (), frozenset({"a"})),
    }
)


@pytest.mark.parametrize(
    ("line", "addresses"),
    [
        ("", set()),
        ("--forceall", {"a", "b@x-1", "b@y-1"}),
        ("-R b", {"b@x-1", "b@y-1"}),
        ("--forcerun ./b/x.json", {"b@x-1"}),
        ("-R data/a/", {"a"}),
        ("-f b/y.bin", {"b@y-1"}),
        ("-f", {"b@x-1", "b@y-1"}),
        ("-R nothing", set()),
    ],
)
def test_stages_that_are_forced(line: str, addresses: set[str]) -> None:
    assert forced(options(f"--cores 1 {SETTINGS} {line}"), STAGES) == addresses


DEFINITION = """
stages:
  a: {cmd: echo a >> ran && cp x a.txt, deps: [x], outs: [a.txt]}
  b: {cmd: echo b >> ran && cp a.txt b.txt, deps: [a.txt], outs: [b.txt]}
  c: {cmd: echo c >> ran && echo c > c.txt, outs: [c.txt]}
"""


@pytest.fixture
def changed(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three stages, of which two are stale: the second reads the first."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(here / "site"))
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(here / "global"))
    (here / "dvc.yaml").write_text(DEFINITION)
    (here / "x").write_text("one")
    with Repo.init(".", no_scm=True) as repo:
        repo.reproduce()
    (here / "x").write_text("two")
    (here / "ran").unlink()
    return here


@pytest.mark.parametrize(
    ("line", "ran"),
    [
        ("a", "a"),
        ("--single-item b", ""),
        ("--single-item a", "a"),
        ("--downstream a", "ab"),
        ("--pipeline b", "ab"),
        ("--all-pipelines", "ab"),
        ("--recursive .", "ab"),
        ("--glob a*", "a"),
        ("--force", "abc"),
        ("--force b", "ab"),
        ("--force-downstream", "ab"),
        ("--no-run-cache", "ab"),
        ("--no-commit", "ab"),
        ("--allow-missing", "ab"),
        ("--keep-going", "ab"),
        ("--ignore-errors", "ab"),
        ("--interactive", ""),
        ("--dry", ""),
        ("--quiet", "ab"),
        ("--verbose", "ab"),
    ],
)
def test_dvc_repro(changed: Path, line: str, ran: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.cli import main
    from dvc.repo import Repo

    main(["repro", *shlex.split(line)])
    log = changed / "ran"
    assert (log.read_text().split() if log.exists() else []) == list(ran)
    with Repo(".") as repo:
        repo.reproduce()
        assert repo.status() == {}, "a plain run does what is left"
    assert (changed / "b.txt").read_text() == "two"
