"""`textbcs prompts-leak` on tables and masks as people keep them."""

import shutil
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from textbcs.base.io import InputError
from textbcs.cli import main
from textbcs.commands.prompts_leak import leak_lines

SIDES = ("left", "right")
PATIENTS = [f"P{number:02}" for number in range(20)]
HEADER = "patient_id,slice,location,shape,size,number\n"


def side_of(patient: str) -> str:
    return SIDES[int(patient[1:]) % 2]


def square(side: str, shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    """A lesion of 8 x 8 pixels in the middle of the half with the higher columns (left) or lower."""
    mask = np.zeros(shape, np.uint8)
    middle = shape[1] * 3 // 4 if side == "left" else shape[1] // 4
    mask[16:24, middle - 4 : middle + 4] = 1
    return mask


def row(patient: str, number: str = "") -> str:
    return f"{patient},{number},{side_of(patient)},round,small,one\n"


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """A table with a row a slice, and pictures in the three ways of naming them."""
    folder, lines = tmp_path / "masks", HEADER
    for place, name in enumerate(PATIENTS):
        for number in (3, 4):
            file = folder / (f"{name}_{number:03}.png", f"{name}/{number}_mask.png")[place % 2]
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 * square(side_of(name))).save(file)
            lines += row(name, str(number))
    Image.fromarray(255 * square("left")).save(folder / "P20.png")
    (folder / "notes.txt").write_text("x")
    (tmp_path / "prompts.csv").write_text(lines + "P20,1,left,round,small,one\n")
    return tmp_path / "prompts.csv", folder


def test_pictures(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    lines = list(leak_lines(*pictures, tmp_path / "out.csv"))
    assert lines[0] == "41 slices of 21 patients"
    assert [line.split()[0] for line in lines[2:]] == ["all", *HEADER.strip().split(",")[2:]]
    assert lines[2].split() == ["all", "100.0", "%", "1.02", "of", "1.02"]
    table = pd.read_csv(tmp_path / "out.csv").set_index("attribute")
    assert table["prior_dice"]["location"] == 1
    # Without the side both squares are drawn: 2 * 64 / (128 + 64).
    assert table["prior_dice"]["shape"] == pytest.approx(2 / 3, abs=0.01)
    assert table["mutual_information_bits"]["size"] == 0


def test_what_is_not_read_is_said(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    table, folder = pictures
    assert not any("not read" in line for line in leak_lines(table, folder))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(folder / "P00_003.png", elsewhere / "P00_009.png")
    (folder / "more").symlink_to(elsewhere, target_is_directory=True)
    (folder / "gone.png").symlink_to(tmp_path / "nothing")
    told = list(leak_lines(table, folder))
    place = next(n for n, line in enumerate(told) if line.startswith("not read: 2 of the names"))
    assert told[place + 1] == "  gone.png: link that leads nowhere"
    assert told[place + 2].startswith("  more/P00_009.png: in a linked folder")


def volume(path: Path, name: str, upward: bool) -> None:
    """A mask with a lesion in the second slice of five, as it lies in the file; x rises to the right."""
    array = np.zeros((60, 40, 5), np.uint8)
    array[:, :, 1] = square(side_of(name)).T[::-1]
    affine = np.diag([1.0, -1.0, 3.0 if upward else -3.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(array, affine), path / f"{name}.nii.gz")


def test_volumes_in_which_each_row_speaks_for_a_patient(tmp_path: Path) -> None:
    for place, name in enumerate(PATIENTS):
        volume(tmp_path, name, upward=place % 3 > 0)
    path = tmp_path / "prompts.csv"
    path.write_text(HEADER + "".join(row(name) for name in PATIENTS))
    lines = list(leak_lines(path, tmp_path))
    assert lines[0] == "20 slices of 20 patients"
    assert "100.0 %" in lines[2]


def test_slices_of_volumes_are_numbered_as_in_the_file(tmp_path: Path) -> None:
    for place, name in enumerate(PATIENTS):
        volume(tmp_path, name, upward=place % 3 > 0)
    path = tmp_path / "prompts.csv"
    path.write_text(HEADER + "".join(row(name, "2") for name in PATIENTS[:-1]))
    lines = list(leak_lines(path, tmp_path))
    assert lines[0] == "19 slices of 19 patients"
    path.write_text(HEADER + "".join(row(name, "4") for name in PATIENTS))
    with pytest.raises(InputError, match=r"20 problems; the first: row 2: .* tumour-free"):
        list(leak_lines(path, tmp_path))


def test_two_masks_of_one_slice(pictures: tuple[Path, Path]) -> None:
    path, folder = pictures
    volume(folder, "P00", upward=True)
    with pytest.raises(InputError, match=r"masks: patient P00 slice 3 has two masks; keep one"):
        list(leak_lines(path, folder))


def test_what_took_no_part_is_said(pictures: tuple[Path, Path]) -> None:
    path, folder = pictures
    path.write_text("".join(line for line in path.open() if not line.startswith("P03,4,")))
    lines = list(leak_lines(path, folder))
    assert lines[0] == "40 slices of 21 patients"
    assert lines[-2:] == [
        "left out: 1 slices with a mask and without a prompt",
        "  patient P03 slice 4 has no row",
    ]


def test_it_is_a_command_that_works_anywhere(
    pictures: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prompts-leak", "prompts.csv", "--masks", "masks"]) in (0, None)
    assert "bits about the mask" in capsys.readouterr().out
    assert main(["prompts-leak", "prompts.csv", "--masks", "other"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_faults_are_one_line(pictures: tuple[Path, Path]) -> None:
    path, folder = pictures
    whole = path.read_text()
    for text, words in (
        (whole.replace("P02,3,left", "P02,3,leff"), r"1 problem; the first: row 6: .*'left'"),
        (whole.replace("P02,3,", "P02,9,"), r"1 problem; the first: row 6: .* not cut"),
        (whole + "P99,1,left,round,small,one\n", r"1 problem; the first: row 43: .*P99"),
        (HEADER + row("P00", "3"), "fewer than two patients have prompts and masks"),
        ("patient,text\n", "columns must hold|has no column"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=words) as error:
            list(leak_lines(path, folder))
        assert "\n" not in str(error.value)
