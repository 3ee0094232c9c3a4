"""A folder of NIfTI volumes as an archive; what such a volume may be."""

from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
import pytest
from cohort_stage import COHORT

from textbcs.archives.nifti_folder import NiftiArchive
from textbcs.base.io import InputError, sha256_file
from textbcs.cohort.listing import choose_cohort
from textbcs.imaging.planes import SeriesError
from textbcs.imaging.series_volumes import read_grid, read_series
from textbcs.intake.series_uids import part_number, whole_uid

AFFINE = np.array([[-2.0, 0, 0, 30], [0, -1.0, 0, 20], [0, 0, 3, -5], [0, 0, 0, 1]])


def save(path: Path, array: Any = None, affine: Any = AFFINE, name: str = "") -> Path:
    values = np.arange(24, dtype=np.int16).reshape(2, 3, 4) if array is None else array
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nibabel.Nifti1Image(values, affine)
    image.header["descrip"] = name
    nibabel.save(image, path)
    return path


def opened(folder: Path) -> NiftiArchive:
    return NiftiArchive({"cohort": {"archive": str(folder), "layout": "auto"}})


def test_a_folder_is_listed_and_fetched(tmp_path: Path) -> None:
    save(tmp_path / "007/b_0001.nii.gz", name="Jane Doe")
    save(tmp_path / "007/a_0000.nii")
    save(tmp_path / "006/x.nii.gz")
    (tmp_path / "006/notes.txt").write_text("no volume")
    found = opened(tmp_path).series(lambda paths: paths)
    facts = {(s.first.patient, s.first.description, s.first.series_number) for s in found}
    assert facts == {("006", "x", 1), ("007", "a_0000", 1), ("007", "b_0001", 2)}
    uids = {one.first.description: one.first.series_uid for one in found}
    assert len(set(uids.values())) == 3
    assert all(uid.startswith("2.25.") and len(uid) <= 64 for uid in uids.values())
    assert "Doe" not in repr(found)
    (given,) = opened(tmp_path).fetch("007", uids["b_0001"])
    assert (given.sop_uid, given.name, given.path.name) == ("", "volume.nii.gz", "b_0001.nii.gz")
    (given,) = opened(tmp_path).fetch("007", uids["a_0000"])
    assert given.name == "volume.nii"
    assert not list(opened(tmp_path).fetch("008", uids["x"]))


def test_faults_of_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        opened(tmp_path / "none").series(lambda paths: paths)
    with pytest.raises(InputError, match=r"holds no <patient>/<name>\.nii\.gz"):
        opened(tmp_path).series(lambda paths: paths)


def test_a_bad_file_is_a_fault_of_its_series(tmp_path: Path) -> None:
    """Files of one name, an empty one and a table do not stop the others."""
    save(tmp_path / "1/x.nii")
    save(tmp_path / "1/x.nii.gz")
    save(tmp_path / "2/x.nii")
    (tmp_path / "3").mkdir()
    (tmp_path / "3/x.nii.gz").touch()
    (tmp_path / "3/notes.csv").touch()
    archive = opened(tmp_path)
    faults = {one.first.patient: one.fault for one in archive.series(lambda paths: paths)}
    assert faults["1"] == "several files of one name (x.nii and x.nii.gz); remove all but one"
    assert faults["2"] == ""
    assert faults["3"]
    assert str(tmp_path) not in faults["3"]
    assert archive.unused() == [
        (tmp_path / "1/x.nii.gz", faults["1"]),
        (tmp_path / "3/notes.csv", "no volume"),
    ]


@pytest.mark.parametrize("name", ["dce.nii.gz", "dce.nii", "dce.nrrd"])
def test_time_points_are_series(tmp_path: Path, name: str) -> None:
    values = np.arange(72, dtype=np.int16).reshape(2, 3, 4, 3)
    path = tmp_path / "P1" / name
    if name.endswith("nrrd"):
        path.parent.mkdir()
        header = {
            "space": "left-posterior-superior",
            "space directions": [[1, 0, 0], [0, 1, 0], [0, 0, 3], [np.nan] * 3],
            "space origin": [0, 0, 0],
            "kinds": ["domain"] * 3 + ["list"],
        }
        nrrd.write(str(path), values, header)
    else:
        save(path, values)
    archive = opened(tmp_path)
    found = sorted(archive.series(lambda paths: paths), key=lambda one: one.first.description)
    assert [one.first.description for one in found] == ["dce 1", "dce 2", "dce 3"]
    assert len({whole_uid(one.first.series_uid) for one in found}) == 1
    for n, one in enumerate(found):
        uid = one.first.series_uid
        assert part_number(uid) == n + 1
        (given,) = archive.fetch("P1", uid)
        assert given.name == name.replace("dce", "volume")
        array = read_series([given.path], 0.05, phase=part_number(uid)).volume.array
        np.testing.assert_array_equal(np.sort(array, None), np.sort(values[..., n], None))


