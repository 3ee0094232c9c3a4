"""SEG objects of outlines, read by others: pydicom and arithmetic, highdicom, SimpleITK, our own reader."""

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from oriented_series import AXIAL, GE, OTHER_PLANES, SIEMENS, Made, made, made_enhanced

from textbcs.imaging.planes import SeriesError
from textbcs.imaging.segmentation import read_segmentation
from textbcs.masks.fitting import fit_segmentation
from textbcs.outline.segment_description import LABEL, PROBABILITY_LABEL, Algorithm
from textbcs.outline.segmentation_object import fractional_segmentation, segmentation
from textbcs.outline.source_study import encoded, read_sources

ABOUT = Algorithm("textbcs_plus", "0.1.0", "5e" * 32, "location left; number two", "given")
needs_itk = pytest.mark.skipif(
    find_spec("SimpleITK") is None, reason="SimpleITK is in the extra `bench`"
)
SHAPES = {"even": (6, 10, 8), "odd": (5, 9, 7), "mixed": (7, 8, 11)}
CASES = {
    f"{name}-{'rising' if rising else 'falling'}-{size}": (cosines, rising, shape)
    for number, (name, cosines) in enumerate(AXIAL.items())
    for rising in (True, False)
    for size, shape in [list(SHAPES.items())[number % 3]]
}


@pytest.fixture(scope="module", params=[*CASES, "enhanced-rising", "enhanced-falling"])
def series(request, tmp_path_factory) -> Made:
    """A series with its blob on each kind of planes."""
    folder = tmp_path_factory.mktemp("series") / "images"
    if request.param.startswith("enhanced"):
        return made_enhanced(folder, request.param.endswith("falling"))
    cosines, rising, shape = CASES[request.param]
    return made(folder, cosines, shape, rising, seed=len(request.param))


@pytest.fixture(scope="module")
def file(series, tmp_path_factory) -> Path:
    """The SEG of the blob."""
    return written(tmp_path_factory.mktemp("seg") / "seg.dcm", series)


def written(path: Path, series: Made, about: Algorithm = ABOUT, side: str = "left") -> Path:
    found = segmentation(read_sources(series.grid), series.mask, series.grid, about, side)
    path.write_bytes(encoded(found))
    return path


def points(places: list[np.ndarray]) -> np.ndarray:
    """Points in space (n, 3), in hundredths of a millimetre, in order."""
    found = np.round(np.concatenate(places) * 100).astype(np.int64)
    return found[np.lexsort(found.T)]


def on_plane(pixels: np.ndarray, plane: pydicom.Dataset, measures, position) -> np.ndarray:
    """Centres of the marked pixels (PS3.3, equation C.7.6.2.1-1)."""
    row, column = np.reshape([float(v) for v in plane.ImageOrientationPatient], (2, 3))
    between_rows, between_columns = (float(v) for v in measures.PixelSpacing)
    rows, columns = np.nonzero(pixels)
    across = columns[:, None] * between_columns * row + rows[:, None] * between_rows * column
    return np.array([float(v) for v in position]) + across


def drawn_points(series: Made) -> np.ndarray:
    """Where the blob lies, by the headers of the images that it was drawn on."""
    places = []
    for (uid, frame), pixels in series.marked.items():
        image = next(i for i in map(pydicom.dcmread, series.paths) if i.SOPInstanceUID == uid)
        plane = measures = image
        position = image.get("ImagePositionPatient")
        if frame:
            shared = image.SharedFunctionalGroupsSequence[0]
            own = image.PerFrameFunctionalGroupsSequence[frame - 1]
            plane, measures = shared.PlaneOrientationSequence[0], shared.PixelMeasuresSequence[0]
            position = own.PlanePositionSequence[0].ImagePositionPatient
        places.append(on_plane(pixels, plane, measures, position))
    return points(places)


def test_each_frame_lies_on_the_image_it_refers_to(series, file) -> None:
    """As OHIF shows it: pixel upon pixel of one image, nothing turned."""
    found = pydicom.dcmread(file)
    orientation = found.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
    sources = {str(image.SOPInstanceUID): image for image in map(pydicom.dcmread, series.paths)}
    seen = set()
    for pixels, frame in zip(
        found.pixel_array, found.PerFrameFunctionalGroupsSequence, strict=True
    ):
        (derivation,) = frame.DerivationImageSequence
        (image,) = derivation.SourceImageSequence
        key = (str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber", 0)))
        np.testing.assert_array_equal(pixels, series.marked[key])
        source = sources[key[0]]
        assert image.ReferencedSOPClassUID == source.SOPClassUID
        plane = place = source
        if key[1]:
            plane = source.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
            place = source.PerFrameFunctionalGroupsSequence[key[1] - 1].PlanePositionSequence[0]
        assert orientation.ImageOrientationPatient == plane.ImageOrientationPatient
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, place.ImagePositionPatient, atol=1e-9, rtol=0)
        assert frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber == 1
        seen.add(key)
    assert seen == set(series.marked)
    (referred,) = found.ReferencedSeriesSequence
    assert referred.SeriesInstanceUID == source.SeriesInstanceUID
    uids = [one.ReferencedSOPInstanceUID for one in referred.ReferencedInstanceSequence]
    assert sorted(uids) == sorted(sources)
    assert found.FrameOfReferenceUID == source.FrameOfReferenceUID


def test_its_points_in_space_by_pydicom_alone(series, file) -> None:
    found = pydicom.dcmread(file)
    shared = found.SharedFunctionalGroupsSequence[0]
    plane, measures = shared.PlaneOrientationSequence[0], shared.PixelMeasuresSequence[0]
    frames = zip(found.pixel_array, found.PerFrameFunctionalGroupsSequence, strict=True)
    places = [
        on_plane(pixels, plane, measures, frame.PlanePositionSequence[0].ImagePositionPatient)
        for pixels, frame in frames
    ]
    np.testing.assert_array_equal(points(places), drawn_points(series))
    assert measures.SpacingBetweenSlices == pytest.approx(2.5, abs=1e-6)


