"""Which folders count as a working copy, and whose code runs there."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.settings.working_copy import (
    CRATE,
    is_export,
    is_working_copy,
    own_code,
    require_working_copy,
)


def write(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("stages: {a: {cmd: exec workflow/stage a}}\n")
    return folder


def test_what_counts_as_a_working_copy(tmp_path: Path) -> None:
    assert is_working_copy(write(tmp_path / "whole", "dvc.yaml", "workflow/stage"))
    assert is_working_copy(write(tmp_path / "damaged", "workflow/stage"))
    assert is_working_copy(write(tmp_path / "small", "dvc.yaml"))
    foreign = write(tmp_path / "foreign", "params.yaml")
    (foreign / "dvc.yaml").write_text("stages: {train: {cmd: python train.py}}\n")
    assert not is_working_copy(foreign)
    assert not is_working_copy(tmp_path / "nothing")


def test_an_export_is_none_but_a_repository_with_such_metadata_is(tmp_path: Path) -> None:
    export = write(tmp_path / "export", "dvc.yaml", CRATE)
    assert (is_export(export), is_working_copy(export)) == (True, False)
    published = write(tmp_path / "published", "dvc.yaml", CRATE, ".dvc/config")
    assert (is_export(published), is_working_copy(published)) == (False, True)


def test_the_root_is_named_to_who_stands_below_it(tmp_path: Path, monkeypatch) -> None:
    below = write(tmp_path / "a copy", "dvc.yaml", "docs/page") / "docs"
    monkeypatch.chdir(below)
    with pytest.raises(InputError, match=r"^textbcs check runs in .*: cd '.*/a copy'$"):
        require_working_copy("textbcs check")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"^textbcs check needs .*textbcs init DIR$"):
        require_working_copy("textbcs check")
    monkeypatch.chdir(tmp_path / "a copy")
    require_working_copy("textbcs check")


def test_a_working_copys_own_code_runs_and_an_exports_never(tmp_path: Path, monkeypatch) -> None:
    assert own_code() is None  # this checkout's own is running
    copy = write(tmp_path / "copy", "dvc.yaml", "src/textbcs/cli.py")
    monkeypatch.chdir(copy)
    assert own_code() == copy / "src"
    write(copy, CRATE)
    assert own_code() is None
    write(copy, ".dvc/config")
    assert own_code() is None
    monkeypatch.chdir(write(tmp_path / "other", "src/textbcs/cli.py"))
    assert own_code() is None
