"""An outline's files lie where the source lies, voxel by voxel, whatever its axes are."""

import gzip
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from studies import phantom, phase_paths, write_nifti, write_study

from textbcs.imaging.geometry import to_ras
from textbcs.outline.nifti_files import SourceGrid, map_bytes, mask_bytes
from textbcs.study.reading import Study, find_study, read_study
from textbcs.study.study_files import Wish


def read(path: Path) -> Study:
    return read_study(find_study(path, Wish("post1")))


def oblique() -> Any:
    """LPS axes turned by 20 degrees about z and 8 about x, anisotropic."""
    a, b = np.radians([20, 8])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag([1.5, 1.2, 3.0])
    affine[:3, 3] = -30, -25, 12
    return affine


def source(flips: tuple[int, int, int], axes: tuple[int, int, int]) -> tuple[Any, Any]:
    """The phantom's image (i, j, k) with reversed and exchanged axes, and its LPS affine."""
    array, affine = phantom().phases[1].transpose(2, 1, 0)[:47], oblique()
    for axis, flip in enumerate(flips):
        if flip < 0:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    moved = affine.copy()
    moved[:3, :3] = affine[:3, list(axes)]
    return array.transpose(axes), moved


def marked(study: Study) -> Any:
    """A mask that no reversal or exchange of axes maps to itself."""
    mask = np.zeros(study.grid.shape, bool)
    mask[2:5, 10:17, 20:31] = True
    mask[6, 3, 40] = True
    return mask


def points(image: Any) -> Any:
    """Where the marked voxels of a NIfTI lie, RAS mm, sorted."""
    found = nibabel.affines.apply_affine(image.affine, np.argwhere(np.asarray(image.dataobj) > 0))
    return found[np.lexsort(found.round(2).T)]


def grid_points(study: Study, mask: Any) -> Any:
    found = nibabel.affines.apply_affine(to_ras(study.grid.affine), np.argwhere(mask)[:, ::-1])
    return found[np.lexsort(found.round(2).T)]


@pytest.mark.parametrize("codes", [(1, 1), (2, 0), (0, 1), (4, 4)])
@pytest.mark.parametrize(
    ("flips", "axes"),
    [
        ((1, 1, 1), (0, 1, 2)),
        ((-1, -1, 1), (0, 1, 2)),
        ((1, -1, -1), (2, 0, 1)),
        ((-1, 1, -1), (1, 2, 0)),
    ],
)
def test_a_nifti_source_keeps_its_order_and_its_geometry(
    tmp_path: Path, flips: Any, axes: Any, codes: tuple[int, int]
) -> None:
    array, affine = source(flips, axes)
    path = write_nifti(tmp_path / "in.nii.gz", array, affine, codes)
    study = read(path)
    mask, grid = marked(study), SourceGrid.of(study)
    out = tmp_path / "mask.nii.gz"
    out.write_bytes(mask_bytes(mask, grid))
    before, after = nibabel.load(path), nibabel.load(out)
    assert after.shape == before.shape
    assert after.get_data_dtype() == np.uint8
    assert np.array_equal(after.affine, before.affine)
    for name in ("sform_code", "qform_code", "quatern_b", "srow_x", "xyzt_units"):
        assert np.array_equal(after.header[name], before.header[name])
    assert np.array_equal(after.header["pixdim"][:4], before.header["pixdim"][:4])
    assert np.allclose(points(after), grid_points(study, mask), atol=1e-3)
    # The marked voxels hold the values that they hold in the study.
    values = np.asarray(before.dataobj)[np.asarray(after.dataobj) > 0]
    assert sorted(values) == sorted(study.patient.intensity[mask])


def test_nothing_else_of_a_header_is_taken_over(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(*source((1, 1, 1), (0, 1, 2)))
    image.header["descrip"], image.header["aux_file"] = b"Jane Doe", b"Doe"
    image.header["db_name"], image.header["intent_name"] = b"Doe", b"Doe"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    image.header.set_xyzt_units("mm", "sec")
    nibabel.save(image, tmp_path / "in.nii.gz")
    study = read(tmp_path / "in.nii.gz")
    content = gzip.decompress(mask_bytes(marked(study), SourceGrid.of(study)))
    assert b"Doe" not in content
    header = nibabel.Nifti1Header.from_fileobj(__import__("io").BytesIO(content))
    assert header.get_xyzt_units() == ("mm", "unknown")


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_a_dicom_source_is_stored_as_its_images_are(tmp_path: Path, index: int) -> None:
    """Each plane of the file is an instance's pixels: read by pydicom alone."""
    folder = write_study(tmp_path / "in", index)
    study = read(folder)
    unit = (study.patient.intensity / study.patient.intensity.max()).astype(np.float32)
    (tmp_path / "map.nii.gz").write_bytes(map_bytes(unit, SourceGrid.of(study)))
    image = nibabel.load(tmp_path / "map.nii.gz")
    assert image.header["sform_code"] == image.header["qform_code"] == 1
    stored = image.get_fdata()
    top = study.patient.intensity.max()
    for path in phase_paths(folder, index):
        one = pydicom.dcmread(path)
        corner = np.array([-1, -1, 1]) * np.array(one.ImagePositionPatient, float)  # RAS
        i, j, k = np.linalg.solve(image.affine[:3, :3], corner - image.affine[:3, 3]).round(3)
        assert (i, j) == (0, 0)
        assert np.allclose(stored[:, :, int(k)].T, one.pixel_array / top, atol=6e-4)


def test_equal_maps_are_equal_bytes_in_small_steps(tmp_path: Path) -> None:
    study = read(write_nifti(tmp_path / "in.nii", *source((1, 1, 1), (0, 1, 2))))
    values = np.random.default_rng(1).uniform(size=study.grid.shape).astype(np.float32)
    grid = SourceGrid.of(study)
    first = map_bytes(values, grid)
    assert first == map_bytes(values.copy(), grid)
    (tmp_path / "p.nii.gz").write_bytes(first)
    image = nibabel.load(tmp_path / "p.nii.gz")
    assert np.abs(image.get_fdata().transpose(2, 1, 0) - values).max() <= 0.0005 + 1e-6
