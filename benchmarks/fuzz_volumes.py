"""Trials of NIfTI and NRRD: as images of a cohort and as masks, against nibabel and pynrrd."""

import gzip
from collections.abc import Callable
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

import nibabel
import nrrd as pynrrd
import numpy as np
from fuzz_damage import check, check_equal, check_line, damaged, tried
from fuzz_dicom import COHORT, TOLERANCE
from numpy.random import Generator

from textbcs.archives.ledger import ledger
from textbcs.archives.nifti_folder import NiftiArchive
from textbcs.cohort.listing import choose_cohort
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_series
from textbcs.imaging.volume_files import phases, read_mask, read_volume
from textbcs.intake.series_uids import part_number

GOOD, OTHER = "anna", "berta"
_SHAPE = (7, 6, 5)
_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# LPS: voxels of 0.7 x 0.8 x 2.5 mm, tilted about the first axis.
_TURN = np.array([[1, 0, 0], [0, np.cos(0.1), -np.sin(0.1)], [0, np.sin(0.1), np.cos(0.1)]])
_AFFINE = np.block([[_TURN * [0.7, 0.8, 2.5], np.array([[-30.0], [-40], [-20]])], [0, 0, 0, 1]])
Reader = Callable[[Path], tuple[np.ndarray, np.ndarray]]


def nifti(folder: Path, rng: Generator) -> str:
    """Uncompressed NIfTI: nibabel's voxels and place of the damaged bytes."""
    mask = rng.random() < 0.3
    content = _header_changed(*_nifti(rng, mask), rng) if rng.random() < 0.4 else b""
    content = content or damaged(_nifti(rng, mask)[0], rng)
    return judge(folder, content, ".nii", mask, by_nibabel)


def nifti_gz(folder: Path, rng: Generator) -> str:
    """Compressed NIfTI: the undamaged voxels and place."""
    mask = rng.random() < 0.3
    whole = gzip.compress(_nifti(rng, mask)[0], mtime=0)
    (folder / "whole.nii.gz").write_bytes(whole)
    expected = by_nibabel(folder / "whole.nii.gz")
    return judge(folder, damaged(whole, rng), ".nii.gz", mask, lambda path: expected)


def nrrd(folder: Path, rng: Generator) -> str:
    """NRRD: pynrrd's voxels of the damaged bytes, and the place that its header states."""
    mask = rng.random() < 0.3
    content = nrrd_bytes(str(rng.choice(["raw", "gzip", "bzip2"])), mask, bool(rng.random() < 0.3))
    change = line_changed if rng.random() < 0.5 else damaged
    return judge(folder, change(content, rng), ".nrrd", mask, by_pynrrd)


def judge(folder: Path, content: bytes, suffix: str, mask: bool, reader: Reader) -> str:
    """Read a damaged file as what it is for."""
    if mask:
        path = folder / f"{OTHER}{suffix}"
        path.write_bytes(content)
        found, line = tried(lambda: read_mask(path, "all"), [str(path)])
        if found is not None:
            values, affine = reader(path)
            check_equal(found.array, (np.rint(values) != 0).transpose(2, 1, 0), "mask")
            check_equal(found.affine, affine, "affine", 1e-4)
        return line
    archive = folder / "archive"
    for name in (GOOD, OTHER):
        (archive / name).mkdir(parents=True)
    good = _nifti(np.random.default_rng(0), False)[0]
    (archive / GOOD / "image.nii").write_bytes(good)
    path = archive / OTHER / f"image{suffix}"
    path.write_bytes(content)
    return _judge_image(archive, path, reader)


