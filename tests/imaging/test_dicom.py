"""Reading series: the voxel in the right place, whatever files, vendors and orders do."""

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_files
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from textbcs.base.io import InputError
from textbcs.imaging.dicom import read_grid, read_header, read_series
from textbcs.imaging.geometry import transform
from textbcs.imaging.planes import SeriesError
from textbcs.phantom.files import files
from textbcs.phantom.patient import make_patient

TOLERANCE = 0.05


@pytest.fixture
def series(settings, tmp_path):
    """Writes a phantom patient's first post phase under meaningless names, in random order."""

    def make(index: int, change=lambda dataset: None) -> tuple[list[Path], object]:
        patient = make_patient(settings, index)
        found = [pydicom.dcmread(BytesIO(e.content)) for e in files(settings, patient)]
        own = [one for one in found if one.get("SeriesNumber") == patient.facts.numbers[1]]
        names = np.random.default_rng(index).permutation(len(own))
        paths = []
        for name, dataset in zip(names, own, strict=True):
            change(dataset)
            paths.append(tmp_path / f"{index}-{name:04d}")
            dataset.save_as(paths[-1])
        return sorted(paths), patient

    return make


@pytest.mark.parametrize("index", range(1, 7))
def test_a_series_is_the_volume_that_was_made(series, index) -> None:
    """Both vendors and both slice orders: the generator's LPS array is the oracle."""
    paths, patient = series(index)
    stack = read_series(paths, TOLERANCE)
    np.testing.assert_array_equal(stack.volume.array, patient.phases[1].astype(np.float32))
    grid = patient.anatomy.grid
    for z, y, x in ((0, 0, 0), (9, 47, 47), (3, 30, 11)):
        expected = [grid.x.ravel()[x], grid.y.ravel()[y], grid.z.ravel()[z]]
        np.testing.assert_allclose(transform(stack.volume.affine, [x, y, z]), expected, atol=2e-3)
    assert stack.volume.array.dtype == np.float32
    assert stack.volume.array.flags.c_contiguous


@pytest.mark.parametrize("index", [1, 2, 3, 4])
def test_every_slice_knows_its_instance(series, index) -> None:
    paths, _ = series(index)
    grid = read_grid(paths, TOLERANCE)
    stack = read_series(paths, TOLERANCE)
    assert grid.sop_uids == stack.grid.sop_uids
    assert grid.paths == stack.grid.paths
    np.testing.assert_array_equal(grid.affine, stack.grid.affine)
    for z, path in enumerate(grid.paths):
        dataset = pydicom.dcmread(path)
        assert dataset.SOPInstanceUID == grid.sop_uids[z]
        assert dataset.InstanceNumber == grid.instance_numbers[z]
        height = transform(grid.affine, [0, 0, z])[2]
        assert float(dataset.ImagePositionPatient[2]) == pytest.approx(height, abs=1e-3)
    assert grid.frame_of_reference == dataset.FrameOfReferenceUID


@pytest.mark.parametrize("index", [1, 2, 3])
def test_planes_whose_normal_points_down(series, index) -> None:
    """Rows turned upside down: the normal of the planes runs to the feet; nothing may move."""
    plain = read_series(series(index)[0], TOLERANCE)

    def upside_down(dataset) -> None:
        cosines = np.asarray(dataset.ImageOrientationPatient, float)
        place = np.asarray(dataset.ImagePositionPatient, float)
        reach = cosines[3:] * float(dataset.PixelSpacing[0]) * (dataset.Rows - 1)
        dataset.ImagePositionPatient = [round(float(value), 4) for value in place + reach]
        dataset.ImageOrientationPatient = [*cosines[:3], *(-cosines[3:] + 0.0)]
        dataset.PixelData = np.ascontiguousarray(dataset.pixel_array[::-1]).tobytes()

    turned = read_series(series(index, upside_down)[0], TOLERANCE)
    np.testing.assert_array_equal(turned.volume.array, plain.volume.array)
    np.testing.assert_allclose(turned.volume.affine, plain.volume.affine, atol=1e-3)
    assert turned.grid.sop_uids == plain.grid.sop_uids
    assert turned.grid.instance_numbers == plain.grid.instance_numbers


