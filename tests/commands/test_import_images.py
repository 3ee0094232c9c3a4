"""`textbcs import-images`; nibabel reads what was written, and knows nothing of this code."""

import csv
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from textbcs import cli

RANDOM = np.random.default_rng(7)


def image(folder: Path, name: str, shape: tuple[int, int], kind: type = np.uint8) -> np.ndarray:
    pixels = RANDOM.integers(1, np.iinfo(kind).max, shape).astype(kind)
    save(folder / name, pixels)
    return pixels


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def spot(shape: tuple[int, int], row: int, column: int) -> np.ndarray:
    mask = np.zeros(shape, np.uint8)
    mask[row : row + 3, column : column + 2] = 255
    return mask


def run(tmp_path: Path, *more: str) -> int:
    folders = [str(tmp_path / name) for name in ("images", "masks")]
    return cli.main(["import-images", *folders, "--out", str(tmp_path / "out"), *more])


def volume(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(slices, rows, columns) and the affine, which for columns to the left and rows to the back is
    diag(-s, -s, 1): NIfTI's axes are R, A, S."""
    read = nibabel.load(path)
    return np.asarray(read.dataobj).transpose(2, 1, 0), read.affine


def test_images_of_two_patients_become_volumes(tmp_path: Path, capsys) -> None:
    a1 = image(tmp_path / "images", "A_1.png", (10, 12), np.uint16)
    a2 = image(tmp_path / "images", "A_2.png", (6, 16), np.uint16)
    b = image(tmp_path / "images", "B (x)_1.png", (9, 9))
    for name, mask in (
        ("A_1.png", spot((10, 12), 1, 2)),
        ("A_2_mask.png", spot((6, 16), 2, 0)),
        ("A_2_mask_1.png", spot((6, 16), 0, 9)),
        ("B (x)_1.png", np.zeros((9, 9), np.uint8)),
    ):
        save(tmp_path / "masks" / name, mask)
    assert run(tmp_path, "--spacing", "0.25", "--patient", "^(.+)_") == 0
    printed = capsys.readouterr().out
    assert "holds 2 patients with 3 images (uint16 2, uint8 1)" in printed
    assert "several masks, which are united: 1" in printed
    assert "without a tumour: 1" in printed
    values, affine = volume(tmp_path / "out/images/A/image.nii.gz")
    np.testing.assert_allclose(affine, np.diag([-0.25, -0.25, 1, 1]))
    assert values.dtype == np.uint16
    assert values.shape == (2, 10, 16)
    np.testing.assert_array_equal(values[0, :, 2:14], a1)
    np.testing.assert_array_equal(values[1, 2:8], a2)
    least = min(a1.min(), a2.min())
    assert (values[0, :, :2] == least).all()
    assert (values[1, 8:] == least).all()
    mask, _ = volume(tmp_path / "out/masks/A.nii.gz")
    expected = np.zeros((2, 10, 16), np.uint8)
    expected[0, 1:4, 4:6] = 1
    expected[1, 4:7, 0:2] = expected[1, 2:5, 9:11] = 1
    np.testing.assert_array_equal(mask, expected)
    np.testing.assert_array_equal(volume(tmp_path / "out/images/B_x/image.nii.gz")[0][0], b)
    rows = list(csv.DictReader((tmp_path / "out/images.csv").open()))
    assert [(row["patient"], row["slice"], row["name"]) for row in rows] == [
        ("A", "1", "A_1"), ("A", "2", "A_2"), ("B_x", "1", "B (x)_1"),
    ]  # fmt: skip
    assert [row["inside_pixels"] for row in rows] == ["6", "12", "0"]
    assert (rows[1]["top"], rows[1]["left"]) == ("2", "0")


def test_equal_images_give_equal_bytes(tmp_path: Path) -> None:
    image(tmp_path / "images", "a.png", (8, 8))
    save(tmp_path / "masks/a.png", spot((8, 8), 1, 1))
    contents = []
    for name in ("one", "two"):
        assert cli.main(["import-images", str(tmp_path / "images"), str(tmp_path / "masks"),
                         "--out", str(tmp_path / name)]) == 0  # fmt: skip
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]
    assert len(contents[0]) == 3


def test_all_problems_are_named_and_nothing_is_written(tmp_path: Path, capsys) -> None:
    good = image(tmp_path / "images", "good.png", (8, 8))
    save(tmp_path / "masks/good.png", spot((8, 8), 1, 1))
    save(tmp_path / "images/constant.png", np.full((8, 8), 9, np.uint8))
    save(tmp_path / "masks/constant.png", np.full((8, 8), 255, np.uint8))
    image(tmp_path / "images", "size.png", (8, 8))
    save(tmp_path / "masks/size.png", spot((8, 7), 1, 1))
    (tmp_path / "images/cut.png").write_bytes((tmp_path / "images/good.png").read_bytes()[:60])
    save(tmp_path / "masks/cut.png", spot(good.shape, 1, 1))
    image(tmp_path / "images", "alone.png", (8, 8))
    assert run(tmp_path) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith(
        "error: 5 problems with images and masks, each on a line above; nothing"
    )
    for name, words in (
        ("images/constant.png", "the same value (9) everywhere"),
        ("masks/constant.png", "covers the whole image"),
        ("masks/size.png", "7 x 8 and 8 x 8 pixels of size.png do not agree"),
        ("images/cut.png", "no readable image"),
        ("images/alone.png", "has no mask"),
    ):
        assert [line for line in lines if line.startswith(f"{tmp_path / name}: ") and words in line]
    assert {path.name for path in tmp_path.iterdir()} == {"images", "masks"}


def test_one_patients_images_share_a_scale(tmp_path: Path, capsys) -> None:
    image(tmp_path / "images", "A_1.png", (8, 8))
    image(tmp_path / "images", "A_2.png", (8, 8), np.uint16)
    for name in ("A_1.png", "A_2.png"):
        save(tmp_path / "masks" / name, spot((8, 8), 1, 1))
    assert run(tmp_path, "--patient", "^(.)") == 2
    assert "patient A: images of the types uint16 and uint8" in capsys.readouterr().err
    assert run(tmp_path) == 0  # patients A_1 and A_2


def test_a_dry_run_and_an_existing_folder(tmp_path: Path, capsys) -> None:
    image(tmp_path / "images", "a.png", (8, 8))
    save(tmp_path / "masks/a.png", spot((8, 8), 1, 1))
    assert run(tmp_path, "--dry-run") == 0
    assert "would hold 1 patients" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert run(tmp_path) == 0
    before = (tmp_path / "out/images.csv").read_bytes()
    assert run(tmp_path) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "out/images.csv").read_bytes() == before


@pytest.mark.parametrize("killed", ["masks/b.nii.gz", "images.csv"])
def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch, killed: str) -> None:
    from textbcs.base import io

    for name in ("a.png", "b.png"):
        image(tmp_path / "images", name, (8, 8))
        save(tmp_path / "masks" / name, spot((8, 8), 1, 1))
    real = io.atomic

    def full(path: str | Path, durable: bool = True):
        if str(path).endswith(killed):
            raise OSError(28, "No space left on device", str(path))
        return real(path, durable)

    monkeypatch.setattr(io, "atomic", full)
    assert run(tmp_path) == 2
    assert {path.name for path in tmp_path.iterdir()} == {"images", "masks"}
