"""Reading SEG objects that another implementation (highdicom) wrote, on grids of their own."""

import tracemalloc
from io import BytesIO
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from segmentations import segmentation_object

from textbcs.base.io import InputError
from textbcs.imaging.dicom import read_grid, read_series
from textbcs.imaging.geometry import Volume, resample_nearest
from textbcs.imaging.segmentation import read_segmentation
from textbcs.masks.fitting import fit_segmentation
from textbcs.phantom.files import files
from textbcs.phantom.patient import make_patient

pytestmark = pytest.mark.filterwarnings("ignore:The string .* person name:UserWarning")

LABELS = ("Breast", "FGT", "Structural Tumor")


@pytest.fixture
def images(settings, tmp_path):
    """A patient's first post phase as datasets and files."""

    def make(index: int):
        patient = make_patient(settings, index)
        found = [pydicom.dcmread(BytesIO(e.content)) for e in files(settings, patient)]
        own = [one for one in found if one.get("SeriesNumber") == patient.facts.numbers[1]]
        paths = []
        for number, dataset in enumerate(own):
            paths.append(tmp_path / f"i{index}-{number}")
            dataset.save_as(paths[-1])
        return own, paths

    return make


def write(path: Path, source, pixels, kind="BINARY", **options) -> Path:
    """A SEG of three segments by highdicom."""
    segmentation_object(source, pixels, kind, LABELS, **options).save_as(path)
    return path


def random_masks(shape, seed) -> np.ndarray:
    """Three overlapping masks per voxel, sparse, with empty slices between."""
    rng = np.random.default_rng(seed)
    masks = rng.random((*shape, 3)) < 0.2
    masks[rng.random(shape[0]) < 0.4] = False
    masks[1, 3, 4, 2] = masks[-2, 5, 6, 2] = True
    return masks.astype(np.uint8)


@pytest.mark.parametrize("index", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("kind", ["BINARY", "FRACTIONAL"])
def test_the_tumour_of_three_segments(images, tmp_path, index, kind) -> None:
    source, paths = images(index)
    masks = random_masks((len(source), source[0].Rows, source[0].Columns), index)
    path = write(tmp_path / "seg", source, masks, kind)
    for number, label in enumerate(LABELS):
        segmentation = read_segmentation(path, label)
        grid = read_grid(paths, 0.05)
        got = fit_segmentation(segmentation, grid, {str(source[0].SeriesInstanceUID)}, 0.0)
        # The images themselves, with the mask in place of pixels, tell where each pixel lies.
        for dataset, plane in zip(source, masks[..., number], strict=True):
            dataset.PixelData = plane.astype(np.uint16).tobytes()
        for dataset, file in zip(source, paths, strict=True):
            dataset.save_as(file)
        expected = read_series(paths, 0.05).volume.array
        np.testing.assert_array_equal(got, expected.astype(np.uint8))


def test_a_mask_on_a_finer_grid(images, tmp_path) -> None:
    """Another resolution and origin: equal to resampling the same box analytically."""
    source, paths = images(2)
    grid = read_grid(paths, 0.05)
    affine = grid.affine.copy()
    affine[:3, :2] /= 2
    affine[:3, 2] /= 3
    affine[:3, 3] -= affine[:3, :3] @ [-3.0, 5.0, 0.0]
    shape = (3 * grid.shape[0], 2 * grid.shape[1], 2 * grid.shape[2])
    fine = np.zeros(shape, np.uint8)
    fine[6:15, 30:44, 20:40] = 1
    plane = hd.PlaneOrientationSequence(
        coordinate_system="PATIENT", image_orientation=[1, 0, 0, 0, 1, 0]
    )
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    measures = hd.PixelMeasuresSequence(
        pixel_spacing=[spacing[1], spacing[0]],
        slice_thickness=spacing[2],
        spacing_between_slices=spacing[2],
    )
    positions = [
        hd.PlanePositionSequence("PATIENT", (affine @ [0, 0, k, 1])[:3]) for k in range(shape[0])
    ]
    stacked = np.stack([np.zeros_like(fine), np.zeros_like(fine), fine], axis=-1)
    path = write(
        tmp_path / "seg",
        source,
        stacked,
        pixel_measures=measures,
        plane_orientation=plane,
        plane_positions=positions,
    )
    segmentation = read_segmentation(path, "Structural Tumor")
    got = fit_segmentation(segmentation, grid, {str(source[0].SeriesInstanceUID)}, 0.0)
    expected = resample_nearest(Volume(fine, affine), grid.affine, grid.shape)
    np.testing.assert_array_equal(got, expected)
    assert got.sum() == pytest.approx(fine.sum() / 12, rel=0.25)


def test_frames_off_any_grid_stop(images, tmp_path) -> None:
    source, paths = images(1)
    masks = random_masks((len(source), source[0].Rows, source[0].Columns), 1)
    path = write(tmp_path / "seg", source, masks)
    seg = pydicom.dcmread(path)
    rng = np.random.default_rng(0)
    for frame in seg.PerFrameFunctionalGroupsSequence:
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        place[2] = float(place[2]) + float(rng.uniform(1, 6))
    seg.save_as(path)
    grid = read_grid(paths, 0.05)
    segmentation = read_segmentation(path, "Structural Tumor")
    with pytest.raises(InputError, match="no regular grid"):
        fit_segmentation(segmentation, grid, {str(source[0].SeriesInstanceUID)}, 0.0)


def test_a_length_that_lies_costs_no_memory(images, tmp_path) -> None:
    """An element of 4 GB in a file of some kilobytes: pydicom asks a file for as much as it states."""
    source, _ = images(1)
    masks = random_masks((len(source), source[0].Rows, source[0].Columns), 1)
    path = write(tmp_path / "seg", source, masks)
    content = path.read_bytes()
    place = content.index(b"\x62\x00\x02\x00SQ") + 4  # SegmentSequence
    path.write_bytes(content[:place] + b"OB\0\0\xf0\xff\xff\xff" + content[place + 8 :])
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"seg: "):
            read_segmentation(path, "Structural Tumor")
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_a_transfer_syntax_that_nobody_knows_is_refused(images, tmp_path) -> None:
    source, _ = images(1)
    masks = random_masks((len(source), source[0].Rows, source[0].Columns), 1)
    path = write(tmp_path / "seg", source, masks)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10 1.2.1\0\0\0\0", 1))
    with pytest.raises(InputError, match=r"seg: transfer syntax 1.2.840.10 1.2.1 is not read"):
        read_segmentation(path, "Structural Tumor")


def test_what_is_no_segmentation_stops(images, tmp_path) -> None:
    _, paths = images(1)
    with pytest.raises(InputError, match="is no DICOM segmentation"):
        read_segmentation(paths[0], "x")
    broken = tmp_path / "broken"
    broken.write_bytes(b"x" * 300)
    with pytest.raises(InputError, match="no DICOM file"):
        read_segmentation(broken, "x")