def test_sessions_are_visits(tmp_path: Path) -> None:
    for session in ("ses-1", "ses-2"):
        save(tmp_path / f"sub-7/{session}/anat/sub-7_{session}_T1w.nii.gz")
    found = opened(tmp_path).series(lambda paths: paths)
    assert {one.first.patient for one in found} == {"7"}
    assert sorted(one.visit for one in found) == ["ses-1", "ses-2"]
    assert len({one.first.study_uid for one in found}) == 2
    (given,) = opened(tmp_path).fetch(
        "7", next(s for s in found if s.visit == "ses-2").first.series_uid
    )
    assert "ses-2" in str(given.path)


def test_a_damaged_volume_excludes_its_patient_by_its_own_reason(tmp_path: Path) -> None:
    for patient in ("A", "B", "C"):
        save(tmp_path / patient / "x.nii.gz", np.arange(2400, dtype=np.int16).reshape(10, 12, 20))
    whole = (tmp_path / "B/x.nii.gz").read_bytes()
    (tmp_path / "B/x.nii.gz").write_bytes(whole[:-40])
    holes = np.full((10, 12, 20), np.nan, np.float32)
    save(tmp_path / "C/x.nii.gz", holes)
    cohort = COHORT | {"kind": "nifti", "phases": ["post1"], "descriptions": {"post1": "^x$"}}
    listing = choose_cohort(opened(tmp_path).series(lambda paths: paths), cohort)
    reasons = dict(zip(listing.patients["patient"], listing.patients["excluded"], strict=True))
    assert reasons["A"] == ""
    assert reasons["B"].startswith("post1: ")
    assert "NaN" in reasons["C"]
    assert str(tmp_path) not in reasons["B"] + reasons["C"]


def test_a_volume_is_placed_by_its_affine(tmp_path: Path) -> None:
    """Stored along L, P, S; then the same with z downwards: one volume, and numbers as in the file."""
    upward = save(tmp_path / "up.nii.gz")
    stack = read_series([upward], 0.05, [sha256_file(upward)])
    stored = np.arange(24).reshape(2, 3, 4)
    np.testing.assert_array_equal(stack.volume.array, stored.transpose(2, 1, 0))
    np.testing.assert_allclose(
        stack.grid.affine, [[2, 0, 0, -30], [0, 1, 0, -20], [0, 0, 3, -5], [0, 0, 0, 1]]
    )
    assert stack.grid.instance_numbers == (1, 2, 3, 4)
    assert stack.grid.sop_uids == ("",) * 4
    turned = AFFINE.copy()
    turned[2, 2:] = [-3, 4]
    downward = save(tmp_path / "down.nii", stored[:, :, ::-1].astype(np.int16), turned)
    other = read_series([downward], 0.05)
    np.testing.assert_array_equal(other.volume.array, stack.volume.array)
    np.testing.assert_allclose(other.grid.affine, stack.grid.affine)
    assert other.grid.instance_numbers == (4, 3, 2, 1)
    assert read_grid([downward], 0.05).shape == (4, 3, 2)


def test_a_single_slice_is_a_volume(tmp_path: Path) -> None:
    grid = read_grid([save(tmp_path / "a.nii", np.zeros((4, 5, 1), np.uint8))], 0.05)
    assert (grid.shape, grid.instance_numbers) == ((1, 5, 4), (1,))
    np.testing.assert_allclose(np.diag(grid.affine), [2, 1, 3, 1])


def test_what_is_no_volume_is_refused(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[0, 1] = 0.5
    with pytest.raises(SeriesError, match="not at right angles"):
        read_grid([save(tmp_path / "a.nii", None, sheared)], 0.05)
    holes = np.zeros((2, 3, 4), np.float32)
    holes[0, 0, 0] = np.nan
    for array, fault in ((holes, "NaN"), (np.zeros((2, 3, 4, 2), np.int16), "holds 2 volumes")):
        with pytest.raises(InputError, match=fault):
            read_grid([save(tmp_path / "a.nii", array)], 0.05)
    changed = save(tmp_path / "a.nii")
    with pytest.raises(InputError, match="is not the file that was recorded"):
        read_series([changed], 0.05, ["0" * 64])
