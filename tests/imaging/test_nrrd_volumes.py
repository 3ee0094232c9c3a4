"""NRRD files: pynrrd's voxels at nibabel's places, or one line with the file's name."""

import bz2
import gzip
from functools import partial
from pathlib import Path

import nrrd
import numpy as np
import pytest
import refusals

from textbcs.imaging.nrrd_volumes import nrrd_phases, read_nrrd

DIRECTIONS = np.array([[0.8, 0.02, 0], [-0.02, 0.8, 0], [0, 0, 2.5]])  # a row for each axis
ORIGIN = np.array([-60.0, 50.0, 10.0])
SHAPE = (6, 5, 4)
VALUES = np.random.default_rng(5).integers(0, 900, SHAPE).astype(np.uint16)


def save(path: Path, values=VALUES, encoding: str = "gzip", **fields) -> Path:
    header = {
        "space": "left-posterior-superior",
        "space directions": DIRECTIONS,
        "space origin": ORIGIN,
        "encoding": encoding,
    }
    header.update({name.replace("_", " "): value for name, value in fields.items()})
    header = {name: value for name, value in header.items() if value is not None}
    nrrd.write(str(path), values, header)
    return path


def edited(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


outcome = partial(refusals.outcome, read_nrrd)
refusal = partial(refusals.refusal, read_nrrd)


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", "<u2", "<i4", "<f4", "<f8"])
def test_voxels_and_places(tmp_path, encoding, dtype) -> None:
    path = save(tmp_path / "a.nrrd", VALUES.astype(dtype), encoding)
    values, affine = read_nrrd(path)
    np.testing.assert_array_equal(values, VALUES.astype(dtype))
    np.testing.assert_allclose(affine[:3, :3], DIRECTIONS.T)
    np.testing.assert_allclose(affine[:3, 3], ORIGIN)


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("left-posterior-superior", (1, 1, 1)),
        ("LPS", (1, 1, 1)),
        ("right-anterior-superior", (-1, -1, 1)),
        ("RAS", (-1, -1, 1)),
        ("left-anterior-superior", (1, -1, 1)),
        ("Left-Anterior-Superior", (1, -1, 1)),
    ],
)
def test_spaces_come_out_as_lps(tmp_path, space, signs) -> None:
    _, affine = read_nrrd(save(tmp_path / "a.nrrd", space=space))
    np.testing.assert_allclose(affine[:3, 3], ORIGIN * signs)
    np.testing.assert_allclose(affine[:3, :3], np.diag(signs) @ DIRECTIONS.T)


@pytest.mark.parametrize(("unit", "factor"), [("mm", 1), ("m", 1000), ("um", 1e-3), ("cm", 10)])
def test_units_come_out_in_mm(tmp_path, unit, factor) -> None:
    path = save(
        tmp_path / "a.nrrd",
        space_units=[unit] * 3,
        space_directions=DIRECTIONS / factor,
        space_origin=ORIGIN / factor,
    )
    _, affine = read_nrrd(path)
    np.testing.assert_allclose(affine[:3, :3], DIRECTIONS.T, rtol=1e-9)
    np.testing.assert_allclose(affine[:3, 3], ORIGIN, rtol=1e-9)


@pytest.mark.parametrize("axis", [0, 3])
def test_several_volumes_along_a_list_or_time(tmp_path, axis) -> None:
    values = np.stack([VALUES + 1000 * n for n in range(3)], axis)
    nowhere = np.full((1, 3), np.nan)
    rows = [nowhere, DIRECTIONS] if axis == 0 else [DIRECTIONS, nowhere]
    kinds = ["list", *["domain"] * 3] if axis == 0 else [*["domain"] * 3, "time"]
    path = save(tmp_path / "a.nrrd", values, space_directions=np.vstack(rows), kinds=kinds)
    assert nrrd_phases(path) == 3
    for phase in (1, 2, 3):
        got, affine = read_nrrd(path, phase)
        np.testing.assert_array_equal(got, VALUES + 1000 * (phase - 1))
        np.testing.assert_allclose(affine[:3, :3], DIRECTIONS.T)
    assert "holds 3 volumes" in refusal(path)
    assert "no volume 4" in refusal(path, phase=4)


