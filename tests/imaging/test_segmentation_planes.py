"""Frames of a SEG on the slices of a small series: each lies where it says, and nowhere else."""

import copy

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage
from segmentations import (
    AXIAL,
    COLUMNS,
    GRID,
    ROWS,
    SLICES,
    fitted,
    image,
    masks,
    refusal,
    seg,
)

from textbcs.imaging.dicom import Grid
from textbcs.imaging.segmentation import mask_not_read, read_segmentation
from textbcs.masks.fitting import MisfitError, fit_segmentation

pytestmark = pytest.mark.filterwarnings("ignore")


def measures(dataset: Dataset) -> Dataset:
    return dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]


def no_distance(dataset: Dataset) -> None:
    measures(dataset).pop("SpacingBetweenSlices", None)


def distance(value):
    def change(dataset: Dataset) -> None:
        measures(dataset).SpacingBetweenSlices = value

    return change


def thick(dataset: Dataset) -> None:
    """Twice the distance of the images, though each frame refers to one of them."""
    measures(dataset).SpacingBetweenSlices = measures(dataset).SliceThickness = 4.0


def no_measures(dataset: Dataset) -> None:
    no_distance(dataset)
    measures(dataset).pop("SliceThickness", None)


def no_positions(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        del frame["PlanePositionSequence"]


def no_references(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        del frame["DerivationImageSequence"]


def several(*changes):
    def change(dataset: Dataset) -> None:
        for one in changes:
            one(dataset)

    return change


@pytest.mark.parametrize("where", [(2, 8), (0, 11), (5,), (3, 4, 9), tuple(range(SLICES))])
@pytest.mark.parametrize(
    "change",
    [
        None,
        no_distance,
        no_measures,
        distance(0),
        distance(12.0),
        distance(2.0),
        thick,
        no_positions,
        several(no_distance, no_references),
        several(no_measures, no_references),
        several(distance(0), no_references),
    ],
)
def test_a_frame_marks_its_own_slice_alone(tmp_path, where, change) -> None:
    expected = masks(*where)[..., 0]
    np.testing.assert_array_equal(
        fitted(seg(tmp_path / "seg", masks(*where), change=change)), expected
    )


def test_coarser_slices_cover_several(tmp_path) -> None:
    """A SEG of 4 mm on images of 2 mm that refers to none of them: each frame covers two slices."""

    def change(dataset: Dataset) -> None:
        no_references(dataset)
        measures(dataset).SpacingBetweenSlices = measures(dataset).SliceThickness = 4.0
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.PlanePositionSequence[0].ImagePositionPatient[2] += 1.0

    got = fitted(seg(tmp_path / "seg", masks(2, 6), change=change))
    assert np.flatnonzero(got.any(axis=(1, 2))).tolist() == [2, 3, 6, 7]


def test_frames_between_the_slices_need_a_stated_distance(tmp_path) -> None:
    def between(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.PlanePositionSequence[0].ImagePositionPatient[2] += 0.6

    stated = seg(tmp_path / "a", masks(2, 8), change=several(between, distance(2.0)))
    np.testing.assert_array_equal(fitted(stated), masks(2, 8)[..., 0])
    # Some write the direction into the sign.
    signed = seg(tmp_path / "e", masks(2, 8), change=several(between, distance(-2.0)))
    np.testing.assert_array_equal(fitted(signed), masks(2, 8)[..., 0])
    unspaced = seg(tmp_path / "b", masks(2, 8), change=several(between, no_distance))
    np.testing.assert_array_equal(fitted(unspaced), masks(2, 8)[..., 0])
    silent = seg(tmp_path / "c", masks(2, 8), change=several(between, no_measures))
    assert "state neither SpacingBetweenSlices nor SliceThickness" in refusal(silent)
    odd = seg(tmp_path / "d", masks(2, 8), change=several(between, distance(5.0)))
    assert "no regular grid" in refusal(odd)


def test_what_a_frame_states_itself_counts_before_what_all_share(tmp_path) -> None:
    def own(dataset: Dataset) -> None:
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.PixelMeasuresSequence = [copy.deepcopy(measures(dataset))]
        measures(dataset).PixelSpacing = [1.6, 1.6]

    path = seg(tmp_path / "seg", masks(2, 8), change=own)
    np.testing.assert_array_equal(fitted(path), masks(2, 8)[..., 0])


def test_frames_that_count_downwards(tmp_path) -> None:
    """Rows from back to front: the normal of the frames points down, that of the slices up."""

    def turned(dataset: Dataset) -> None:
        plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        plane.ImageOrientationPatient = [1, 0, 0, 0, -1, 0]
        for frame in dataset.PerFrameFunctionalGroupsSequence:
            frame.PlanePositionSequence[0].ImagePositionPatient[1] += 0.8 * (ROWS - 1)

    path = seg(tmp_path / "seg", masks(2, 3, 8)[:, ::-1], change=turned)
    np.testing.assert_array_equal(fitted(path), masks(2, 3, 8)[..., 0])


def without(tag: str):
    def change(dataset: Dataset) -> None:
        del dataset[tag]

    return change


def set_tag(tag: str, value):
    def change(dataset: Dataset) -> None:
        setattr(dataset, tag, value)

    return change


def mixed_orientation(dataset: Dataset) -> None:
    shared = dataset.SharedFunctionalGroupsSequence[0]
    frames = dataset.PerFrameFunctionalGroupsSequence
    for number, frame in enumerate(frames):
        plane = Dataset()
        plane.ImageOrientationPatient = [1, 0, 0, 0, 0, -1] if number else list(AXIAL)
        frame.PlaneOrientationSequence = [plane]
    del shared["PlaneOrientationSequence"]


def shifted(dataset: Dataset) -> None:
    place = dataset.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    place.ImagePositionPatient[0] += 3.0


def flat(dataset: Dataset) -> None:
    measures(dataset).PixelSpacing = [0.8, 0]


def skew(dataset: Dataset) -> None:
    plane = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    plane.ImageOrientationPatient = [1, 0, 0, 0.3, 1, 0]


def nowhere(dataset: Dataset) -> None:
    several(no_positions, no_references)(dataset)


def not_a_number(dataset: Dataset) -> None:
    for frame in dataset.PerFrameFunctionalGroupsSequence:
        frame.PlanePositionSequence[0].ImagePositionPatient = [1, 2]


REFUSED = {
    "count": (without("NumberOfFrames"), "states no NumberOfFrames"),
    "other count": (set_tag("NumberOfFrames", 9), "states 9 frames and describes 2"),
    "segments": (without("SegmentSequence"), "describes no segments"),
    "groups": (without("PerFrameFunctionalGroupsSequence"), "no frame can be placed"),
    "shared": (without("SharedFunctionalGroupsSequence"), "does not say to which segment"),
    "type": (without("SegmentationType"), "SegmentationType ''"),
    "pixels": (without("PixelData"), "has no PixelData"),
    "rows": (set_tag("Rows", 200), "cut short"),
    "columns": (set_tag("Columns", 2), "damaged"),
    "orientation": (mixed_orientation, "mixed orientation"),
    "shift": (shifted, "shifted against each other"),
    "place": (nowhere, "refers to no images of the series"),
    "skew": (skew, "is not two unit vectors"),
    "no size": (flat, "PixelSpacing of a frame is not positive"),
    "two numbers": (not_a_number, "is not 3 numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_placed_says_why(tmp_path, case) -> None:
    change, words = REFUSED[case]
    path = seg(tmp_path / "seg", masks(2, 8), change=change)
    assert words in refusal(path)


def test_a_file_cut_anywhere_is_refused(tmp_path) -> None:
    path = seg(tmp_path / "seg", masks(2, 8))
    content = path.read_bytes()
    for length in (0, 1, 131, 140, 400, len(content) // 2, len(content) - 30, len(content) - 1):
        path.write_bytes(content[:length])
        refusal(path)


def test_other_objects_are_refused_by_name(tmp_path) -> None:
    path = tmp_path / "other"
    for kind, words in (
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT: contours are not read"),
        ("1.2.840.10008.5.1.4.1.1.66.5", "surface segmentation"),
        ("1.2.840.10008.5.1.4.1.1.30", "parametric map"),
        (MRImageStorage, "is no DICOM segmentation (modality MR)"),
    ):
        one = image(0)
        one.SOPClassUID = kind
        one.save_as(path, enforce_file_format=True)
        assert words in refusal(path)
    assert mask_not_read("1.2.840.10008.5.1.4.1.1.481.3").startswith("RTSTRUCT: ")
    assert mask_not_read(MRImageStorage) == ""


def test_a_mask_of_another_patient_or_of_everything(tmp_path) -> None:
    path = seg(tmp_path / "a", masks(2))
    read = read_segmentation(path, "Tumor")
    elsewhere = Grid(
        GRID.affine, GRID.shape, ("x",) * SLICES, GRID.instance_numbers, GRID.paths, ""
    )
    with pytest.raises(MisfitError, match="refers to no series"):
        fit_segmentation(read, elsewhere, {"1.2"}, 0.0)
    unsaid = seg(tmp_path / "b", masks(2), change=without("ReferencedSeriesSequence"))
    np.testing.assert_array_equal(fitted(unsaid), masks(2)[..., 0])
    nowhere = seg(tmp_path / "d", masks(2), change=without("FrameOfReferenceUID"))
    np.testing.assert_array_equal(fitted(nowhere), masks(2)[..., 0])
    other = seg(tmp_path / "e", masks(2), change=set_tag("FrameOfReferenceUID", "1.2.3"))
    with pytest.raises(MisfitError, match="another frame of reference"):
        fitted(other)
    full = seg(tmp_path / "c", np.ones((SLICES, ROWS, COLUMNS), np.uint8))
    with pytest.raises(MisfitError, match="covers all of its series"):
        fitted(full)
