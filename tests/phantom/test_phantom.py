"""The phantom: what its files must be for a later stage, and what its difficulty rests on."""

import hashlib
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from cohort_stage import make_stage
from scipy.stats import ks_2samp

from textbcs.base.io import InputError
from textbcs.cohort.phases import phase_of
from textbcs.phantom.dicom_headers import raw_planes, uid
from textbcs.phantom.files import file_count, files
from textbcs.phantom.lesions import draw_lesions
from textbcs.phantom.patient import draw_facts, make_patient, satellite_share
from textbcs.phantom.settings import Settings, stream
from textbcs.phantom.shapes import make_grid
from textbcs.settings.presets import read_preset
from textbcs.stages.data.phantom import run as write_archive


def full_settings(**changes) -> Settings:
    return replace(Settings.of(read_preset("phantom")["phantom"]), **changes)


def digest(settings: Settings, index: int) -> str:
    found = hashlib.sha256()
    for entry in files(settings, make_patient(settings, index)):
        found.update(entry.path.encode() + entry.content)
    return found.hexdigest()


def test_bytes_are_a_function_of_the_seed(settings: Settings) -> None:
    """Alone, in another order, in another process with other hash seed, locale and time zone."""
    here = {index: digest(settings, index) for index in (3, 1)}
    assert here[1] == digest(settings, 1)
    assert here[1] != digest(replace(settings, seed=settings.seed + 1), 1)
    code = (
        "import sys; sys.path[:0] = ['tests/helpers', 'tests/phantom']\n"
        "from test_phantom import digest\nfrom cohort_stage import small_params\n"
        "from textbcs.phantom.settings import Settings\n"
        "print(digest(Settings.of(small_params()['phantom']), 3))"
    )
    environment = {"PYTHONHASHSEED": "4", "TZ": "Asia/Kathmandu", "LC_ALL": "C", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == here[3]


@pytest.mark.parametrize("index", range(1, 7))
def test_series_look_as_in_the_collection(settings: Settings, index: int) -> None:
    patient = make_patient(settings, index)
    facts = patient.facts
    made = list(files(settings, patient))
    assert len(made) == file_count(settings, facts)
    headers = [pydicom.dcmread(BytesIO(entry.content)) for entry in made]
    images = [one for one in headers if one.Modality == "MR" and one.SeriesNumber != 2]
    assert {one.PatientID for one in headers} == {f"Breast_MRI_{index:03d}"}
    assert {one.StudyDate for one in headers} == {"19900101"}
    assert len({one.StudyInstanceUID for one in headers}) == 1
    assert len({one.SOPInstanceUID for one in headers}) == len(headers)
    sign = -1 if facts.vendor.startswith("GE") else 1
    for one in images:
        assert list(one.ImageOrientationPatient) == [sign, 0, 0, 0, sign, 0]
        # GE: first pixel at the patient's left and back; Siemens: right and front
        assert np.sign(one.ImagePositionPatient[0]) == -sign
        assert one.file_meta.TransferSyntaxUID == pydicom.uid.ImplicitVRLittleEndian
        assert one.PatientPosition in ("FFP", "HFP")
    by_number = sorted({(int(one.SeriesNumber), one.SeriesDescription) for one in images})
    names = [phase_of(name) for _, name in by_number]
    assert names[0] in ("pre", "dynamic")
    assert names[1:] == [f"post{n}" for n in range(1, settings.post_phases + 1)]
    heights = [one.ImagePositionPatient[2] for one in images if one.SeriesNumber == by_number[0][0]]
    steps = np.diff(heights)
    assert (steps > 0).all() == facts.rising
    assert (steps < 0).all() != facts.rising


def test_every_variant_occurs() -> None:
    settings = full_settings()
    facts = [draw_facts(settings, index) for index in range(1, settings.patients + 1)]
    assert {one.vendor for one in facts} == {"GE MEDICAL SYSTEMS", "SIEMENS"}
    assert {(one.vendor, one.rising) for one in facts} >= {("GE MEDICAL SYSTEMS", True)}
    assert {one.position for one in facts} == {"FFP", "HFP"}
    assert {one.side for one in facts} == {-1, 1}
    assert {one.tumours for one in facts} == {1, 2, 3, 4}
    assert {one.t1_name for one in facts} >= {"", "ax t1", "ax t1 pre"}
    assert len({one.names[1] for one in facts}) >= 6
    assert {one.location_known for one in facts} == {True, False}


def test_the_segmentation_is_valid_and_true(settings: Settings) -> None:
    """highdicom, another implementation, reads the mask that the generator drew."""
    for index in (1, 2, 3):
        patient = make_patient(settings, index)
        made = list(files(settings, patient))
        segmentation = highdicom.seg.segread(BytesIO(made[-1].content))
        assert list(segmentation.segment_numbers) == [1]
        assert segmentation.get_segment_description(1).segment_label == "Structural Tumor"
        uids = [
            uid(settings, index, f"phase 1 {number}") for number in range(1, settings.slices + 1)
        ]
        pixels = segmentation.get_pixels_by_source_instance(
            uids, assert_missing_frames_are_empty=True
        )
        truth = raw_planes(patient).raw(patient.mask)
        np.testing.assert_array_equal(pixels[..., 0].astype(bool), truth)
        stored = pydicom.dcmread(BytesIO(made[-1].content))
        heights = [
            frame.PlanePositionSequence[0].ImagePositionPatient[2]
            for frame in stored.PerFrameFunctionalGroupsSequence
        ]
        assert heights == sorted(heights)


def test_the_truth_lies_where_the_tumours_are(settings: Settings) -> None:
    for index in range(1, 7):
        patient = make_patient(settings, index)
        z, y, x = np.nonzero(patient.mask)
        assert len(z)
        grid = patient.anatomy.grid
        assert (np.sign(grid.x.ravel()[x]) == patient.facts.side).all()
        points = np.stack([grid.x.ravel()[x], grid.y.ravel()[y], grid.z.ravel()[z]], axis=1)
        nearest = [
            min(np.linalg.norm(point - one.centre) / one.radius for one in patient.tumours)
            for point in points
        ]
        assert max(nearest) < 2.6  # an irregular lesion reaches beyond its mean radius
        pre, post = patient.phases[0].astype(float), patient.phases[1].astype(float)
        gain = (post - pre)[patient.mask] / np.maximum(pre[patient.mask], 1)
        assert np.median(gain) > 0.4


def test_mask_volume_is_the_lesions_volume() -> None:
    """A round lesion's voxels add up to its sphere, whatever the slices do to it."""
    settings = full_settings(slices=80, tumours=(1.0,), diameter_mm=24.0, diameter_spread=1.0)
    patient = next(
        one
        for one in (make_patient(settings, index) for index in range(1, 40))
        if one.tumours[0].shape in ("round", "ellipse")
    )
    grid = patient.anatomy.grid
    volume = patient.mask.sum() * grid.pixel**2 * grid.distance
    assert volume == pytest.approx(4 / 3 * np.pi * patient.tumours[0].radius ** 3, rel=0.08)


def test_no_lesion_is_too_small_for_a_mask() -> None:
    settings = full_settings(slices=12, matrix=32, diameter_mm=5.0, diameter_spread=1.0)
    for index in range(1, 16):
        assert make_patient(settings, index).mask.any()


def test_distractors_are_drawn_as_tumours_are() -> None:
    """Same distributions: nothing but the mask tells a distractor from a tumour."""
    settings = full_settings()
    grid = make_grid(24, 128, 340, 168)
    breasts = make_patient(settings, 1).anatomy.breasts
    share = satellite_share(settings)
    samples = []
    for name, breast in (("tumours", breasts[0]), ("contralateral", breasts[1])):
        rng = stream(settings, 9999, name)
        found = []
        for _ in range(150):
            sizes = [bool(rng.random() < share) for _ in range(2)]
            found += draw_lesions(breast, sizes, [], grid, settings, rng)
        samples.append(found)
    for value in ("radius", "peak", "rate", "decay", "rim", "ripple"):
        left, right = ([getattr(one, value) for one in found] for found in samples)
        assert ks_2samp(left, right).pvalue > 0.001, value
    shapes = [[one.shape for one in found] for found in samples]
    for shape in ("round", "ellipse", "irregular"):
        assert abs(shapes[0].count(shape) - shapes[1].count(shape)) < 45


def test_another_distractor_rate_changes_distractors_only() -> None:
    settings = full_settings(matrix=64, slices=12)
    changed = 0
    for index in range(1, 6):
        none, many = (
            make_patient(
                replace(settings, distractors_contralateral=rate, distractors_ipsilateral=0.0),
                index,
            )
            for rate in (0.0, 3.0)
        )
        assert none.facts == many.facts
        np.testing.assert_array_equal(none.mask, many.mask)
        assert not none.distractors
        differing = (none.phases != many.phases).any(axis=0)
        side = np.sign(none.anatomy.grid.x.ravel()[np.nonzero(differing)[2]])
        assert (side == -none.facts.side).all()
        changed += len(many.distractors)
    assert changed > 5


def test_counts_agree_with_docs() -> None:
    """docs/explanation/phantom.md promises about four slices with tumour per patient and the two rates."""
    settings = full_settings(seed=4242, matrix=64)
    made = [make_patient(settings, index) for index in range(1, 61)]
    slices = np.mean([one.mask.any(axis=(1, 2)).sum() for one in made])
    assert 3.2 < slices < 4.7
    facts = [draw_facts(settings, index) for index in range(1, 1001)]
    assert np.mean([one.tumours > 1 for one in facts]) == pytest.approx(0.40, abs=0.05)
    for name, share in (("contralateral", 0.153), ("ipsilateral", 0.143)):
        rate = getattr(settings, f"distractors_{name}")
        assert 1 - np.exp(-rate) == pytest.approx(share, abs=0.001)


def test_time_courses() -> None:
    settings = full_settings()
    breast = make_patient(settings, 1).anatomy.breasts[0]
    rng = stream(settings, 1, "tumours")
    grid = make_grid(24, 128, 340, 168)
    made = [draw_lesions(breast, [False], [], grid, settings, rng)[0] for _ in range(200)]
    for one in made:
        assert one.enhancement(0) == 0
        early, late = one.enhancement(120), one.enhancement(400)
        if one.curve == "washout":
            assert late < 0.95 * early
        if one.curve == "persistent":
            assert late > early
    curves = [one.curve for one in made]
    assert curves.count("washout") > curves.count("plateau") > curves.count("persistent") > 0


def test_the_stage_replaces_an_earlier_cohort(params, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    params["phantom"] |= {"patients": 3}
    write_archive(make_stage(params))
    archive = Path("data/phantom/archive")
    first = {path: path.read_bytes() for path in archive.rglob("*.dcm")}
    manifest = Path("data/phantom/manifest.csv").read_bytes()
    params["phantom"] |= {"patients": 2, "seed": 99}
    write_archive(make_stage(params))
    assert not set(archive.rglob("*.dcm")) & set(first)
    params["phantom"] |= {"patients": 3, "seed": 11}
    write_archive(make_stage(params))
    assert {path: path.read_bytes() for path in archive.rglob("*.dcm")} == first
    assert Path("data/phantom/manifest.csv").read_bytes() == manifest


def test_impossible_settings_are_one_line(params) -> None:
    with pytest.raises(InputError, match=r"phantom\.tumours sums to 0\.9"):
        Settings.of(params["phantom"] | {"tumours": [0.5, 0.4]})
    del params["phantom"]["noise"]
    with pytest.raises(InputError, match=r"phantom\.noise is missing"):
        Settings.of(params["phantom"])