@pytest.mark.parametrize("field", [b"space", b"encoding", b"space units"])
def test_a_line_of_the_header_that_is_quoted_breaks_no_message(tmp_path, field) -> None:
    path = save(tmp_path / "a.nrrd", encoding="raw", space_units=["mm"] * 3)
    head, _, voxels = path.read_bytes().partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if not line.startswith(field + b": ")]
    value = b'"a\x85b" "c" "d"' if field == b"space units" else b"left\rright" + b"x" * 500
    path.write_bytes(b"\n".join([*lines, field + b": " + value]) + b"\n\n" + voxels)
    message = refusal(path)
    assert len(message.splitlines()) == 1
    assert len(message) < 400 + len(str(path))


def test_what_is_not_read_says_why(tmp_path) -> None:
    path = tmp_path / "a.nrrd"
    for fields, words in (
        ({"space": None, "space_directions": None, "space_origin": None}, "no space"),
        ({"space": "scanner-xyz"}, "space scanner-xyz"),
        ({"space_origin": None}, "no space origin"),
        ({"space_units": ["furlong"] * 3}, "space units furlong"),
        ({"space_directions": DIRECTIONS * 1000}, "cannot be"),
        ({"space_directions": DIRECTIONS[[0, 0, 2]]}, "one plane"),
        ({"encoding": "ascii"}, "encoding"),
        ({"old_min": 3.0}, "old min"),
    ):
        assert words in refusal(save(path, **fields))
    save(path, encoding="raw")
    head = b"encoding: raw"
    for new, words in (
        (b"encoding: hex", "encoding hex"),
        (head + b"\nbyte skip: 3", "byte skip"),
        (head + b"\nline skip: 1", "line skip"),
        (head + b"\ndata file: other.raw", "another file"),
        (head + b"\nencoding: raw", "Duplicate"),
        (head + b"\nnonsense", "no readable NRRD"),
    ):
        assert words in refusal(edited(save(path, encoding="raw"), head, new))
    assert "blocks" in refusal(edited(save(path, encoding="raw"), b"type: uint16", b"type: block"))
    assert "no readable" in refusal(
        edited(save(path, encoding="raw"), b"type: uint16", b"type: uint17")
    )
    colours = np.zeros((3, *SHAPE), np.uint8)
    rows = np.vstack([np.full((1, 3), np.nan), DIRECTIONS])
    kinds = ["RGB-color", *["domain"] * 3]
    assert "rgb-color" in refusal(save(path, colours, space_directions=rows, kinds=kinds))
    path.write_bytes(b"")
    assert "empty" in refusal(path)
    path.write_bytes(b"NRRD0004\ntype: uint8\n")
    assert "has no end" in refusal(path)
    path.write_bytes(b"<html>")
    assert "no NRRD file" in refusal(path)
    broken = VALUES.astype("<f4")
    broken[0, 0, 0] = np.nan
    assert "NaN" in refusal(save(path, broken))


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
def test_cut_and_grown_files_are_refused(tmp_path, encoding) -> None:
    path = save(tmp_path / "a.nrrd", encoding=encoding)
    content = path.read_bytes()
    for length in range(len(content) - 12, len(content)):
        path.write_bytes(content[:length])
        refusal(path)
    if encoding != "bzip2":  # after bzip2's own end nothing is read
        path.write_bytes(content + b"more")
        refusal(path)
    start = content.index(b"\n\n") + 2
    pack = {"raw": bytes, "gzip": gzip.compress, "bzip2": bz2.compress}[encoding]
    for voxels in (VALUES.tobytes("F")[:-1], VALUES.tobytes("F") + b"\0"):
        path.write_bytes(content[:start] + pack(voxels))
        refusal(path)


@pytest.mark.parametrize("encoding", ["gzip", "bzip2"])
def test_no_flipped_bit_of_packed_voxels_passes(tmp_path, encoding) -> None:
    path = save(tmp_path / "a.nrrd", VALUES[:3, :3, :2], encoding=encoding)
    content = path.read_bytes()
    start = content.index(b"\n\n") + 2
    refused = 0
    for bit in range(8 * start, 8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = outcome(path)
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
            refused += 1
        else:
            np.testing.assert_array_equal(found[0], VALUES[:3, :3, :2])
    assert refused > 8 * (len(content) - start - 10)


def test_flipped_bits_of_a_header_are_no_traceback(tmp_path) -> None:
    path = save(tmp_path / "a.nrrd", VALUES[:3, :3, :2])
    content = path.read_bytes()
    outcomes = set()
    for bit in range(0, 8 * content.index(b"\n\n"), 3):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = outcome(path)
        outcomes.add("refused" if isinstance(found, str) else "read")
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
            assert "\n" not in found
        else:
            assert found[0].size == 18
    assert outcomes == {"refused", "read"}
