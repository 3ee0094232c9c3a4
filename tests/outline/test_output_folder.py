"""A result is there whole or not at all, and takes no place of somebody else's files."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.outline.output_folder import check_target, fresh_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def result(folder: Path, text: str = "old") -> Path:
    folder.mkdir(parents=True)
    (folder / "summary.json").write_text(text)
    (folder / "extra.txt").write_text(text)
    return folder


@pytest.mark.parametrize("before", ["nothing", "empty", "result"])
def test_a_result_takes_its_place_whole(tmp_path: Path, before: str) -> None:
    out = tmp_path / "deep/out"
    if before == "empty":
        out.mkdir(parents=True)
    if before == "result":
        result(out)
    with fresh_folder(out, overwrite=True) as folder:
        assert folder.parent.parent == out.parent
        (folder / "summary.json").write_text("new")
        if before == "result":
            assert names(out) == {"summary.json", "extra.txt"}  # until the block has ended
    assert names(out) == {"summary.json"}
    assert (out / "summary.json").read_text() == "new"
    assert names(out.parent) == {"out"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_and_takes_nothing_away(
    tmp_path: Path, error: BaseException
) -> None:
    for out in (tmp_path / "a", result(tmp_path / "b")):
        with pytest.raises(type(error)), fresh_folder(out, overwrite=True) as folder:
            (folder / "mask.nii.gz").write_text("half")
            raise error
    assert names(tmp_path) == {"b"}
    assert (tmp_path / "b/summary.json").read_text() == "old"


def test_foreign_places_are_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/one.jpg").write_text("mine")
    (tmp_path / "link").symlink_to(result(tmp_path / "target"))
    for name, message in (
        ("file", "is no folder"),
        ("link", "is no folder"),
        ("photos", "holds other files than a result"),
    ):
        with pytest.raises(InputError, match=message):
            check_target(tmp_path / name, overwrite=True)
    with pytest.raises(InputError, match="add --overwrite"):
        check_target(tmp_path / "target", overwrite=False)
    check_target(tmp_path / "target", overwrite=True)


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match="holds a result"), fresh_folder(out, overwrite=False):
        result(out)
    assert (out / "summary.json").read_text() == "old"
    assert names(tmp_path) == {"out"}
