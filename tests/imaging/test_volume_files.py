"""One entry for volumes and masks of every format."""

from functools import partial
from pathlib import Path

import nibabel as nib
import nrrd
import numpy as np
import pytest
import refusals

from textbcs.base.io import InputError
from textbcs.imaging.volume_files import not_read, phases, read_mask, read_volume, stem

LPS = np.diag([0.7, 0.8, 2.0, 1.0])
RAS = np.diag([-1.0, -1.0, 1.0, 1.0]) @ LPS
SHAPE = (5, 4, 3)
FIELDS = {"space": "LPS", "space directions": LPS[:3, :3], "space origin": [0, 0, 0]}
FOUR = {"space directions": np.vstack([np.full((1, 3), np.nan), LPS[:3, :3]])} | {
    "kinds": ["list", "domain", "domain", "domain"]
}


def blob(*corner: int) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[tuple(slice(start, start + 2) for start in corner)] = 1
    return mask


ONE, TWO = blob(0, 0, 0), blob(3, 2, 1)


def segment(number: int, name: str, value: int | None = None, layer: int | None = None) -> dict:
    made = {f"Segment{number}_ID": f"Segment_{number}", f"Segment{number}_Name": name}
    if value is not None:
        made |= {f"Segment{number}_LabelValue": str(value), f"Segment{number}_Layer": str(layer)}
    return made


def slicer(path: Path, values: np.ndarray, *segments: dict) -> Path:
    header = FIELDS | (FOUR if values.ndim == 4 else {})
    nrrd.write(str(path), values, {**header, **{k: v for one in segments for k, v in one.items()}})
    return path


refusal = partial(refusals.refusal, read_mask)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.nii", "a"),
        ("a.b.NII.GZ", "a.b"),
        ("a.nrrd", "a"),
        ("a.seg.nrrd", "a"),
        ("a.seg.NRRD", "a"),
        (".a.nrrd", None),
        ("a.nhdr", None),
        ("a.png", None),
        ("nrrd", None),
    ],
)
def test_stem(name, expected) -> None:
    assert stem(Path("x") / name) == expected


def test_names_of_volumes_that_are_never_read() -> None:
    assert "save both as one file .nrrd" in not_read(Path("a.nhdr"))
    assert "header" in not_read(Path("a.IMG"))
    for name in ("a.nii.gz", "a.nrrd", "a.txt"):
        assert not_read(Path(name)) == ""


def test_both_formats_give_the_same_volume(tmp_path) -> None:
    values = np.arange(60, dtype=np.int16).reshape(SHAPE)
    nib.save(nib.Nifti1Image(values, RAS), tmp_path / "a.nii.gz")
    nrrd.write(str(tmp_path / "a.nrrd"), values, FIELDS)
    for path in (tmp_path / "a.nii.gz", tmp_path / "a.nrrd"):
        got, affine = read_volume(path)
        np.testing.assert_array_equal(got, values)
        np.testing.assert_allclose(affine, LPS, atol=1e-6)
        assert phases(path) == 1
        np.testing.assert_array_equal(read_volume(path, 1)[0], values)


def test_masks_of_both_formats(tmp_path) -> None:
    both = 3 * ONE + 5 * TWO
    nib.save(nib.Nifti1Image(both, RAS), tmp_path / "a.nii.gz")
    nrrd.write(str(tmp_path / "a.nrrd"), both, FIELDS)
    for path in (tmp_path / "a.nii.gz", tmp_path / "a.nrrd"):
        assert "labels 3, 5" in refusal(path)
        for labels, expected in (("all", ONE | TWO), ([5], TWO), ([3, 5], ONE | TWO)):
            mask = read_mask(path, labels)
            np.testing.assert_array_equal(mask.array, expected.transpose(2, 1, 0))
            np.testing.assert_allclose(mask.affine, LPS, atol=1e-6)
    assert "use labels" in refusal(tmp_path / "a.nii.gz", segment="Tumor")
    assert "no segment 'Tumor' (it has none)" in refusal(tmp_path / "a.nrrd", segment="Tumor")