def test_every_raw_pixel_lies_where_its_tags_say(series) -> None:
    """PS3.3 eq. C.7.6.2.1-1 for single pixels, written out here."""
    for index in (1, 2, 3, 4, 5, 6):
        paths, _ = series(index)
        stack = read_series(paths, TOLERANCE)
        dataset = pydicom.dcmread(paths[0])
        inverse = np.linalg.inv(stack.volume.affine)
        cosines = np.asarray(dataset.ImageOrientationPatient, float).reshape(2, 3)
        spacing = np.asarray(dataset.PixelSpacing, float)
        for row, column in ((0, 0), (5, 40), (47, 3)):
            point = np.asarray(dataset.ImagePositionPatient, float)
            point = point + cosines[0] * spacing[1] * column + cosines[1] * spacing[0] * row
            x, y, z = np.round(transform(inverse, point)).astype(int)
            assert stack.volume.array[z, y, x] == dataset.pixel_array[row, column]


def test_rescale_signed_and_monochrome1(series) -> None:
    plain = read_series(series(1)[0], TOLERANCE).volume.array

    def rescaled(dataset) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = "2", "-10"

    np.testing.assert_array_equal(
        read_series(series(1, rescaled)[0], TOLERANCE).volume.array, 2 * plain - 10
    )

    def signed(dataset) -> None:
        dataset.PixelData = (dataset.pixel_array.astype(np.int16) - 300).tobytes()
        dataset.PixelRepresentation = 1

    np.testing.assert_array_equal(
        read_series(series(1, signed)[0], TOLERANCE).volume.array, plain - 300
    )

    def inverted(dataset) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"

    turned = read_series(series(1, inverted)[0], TOLERANCE).volume.array
    np.testing.assert_array_equal(turned, 65535 - plain)


def test_explicit_and_unusual_pixels_go_through_pydicom(series) -> None:
    plain = read_series(series(2)[0], TOLERANCE).volume.array

    def twelve_bits(dataset) -> None:
        dataset.BitsStored, dataset.HighBit = 12, 11
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian

    got = read_series(series(2, twelve_bits)[0], TOLERANCE).volume.array
    np.testing.assert_array_equal(got, np.minimum(plain, 4095))


def test_compressed_pixels_are_the_same_pixels(series) -> None:
    plain = read_series(series(3)[0], TOLERANCE).volume.array
    packed = read_series(series(3, lambda dataset: dataset.compress(RLELossless))[0], TOLERANCE)
    np.testing.assert_array_equal(packed.volume.array, plain)


