"""NIfTI files: nibabel's voxels or one line with the file's name, never anything else."""

import contextlib
import gzip
from functools import partial
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import refusals

from textbcs.base.io import InputError
from textbcs.imaging.nifti import nifti_phases, read_nifti

AFFINE = np.array([[-0.8, 0.02, 0, 60], [0.02, 0.8, 0, -50], [0, 0, 2.5, 10], [0, 0, 0, 1.0]])
SHAPE = (12, 9, 5)


def volume(dtype="<i2", shape=SHAPE) -> np.ndarray:
    values = np.random.default_rng(3).integers(0, 120, shape)
    return values.astype(dtype)


def save(path: Path, values=None, affine=AFFINE, change=None, maker=nib.Nifti1Image) -> Path:
    """A file by nibabel; `change` edits the header's raw fields after all else is set."""
    values = volume() if values is None else values
    image = maker(values, affine, dtype=values.dtype)
    image.header.set_xyzt_units("mm")
    content = bytearray(image.to_bytes())
    if change is not None:
        size = 348 if maker is nib.Nifti1Image else 540
        kind = nib.Nifti1Header if maker is nib.Nifti1Image else nib.Nifti2Header
        header = kind(bytes(content[:size]), check=False)
        change(header)
        content[:size] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


outcome = partial(refusals.outcome, read_nifti)
refusal = partial(refusals.refusal, read_nifti)


@pytest.mark.parametrize("dtype", ["u1", "i1", "<i2", ">i2", "<u2", "<i4", "<f4", ">f4", "<f8"])
@pytest.mark.parametrize("maker", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_voxels_and_affine_are_nibabels(tmp_path, dtype, maker, name) -> None:
    path = save(tmp_path / name, volume(dtype), maker=maker)
    values, affine = read_nifti(path)
    expected = nib.load(path)
    np.testing.assert_array_equal(values, np.asarray(expected.dataobj))
    np.testing.assert_array_equal(affine, np.diag([-1, -1, 1, 1]) @ expected.affine)


@pytest.mark.parametrize(("slope", "inter"), [(2.0, -7.0), (0.1, 0), (0, 5), (np.nan, 0), (-1, 3)])
def test_the_scale_is_nibabels(tmp_path, slope, inter) -> None:
    def change(header) -> None:
        header["scl_slope"], header["scl_inter"] = slope, inter

    path = save(tmp_path / "a.nii.gz", change=change)
    expected = np.asarray(nib.load(path).dataobj)
    values, _ = read_nifti(path)
    assert values.dtype == expected.dtype
    np.testing.assert_array_equal(values, expected)
    if slope == 2.0:
        np.testing.assert_array_equal(values, volume() * 2.0 - 7)


def test_no_flipped_bit_of_a_packed_file_passes(tmp_path) -> None:
    """Every bit of the file: other voxels or another place are never believed."""
    path = save(tmp_path / "whole.nii.gz", volume("u1", (4, 4, 3)))
    whole, place = read_nifti(path)
    content = path.read_bytes()
    flipped = tmp_path / "flipped.nii.gz"
    refused = 0
    for bit in range(8 * len(content)):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        flipped.write_bytes(damaged)
        found = outcome(flipped)
        if isinstance(found, str):
            assert found.startswith(f"{flipped}: ")
            assert "\n" not in found
            refused += 1
        else:
            np.testing.assert_array_equal(found[0], whole)
            np.testing.assert_array_equal(found[1], place)
    # What passes is the time stamp, the level and the system in gzip's own header.
    assert refused > 8 * (len(content) - 10)


def test_no_flipped_bit_of_a_plain_header_is_a_traceback(tmp_path) -> None:
    path = save(tmp_path / "whole.nii", volume("u1", (4, 4, 3)))
    content = path.read_bytes()
    for bit in range(8 * 352):
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = outcome(path)
        if isinstance(found, str):
            assert found.startswith(f"{path}: ")
        else:
            assert found[0].size == 48
            assert np.isfinite(found[1]).all()


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_files_cut_or_grown_are_refused(tmp_path, name) -> None:
    path = save(tmp_path / name)
    content = path.read_bytes()
    for length in (0, 1, 3, 10, 200, len(content) // 2, len(content) - 4, len(content) - 1):
        path.write_bytes(content[:length])
        assert ("empty" if length == 0 else "cut short") in refusal(path) or length < 11
    for more in (b"x", b"PK\x03\x04", b"\x01" * 512):
        path.write_bytes(content + more)
        refusal(path)
    grown = nib.load(save(tmp_path / "b.nii")).get_filename()
    whole = Path(grown).read_bytes()
    path.write_bytes(gzip.compress(whole + b"\0"))
    assert "more bytes than its header states" in refusal(path)
    path.write_bytes(gzip.compress(whole[:-1]))
    assert "cut short" in refusal(path)


def test_content_decides_not_the_suffix(tmp_path) -> None:
    packed = save(tmp_path / "a.nii.gz")
    plain = tmp_path / "b.nii"
    plain.write_bytes(packed.read_bytes())
    np.testing.assert_array_equal(read_nifti(plain)[0], volume())
    joined = tmp_path / "c.nii.gz"
    whole = save(tmp_path / "d.nii").read_bytes()
    joined.write_bytes(gzip.compress(whole[:500]) + gzip.compress(whole[500:]))
    np.testing.assert_array_equal(read_nifti(joined)[0], volume())


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e3), ("micron", 1e-3), ("unknown", 1)])
def test_lengths_come_out_in_mm(tmp_path, unit, factor) -> None:
    scaled = AFFINE.copy()
    scaled[:3] /= factor
    path = save(
        tmp_path / "a.nii.gz", affine=scaled, change=lambda header: header.set_xyzt_units(unit)
    )
    _, affine = read_nifti(path)
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ affine, AFFINE, rtol=1e-5, atol=1e-5)