def test_a_mask_is_one_volume_of_labels(tmp_path) -> None:
    path = tmp_path / "a.nii.gz"
    nib.save(nib.Nifti1Image(np.stack([ONE, TWO], -1), RAS), path)
    assert "holds 2 volumes" in refusal(path)
    image = nib.Nifti1Image(ONE, RAS)
    image.header.set_intent("label")
    nib.save(image, path)
    np.testing.assert_array_equal(read_mask(path).array, ONE.transpose(2, 1, 0))
    rgb = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(rgb, RAS), path)
    assert "colour (RGB)" in refusal(path)
    bad = ONE.astype(np.float32)
    bad[0, 0, 0] = np.nan
    nib.save(nib.Nifti1Image(bad, RAS), path)
    assert "NaN" in refusal(path)


def test_segments_in_one_layer(tmp_path) -> None:
    values = 1 * ONE + 2 * TWO
    first, second = segment(0, "Tumor", 1, 0), segment(1, "node", 2, 0)
    path = slicer(tmp_path / "a.seg.nrrd", values, first, second)
    for choice, expected in (("node", TWO), (["Tumor", "node"], ONE | TWO)):
        got = read_mask(path, segment=choice)
        np.testing.assert_array_equal(got.array, expected.transpose(2, 1, 0))
        np.testing.assert_allclose(got.affine, LPS)
    np.testing.assert_array_equal(read_mask(path, [1]).array, ONE.transpose(2, 1, 0))
    np.testing.assert_array_equal(read_mask(path, "all").array, (ONE | TWO).transpose(2, 1, 0))
    assert "several segments ('Tumor', 'node'); name those that are tumour" in refusal(path)
    one = slicer(tmp_path / "one.seg.nrrd", ONE, segment(0, "Tumor", 1, 0))
    np.testing.assert_array_equal(read_mask(one).array, ONE.transpose(2, 1, 0))
    assert "has no segment 'Other' (it has 'Tumor', 'node')" in refusal(path, segment="Other")
    with pytest.raises(InputError, match="segmentation of 3D Slicer, no image"):
        read_volume(path)
    with pytest.raises(InputError, match="segmentation of 3D Slicer, no image"):
        phases(path)


def test_a_name_that_is_not_ascii(tmp_path) -> None:
    path = slicer(tmp_path / "a.seg.nrrd", ONE, segment(0, "Txmor", 1, 0))
    path.write_bytes(path.read_bytes().replace(b"Txmor", "Tümor".encode()))
    np.testing.assert_array_equal(read_mask(path, segment="Tümor").array, ONE.transpose(2, 1, 0))


def test_segments_in_several_layers(tmp_path) -> None:
    """Overlapping segments: each in a layer of its own, with the same value or another."""
    overlapping = ONE | blob(1, 1, 1)
    values = np.stack([ONE, 4 * overlapping])
    first, second = segment(0, "core", 1, 0), segment(1, "rim", 4, 1)
    path = slicer(tmp_path / "a.seg.nrrd", values, first, second)
    for choice, expected in (("core", ONE), ("rim", overlapping)):
        got = read_mask(path, segment=choice)
        np.testing.assert_array_equal(got.array, expected.transpose(2, 1, 0))
    np.testing.assert_array_equal(
        read_mask(path, "all").array, (ONE | overlapping).transpose(2, 1, 0)
    )
    assert "holds 2 layers" in refusal(path, [4])
    old = slicer(tmp_path / "old.seg.nrrd", np.stack([ONE, TWO]), segment(0, "a"), segment(1, "b"))
    np.testing.assert_array_equal(read_mask(old, segment="b").array, TWO.transpose(2, 1, 0))


def test_segments_that_contradict_the_voxels(tmp_path) -> None:
    path = slicer(tmp_path / "a.seg.nrrd", ONE + 7 * TWO, segment(0, "a", 1, 0))
    assert "labels 7 of no segment" in refusal(path)
    np.testing.assert_array_equal(read_mask(path, segment="a").array, ONE.transpose(2, 1, 0))
    path = slicer(tmp_path / "b.seg.nrrd", ONE, segment(0, "a", 1, 3))
    assert "layer 3 of 1" in refusal(path)
    path = slicer(tmp_path / "c.seg.nrrd", ONE, segment(0, "a") | {"Segment0_LabelValue": "one"})
    assert "no readable NRRD" in refusal(path)
