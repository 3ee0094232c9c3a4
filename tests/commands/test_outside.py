"""The wheel away from a checkout: each command works, or says in one line what it needs."""

import argparse
import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import pytest
from wheel import install_wheel, textbcs, type_all

from textbcs import cli
from textbcs.settings.presets import read_preset
from textbcs.stages.evaluation.complexity import all_rows

# What is typed for an argument that has to be given; one without a line here gets `nothing`.
TYPED = {"preset": "tiny", "methods": "unet", "folder": "new", "shell": "bash"}
# Where a person may be, and there the commands that work.
ANYWHERE = {"complexity unet", "completion bash"}
PLACES = {
    "empty": ANYWHERE | {"init new"},
    "foreign": ANYWHERE | {"init new"},
    "foreign_params": ANYWHERE | {"init new"},
    "read_only": ANYWHERE,
    "copy_read_only": ANYWHERE | {"check", "clean"},
    "below_a_copy": ANYWHERE,
}
# Where no stage has run there is nothing to judge, and that is not clean.
NOT_CLEAN = {"audit verify", "audit seal"}


def typed_commands() -> list[list[str]]:
    """Every command of the command line with the arguments that it must have."""
    return [words for words in _leaves(cli._parser(), []) if words]


def _leaves(parser: argparse.ArgumentParser, words: list[str]) -> Iterator[list[str]]:
    typed, below = list(words), []
    for action in parser._get_positional_actions():
        if isinstance(action, argparse._SubParsersAction):
            below = [_leaves(one, [*words, name]) for name, one in action.choices.items()]
            if action.required:
                typed = []
        elif action.nargs != "?":
            typed.append(TYPED.get(action.dest, "nothing"))
    for action in parser._get_optional_actions():
        if action.required:
            typed += [action.option_strings[0], "new"]
    yield typed
    for leaves in below:
        yield from leaves


COMMANDS = typed_commands()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def copy(site: Path) -> Path:
    """A working copy that the wheel has made. Do not change it."""
    done = textbcs(site, site.parent, "init", "copy")
    assert (done.returncode, done.stderr) == (0, "")
    return site.parent / "copy"


def _place(name: str, copy: Path, root: Path) -> Path:
    """Make one of `PLACES`."""
    folder = root / name
    if name == "copy_read_only":
        shutil.copytree(copy, folder)
    else:
        folder.mkdir()
    if name.startswith("foreign"):
        subprocess.run(["git", "init", "-q", str(folder)], check=True)
        stages = {"train": {"cmd": "python train.py", "deps": ["train.py"]}}
        (folder / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    if name == "foreign_params":
        (folder / "params.yaml").write_text("learning_rate: 0.1\nmethods: [svm]\n")
    if "read_only" in name:
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o555 if path.is_dir() or path.name == "stage" else 0o444)
    if name == "below_a_copy":
        shutil.copytree(copy, folder / "copy")
        return folder / "copy/docs"
    return folder


@pytest.fixture(scope="module")
def found(
    site: Path, copy: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, dict[str, list]]]:
    """By place and command: exit code, output and errors."""
    root = tmp_path_factory.mktemp("places")
    places = {name: _place(name, copy, root) for name in PLACES}
    before = {name: _contents(places[name]) for name in PLACES}
    yield {name: type_all(site, places[name], COMMANDS) for name in PLACES}
    for name, folder in places.items():
        left = {path for path in _contents(folder) if path.parts[0] != "new"}
        assert left == before[name], f"{name}: something was written"
    for path in [root, *root.rglob("*")]:
        if path.is_dir():
            path.chmod(0o755)


