"""Tab in bash, zsh and fish: the script is loaded and asked, as the shell does it."""

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from textbcs import cli
from textbcs.cli import main
from textbcs.commands.completion import SHELLS, Words, completion
from textbcs.settings.methods import method_names
from textbcs.settings.presets import preset_names

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    return tmp_path / "script"


def completions(script: Path, typed: str, cwd: Path = Path()) -> set[str]:
    """What Tab offers at the end of a line."""
    words = " ".join(f"'{word}'" for word in ["textbcs", *typed.split(" ")])
    ask = (
        f"source {script}\n"
        "name=$(complete -p textbcs | sed 's/.*-F \\([^ ]*\\) .*/\\1/')\n"
        f"COMP_WORDS=({words})\nCOMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n"
        '$name\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(
        ["bash", "--norc", "-c", ask], cwd=cwd, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return {word.strip() for word in done.stdout.split("\n")} - {""}


def test_commands_and_options(script: Path) -> None:
    assert {"init", "use", "audit", "completion"} <= completions(script, "")
    assert completions(script, "comp") == {"compare", "completion", "complexity"}
    assert completions(script, "audit v") == {"verify"}
    assert completions(script, "audit verify --d") == {"--deep"}
    assert completions(script, "completion ") == set(SHELLS)


def test_presets_methods_and_files(script: Path, tmp_path: Path) -> None:
    assert completions(script, "use ") == set(preset_names())
    assert completions(script, "use d") == {"duke"}
    assert completions(script, "complexity ") == set(method_names())
    assert completions(script, "complexity unet tr") == {"transunet"}
    (tmp_path / "presets").mkdir()
    (tmp_path / "presets/mine.yaml").touch()
    (tmp_path / "reports.csv").touch()
    assert completions(script, "use ", tmp_path) == {"mine"}
    assert completions(script, "prompts-report re", tmp_path) == {"reports.csv"}
    assert completions(script, "audit export pre", tmp_path) == {"presets"}


def test_tables_and_files_of_runs_to_trace(script: Path, tmp_path: Path) -> None:
    for name in (
        "reports/tables/table1.csv",
        "reports/tables/table1.md",
        "results/runs/unet-s1/model",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert completions(script, "audit trace t", tmp_path) == {"table1", "table1.md"}
    assert completions(script, "audit trace results/r", tmp_path) == {"results/runs/unet-s1/model"}


def test_revisions(script: Path, tmp_path: Path) -> None:
    git = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run([*git, "init", "-q", "-b", "work"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "a"], cwd=tmp_path, check=True)
    subprocess.run([*git, "tag", "paper"], cwd=tmp_path, check=True)
    assert completions(script, "audit diff ", tmp_path) == {"paper", "work"}
    assert completions(script, "audit diff work p", tmp_path) == {"paper"}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_one_of_its_shell(
    shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in ("prompts-report", "verify", method_names()[0]))
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(text)
    subprocess.run([program, "-n", str(tmp_path / "script")], check=True)


def test_words_are_printed_one_a_line() -> None:
    """Bash splits at blanks; for fish a line is a word."""
    found = [
        one.complete.command
        for words in _actions(cli._parser())
        for one in words
        if isinstance(getattr(one, "complete", None), Words)
    ]
    printed = []
    for command in found:
        done = subprocess.run(
            ["sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stderr == ""
        printed.append(done.stdout.splitlines())
        assert all(len(line.split()) == 1 for line in printed[-1]), command
    assert list(method_names()) in printed


def _actions(parser: argparse.ArgumentParser) -> Iterator[list[argparse.Action]]:
    yield parser._actions
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _actions(below)


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_offers_what_bash_does(tmp_path: Path) -> None:
    (tmp_path / "script").write_text(completion(cli._parser(), "fish"))

    def offered(typed: str) -> list[str]:
        ask = f"source {tmp_path}/script; complete -C 'textbcs {typed}'"
        done = subprocess.run(
            ["fish", "--no-config", "-c", ask],
            cwd=ROOT, env=os.environ | {"HOME": str(tmp_path)}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stderr == ""
        return sorted(line.split("\t")[0] for line in done.stdout.splitlines())

    assert offered("au") == ["audit"]
    assert offered("audit v") == ["verify"]
    assert offered("use d") == ["duke"]
    assert offered("complexity trans") == ["transunet"]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
@pytest.mark.parametrize("load", ["source {}", 'eval "$(cat {})"'])
def test_zsh_learns_it_without_a_word(load: str, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(completion(cli._parser(), "zsh"))
    begin = "autoload -Uz compinit && compinit -u -D"
    ask = f"{begin}; {load.format(tmp_path / 'script')}; print -- $_comps[textbcs]"
    done = subprocess.run(["zsh", "-fc", ask], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["_shtab_textbcs"], "")


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["completion", "cmd"])
    assert stopped.value.code == 2
    assert "bash" in capsys.readouterr().err