@pytest.mark.parametrize(
    "tag", ["ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "Rows"]
)
def test_no_geometry_is_one_line_with_file_and_tag(series, tag) -> None:
    def without(dataset) -> None:
        if dataset.InstanceNumber == 4:
            delattr(dataset, tag)

    paths, _ = series(1, without)
    with pytest.raises(InputError, match=tag) as error:
        read_series(paths, TOLERANCE)
    assert "\n" not in str(error.value)
    assert any(str(path) in str(error.value) for path in paths)


def test_a_missing_or_shifted_slice_is_a_reason(series) -> None:
    paths, _ = series(1)
    numbers = {pydicom.dcmread(path).InstanceNumber: path for path in paths}
    with pytest.raises(SeriesError, match=r"missing slice .* not 1\d\.\d+"):
        read_series([path for number, path in numbers.items() if number != 5], TOLERANCE)
    with pytest.raises(SeriesError, match="fewer than two"):
        read_grid(paths[:1], TOLERANCE)

    def move(axis, by):
        def change(dataset) -> None:
            if dataset.InstanceNumber == 4:
                place = list(dataset.ImagePositionPatient)
                place[axis] += by
                dataset.ImagePositionPatient = place

        return change

    step = abs(read_grid(paths, TOLERANCE).affine[2, 2])
    with pytest.raises(SeriesError, match="uneven distance"):
        read_grid(series(1, move(2, 0.2 * step))[0], TOLERANCE)
    read_grid(series(1, move(2, 0.02 * step))[0], TOLERANCE)  # within the tolerance
    with pytest.raises(SeriesError, match="shifted"):
        read_grid(series(1, move(0, 3.0))[0], TOLERANCE)


def test_mixed_series_are_reasons(series) -> None:
    def in_one(**values):
        def change(dataset) -> None:
            if dataset.InstanceNumber == 2:
                for name, value in values.items():
                    setattr(dataset, name, value)

        return change

    for values, words in (
        ({"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]}, "mixed orientations"),
        ({"PixelSpacing": [1, 1]}, "mixed pixel spacings"),
        ({"Rows": 24, "Columns": 96}, "mixed image sizes"),
    ):
        with pytest.raises(SeriesError, match=words):
            read_grid(series(1, in_one(**values))[0], TOLERANCE)

    def same_place(dataset) -> None:
        dataset.ImagePositionPatient = [0, 0, min(dataset.InstanceNumber, 6) * 5]

    with pytest.raises(SeriesError, match="one position"):
        read_grid(series(1, same_place)[0], TOLERANCE)

    def sagittal(dataset) -> None:
        number = dataset.InstanceNumber
        dataset.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        dataset.ImagePositionPatient = [number * 5, 0, 0]

    with pytest.raises(SeriesError, match="sagittal: only axial"):
        read_grid(series(1, sagittal)[0], TOLERANCE)


def test_an_oblique_stack_keeps_its_tilt(series) -> None:
    angle = np.deg2rad(8)
    row = [np.cos(angle), np.sin(angle), 0]
    column = [-np.sin(angle), np.cos(angle), 0]

    def tilt(dataset) -> None:
        dataset.ImageOrientationPatient = [*row, *column]

    grid = read_grid(series(4, tilt)[0], TOLERANCE)
    direction = grid.affine[:3, 0] / np.linalg.norm(grid.affine[:3, 0])
    np.testing.assert_allclose(np.abs(direction), np.abs(row), atol=1e-6)


def test_content_that_is_not_what_was_recorded_stops(series) -> None:
    paths, _ = series(1)
    hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]
    read_series(paths, TOLERANCE, hashes)
    content = bytearray(paths[3].read_bytes())
    content[-1] ^= 1
    paths[3].write_bytes(content)
    with pytest.raises(InputError, match=f"{paths[3].name}: is not the file that was recorded"):
        read_series(paths, TOLERANCE, hashes)


def test_cut_short_and_foreign_files_are_one_line(series, tmp_path) -> None:
    paths, _ = series(1)
    whole = paths[0].read_bytes()
    paths[0].write_bytes(whole[:-200])
    with pytest.raises(InputError, match="cut short") as error:
        read_series(paths, TOLERANCE)
    assert "\n" not in str(error.value)
    paths[0].write_bytes(b"<html>login</html>")
    with pytest.raises(InputError, match="1-0000: no DICOM file"):
        read_series(paths, TOLERANCE)


def test_headers_hold_no_identity(tmp_path, settings) -> None:
    entry = next(iter(files(settings, make_patient(settings, 1))))
    dataset = pydicom.dcmread(BytesIO(entry.content))
    dataset.PatientName, dataset.PatientBirthDate = "PHI^CANARY", "19610101"
    path = tmp_path / "x"
    dataset.save_as(path)
    header = read_header(path)
    assert "CANARY" not in repr(header)
    assert "1961" not in repr(header)
    assert (header.modality, header.patient) == ("MR", "Breast_MRI_001")


def test_what_is_no_image_is_no_header(tmp_path) -> None:
    (tmp_path / "LICENSE").write_text("a licence")
    assert read_header(tmp_path / "LICENSE") is None
    (tmp_path / "empty").write_bytes(b"")
    assert read_header(tmp_path / "empty") is None


def test_a_real_rotating_projection_is_no_stack() -> None:
    """Seven projections of a real MR angiography that pydicom brings: one series, seven directions."""
    found = [Path(name) for name in get_testdata_files("**/MR700/*")]
    paths = sorted(path for path in found if path.is_file())
    assert len(paths) == 7
    with pytest.raises(SeriesError, match="mixed orientations"):
        read_series(paths, TOLERANCE)
