"""Masks of every kind lie on the study's grid as the phantom drew them; what does not fit is said."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from cohorts import AFFINE, true_mask, write_cohort
from studies import write_nifti

from textbcs.base.io import InputError
from textbcs.study.reading import Study, find_study, read_study
from textbcs.study.study_files import Wish
from textbcs.validation.reference_masks import MaskRules, read_reference


def study(path: Path) -> Study:
    return read_study(find_study(path, Wish("post1")))


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_a_dicom_seg(tmp_path: Path, index: int) -> None:
    """The phantom knows its LPS mask; planes and frames are rotated and out of order."""
    folder = write_cohort(tmp_path, [index], dicom=[index])
    path = folder / f"masks/P{index}.seg.dcm"
    found = read_reference(path, study(folder / f"P{index}"), MaskRules())
    assert np.array_equal(found, true_mask(index))


def test_a_volume_in_other_axes(tmp_path: Path) -> None:
    """The same mask stored from the head down and from left to right."""
    folder = write_cohort(tmp_path, [1])
    mask = true_mask(1).astype(np.uint8).transpose(2, 1, 0)
    flip = np.diag([-1.0, 1.0, -1.0, 1.0])
    flip[:3, 3] = [mask.shape[0] - 1, 0, mask.shape[2] - 1]
    path = write_nifti(tmp_path / "m.nii.gz", mask[::-1, :, ::-1], AFFINE @ flip)
    assert np.array_equal(
        read_reference(path, study(folder / "P1.nii.gz"), MaskRules()), true_mask(1)
    )


def test_labels_and_an_empty_mask(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path, [1])
    own = study(folder / "P1.nii.gz")
    mask = true_mask(1).astype(np.uint8).transpose(2, 1, 0)
    path = tmp_path / "m.nii.gz"
    other = mask.copy()
    other[:4, :4, 0] = 3
    write_nifti(path, np.where(mask > 0, 2, other), AFFINE)
    with pytest.raises(InputError, match="labels"):
        read_reference(path, own, MaskRules())
    assert np.array_equal(read_reference(path, own, MaskRules([2])), true_mask(1))
    write_nifti(path, 0 * mask, AFFINE)
    assert not read_reference(path, own, MaskRules()).any()


def test_what_does_not_fit_is_said(tmp_path: Path) -> None:
    folder = write_cohort(tmp_path, [1, 2], dicom=[1, 2])
    own, seg = study(folder / "P1"), folder / "masks/P2.seg.dcm"
    with pytest.raises(
        InputError, match="refers to no series of this patient; is it the mask of another"
    ):
        read_reference(seg, own, MaskRules())
    with pytest.raises(InputError, match="segment"):
        read_reference(folder / "masks/P1.seg.dcm", own, MaskRules(segments=["Liver"]))
    dataset = pydicom.dcmread(folder / "masks/P1.seg.dcm")
    second = pydicom.Dataset()
    second.update(dataset.SegmentSequence[0])
    second.SegmentNumber, second.SegmentLabel = 2, "Other"
    dataset.SegmentSequence.append(second)
    dataset.save_as(folder / "masks/P1.seg.dcm")
    with pytest.raises(
        InputError, match="name it with --segment; there are 'Other', 'Structural Tumor'"
    ):
        read_reference(folder / "masks/P1.seg.dcm", own, MaskRules())
    far = np.array(AFFINE)
    far[:3, 3] = 5000
    path = write_nifti(
        tmp_path / "far.nii.gz", true_mask(1).astype(np.uint8).transpose(2, 1, 0), far
    )
    with pytest.raises(InputError, match="does not overlap its series"):
        read_reference(path, own, MaskRules())