def set_fields(**fields):
    def change(header) -> None:
        for name, value in fields.items():
            header[name] = value

    return change


def both(**fields):
    """qform set as sform is, then fields changed."""

    def change(header) -> None:
        header.set_qform(header.get_sform(), 1)
        set_fields(**fields)(header)

    return change


REFUSED = {
    "dim[0]": (set_fields(dim=[9, 12, 9, 5, 1, 1, 1, 1]), "states no volume"),
    "no size": (set_fields(dim=[3, 12, -9, 5, 1, 1, 1, 1]), "states no volume"),
    "vector": (set_fields(dim=[5, 4, 9, 5, 1, 3, 1, 1]), "3 values a voxel"),
    "spectrum": (set_fields(dim=[4, 4, 9, 5, 3, 1, 1, 1], xyzt_units=2 | 32), "spectrum"),
    "type": (set_fields(datatype=99), "datatype 99 is unknown"),
    "rgb": (set_fields(datatype=128), "colour (RGB)"),
    "rgba": (set_fields(datatype=2304), "colour (RGBA)"),
    "complex": (set_fields(datatype=32), "complex"),
    "bits": (set_fields(datatype=1), "single bits"),
    "long floats": (set_fields(datatype=1536), "128-bit"),
    "slope": (set_fields(scl_slope=np.inf), "are no scale"),
    "inter": (set_fields(scl_slope=1, scl_inter=np.nan), "are no scale"),
    "intent": (set_fields(intent_code=1007), "holds vectors"),
    "statistic": (set_fields(intent_code=5), "is a statistic"),
    "labels": (set_fields(intent_code=1002), "is a label map"),
    "cifti": (set_fields(intent_code=3001), "CIFTI"),
    "unit": (set_fields(xyzt_units=5), "no unit of length"),
    "offset": (set_fields(vox_offset=300), "vox_offset"),
    "offset of half a byte": (set_fields(vox_offset=352.5), "vox_offset"),
    "offset NaN": (set_fields(vox_offset=np.nan), "vox_offset"),
    "far offset": (set_fields(vox_offset=1e9), "cut short"),
    "nowhere": (set_fields(sform_code=0, qform_code=0), "states no orientation"),
    "pair": (set_fields(magic=b"ni1"), "two-file NIfTI"),
    "magic": (set_fields(magic=b"abc"), "magic"),
    "flat": (set_fields(srow_x=[0, 0, 0, 1]), "one plane"),
    "thin": (set_fields(srow_z=[0, 0, 0.0001, 1]), "voxels of 0.8002 x 0.8002 x 0.0001 mm"),
    "not finite": (set_fields(srow_y=[np.nan, 0.8, 0, 1]), "NaN"),
    "tiny": (set_fields(xyzt_units=3), "µm"),
    "huge": (set_fields(xyzt_units=1), "voxels of 800.2"),
    "far": (set_fields(srow_z=[0, 0, 2.5, 1e8]), "100 m"),
    "shift": (both(qoffset_x=63.0), "sform and qform place it 3 mm apart"),
    "small shift": (both(qoffset_x=60.01), "sform and qform place it 0.01 mm apart"),
    "side": (both(pixdim=[1, 0.8, 0.8, 2.5, 0, 0, 0, 0]), "sform and qform"),
    "quaternion": (both(quatern_b=1), "no rotation"),
    "thicker": (both(pixdim=[-1, 0.8, 0.8, 2.6, 0, 0, 0, 0]), "sform and qform"),
    "qform alone": (both(sform_code=0, pixdim=[1, 0.8, 0, 2.5, 0, 0, 0, 0]), "no sizes"),
    "qfac": (both(sform_code=0, pixdim=[3, 0.8, 0.8, 2.5, 0, 0, 0, 0]), "qfac"),
    "code": (set_fields(sform_code=77), "sform_code 77"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_an_image_says_why(tmp_path, case) -> None:
    change, words = REFUSED[case]
    assert words in refusal(save(tmp_path / "a.nii.gz", change=change))


@pytest.mark.parametrize("case", REFUSED)
def test_a_refusal_is_the_only_thing_said(tmp_path, case, capfd, recwarn) -> None:
    """numpy and nibabel keep their thoughts on a damaged header to themselves."""
    path = save(tmp_path / "a.nii", change=REFUSED[case][0])
    for read in (nifti_phases, read_nifti, lambda one: read_nifti(one, mask=True)):
        with contextlib.suppress(InputError):
            read(path)
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("turn", [0.0, 1e-3, 0.3, 1.0])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, 1), (1, -1, -1)])
def test_forms_that_agree_are_no_fault(tmp_path, turn, signs) -> None:
    """Oblique volumes of usual size: what 32-bit numbers lose is no disagreement."""
    tilt = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    swing = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = swing @ tilt @ np.diag(np.multiply(signs, (0.7, 0.7, 2.2)))
    affine[:3, 3] = (-171.3, 160.7, -88.1)
    path = save(
        tmp_path / "a.nii.gz", np.zeros((448, 448, 3), np.uint8), affine=affine, change=both()
    )
    np.testing.assert_allclose(read_nifti(path)[1], np.diag([-1, -1, 1, 1]) @ affine, atol=1e-4)


