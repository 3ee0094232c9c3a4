"""Pixels: rescaled, inverted and unpacked as headers say, all there or refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from dicom_files import jpeg_lossless, volume, write_enhanced, write_series
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRBigEndian, JPEGLosslessSV1, RLELossless

from textbcs.base.io import InputError
from textbcs.imaging.dicom import Header, read_header_or_reason, read_series, series_fault
from textbcs.imaging.planes import SeriesError
from textbcs.intake import dicom_pixels

TOLERANCE = 0.05


def read(paths: list[Path]) -> Any:
    return read_series(paths, TOLERANCE).volume.array


def fault(paths: list[Path]) -> str:
    found = [read_header_or_reason(path) for path in paths]
    return series_fault([one for one in found if isinstance(one, Header)], TOLERANCE)


@pytest.mark.parametrize(("kind", "sum_of_ends"), [(np.uint16, 65535), (np.int16, -1)])
def test_monochrome1_is_the_same_on_every_slice(
    tmp_path: Path, kind: Any, sum_of_ends: int
) -> None:
    """Tissue of 100 beside brighter tissue of 900, 400 and 700: 100 is one value in the volume."""
    values = np.full((3, 6, 7), 100, kind)
    for z, most in enumerate((900, 400, 700)):
        values[z, 2, 3] = most

    def change(dataset: Any, number: int) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.RescaleIntercept = 5

    found = read(write_series(tmp_path, values, change))
    np.testing.assert_array_equal(found, sum_of_ends - values.astype(np.float64) + 5)
    assert len(np.unique(found[values == 100])) == 1


def test_monochrome1_of_twelve_bits(tmp_path: Path) -> None:
    def change(dataset: Any, number: int) -> None:
        dataset.PhotometricInterpretation = "MONOCHROME1"
        dataset.BitsStored, dataset.HighBit = 12, 11

    values = volume(3)
    np.testing.assert_array_equal(read(write_series(tmp_path, values, change)), 4095.0 - values)


def test_rescaling_is_each_slices_own(tmp_path: Path) -> None:
    def change(dataset: Any, number: int) -> None:
        dataset.RescaleSlope, dataset.RescaleIntercept = number, -10 * number

    values = volume(3)
    expected = [values[z] * (z + 1.0) - 10 * (z + 1) for z in range(3)]
    np.testing.assert_array_equal(read(write_series(tmp_path, values, change)), expected)


@pytest.mark.parametrize("padding", [-2000, 63536])
def test_padding_is_background(tmp_path: Path, padding: int) -> None:
    """Written signed or unsigned it is one value, and the darkest of the others takes its place."""
    values = volume(3).astype(np.int16) + 7
    stored = values.copy()
    stored[:, 0, 0] = -2000

    def change(dataset: Any, number: int) -> None:
        dataset.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)

    expected = values.copy()
    expected[:, 0, 0] = np.delete(values.reshape(3, -1), 0, axis=1).min()
    np.testing.assert_array_equal(read(write_series(tmp_path, stored, change)), expected)


def test_padding_of_zero_is_left(tmp_path: Path) -> None:
    def change(dataset: Any, number: int) -> None:
        dataset.PixelPaddingValue = 0

    values = volume(3)
    np.testing.assert_array_equal(read(write_series(tmp_path, values, change)), values)


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32])
def test_every_width_in_both_byte_orders(tmp_path: Path, kind: Any) -> None:
    values = (volume(3) % 120).astype(kind)
    np.testing.assert_array_equal(read(write_series(tmp_path / "a", values)), values)
    if values.dtype.itemsize == 1:
        return

    paths = write_series(tmp_path / "b", values)
    for path, pixels in zip(paths, values, strict=True):
        dataset = pydicom.dcmread(path)
        dataset.PixelData = pixels.astype(values.dtype.newbyteorder(">")).tobytes()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        pydicom.dcmwrite(path, dataset, implicit_vr=False, little_endian=False, force_encoding=True)
    assert pydicom.dcmread(paths[0]).original_encoding == (False, False)
    np.testing.assert_array_equal(read(paths), values)


def test_other_bit_depths_are_refused(tmp_path: Path) -> None:
    paths = write_series(tmp_path, volume(3).astype(np.uint64))
    assert fault(paths) == "pixels of 64 bits: only 8, 16 and 32 are read"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda pixels: pixels[:-2], "cut short: 82 bytes of pixels, 84 are needed"),
        (lambda pixels: pixels + b"\1\0" * 7, "98 bytes of pixels, where its size makes 84"),
        (lambda pixels: pixels + b"\0" * 14, ""),
    ],
)
def test_as_many_pixels_as_the_size_makes(tmp_path: Path, change: Any, words: str) -> None:
    """Zeros after the pixels are padding, as some writers leave it."""

    def resized(dataset: Any, number: int) -> None:
        dataset.PixelData = change(dataset.PixelData)

    values = volume(3)
    paths = write_series(tmp_path, values, resized)
    assert fault(paths) == words
    if words:
        with pytest.raises(InputError, match=words) as error:
            read(paths)
        assert str(paths[0]) in str(error.value)
    else:
        np.testing.assert_array_equal(read(paths), values)


def test_what_follows_the_pixels_is_dicom(tmp_path: Path) -> None:
    """Bytes that were put into the pixels push others out behind their end."""
    values = volume(3)
    paths = write_series(tmp_path, values)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content[:-50] + b"\x12\x34" + content[-50:])
    assert fault(paths) == "what follows its pixels is no DICOM (1 of 3 files, first instance 1)"
    padding = b"\xfc\xff\xfc\xffOB\0\0\x04\0\0\0abcd"
    for rest in (padding, b"\0" * 100):
        paths[0].write_bytes(content + rest)
        np.testing.assert_array_equal(read(paths), values)
    paths[0].write_bytes(content + padding[:-1])
    assert "what follows its pixels" in fault(paths)


def test_compressed_frames_are_counted(tmp_path: Path) -> None:
    values = volume(4)

    def packed(dataset: Any) -> None:
        dataset.compress(RLELossless)

    path = write_enhanced(tmp_path / "a", values, [0, 2, 4, 6], (), packed)
    np.testing.assert_array_equal(read([path]), values)
    content = path.read_bytes()
    path.write_bytes(content[:-30])
    assert fault([path]) == "cut short: its compressed pixels do not end"

    def fewer(dataset: Any) -> None:
        packed(dataset)
        frames = list(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=4))
        dataset.PixelData = encapsulate(frames[:3])

    path = write_enhanced(tmp_path / "b", values, [0, 2, 4, 6], (), fewer)
    assert fault([path]) == "cut short: 3 compressed frames of 4"


def test_a_syntax_that_the_pixels_contradict(tmp_path: Path) -> None:
    def claims(dataset: Any, number: int) -> None:
        dataset.file_meta.TransferSyntaxUID = RLELossless

    paths = write_series(tmp_path, volume(3))
    content = paths[0].read_bytes()
    assert fault(paths) == ""
    paths[0].write_bytes(
        content.replace(b"UI\x14\x001.2.840.10008.1.2.1\0", b"UI\x14\x001.2.840.10008.1.2.5\0")
    )
    assert "not stored as RLE Lossless, as it says (1 of 3 files" in fault(paths)


def lossless(dataset: Any, number: int) -> None:
    """Pack a slice of a series."""
    dataset.PixelData = encapsulate([jpeg_lossless(dataset.pixel_array)])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1


def test_jpeg_lossless_is_unpacked(tmp_path: Path) -> None:
    pytest.importorskip("gdcm", reason=f"no decoder of JPEG Lossless: {dicom_pixels.INSTALL}")
    values = volume(3, 16, 18) * 9
    paths = write_series(tmp_path, values, lossless)
    assert fault(paths) == ""
    np.testing.assert_array_equal(read(paths), values)


def test_jpeg_lossless_that_does_not_end(tmp_path: Path) -> None:
    pytest.importorskip("gdcm", reason=f"no decoder of JPEG Lossless: {dicom_pixels.INSTALL}")
    paths = write_series(tmp_path, volume(3), lossless)
    content = paths[0].read_bytes()
    paths[0].write_bytes(content.replace(b"\xff\xd9", b"\x12\x34"))
    assert "cut short: a compressed frame does not end (1 of 3 files" in fault(paths)


@pytest.mark.parametrize(
    ("found", "put"),
    [
        (b"\xff\xc3\x00\x0b\x10\x00\x06", b"\xff\xc3\x00\x0b\x10\x00\x09"),  # rows
        (b"\xff\xc3\x00\x0b\x10\x00\x06\x00\x07\x01", b"\xff\xc3\x00\x0b\x10\x00\x06\x00\x07\x03"),
        (b"\xff\xc3\x00\x0b\x10", b"\xff\xc3\x00\x0b\x18"),  # bits of a pixel: GDCM aborts
        (b"\xff\xc4", b"\xff\xe4"),  # no table of codes
    ],
)
def test_a_damaged_jpeg_is_one_line(tmp_path: Path, found: bytes, put: bytes) -> None:
    """The decoder ends its process over some of them; the next file is read all the same."""
    pytest.importorskip("gdcm", reason=f"no decoder of JPEG Lossless: {dicom_pixels.INSTALL}")
    values = volume(3)
    paths = write_series(tmp_path, values, lossless)
    content = paths[1].read_bytes()
    assert content.count(found) == 1
    paths[1].write_bytes(content.replace(found, put))
    with pytest.raises(InputError) as error:
        read(paths)
    assert str(paths[1]) in str(error.value)
    assert "\n" not in str(error.value)
    paths[1].write_bytes(content)
    np.testing.assert_array_equal(read(paths), values)


def test_without_a_decoder_the_listing_says_so_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = write_series(tmp_path, volume(3), lossless)
    decoder = pydicom.pixels.get_decoder(JPEGLosslessSV1)
    monkeypatch.setattr(decoder, "_available", {})
    found = fault(paths)
    assert "JPEG Lossless" in found
    assert "(1.2.840.10008.1.2.4.70): no decoder is installed" in found
    assert found.endswith("install one: .venv/bin/pip install 'python-gdcm>=3,<4'")
    with pytest.raises(SeriesError) as error:
        read(paths)
    assert str(error.value) == found


def test_a_syntax_that_nobody_reads(tmp_path: Path) -> None:
    def private(dataset: Any, number: int) -> None:
        dataset.PixelData = encapsulate([b"\0" * 8])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"

    assert fault(write_series(tmp_path, volume(3), private)) == (
        "transfer syntax MPEG2 Main Profile / Main Level is not read"
    )
