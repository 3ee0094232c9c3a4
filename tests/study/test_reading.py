"""A study's image is that of the pipeline, whatever its files' layout; every refusal is one line."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import write_enhanced
from own_files import write_dicom, write_series
from studies import phantom, phase_paths, series_uid, write_nifti, write_study

from textbcs.base.io import InputError
from textbcs.imaging.geometry import Volume, to_lps
from textbcs.slices.volume_cutting import whole_volume
from textbcs.study.reading import Study, find_study, read_study, study_name
from textbcs.study.study_files import StudyFiles, Wish, read_wishes

OPTIONS = {"size": 24, "clip_percentiles": [0.1, 99.9]}


def find(path: Path, shown: str = "post1", series: Sequence[str] = (), **asked: Any) -> StudyFiles:
    return find_study(path, Wish(shown, read_wishes(series, shown), **asked))


def read(path: Path, shown: str = "post1", series: Sequence[str] = (), **asked: Any) -> Study:
    return read_study(find(path, shown, series, **asked))


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_a_dicom_folder_gives_the_patients_own_voxels(tmp_path: Path, index: int) -> None:
    """The phantom knows its LPS arrays; the reader has to find them in rotated, unsorted planes."""
    folder = write_study(tmp_path / "Someone", index)
    own = phantom(index)
    study = read(folder)
    assert np.array_equal(study.patient.intensity, own.phases[1])
    assert study.doubts == study.files.warnings == ()
    assert not study.patient.mask.any()
    assert study.name == "Someone"
    assert {name: values.tolist() for name, values in study.phases()} == {
        "pre": own.phases[0].tolist(),
        "post1": own.phases[1].tolist(),
    }
    found = study.acquisition
    assert found.manufacturer == own.facts.vendor
    assert float(found.field_strength_t) == round(own.facts.tesla, 1)
    assert (found.slices, found.rows, found.cols) == own.phases.shape[1:]
    assert found.spacing_row_mm == pytest.approx(own.anatomy.grid.pixel, abs=1e-3)
    assert found.spacing_slice_mm == pytest.approx(own.anatomy.grid.distance, abs=1e-3)
    difference = read(folder, "sub").patient.intensity
    assert np.array_equal(difference, own.phases[1].astype(float) - own.phases[0])


def test_the_layout_of_the_folder_says_nothing(tmp_path: Path) -> None:
    """The same files flat, under other names, beside foreign files, and twice."""
    folder, flat = write_study(tmp_path / "a"), tmp_path / "b"
    flat.mkdir()
    for number, path in enumerate(sorted(folder.rglob("*.dcm"), reverse=True)):
        shutil.copy(path, flat / f"IM{number}")
        if number == 3:
            shutil.copy(path, flat / "copy")
    (flat / "notes.txt").write_text("nothing")
    first, second = find(folder, "sub"), find(flat, "sub")
    assert first.fingerprint() == second.fingerprint() != find(flat, "post1").fingerprint()
    one, other = read_study(first), read_study(second)
    assert np.array_equal(one.patient.intensity, other.patient.intensity)
    volumes = [whole_volume(study.patient, OPTIONS, "patient") for study in (one, other)]
    assert volumes[0].image.tobytes() == volumes[1].image.tobytes()
    assert volumes[0].facts == volumes[1].facts


def test_another_voxel_is_another_fingerprint(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    before = find(folder, "post1").fingerprint()
    path = phase_paths(folder)[2]
    dataset = pydicom.dcmread(path)
    dataset.PixelData = bytes(2) + dataset.PixelData[2:-1] + b"\x01"
    dataset.save_as(path)
    assert find(folder, "post1").fingerprint() != before


def test_a_series_is_chosen_by_its_uid(tmp_path: Path) -> None:
    folder = write_study(tmp_path)
    pre, post = series_uid(folder, phase=0), series_uid(folder, phase=1)
    own = phantom()
    assert np.array_equal(read(folder, series=[pre]).patient.intensity, own.phases[0])
    exchanged = read(folder, "sub", series=[f"post1={pre}", f"pre={post}"])
    difference = own.phases[0].astype(float) - own.phases[1]
    assert np.array_equal(exchanged.patient.intensity, difference)
    for series, message in (
        (["1.2.3"], "no series '1.2.3'; name it with --series UID; there are "),
        ([post[:-1]], f"did you mean '{post}'"),
        ([f"post={post}"], "'post' is no phase"),
        ([post, f"post1={pre}"], "names post1 twice"),
    ):
        with pytest.raises(InputError, match="--series") as error:
            find(folder, "post1", series=series)
        assert message in str(error.value)


def test_names_outside_the_rules_need_a_series_or_descriptions(tmp_path: Path) -> None:
    def rename(dataset: Any) -> None:
        dataset.SeriesDescription = f"dyn {dataset.SeriesNumber}"

    folder = write_study(tmp_path, edit=rename)
    numbers = phantom().facts.numbers
    with pytest.raises(InputError, match=r"no first post-contrast series; name it with --series"):
        find(folder, "post1")
    uid = series_uid(write_study(tmp_path / "named"), phase=1)
    shutil.rmtree(tmp_path / "named")
    assert np.array_equal(read(folder, series=[uid]).patient.intensity, phantom().phases[1])
    described = {"post1": f"^dyn {numbers[1]}$", "pre": f"^dyn {numbers[0]}$"}
    by_name = read(folder, "sub", descriptions=described)
    assert (
        by_name.patient.intensity.max()
        == (phantom().phases[1].astype(float) - phantom().phases[0]).max()
    )


def test_a_dynamic_series_is_split_by_time_and_that_is_said(tmp_path: Path) -> None:
    def join(dataset: Any) -> None:
        if dataset.Modality == "MR" and dataset.SeriesDescription in phantom().facts.names:
            moment = phantom().facts.names.index(dataset.SeriesDescription)
            dataset.SeriesDescription, dataset.SeriesNumber = "fl3d", 7
            dataset.SeriesInstanceUID, dataset.AcquisitionNumber = "1.2.3", moment + 1

    study = read(write_study(tmp_path, edit=join), "sub")
    difference = phantom().phases[1].astype(float) - phantom().phases[0]
    assert np.array_equal(study.patient.intensity, difference)
    assert "taken by time" in study.files.warnings[0]


def test_one_enhanced_file_of_several_phases(tmp_path: Path) -> None:
    values = np.concatenate([phantom().phases[1], phantom().phases[0]])
    path = write_enhanced(
        tmp_path / "all.dcm", values, [2.5 * (n % 10) for n in range(20)], [2] * 10 + [1] * 10
    )
    assert np.array_equal(read(path).patient.intensity, phantom().phases[1])


def _one_missing(folder: Path) -> None:
    phase_paths(folder)[4].unlink()


def _one_cut(folder: Path) -> None:
    path = phase_paths(folder)[4]
    path.write_bytes(path.read_bytes()[:700])


def _pixels_cut(folder: Path) -> None:
    path = phase_paths(folder)[4]
    path.write_bytes(path.read_bytes()[:-100])


def _one_foreign(folder: Path) -> None:
    path = phase_paths(folder)[4]
    path.write_bytes(b"\0" * 900)


def _no_post(folder: Path) -> None:
    for path in phase_paths(folder):
        path.unlink()


def _two_patients(folder: Path) -> None:
    write_study(folder, 2)


def _black(folder: Path) -> None:
    for path in phase_paths(folder):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = bytes(len(dataset.PixelData))
        dataset.save_as(path)


def _noise(folder: Path) -> None:
    rng = np.random.default_rng(1)
    for path in phase_paths(folder):
        dataset = pydicom.dcmread(path)
        noise = rng.integers(0, 500, (dataset.Rows, dataset.Columns), np.uint16)
        dataset.PixelData = noise.tobytes()
        dataset.save_as(path)


def _coronal(folder: Path) -> None:
    for path in phase_paths(folder):
        dataset = pydicom.dcmread(path)
        dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [0, float(dataset.InstanceNumber), 0]
        dataset.save_as(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_no_post, "no first post-contrast series"),
        (_one_missing, "missing slice or uneven distance"),
        (_one_cut, "a file among its slices cannot be read: damaged DICOM file"),
        (_pixels_cut, "cut short"),
        (_one_foreign, "a file among its slices cannot be read"),
        (_two_patients, "holds 2 studies of 2 patients; choose one with --study UID: 2.25."),
        (_black, "no breast in it: all voxels have one value"),
        (_noise, "no breast in it: nothing but noise"),
        (_coronal, "coronal: only axial series are read"),
    ],
)
def test_a_study_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, damage: Any, message: str
) -> None:
    folder = write_study(tmp_path)
    damage(folder)
    with pytest.raises(InputError) as error:
        read(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "Breast_MRI" not in str(error.value).replace(str(tmp_path), "").split("/")[0]


def test_one_of_two_studies_can_be_chosen(tmp_path: Path) -> None:
    folder = write_study(write_study(tmp_path), 2)
    uid = str(pydicom.dcmread(phase_paths(folder, 2)[0]).StudyInstanceUID)
    assert np.array_equal(read(folder, study_uid=uid).patient.intensity, phantom(2).phases[1])
    with pytest.raises(InputError, match=r"has no MR study '9\.9'; there are 2\.25\."):
        read(folder, study_uid="9.9")


def test_other_folders_are_refused(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    texts = tmp_path / "texts"
    texts.mkdir()
    (texts / "a.txt").write_text("no image")
    ct = tmp_path / "ct"
    write_series(ct, Modality="CT")
    both = tmp_path / "both"
    write_dicom(both / "a", 1)
    write_dicom(both / "b", 2, series="1.2.4", PatientID="P2")
    for path, message in (
        (empty, "holds no DICOM file, it is empty"),
        (texts, r"holds no DICOM file \(1 x no DICOM file\)"),
        (texts / "a.txt", "holds no DICOM file"),
        (ct, "modality CT: no MR series"),
        (both, "the files of one study have 2 PatientIDs"),
        (tmp_path / "nowhere", "no such file or folder"),
        (tmp_path / "x.mha", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            find(path, "post1")
    (tmp_path / "x.mha").write_bytes(b"ObjectType = Image\n")
    with pytest.raises(InputError, match=r"MetaImage: not read; save it as \.nii\.gz"):
        find(tmp_path / "x.mha", "post1")


def _image(flips: tuple[int, int, int] = (1, 1, 1)) -> tuple[Any, Any]:
    """The phantom's post1 as (i, j, k) with reversed axes, and its LPS affine."""
    array = phantom().phases[1].transpose(2, 1, 0)
    affine = np.diag([2.0, 2.0, 3.0, 1.0])
    affine[:3, 3] = -40, -50, 20
    for axis, flip in enumerate(flips):
        if flip < 0:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    return array, affine


