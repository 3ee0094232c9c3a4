from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.commands.image_folders import Found, pair_up, plain_name


def files(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def told(found: Found) -> dict[str, tuple[str, list[str]]]:
    return {pair.name: (pair.patient, [mask.name for mask in pair.masks]) for pair in found.pairs}


def test_the_names_of_the_ultrasound_collection(tmp_path: Path) -> None:
    """BUSI: masks beside the images, several of one image, names with blanks and brackets."""
    busi = files(
        tmp_path,
        "benign/benign (2).png",
        "benign/benign (2)_mask.png",
        "benign/benign (2)_mask_1.png",
        "benign/benign (10).png",
        "benign/benign (10)_mask.png",
        "malignant/malignant (1).png",
        "malignant/malignant (1)_mask.png",
        "Thumbs.db",
    )
    found = pair_up(busi, busi)
    assert not found.problems
    assert dict(found.ignored) == {".db": 1}
    assert told(found) == {
        "benign/benign (2)": (
            "benign_benign_2",
            ["benign (2)_mask.png", "benign (2)_mask_1.png"],
        ),
        "benign/benign (10)": ("benign_benign_10", ["benign (10)_mask.png"]),
        "malignant/malignant (1)": ("malignant_malignant_1", ["malignant (1)_mask.png"]),
    }
    assert list(told(found))[:2] == ["benign/benign (2)", "benign/benign (10)"]


def test_several_images_of_a_patient_and_masks_of_equal_name(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "P1_cc.png", "P1_mlo.tif", "P2_cc.JPG")
    masks = files(tmp_path / "m", "P1_cc.png", "P1_mlo.png", "P2_cc.bmp")
    found = pair_up(images, masks, patient="^([^_]+)_")
    assert not found.problems
    assert [(pair.patient, pair.name) for pair in found.pairs] == [
        ("P1", "P1_cc"),
        ("P1", "P1_mlo"),
        ("P2", "P2_cc"),
    ]


def test_other_names_of_masks(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "a.png")
    masks = files(tmp_path / "m", "seg-a.png")
    assert told(pair_up(images, masks, mask_names="seg-(.+)")) == {"a": ("a", ["seg-a.png"])}


def test_every_problem_is_named(tmp_path: Path) -> None:
    images = files(
        tmp_path / "i", "a.png", "b.png", "b.jpg", "c d.png", "c_d.png", "lonely.png", "(.png"
    )
    masks = files(tmp_path / "m", "a.png", "b.png", "c d.png", "c_d.png", "x_mask.png", "(.png")
    found = pair_up(images, masks)
    assert sorted(problem.removeprefix(f"{tmp_path}/") for problem in found.problems) == [
        "i/(.png: --patient finds no patient in '('",
        "i/b.jpg: b.jpg and b.png have one name; remove one",
        "i/lonely.png: has no mask",
        "m/x_mask.png: mask of no image, by its name of 'x'",
        "patients 'c d', 'c_d' would all be called c_d; rename one",
    ]


def test_names_that_differ_in_case_alone_are_one(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "P1.png", "p1.png")
    masks = files(tmp_path / "m", "P1.png", "p1.png")
    assert len(pair_up(images, masks).problems) == 1


def test_a_link_to_a_folder_is_followed_once(tmp_path: Path) -> None:
    images = files(tmp_path / "i", "a.png")
    masks = files(tmp_path / "m", "a.png")
    (tmp_path / "links").mkdir()
    (tmp_path / "links/one").symlink_to(images)
    (images / "round").symlink_to(tmp_path / "i")
    (tmp_path / "linked_masks").mkdir()
    (tmp_path / "linked_masks/one").symlink_to(masks)
    assert told(pair_up(tmp_path / "links", tmp_path / "linked_masks")) == {
        "one/a": ("one_a", ["a.png"])
    }


@pytest.mark.parametrize(
    ("name", "plain"),
    [("benign (1)", "benign_1"), ("Müller 3", "M_ller_3"), ("a-b.c_d", "a-b.c_d"), ("..", "")],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize("pattern", ["(", "abc", "(a)(b)"])
def test_a_pattern_needs_one_group(tmp_path: Path, pattern: str) -> None:
    folder = files(tmp_path / "i", "a.png")
    with pytest.raises(InputError, match="--patient"):
        pair_up(folder, folder, patient=pattern)
    with pytest.raises(InputError, match="--mask-names"):
        pair_up(folder, folder, mask_names=pattern)


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere: no such folder"):
        pair_up(tmp_path / "nowhere", tmp_path)
    with pytest.raises(InputError, match="holds no image"):
        pair_up(tmp_path, tmp_path)