def _judge_image(folder: Path, path: Path, reader: Reader) -> str:
    """List a folder with a damaged volume, then read what is listed."""
    cohort = COHORT | {"kind": "nifti", "archive": str(folder), "layout": "auto"}
    cohort |= {"descriptions": {"post1": "^image( 1)?$"}}
    archive = NiftiArchive({"cohort": cohort})
    listing = choose_cohort(found := archive.series(iter), cohort)
    check(len(ledger(archive, found, listing.left_out)) == 2, "a file is not counted")
    excluded = listing.patients.set_index("patient")["excluded"]
    check(excluded[GOOD] == "", f"the other patient: {excluded[GOOD]}")
    reason = str(excluded[OTHER])
    if reason:
        check_line(reason)
    own = [one for one in found if one.first.patient == OTHER]
    phase = part_number(own[0].first.series_uid)
    count, fault = tried(lambda: phases(path), [str(path)])
    check(count is None or count == len(own), "another number of phases than was listed")
    stack, line = tried(
        lambda: read_series([path], TOLERANCE, phase=phase), [str(path)], (SeriesError,)
    )
    raw, _ = tried(lambda: read_volume(path, phase or None), [str(path)])
    if stack is not None and raw is not None:
        values, affine = reader(path)
        values = values[..., max(phase - 1, 0)] if values.ndim == 4 else values
        check_equal(raw[0], values, "voxels")
        check_equal(raw[1], affine, "affine", 1e-4)
        turned = nibabel.Nifti1Image(values.astype(np.float64), _LPS @ affine)
        ornt = nibabel.orientations.ornt_transform(
            nibabel.io_orientation(turned.affine), nibabel.orientations.axcodes2ornt("LPS")
        )
        check_equal(
            stack.volume.array, turned.as_reoriented(ornt).get_fdata().transpose(2, 1, 0), "volume"
        )
    check(bool(reason) == bool(fault or line), f"listed as {reason!r}, read as {fault or line!r}")
    return reason