def test_a_volume_file_is_the_same_image_in_any_axes(tmp_path: Path) -> None:
    expected = to_lps(Volume(phantom().phases[1], _image()[1]))
    for number, flips in enumerate([(1, 1, 1), (-1, 1, -1), (-1, -1, 1)]):
        path = write_nifti(tmp_path / f"{number}.nii.gz", *_image(flips))
        study = read(path)
        assert np.array_equal(study.patient.intensity, expected.array)
        assert np.allclose(study.grid.affine, expected.affine, atol=1e-4)
        assert study.acquisition.manufacturer == study.acquisition.field_strength_t == ""
        assert "says no phase" in study.files.warnings[0]
        assert study_name(path) == str(number)


def test_phases_of_volume_files(tmp_path: Path) -> None:
    pre, post = (phantom().phases[n].transpose(2, 1, 0) for n in (0, 1))
    affine = _image()[1]
    both = write_nifti(tmp_path / "both.nii.gz", np.stack([pre, post], 3), affine)
    difference = phantom().phases[1].astype(float) - phantom().phases[0]
    assert np.array_equal(read(both, "sub").patient.intensity, difference)
    assert np.array_equal(read(both, "post1", series=["1"]).patient.intensity, phantom().phases[0])
    assert [name for name, _ in read(both).phases()] == ["pre", "post1"]
    for names in (("x_pre", "x_post1"), ("duke_001_0000", "duke_001_0001"), ("PRE", "scan-POST1")):
        folder = tmp_path / names[0]
        for name, array in zip(names, (pre, post), strict=True):
            write_nifti(folder / f"{name}.nii.gz", array, affine)
        assert np.array_equal(read(folder, "sub").patient.intensity, difference)
    write_nifti(folder / "other_post1.nii.gz", post, affine)
    for path, shown, series, message in (
        (write_nifti(tmp_path / "one.nii.gz", post, affine), "sub", [], "no first post-contrast"),
        (both, "post2", [], "no series of phase post2"),
        (both, "post1", ["3"], "from 1 to 2"),
        (folder, "post1", [], "are both post1"),
        (folder, "pre", ["PR"], "no volume file 'PR'"),
        (tmp_path / "PRE", "post2", [], "no series of phase post2; name its file"),
    ):
        with pytest.raises(InputError, match=message):
            find(path, shown, series=series)
    chosen = read(folder, "post1", series=["post1=other_post1"])
    assert np.array_equal(chosen.patient.intensity, phantom().phases[1])


def test_phases_on_other_grids_are_no_subtraction(tmp_path: Path) -> None:
    pre, post = (phantom().phases[n].transpose(2, 1, 0) for n in (0, 1))
    affine = _image()[1]
    write_nifti(tmp_path / "pre.nii.gz", pre, affine)
    moved = affine.copy()
    moved[0, 3] += 1
    write_nifti(tmp_path / "post1.nii.gz", post, moved)
    assert [name for name, _ in read(tmp_path).phases()] == ["post1"]
    with pytest.raises(InputError, match="pre and post1 lie on different grids"):
        read(tmp_path, "sub")