def test_either_form_alone_counts(tmp_path) -> None:
    square = np.array([[-0.8, 0, 0, 60], [0, 0.8, 0, -50], [0, 0, 2.5, 10], [0, 0, 0, 1.0]])
    only_q = save(tmp_path / "q.nii.gz", affine=square, change=both(sform_code=0, srow_x=[9] * 4))
    only_s = save(tmp_path / "s.nii.gz", affine=square, change=both(qform_code=0, qoffset_x=999))
    for path in (only_q, only_s):
        np.testing.assert_allclose(read_nifti(path)[1], np.diag([-1, -1, 1, 1]) @ square, atol=1e-6)


def test_several_phases_in_one_file(tmp_path) -> None:
    values = volume(shape=(*SHAPE, 4))
    path = save(tmp_path / "dce.nii.gz", values)
    assert nifti_phases(path) == 4
    for phase in range(1, 5):
        np.testing.assert_array_equal(read_nifti(path, phase)[0], values[..., phase - 1])
    assert "holds 4 volumes" in refusal(path)
    assert "no volume 5" in refusal(path, phase=5)
    assert "no volume 0" in refusal(path, phase=0)
    single = save(tmp_path / "one.nii.gz", values[..., :1])
    assert nifti_phases(single) == 1
    np.testing.assert_array_equal(read_nifti(single)[0], values[..., 0])


def test_extensions_of_the_header_are_passed_over(tmp_path) -> None:
    image = nib.Nifti1Image(volume(), AFFINE)
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"drawn by hand" * 9))
    path = tmp_path / "a.nii.gz"
    nib.save(image, path)
    np.testing.assert_array_equal(read_nifti(path)[0], volume())
    image.header.extensions[:] = [nib.nifti1.Nifti1Extension(32, b"<CIFTI/>")]
    nib.save(image, path)
    assert "CIFTI" in refusal(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_an_image_holds_numbers_only(tmp_path, bad) -> None:
    values = volume("<f8")
    values[1, 2, 3] = bad
    path = save(tmp_path / "a.nii.gz", values)
    assert ("too large" if bad == 1e300 else "1 of 540 voxels") in refusal(path)
    read_nifti(path, mask=True)  # a mask's values are judged as labels, elsewhere


def test_what_is_no_nifti(tmp_path) -> None:
    path = tmp_path / "a.nii.gz"
    for content in (b"<html>" * 100, gzip.compress(b"<html>" * 100), b"PK\x03\x04" * 200):
        path.write_bytes(content)
        assert "no NIfTI file" in refusal(path)
    assert "no readable NIfTI" in refusal(tmp_path / "missing.nii")
    (tmp_path / "folder.nii").mkdir()
    refusal(tmp_path / "folder.nii")


def test_a_stated_size_beyond_memory_is_refused_at_once(tmp_path) -> None:
    path = save(tmp_path / "a.nii.gz", change=set_fields(dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]))
    assert "GiB" in refusal(path)
    small = save(tmp_path / "b.nii.gz", change=set_fields(dim=[3, 2000, 1000, 500, 1, 1, 1, 1]))
    assert "cut short" in refusal(small)
