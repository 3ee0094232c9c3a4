"""An environment works after a rename, and in a copy it is the copy's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from environment import make_movable

SCRIPT = "import os, sys, here; print(here.__file__); print(os.environ['PATH'].split(':')[-1])\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout whose environment has a program and the package `here`, as pip writes both."""
    root = tmp_path / "first one"
    (root / "src").mkdir(parents=True)
    (root / "src/here.py").touch()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", root / ".venv"], check=True)
    packages = next((root / ".venv/lib").glob("python*/site-packages"))
    (packages / "__editable__.textbcs-0.1.0.pth").write_text(f"{root}/src\n")
    python = root / ".venv/bin/python"
    for name, head in (
        ("direct", f"#!{python}\n"),
        ("by_shell", f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\n"),
    ):
        (root / ".venv/bin" / name).write_text(head + SCRIPT)
        (root / ".venv/bin" / name).chmod(0o755)
    assert make_movable(root / ".venv", packages, root / "src")
    assert make_movable(root / ".venv", packages, root / "src") == [], "nothing is left to do"
    return root


def said(program: Path) -> list[str]:
    run = subprocess.run(
        [program], capture_output=True, text=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    return run.stdout.splitlines()


@pytest.mark.parametrize("name", ["direct", "by_shell"])
def test_after_a_rename_and_in_a_copy(checkout: Path, name: str) -> None:
    copied = checkout.with_name("a{b}c it's R&D")
    shutil.copytree(checkout, copied, symlinks=True)
    moved = checkout.rename(checkout.with_name("moved"))
    for root in (moved, copied):
        code, last = said(root / ".venv/bin" / name)
        assert code == str(root / "src/here.py")
        assert last == str(root / ".venv/bin"), "programs of the environment find each other"


def test_a_link_to_a_program(checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(checkout / ".venv/bin/direct")
    assert said(tmp_path / "link")[0] == str(checkout / "src/here.py")


def test_activated(checkout: Path) -> None:
    moved = checkout.rename(checkout.with_name("moved"))
    line = ". .venv/bin/activate && direct"
    run = subprocess.run(
        ["bash", "-c", line], cwd=moved, capture_output=True, text=True, check=True
    )
    assert run.stdout.splitlines()[0] == str(moved / "src/here.py")


def make(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """`make` as a person starts it: not as a part of the `make test` that runs these tests."""
    outer = ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES")
    own = {name: value for name, value in os.environ.items() if name not in outer}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=own, capture_output=True, text=True, check=False
    )


def test_plain_make_prints_the_list(tmp_path: Path) -> None:
    run = make()
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[1].startswith("make reproduce ")
    assert "snakemake --cores" not in run.stdout


def test_a_copy_without_tests_says_so_before_anything_is_made(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml", "workflow/environment.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(name, tmp_path / name)
    run = make("test", cwd=tmp_path)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("error: no tests in this folder")
    assert not (tmp_path / ".venv").exists()
