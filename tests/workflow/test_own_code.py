"""Attacks 201 to 210: the code that runs is that of the checkout, whatever lies about it."""

import hashlib
import json
import os
import py_compile
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

import pytest

PROBE = """
import json, multiprocessing, os, sys
from pathlib import Path
from textbcs import late

def main():
    from textbcs.stage.own_code import loaded_beside
    place = Path("src/textbcs/edited.py")
    before = place.read_bytes()
    place.write_text("VALUE = 'edited'\\n")
    from textbcs import edited
    place.write_bytes(before)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        other = pool.apply(late.where)
    print(json.dumps({
        "late": late.VALUE, "edited": edited.VALUE, "child": other, "path": sys.path,
        "flags": [sys.flags.optimize, sys.flags.no_user_site, sys.flags.safe_path],
        "customized": os.environ.get("CUSTOMIZED"), "loaded": loaded_beside({}),
    }))

if __name__ == "__main__":
    main()
"""
LATE = """
import sys
VALUE = {!r}
def where():
    return [VALUE, __file__, sys.modules[__name__].__spec__.loader.sha256, sys.flags.no_user_site]
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real launcher, and a package that says what it has loaded."""
    package = tmp_path / "src/textbcs"
    for name in (
        "__init__",
        "base/__init__",
        "base/kernels",
        "base/io",
        "stage/__init__",
        "stage/own_code",
        "stage/shadows",
    ):
        (package / f"{name}.py").parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"src/textbcs/{name}.py", package / f"{name}.py")
    (package / "stages").mkdir()
    (package / "stages/__init__.py").touch()
    (package / "stages/__main__.py").write_text(PROBE)
    (package / "late.py").write_text(LATE.format("one"))
    (package / "edited.py").write_text("VALUE = 'as committed'\n")
    (tmp_path / "workflow").mkdir()
    for name in ("stage", "own_code.py"):
        shutil.copy(f"workflow/{name}", tmp_path / "workflow" / name)
    return tmp_path


def started(checkout: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    """What the launcher does."""
    return subprocess.run(
        ["workflow/stage", "split"],
        cwd=checkout,
        env={"PATH": "/usr/bin:/bin", "TEXTBCS_PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def said(checkout: Path, **environment: str) -> dict[str, Any]:
    """What the package says when the launcher starts it."""
    done = started(checkout, **environment)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_only_the_checkouts_own_sources_run_here_and_in_other_processes(checkout: Path) -> None:
    answer = said(checkout)
    late = checkout / "src/textbcs/late.py"
    assert answer["child"] == ["one", str(late), sha256(late), 1]
    assert answer["flags"] == [0, 1, True]
    own = {path for path in answer["loaded"] if path.startswith(("src/", "workflow/"))}
    assert {"src/textbcs/late.py", "src/textbcs/base/io.py", "workflow/own_code.py"} <= own
    assert answer["loaded"]["src/textbcs/late.py"] == sha256(late)


def test_201_the_users_python_path_is_not_passed_on(checkout: Path) -> None:
    """A `sitecustomize.py`, or a numpy of a cluster's module, would come before everything else."""
    place = checkout / "mine"
    place.mkdir()
    (place / "sitecustomize.py").write_text("import os; os.environ['CUSTOMIZED'] = 'yes'\n")
    (place / "multiprocessing.py").write_text("raise SystemExit('another library')\n")
    answer = said(checkout, PYTHONPATH=str(place))
    assert answer["customized"] is None
    assert str(place) not in answer["path"]


def test_202_a_sitecustomize_among_the_sources(checkout: Path) -> None:
    (checkout / "src/sitecustomize.py").write_text("import os; os.environ['CUSTOMIZED'] = 'yes'\n")
    assert said(checkout)["customized"] is None


def test_203_the_users_own_packages(checkout: Path) -> None:
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = checkout / f"base/lib/{version}/site-packages"
    site.mkdir(parents=True)
    (site / "usercustomize.py").write_text("import os; os.environ['CUSTOMIZED'] = 'yes'\n")
    assert said(checkout, PYTHONUSERBASE=str(checkout / "base"))["customized"] is None


def edit_unseen(path: Path, old: str, new: str) -> None:
    """Edit a file and keep its size and time, as `git checkout` within a second can."""
    facts = path.stat()
    text = path.read_text()
    assert old in text
    assert len(old) == len(new)
    path.write_text(text.replace(old, new))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))


@pytest.mark.parametrize("where", ["beside", "prefix"])
def test_204_stale_byte_code(where: str, checkout: Path) -> None:
    late = checkout / "src/textbcs/late.py"
    environment = {}
    if where == "beside":
        py_compile.compile(str(late))
    else:
        environment["PYTHONPYCACHEPREFIX"] = str(checkout / "cache")
    assert said(checkout, **environment)["late"] == "one"
    edit_unseen(late, "one", "two")
    answer = said(checkout, **environment)
    assert (answer["late"], answer["child"][0]) == ("two", "two")
    assert answer["loaded"]["src/textbcs/late.py"] == sha256(late)


def test_205_a_file_that_was_edited_during_the_run_and_put_back(checkout: Path) -> None:
    answer = said(checkout)
    assert answer["edited"] == "edited"
    assert (checkout / "src/textbcs/edited.py").read_text() == "VALUE = 'as committed'\n"
    expected = hashlib.sha256(b"VALUE = 'edited'\n").hexdigest()
    assert answer["loaded"]["src/textbcs/edited.py"] == expected


def test_206_settings_of_python_that_change_what_runs(checkout: Path) -> None:
    assert said(checkout, PYTHONOPTIMIZE="2", PYTHONSAFEPATH="")["flags"] == [0, 1, True]


def test_207_kept_byte_code_that_is_damaged(checkout: Path) -> None:
    said(checkout)
    kept = [path for path in (checkout / ".cache/bytecode").rglob("*") if path.is_file()]
    assert len(kept) > 5
    for path in kept:
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    assert said(checkout)["late"] == "one"


def test_208_a_checkout_that_cannot_be_written_to_runs_all_the_same(checkout: Path) -> None:
    (checkout / ".cache").write_text("no folder")
    assert said(checkout)["late"] == "one"


@pytest.mark.parametrize("name", ["textbcs/late", "textbcs/__init__"])
def test_209_a_compiled_module_in_place_of_a_source(name: str, checkout: Path) -> None:
    path = checkout / f"src/{name}{EXTENSION_SUFFIXES[0]}"
    path.write_text("no library")
    done = started(checkout)
    assert done.returncode != 0
    assert f"{path.name}" in done.stderr
    assert "is compiled" in done.stderr


def test_210_a_folder_in_place_of_a_module(checkout: Path) -> None:
    write = checkout / "src/textbcs/base/io/__init__.py"
    write.parent.mkdir()
    write.write_text("raise SystemExit('it was loaded')\n")
    done = started(checkout)
    assert done.returncode == 2
    expected = "src/textbcs/base/io would come before src/textbcs/base/io.py"
    assert done.stderr == f"error: '{expected}'; look at git status, and delete it\n"