def _contents(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*") if ".git" not in path.parts}


def test_the_list_has_every_command() -> None:
    typed = {" ".join(words) for words in COMMANDS}
    assert {
        "check",
        "use tiny",
        "audit export new",
        "track",
        "track ui",
        "completion bash",
    } <= typed
    assert "audit" not in typed


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("command", [" ".join(words) for words in COMMANDS])
def test_a_command_works_or_says_in_one_line_what_it_needs(
    command: str, place: str, found: dict[str, dict[str, list]]
) -> None:
    code, out, err = found[place][command]
    if place == "copy_read_only" and command in NOT_CLEAN:
        assert (code, err) == (1, "")
        assert "nothing to judge: no stage has a receipt here" in out
        return
    assert code in (0, 2), code
    if command in PLACES[place]:
        assert (code, err) == (0, "")
        assert out
        return
    if place == "copy_read_only" and code == 0:
        return
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    if command.startswith(("prompts-report", "prompts-leak")):
        assert "nothing: file is missing" in err
    elif command.startswith("audit check"):
        assert "nothing: no folder and no zip" in err
    elif command.startswith("import-images"):
        assert "nothing: no such folder" in err
    elif command.startswith(("predict", "serve", "evaluate")):
        assert "error: new: " in err
        assert "package" in err
    elif place == "below_a_copy" and not command.startswith("init"):
        assert "runs in the root of the working copy: cd /" in err
    elif not place.endswith("read_only") and not command.startswith("init"):
        assert (
            f"textbcs {command.removesuffix(' new').split(' nothing')[0]}".split(" tiny")[0] in err
        )
        assert err.endswith("this folder is none; cd to yours, or make one: textbcs init DIR\n")
    elif command == "init new":
        assert "new: cannot be written: Permission denied" in err or "lies in the working" in err


def test_complexity_counts_the_methods_that_the_wheel_carries(site: Path, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("methods: {}\n")
    done = textbcs(site, tmp_path, "complexity", "unet", "textbcs")
    assert json.loads(done.stdout) == all_rows(read_preset("phantom"), ["unet", "textbcs"])


REPORTS = """patient_id,slice,report
a,1,"There is a small round mass in the left breast."
b,2,"There is an irregular mass in the right breast that measures 30 x 20 mm."
c,3,"No mass."
"""


def test_reports_are_read_without_the_limits_of_size_classes(site: Path, tmp_path: Path) -> None:
    (tmp_path / "reports.csv").write_text(REPORTS)
    done = textbcs(site, tmp_path, "prompts-report", "reports.csv")
    assert (done.returncode, done.stderr) == (0, "")
    word, measured, none = csv.DictReader(StringIO(done.stdout))
    assert (word["location"], word["size"], word["problem"]) == ("left", "small", "")
    assert (measured["location"], measured["shape"], measured["size"]) == ("right", "irregular", "")
    assert "--thresholds" in measured["problem"]
    assert none["problem"] == "the report states no lesion"
    # An ellipse of 30 x 20 mm has 471 mm2.
    for small, medium, size in ((400, 470, "large"), (400, 480, "medium"), (472, 480, "small")):
        limits = {"small_up_to_mm2": small, "medium_up_to_mm2": medium}
        (tmp_path / "limits.json").write_text(json.dumps(limits))
        done = textbcs(
            site, tmp_path, "prompts-report", "reports.csv", "--thresholds", "limits.json"
        )
        assert list(csv.DictReader(StringIO(done.stdout)))[1]["size"] == size


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"small_up_to_mm2": 5, "medium_up_to_mm2": NaN}',
             '{"small_up_to_mm2": 5, "medium_up_to_mm2": 4}', "no JSON"]
)  # fmt: skip
def test_limits_that_are_none_are_one_line(site: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "reports.csv").write_text(REPORTS)
    (tmp_path / "limits.json").write_text(text)
    done = textbcs(site, tmp_path, "prompts-report", "reports.csv", "--thresholds", "limits.json")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: limits.json: ")


def test_the_wheel_makes_what_the_repository_holds(copy: Path) -> None:
    from wheel import SOURCE, repository_files

    made = {
        path.relative_to(copy).as_posix(): path
        for path in copy.rglob("*")
        if path.is_file() and path.relative_to(copy).parts[0] != ".git"
    }
    assert sorted(made) == repository_files()
    for name, path in made.items():
        kept = "presets/phantom.yaml" if name == "params.yaml" else name
        assert path.read_bytes() == (SOURCE / kept).read_bytes(), name
        assert bool(path.stat().st_mode & 0o111) == bool((SOURCE / name).stat().st_mode & 0o111)


def test_a_working_copy_runs_its_own_code(site: Path, copy: Path, tmp_path: Path) -> None:
    shutil.copytree(copy, tmp_path / "copy")
    helped = tmp_path / "copy/src/textbcs/commands/compare.py"
    helped.write_text("def compare_lines(_):\n    return ['of this copy']\n")
    assert textbcs(site, tmp_path / "copy", "compare").stdout == "of this copy\n"
    (tmp_path / "copy/.dvc").rename(tmp_path / "dvc")
    (tmp_path / "copy/ro-crate-metadata.json").write_text("{}")
    assert "of this copy" not in textbcs(site, tmp_path / "copy", "compare").stdout