def test_its_points_in_space_by_highdicom(series, file) -> None:
    found = highdicom.seg.segread(file)
    volume = found.get_volume(combine_segments=True)
    marked = np.argwhere(volume.array)
    places = volume.map_indices_to_reference(marked)
    np.testing.assert_array_equal(points([places]), drawn_points(series))
    assert found.segment_numbers == range(1, 2) or list(found.segment_numbers) == [1]


@needs_itk
def test_its_points_in_space_by_itk(series, file) -> None:
    import SimpleITK

    image = SimpleITK.ReadImage(str(file))
    marked = SimpleITK.GetArrayFromImage(image) > 0
    # Eight voxels make a byte. ITK 5.4 leaves those of a last byte that is not full as memory was.
    rest = marked.size % 8
    marked.reshape(-1)[marked.size - rest :] = pydicom.dcmread(file).pixel_array.ravel()[
        marked.size - rest :
    ]
    places = [
        image.TransformIndexToPhysicalPoint(index)
        for index in np.argwhere(marked)[:, ::-1].tolist()
    ]
    np.testing.assert_array_equal(points([np.array(places)]), drawn_points(series))


def test_our_own_reader_gives_the_mask_back(series, file) -> None:
    """As a mask that was corrected in a viewer comes back as own data."""
    uid = str(pydicom.dcmread(series.paths[0]).SeriesInstanceUID)
    got = fit_segmentation(read_segmentation(file, LABEL), series.grid, {uid}, 0.0)
    np.testing.assert_array_equal(got, series.mask)


@pytest.mark.parametrize("name", OTHER_PLANES)
def test_sagittal_and_coronal_series_are_not_read(name, tmp_path) -> None:
    """So no SEG can be asked of them; whoever reads them one day finds this test."""
    with pytest.raises(SeriesError, match=f"{name}: only axial"):
        made(tmp_path / "images", OTHER_PLANES[name])


@pytest.mark.parametrize("cosines", [GE, AXIAL["siemens_oblique"]])
def test_a_probability(cosines, tmp_path) -> None:
    """Steps of 1/255 at the same places, and an outline at one half."""
    series = made(tmp_path / "images", cosines)
    rng = np.random.default_rng(3)
    probability = np.where(series.mask, 0.5 + rng.random(series.mask.shape) / 2, 0.25)
    path = tmp_path / "seg.dcm"
    sources = read_sources(series.grid)
    made_of = fractional_segmentation(sources, probability.astype("f4"), series.grid, ABOUT)
    path.write_bytes(encoded(made_of))
    found = pydicom.dcmread(path)
    assert (found.SegmentationFractionalType, found.MaximumFractionalValue) == ("PROBABILITY", 255)
    assert np.count_nonzero(found.pixel_array == 64) == np.count_nonzero(~series.mask)
    for pixels, frame in zip(
        found.pixel_array, found.PerFrameFunctionalGroupsSequence, strict=True
    ):
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        drawn = series.marked[(image.ReferencedSOPInstanceUID, 0)]
        z = series.grid.sop_uids.index(image.ReferencedSOPInstanceUID)
        np.testing.assert_array_equal(pixels >= 127, drawn)
        expected = np.sort(np.round(probability[z].astype("f4") * 255).ravel())
        np.testing.assert_array_equal(np.sort(pixels.ravel()), expected)
    read = read_segmentation(path, PROBABILITY_LABEL)
    got = fit_segmentation(read, series.grid, {"1.2.3"}, 0.0)
    np.testing.assert_array_equal(got, probability >= 127.5 / 255)


def test_an_outline_of_nothing_has_every_frame(tmp_path) -> None:
    series = made(tmp_path / "images", SIEMENS)
    path = written(tmp_path / "seg.dcm", replace(series, mask=np.zeros_like(series.mask)))
    found = pydicom.dcmread(path)
    assert found.NumberOfFrames == series.grid.shape[0]
    assert not found.pixel_array.any()
    got = fit_segmentation(read_segmentation(path, LABEL), series.grid, {"1.2.3"}, 0.0)
    assert got.shape == series.grid.shape
    assert not got.any()


def test_uneven_slices_and_orientations_that_reading_allows(tmp_path) -> None:
    """Positions to a hundredth of the distance, cosines to the fourth digit: each frame keeps its place."""
    rng = np.random.default_rng(5)

    def jitter(dataset: pydicom.Dataset) -> None:
        place = np.array(dataset.ImagePositionPatient, float)
        place[2] += rng.uniform(-0.02, 0.02)
        dataset.ImagePositionPatient = [f"{value:.4f}" for value in place]
        dataset.ImageOrientationPatient = [1, f"{rng.uniform(0, 1e-4):.6f}", 0, 0, 1, 0]

    series = made(tmp_path / "images", SIEMENS, change=jitter)
    path = written(tmp_path / "seg.dcm", series)
    for frame in pydicom.dcmread(path).PerFrameFunctionalGroupsSequence:
        (image,) = frame.DerivationImageSequence[0].SourceImageSequence
        z = series.grid.sop_uids.index(image.ReferencedSOPInstanceUID)
        position = frame.PlanePositionSequence[0].ImagePositionPatient
        np.testing.assert_allclose(position, series.grid.planes[z].position, atol=1e-6)
    got = fit_segmentation(read_segmentation(path, LABEL), series.grid, {"1.2.3"}, 0.0)
    np.testing.assert_array_equal(got, series.mask)
