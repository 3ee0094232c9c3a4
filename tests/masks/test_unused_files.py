"""Files that are no patient's mask: each listed with its reason, summed up, and the pattern that helps."""

from pathlib import Path

from textbcs.intake.folder_walk import LINKED
from textbcs.masks.mask_files import Named, match_files
from textbcs.masks.sources import Source
from textbcs.masks.unused_files import name_hints, summary, unused_files

PEOPLE = {name: Named((name,)) for name in ("a", "b", "c")}


def folders(place: Path) -> list:
    for name in ("one/a.nii", "one/b.nii", "two/a.nii", "two/c.nii", "x.nii", "one/z.nii"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(b"x")
    return [match_files(place / name, "{patient}", PEOPLE) for name in ("one", "two")]


def test_every_unused_file_is_listed(tmp_path: Path) -> None:
    found = unused_files(
        tmp_path,
        folders(tmp_path),
        {str(tmp_path / "one/a.nii")},
        {"b": "the patient is excluded: no pre", "c": "the mask is empty"},
    )
    assert dict(zip(found["file"], found["reason"], strict=True)) == {
        "one/b.nii": "the patient is excluded: no pre",
        "one/z.nii": "no patient of this name",
        "two/a.nii": "the patient has another mask",
        "two/c.nii": "the mask is empty",
        "x.nii": "in no folder of masks.sources",
    }
    assert list(summary(found)) == [
        "5 files are no mask of a patient: 1 in no folder of masks.sources, 1 no patient of this name, "
        "1 the mask is empty, 1 the patient has another mask, 1 the patient is excluded"
    ]
    assert list(summary(found.iloc[:0])) == []


def test_a_linked_folder_is_listed_with_its_reason(tmp_path: Path) -> None:
    made = folders(tmp_path / "masks")
    folders(tmp_path / "disk")
    (tmp_path / "masks/one/more").symlink_to(tmp_path / "disk/one")
    found = unused_files(tmp_path / "masks", made, set(), {})
    linked = found[found["file"].str.startswith("one/more/")]
    assert sorted(linked["file"]) == ["one/more/a.nii", "one/more/b.nii", "one/more/z.nii"]
    assert set(linked["reason"]) == {LINKED}


def test_the_pattern_that_helps_is_said_once(tmp_path: Path) -> None:
    for name in ("a", "b", "d"):
        (tmp_path / f"seg_{name}.nii.gz").write_bytes(b"x")
    files = match_files(tmp_path, "{patient}", PEOPLE)

    def nothing(_):
        return iter(())

    sources = [Source(nothing, str), Source(nothing, str, files=files)]
    assert name_hints(sources, ["a", "b", "c"]) == [
        f"3 of 3 patients have no file {{patient}} in {tmp_path}, but 2 files are called like "
        "'seg_{patient}': set names of masks.sources.1 to that"
    ]
