"""Kinds of files by content, then by name, on files that libraries wrote."""

import gzip
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from openpyxl import Workbook
from own_files import write_dicom
from PIL import Image

from textbcs.intake import file_kinds as kinds
from textbcs.intake.file_kinds import kind_of
from textbcs.intake.folder_walk import every_file


def write_files(folder: Path) -> dict[str, str]:
    """Files of all kinds, with what each is."""
    volume = nibabel.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4))
    nibabel.save(volume, folder / "v.nii.gz")
    nibabel.save(volume, folder / "v.nii")
    (folder / "no_suffix").write_bytes((folder / "v.nii").read_bytes())
    nibabel.save(nibabel.Nifti2Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), folder / "w.nii")
    (folder / "cut.nii.gz").write_bytes((folder / "v.nii.gz").read_bytes()[:30])
    (folder / "junk.nii").write_bytes(bytes(range(256)))
    (folder / "m.seg.nrrd").write_bytes(b"NRRD0004\n")
    book = Workbook()
    book.save(folder / "t.xlsx")
    (folder / "t.csv").write_text("a;b\n1;2\n")
    (folder / "LICENSE").write_text("frei für alle\n" * 99)
    (folder / "x.log.gz").write_bytes(gzip.compress(b"x"))
    with zipfile.ZipFile(folder / "x.zip", "w") as packed:
        packed.writestr("a", "b")
    Image.new("L", (4, 4)).save(folder / "p.png")
    Image.new("L", (4, 4)).save(folder / "p.jpg")
    Image.new("L", (4, 4)).save(folder / "p.tif")
    (folder / "d.pdf").write_bytes(b"%PDF-1.4 \xff")
    (folder / "empty").touch()
    write_dicom(folder / "IM1")
    (folder / "noise").write_bytes(b"\x81\x00\xfe" * 300)
    (folder / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (folder / "gone").symlink_to("nowhere")
    return {
        **dict.fromkeys(
            ("v.nii.gz", "v.nii", "no_suffix", "w.nii", "cut.nii.gz", "junk.nii"), kinds.NIFTI
        ),
        **{"m.seg.nrrd": kinds.NRRD, "t.xlsx": kinds.TABLE, "t.csv": kinds.TABLE},
        **{"LICENSE": kinds.TEXT, "x.log.gz": kinds.PACKED, "x.zip": kinds.PACKED},
        **dict.fromkeys(("p.png", "p.jpg", "p.tif"), kinds.PICTURE),
        **{"d.pdf": kinds.DOCUMENT, "empty": kinds.EMPTY, "IM1": kinds.DICOM},
        **{"noise": kinds.UNKNOWN, ".DS_Store": kinds.HIDDEN, "gone": kinds.LINK},
    }


def test_kinds(tmp_path: Path) -> None:
    expected = write_files(tmp_path)
    found = {one.path.name: kind_of(one, tmp_path) for one in every_file(tmp_path)}
    assert found == expected


@pytest.mark.parametrize("cut", range(505, 520))
def test_a_text_may_be_cut_within_a_character(cut: int, tmp_path: Path) -> None:
    text = ("x" * (cut - 505) + "ü" * 600).encode()
    assert kinds.by_content(text[:512], "notes") == kinds.TEXT
