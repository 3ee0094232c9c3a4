"""What is bright in the source is outlined at the very place, whatever its axes; and what is said of it.

The network is replaced by one whose probability is the image: where square and native grid are one, the
outline is exactly what is brighter than the threshold.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from dicom_files import write_series
from packages import SIZE, tiny_package
from studies import write_nifti

from textbcs.evaluation.volumes.patient_scores import to_native
from textbcs.outline import drawing
from textbcs.outline.chosen_prompt import PromptWish
from textbcs.outline.prediction import Maps
from textbcs.outline.study_results import Options, Progress, find, predict_study
from textbcs.package.reading import Package, read_package
from textbcs.slices.resize import SquareGrid

STEP = 3.0


def body() -> Any:
    """A smooth body (z, y, x) with a bright block at larger x, that is the patient's left; LPS."""
    z, y, x = np.indices((7, SIZE, SIZE))
    image = np.where((y - 16) ** 2 + (x - 16) ** 2 < 220, 300 + 3 * x + 2 * y + z, 0)
    image[2:5, 9:14, 20:27] = 1000
    return image.astype(np.uint16)


def affine() -> Any:
    found = np.diag([2.0, 2.0, STEP, 1.0])
    found[:3, 3] = -31, -31, 5
    return found


@pytest.fixture
def seeing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network that says of each voxel how bright it is."""

    def ask(package: Package, image: Any, text: str, **_: Any) -> Maps:
        return Maps(image.astype(np.float32), np.full(image.shape, 0.25, np.float32))

    monkeypatch.setattr(drawing, "ask_package", ask)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return read_package(tiny_package(tmp_path / "package", "unet"))


def predicted(
    path: Path, package: Package, out: Path, **options: Any
) -> tuple[Any, dict[str, Any]]:
    own = Options(**options)
    summary = predict_study(find(path, package, own, Progress()), package, own, out, Progress())
    return nibabel.load(out / "mask.nii.gz"), summary


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, 1, -1), (-1, 1, -1)])
@pytest.mark.parametrize("axes", [(0, 1, 2), (1, 2, 0)])
def test_the_outline_lies_on_what_is_bright_in_a_volume_file(
    tmp_path: Path, seeing: None, package: Package, flips: Any, axes: Any
) -> None:
    array, own = body().transpose(2, 1, 0), affine()
    for axis, flip in enumerate(flips):
        if flip < 0:
            own[:3, 3] += own[:3, axis] * (array.shape[axis] - 1)
            own[:3, axis] *= -1
            array = np.flip(array, axis)
    array, moved = array.transpose(axes), own.copy()
    moved[:3, :3] = own[:3, list(axes)]
    path = write_nifti(tmp_path / "in.nii.gz", array, moved)
    mask, summary = predicted(path, package, tmp_path / "out")
    assert np.array_equal(np.asarray(mask.dataobj), array == 1000)
    outline = summary["outline"]
    assert (outline["side"], outline["number_of_lesions"]) == ("left", 1)
    assert outline["volume_ml"] == pytest.approx(3 * 5 * 7 * 4 * STEP / 1000)
    assert outline["lesions"][0]["centroid_lps_mm"] == [-31 + 2 * 23, -31 + 2 * 11, 5 + STEP * 3]
    assert summary["uncertainty"]["mean_vacuity"] == 0.25


def turned(orientation: list[float], backwards: bool) -> Callable[[Any, int], None]:
    """Axial planes with rows and columns reversed or turned, and slices numbered from the head."""
    row, column = np.array(orientation[:3]), np.array(orientation[3:])

    def change(dataset: Any, number: int) -> None:
        pixels = body()[number - 1]
        corner = np.array([-31.0, -31.0, 5.0])
        if row[0] < 0:
            pixels, corner = pixels[::-1, ::-1], corner + np.array([62, 62, 0])
        normal = np.cross(row, column)
        dataset.PixelData = np.ascontiguousarray(pixels).tobytes()
        dataset.ImageOrientationPatient = orientation
        dataset.ImagePositionPatient = [float(v) for v in corner + normal * STEP * (number - 1)]
        dataset.PixelSpacing = [2, 2]
        dataset.InstanceNumber = 8 - number if backwards else number

    return change


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "orientation",
    [
        [1, 0, 0, 0, 1, 0],
        [-1, 0, 0, 0, -1, 0],
        [0.96, 0.28, 0, -0.28, 0.96, 0],
        [1, 0, 0, 0, 0.96, -0.28],
    ],
)
def test_and_in_a_dicom_series_read_by_pydicom_alone(
    tmp_path: Path, seeing: None, package: Package, orientation: list[float], backwards: bool
) -> None:
    paths = write_series(tmp_path / "in", body(), turned(orientation, backwards))
    mask, summary = predicted(tmp_path / "in", package, tmp_path / "out", series=("1.2.3",))
    stored = np.asarray(mask.dataobj)
    to_index = np.linalg.inv(mask.affine)
    seen = 0
    for path in paths:
        one = pydicom.dcmread(path)
        corner = np.array([-1, -1, 1]) * np.array(one.ImagePositionPatient, float)  # RAS
        i, j, k = nibabel.affines.apply_affine(to_index, corner).round(2)
        assert (i, j) == (0, 0)
        assert np.array_equal(stored[:, :, int(k)].T > 0, one.pixel_array == 1000)
        seen += int(stored[:, :, int(k)].sum())
    assert seen == stored.sum() == 3 * 5 * 7
    assert summary["outline"]["side"] == "left"
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        "segmentation.dcm",
        "report.dcm",
    }


@pytest.mark.parametrize("seed", range(3))
def test_a_round_trip_changes_nothing_far_from_the_outline(seed: int) -> None:
    """The limit that `drawing` states, for blobs with corners, at several ratios of the two grids."""
    from scipy.ndimage import gaussian_filter, maximum_filter, minimum_filter

    rng = np.random.default_rng(seed)
    for shape, spacing, size in (((96, 96), (1.0, 1.0), 48), ((70, 101), (1.3, 0.7), 32)):
        field = gaussian_filter(rng.normal(size=shape), 5)
        mask = field > np.quantile(field, 0.8)
        grid = SquareGrid(shape, spacing, size)
        facts = {"native_rows": shape[0], "native_cols": shape[1], "spacing_slice_mm": 1.0}
        facts |= {"native_spacing_row_mm": spacing[0], "native_spacing_col_mm": spacing[1]}
        back = to_native(grid.mask(mask)[None] > 0, facts)[0]
        # A window that reaches one and a half square pixels to either side, whole pixels upwards.
        width = [2 * int(np.ceil(1.5 * grid.spacing / step)) + 1 for step in spacing]
        window: dict[str, Any] = {"size": width, "mode": "constant", "cval": 0}
        near = maximum_filter(mask, **window) != minimum_filter(mask, **window)
        assert not (back != mask)[~near].any()
        assert 2 * (back & mask).sum() / (back.sum() + mask.sum()) > 0.85


def test_what_speaks_against_an_outline_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The given prompt, the training data and the network's uncertainty, each with its reason."""

    def ask(package: Package, image: Any, text: str, **_: Any) -> Maps:
        return Maps(np.float32(0.55) * (image > 0.9), np.full(image.shape, 0.75, np.float32))

    monkeypatch.setattr(drawing, "ask_package", ask)
    package = read_package(tiny_package(tmp_path / "package", "textbcs"))
    object.__setattr__(package, "detector", None)
    path = write_nifti(
        tmp_path / "in.nii.gz", body().transpose(2, 1, 0), affine() * [[1], [1], [3], [1]]
    )
    prompt = "location right; shape round; size small; number two"
    _, summary = predicted(path, package, tmp_path / "out", prompt=PromptWish(text=prompt))
    assert summary["reliability"] == {
        "flag": "doubtful",
        "reasons": [
            "the distance of slices is 9 mm; the training data had 2 to 4 mm",
            "the number of slices is 7; the training data had 8 to 24",
            "the given prompt says location right, the outline's largest lesion lies left",
            "the given prompt says number two, the outline has one lesion",
            "the given prompt says size small, the outline's largest lesion is large (3.78 ml)",
            "the network has little evidence for the outline: mean vacuity 0.75, above 0.5",
            "the network is unsure of the outline: mean entropy 0.99 bits, above 0.75",
        ],
    }
    assert summary["notes"] == [
        "the file says no phase; it is taken for post1",
        "the study does not state its field strength, so nobody can say whether the training data had it",
        "the study does not state its manufacturer, so nobody can say whether the training data had it",
    ]
    assert summary["prompt"] == {
        "text": prompt,
        "source": "given",
        "stated": prompt,
        "automatic": None,
        "detector": None,
    }


def test_nothing_found_is_a_result_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(package: Package, image: Any, text: str, **_: Any) -> Maps:
        return Maps(np.zeros(image.shape, np.float32), None)

    monkeypatch.setattr(drawing, "ask_package", ask)
    package = read_package(tiny_package(tmp_path / "package", "textbcs_plus"))
    write_series(tmp_path / "in", body(), turned([1, 0, 0, 0, 1, 0], False))
    mask, summary = predicted(tmp_path / "in", package, tmp_path / "out", series=("1.2.3",))
    assert not np.asarray(mask.dataobj).any()
    assert summary["outline"]["number_of_lesions"] == summary["outline"]["volume_ml"] == 0
    assert summary["prompt"]["text"] == summary["prompt"]["automatic"] == ""
    assert "the first pass found nothing, so the empty prompt is asked" in summary["notes"]
    assert summary["uncertainty"] == {
        "mean_vacuity": None,
        "no_vacuity_because": "the network has no evidential head",
        "mean_entropy_bits": None,
        "no_entropy_because": "nothing is outlined",
        "temperature": 1.5,
    }