def by_nibabel(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values (i, j, k) or (i, j, k, t) and LPS affine in mm."""
    nibabel.imageglobals.logger.disabled = True  # it speaks of every field that it mends
    image: Any = nibabel.load(path)
    units = image.header.get_xyzt_units()[0]
    affine = image.affine.copy()
    affine[:3] *= {"meter": 1000.0, "micron": 0.001}.get(units, 1.0)
    values: Any = np.asarray(image.dataobj, np.float64)
    values = values.reshape(values.shape + (1,) * (3 - values.ndim))
    while values.ndim > 3 and values.shape[-1] == 1:
        values = values[..., 0]
    return values, _LPS @ affine


def by_pynrrd(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Values with the axes of space first, and the LPS affine in mm."""
    values, header = pynrrd.read(str(path))
    rows: list[Any] = [
        None if row is None else np.asarray(row, float) for row in header["space directions"]
    ]
    spatial = [n for n, row in enumerate(rows) if row is not None and np.isfinite(row).all()]
    others = [n for n in range(values.ndim) if n not in spatial]
    space = header["space"].lower().removesuffix("-time")
    space = {"lps": "left-posterior", "ras": "right-anterior", "las": "left-anterior"}.get(
        space.removesuffix("t") if len(space) < 5 else space, space
    )
    signs = [1 if "left" in space else -1, 1 if "posterior" in space else -1, 1]
    unit = (list(header.get("space units", ["mm"])) or ["mm"])[0].strip()
    scale = {"cm": 10.0, "m": 1000.0}.get(unit, 1e-3 if unit[:1] in "uµμ" and unit else 1.0)
    scale = 1e-3 if unit == "micron" else scale
    affine = np.eye(4)
    affine[:3, :3] = np.stack([rows[n] for n in spatial], axis=1)
    affine[:3, 3] = header["space origin"]
    affine[:3] *= np.asarray(signs)[:, None] * scale
    moved = values.transpose([*spatial, *others])
    return (moved[..., 0] if moved.ndim == 4 and moved.shape[3] == 1 else moved), affine


def _nifti(rng: Generator, mask: bool) -> tuple[bytes, Any]:
    """A file of one of several kinds, and its header."""
    return _nifti_of(int(rng.integers(5)) if not mask else 5 + int(rng.integers(2)))


@lru_cache
def _nifti_of(kind: int) -> tuple[bytes, Any]:
    rng = np.random.default_rng(kind)
    shape = (*_SHAPE, 2) if kind == 2 else _SHAPE
    values = rng.integers(0, 2 if kind > 4 else 900, shape)
    types = (np.int16, np.float32, np.uint16, np.uint8, np.float64, np.uint8, np.int16)
    affine = _LPS @ _AFFINE
    maker: Any = nibabel.Nifti2Image if kind == 4 else nibabel.Nifti1Image
    image = maker(values.astype(types[kind]), affine)
    image.header.set_xyzt_units("mm", "sec")
    if kind == 3:
        image.header.set_slope_inter(2.0, -3.0)
    if kind in (1, 6):
        image.set_qform(np.diag([*np.diag(affine)[:3], 1.0]), 1)
        image.set_sform(np.diag([*np.diag(affine)[:3], 1.0]), 1)
    return image.to_bytes(), image.header


def _header_changed(content: bytes, header: Any, rng: Generator) -> bytes:
    """A file with one or two fields of its header set to odd values."""
    kind = header.structarr.dtype
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 3))):
        field, place = kind.fields[str(rng.choice(kind.names))][:2]
        base, count = field.subdtype or (field, (1,))
        width, number = base.itemsize, int(rng.integers(int(np.prod(count))))
        start = place + number * width
        odd: bytes = rng.bytes(width)
        if base.kind == "f" and rng.random() < 0.8:
            value = rng.choice([0, -1, 1, 0.5, 1e-3, 1e3, 1e30, -1e30, np.nan, np.inf, -np.inf])
            odd = np.asarray(value).astype(base).tobytes()
        elif base.kind in "iu" and rng.random() < 0.8:
            limits = np.iinfo(base)
            values = [0, 1, 2, 3, 5, 7, 8, 16, 64, limits.max, limits.min, limits.max // 2]
            odd = np.asarray(values[int(rng.integers(len(values)))]).astype(base).tobytes()
        changed[start : start + width] = odd
    return bytes(changed)


@lru_cache
def nrrd_bytes(encoding: str, mask: bool, several: bool, segments: bool = False) -> bytes:
    """An NRRD file; with `segments`, one of 3D Slicer's segmentations."""
    rng = np.random.default_rng(9)
    shape = (2, *_SHAPE) if several and not mask else _SHAPE
    values = rng.integers(0, 3 if segments else 2 if mask else 900, shape)
    directions = _AFFINE[:3, :3].T.tolist()
    header: dict[str, Any] = {
        "space": "left-posterior-superior",
        "space directions": np.array([[np.nan] * 3, *directions][-len(shape) :]),
        "space origin": [-30.0, -40.0, -20.0],
        "kinds": ["list", "domain", "domain", "domain"][-len(shape) :],
        "encoding": encoding,
    }
    if segments:
        for number, name in enumerate(("Tumour", "Cyst")):
            header |= {
                f"Segment{number}_ID": f"S{number}",
                f"Segment{number}_Name": name,
                f"Segment{number}_LabelValue": str(number + 1),
                f"Segment{number}_Layer": "0",
            }
    kind: Any = np.uint8 if mask or segments else np.int16
    buffer = BytesIO()
    pynrrd.write(buffer, values.astype(kind), header)
    return _undated(buffer.getvalue())


def _undated(content: bytes) -> bytes:
    """The file without the time at which pynrrd wrote it, so that it is the same in every run."""
    head, _, body = content.partition(b"\n\n")
    return (
        b"\n".join(line for line in head.split(b"\n") if not line.startswith(b"#")) + b"\n\n" + body
    )


_ODD_TEXTS = (
    *("", "0", "-1", "1e999", "nan", "3 3 3", "999999999 999999999 2", "5 6 7", "(1,0,0)", "none"),
    *(
        "(nan,0,0) (0,1,0) (0,0,1)",
        "(1,0,0) (1,0,0) (0,0,1)",
        "hex",
        "raw",
        "gzip",
        "big",
        "little",
    ),
    *("float", "double", "uint8", "int64", "block", "RAS", "LAS", "scanner-xyz", "3", "4", "1"),
    *('"cm" "cm" "cm"', '"m" "m" "m"', "vector domain domain", "ä", "\x00", "1 2 3 4 5 6 7 8 9"),
)
_ODD_LINES = (
    *("byte skip: -1", "line skip: 3", "data file: ../other.raw", "endian: big", "old min: 1"),
    *('space units: "m" "m" "m"', "sizes: 2 2 2", "Segment0_LabelValue:=x", "no colon", ":="),
    *(
        "Segment0_Layer:=7",
        "space dimension: 3",
        "kinds: RGB-color",
        "centerings: cell",
        "# comment",
    ),
)


def line_changed(content: bytes, rng: Generator) -> bytes:
    """An NRRD whose header lacks a line, or has one twice, anew or with another value."""
    head, _, body = content.partition(b"\n\n")
    lines = head.decode("utf-8").split("\n")
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(1, len(lines)))
        name, mark, _ = lines[place].partition(":=" if ":=" in lines[place] else ": ")
        action = rng.random()
        if action < 0.2:
            del lines[place]
        elif action < 0.35:
            lines.insert(place, lines[int(rng.integers(1, len(lines)))])
        elif action < 0.5:
            lines.insert(place, str(rng.choice(_ODD_LINES)))
        else:
            lines[place] = name + mark + str(rng.choice(_ODD_TEXTS))
    return "\n".join(lines).encode() + b"\n\n" + body
