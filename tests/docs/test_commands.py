"""Every command of README.md and docs/: the quick ones run here, all others say where they run or why not.

A block of commands without a mark runs here, line by line, in a checkout of its own. A block with the mark
`run by tests/...` has commands that this test also types; `not run here: ...` gives the reason.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from pages import ROOT, Block, blocks, pages

BLOCKS = [block for page in pages() for block in blocks(page)]
SHELL = [block for block in BLOCKS if block.language == "sh"]
UNMARKED = [block for block in SHELL if not block.mark]
RUN_BY = [block for block in SHELL if block.mark.startswith("run by ")]
TEXTBCS = r"(\.venv/bin/)?textbcs "
# They take seconds, need no network and no finished run.
QUICK = re.compile(
    TEXTBCS + r"(check|estimate|compare|use \w+( --dry-run)?|complexity( \w+)*"
    r"|clean( --raw| --leftovers)? --dry-run|[\w -]*--help)"
)
# Set the scene, or are a person's.
SCENERY = ("git", "cd", "$EDITOR")
TYPIST = ROOT / "tests/helpers/checkout.py"
HERE = ("src", "presets", "workflow", "dvc.yaml")


def test_every_block_names_its_language() -> None:
    """Commands in a block without a language would escape the other tests."""
    known = {"sh", "yaml", "python", "text"}
    assert [
        f"{block.name} {block.language!r}" for block in BLOCKS if block.language not in known
    ] == []


def test_every_command_runs_here_or_says_where_it_does() -> None:
    wrong = [
        f"{block.name}: {command}"
        for block in UNMARKED
        for command in block.commands
        if not QUICK.fullmatch(command)
    ]
    assert wrong == [], "mark the block: <!-- not run here: why --> or <!-- run by tests/... -->"


def test_every_mark_is_one_of_the_two() -> None:
    pattern = r"not run here: \w.+|run by tests/[\w/.]+"
    assert [b.name for b in SHELL if b.mark and not re.fullmatch(pattern, b.mark)] == []


@pytest.mark.parametrize("block", RUN_BY, ids=lambda block: block.name)
def test_the_named_test_types_these_commands(block: Block) -> None:
    """Program and subcommands stand in the test, or in what types commands for all tests.

    A test that takes the page's blocks and runs them needs no words of its own.
    """
    path = ROOT / block.mark.removeprefix("run by ")
    assert path.exists(), block.mark
    files = [path] if path.is_file() else sorted(path.rglob("*.py"))
    text = "\n".join(file.read_text(encoding="utf-8") for file in [*files, TYPIST])
    if f'"{block.page}"' in text and "```sh" in text:
        return
    for command in block.commands:
        words = [word for word in command.split() if "=" not in word or word.startswith("-")]
        program = words[0].removeprefix(".venv/bin/")
        if program in SCENERY:
            continue
        for word in (program, *subcommands(program, words[1:])):
            assert re.search(rf"\b{re.escape(word)}\b", text), f"{path.name}: {word} of {command!r}"


def subcommands(program: str, words: list[str]) -> list[str]:
    """The words that say what a program does: up to two for `dvc exp`, `dvc plots`, `textbcs audit`."""
    plain = [word for word in words if re.fullmatch(r"[a-z][a-z-]*", word)]
    nested = plain[:1] in (
        ["exp"],
        ["plots"],
        ["metrics"],
        ["params"],
        ["remote"],
        ["audit"],
        ["track"],
    )
    return [] if program == "snakemake" else plain[: 2 if nested else 1]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The working files and the parameters of the default, without data and results."""
    for name in HERE:
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(ROOT / "reports", tmp_path / "reports")  # `use` moves those of another cohort
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    return tmp_path


@pytest.mark.parametrize("block", UNMARKED, ids=lambda block: block.name)
def test_quick_commands(block: Block, checkout: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    for command in block.commands:
        words = command.split()[1:]
        done = subprocess.run(
            [sys.executable, "-m", "textbcs.cli", *words],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert done.stdout.strip(), command
