"""Codings of images and masks that people bring; the oracle is the array that was written."""

import struct
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from textbcs.base.io import InputError
from textbcs.commands import plain_images
from textbcs.commands.plain_images import read_drawn_mask, read_image

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
LESION = np.zeros((6, 8), bool)
LESION[2:4, 3:6] = True


def saved(path: Path, pixels: np.ndarray | Image.Image, **options: object) -> Path:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_grey_of_eight_bits_is_as_it_was(tmp_path: Path, suffix: str) -> None:
    found = read_image(saved(tmp_path / f"a.{suffix}", GREY))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, GREY)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_every_value(tmp_path: Path, suffix: str) -> None:
    """The case that became constant: all values above 255."""
    pixels = GREY.astype(np.uint16) * 100 + 30000
    found = read_image(saved(tmp_path / f"a.{suffix}", pixels))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_whole_and_real_numbers_of_32_bits(tmp_path: Path, kind: type) -> None:
    pixels = GREY.astype(kind) * 70000 - 7
    found = read_image(saved(tmp_path / "a.tif", pixels))
    assert found.dtype == kind
    np.testing.assert_array_equal(found, pixels)


def test_big_endian_tiff(tmp_path: Path) -> None:
    """Written by hand: 16 bits, MM."""
    values = (GREY.astype(np.uint16) * 100).astype(">u2")
    tags = [(256, 3, 1, 8), (257, 3, 1, 6), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
            (273, 4, 1, 8), (278, 3, 1, 6), (279, 4, 1, values.nbytes)]  # fmt: skip
    entries = b"".join(
        struct.pack(">HHI", tag, kind, count)
        + (struct.pack(">HH", value, 0) if kind == 3 else struct.pack(">I", value))
        for tag, kind, count, value in tags
    )
    head = b"MM\0*" + struct.pack(">I", 8 + values.nbytes)
    table = struct.pack(">H", len(tags)) + entries + bytes(4)
    (tmp_path / "a.tif").write_bytes(head + values.tobytes() + table)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), values.astype(np.uint16))


def test_grey_in_other_dress(tmp_path: Path) -> None:
    rgb = np.stack([GREY] * 3, axis=-1)
    palette = Image.fromarray(GREY).convert("P")
    opaque = np.dstack([rgb, np.full(GREY.shape, 255, np.uint8)])
    for number, picture in enumerate((Image.fromarray(rgb), palette, Image.fromarray(opaque))):
        np.testing.assert_array_equal(read_image(saved(tmp_path / f"{number}.png", picture)), GREY)


def test_a_palette_counts_by_its_colours(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "P")
    image.putpalette([200, 200, 200, 10, 10, 10, 90, 90, 90])
    np.testing.assert_array_equal(
        read_image(saved(tmp_path / "a.png", image)), [[200, 10], [90, 200]]
    )


def test_colour_is_refused_or_becomes_its_luminance(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = (255, 0, 0)
    pixels[1, 1] = (10, 200, 60)
    path = saved(tmp_path / "a.png", pixels)
    with pytest.raises(InputError, match=r"a\.png: in colour; .*--colour"):
        read_image(path)
    expected = [[round(0.299 * 255), 0], [0, round(2.99 + 117.4 + 6.84)]]
    np.testing.assert_array_equal(read_image(path, colour=True), expected)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: saved(path, np.full((4, 4), 7, np.uint8)), "the same value (7) everywhere"),
        (lambda path: path.write_bytes(b""), "no readable image"),
        (lambda path: path.write_bytes(b"hello"), "no readable image"),
        (lambda path: saved(path, GREY, format="GIF"), "no readable image"),
        (
            lambda path: saved(path, np.dstack([GREY, GREY, GREY, GREY + 1])),
            "has transparent pixels",
        ),
        (lambda path: saved(path, GREY, exif=turned()), "EXIF orientation 6"),
        (
            lambda path: saved(
                path, GREY, save_all=True, append_images=[Image.fromarray(GREY + 1)], format="PNG"
            ),
            "several pages or frames",
        ),
        (lambda path: path.write_bytes(colour_of_16_bits()), "colour of 16 bits"),
    ],
)
def test_what_is_no_grey_image_is_one_line(tmp_path: Path, make, words: str) -> None:
    make(tmp_path / "a.png")
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "a.png")
    assert str(caught.value).startswith(f"{tmp_path / 'a.png'}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


def colour_of_16_bits() -> bytes:
    """A PNG of 2 x 2 pixels, which Pillow would read as one of eight bits."""
    rows = b"".join(b"\0" + struct.pack(">6H", *range(1000, 1006)) for _ in range(2))
    parts = [(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0)),
             (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in parts
    )


def test_several_pages_and_white_as_zero_of_a_tiff(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY + 1)]
    saved(tmp_path / "a.tif", Image.fromarray(GREY), save_all=True, append_images=pages)
    with pytest.raises(InputError, match="several pages"):
        read_image(tmp_path / "a.tif")
    saved(tmp_path / "b.tif", GREY.astype(np.uint16), tiffinfo={262: 0})
    with pytest.raises(InputError, match="white as 0"):
        read_image(tmp_path / "b.tif")


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_tiff_without_all_its_strips(tmp_path: Path, rows: int) -> None:
    """Pillow leaves rows of strips that are not there black, and says nothing."""
    path = saved(tmp_path / "a.tif", GREY)
    content = path.read_bytes()
    place = content.index(struct.pack("<HHI", 278, 4, 1)) + 8  # RowsPerStrip, of the one strip
    assert content[place] == len(GREY)
    path.write_bytes(content[:place] + bytes([rows]) + content[place + 1 :])
    with pytest.raises(InputError, match=r"a\.tif: its strips do not make the whole image"):
        read_image(path)


def test_values_that_are_no_numbers(tmp_path: Path) -> None:
    pixels = GREY.astype(np.float32)
    pixels[0, 0] = np.nan
    with pytest.raises(InputError, match="no finite numbers"):
        read_image(saved(tmp_path / "a.tif", pixels))


def test_too_many_pixels_are_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain_images, "LARGEST", 47)
    with pytest.raises(InputError, match="8 x 6 pixels; at most"):
        read_image(saved(tmp_path / "a.png", GREY))


def test_no_flipped_bit_and_no_cut_of_a_png_gives_other_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 65536, (12, 9)).astype(np.uint16)
    whole = saved(tmp_path / "a.png", noise).read_bytes()
    random = np.random.default_rng(4)
    damaged = [whole[:end] for end in range(0, len(whole) - 1, 7)]
    for place in random.integers(0, len(whole) * 8, 150):
        content = bytearray(whole)
        content[place // 8] ^= 1 << (place % 8)
        damaged.append(bytes(content))
    refused = 0
    for content in damaged:
        (tmp_path / "a.png").write_bytes(content)
        with suppress(InputError):
            np.testing.assert_array_equal(read_image(tmp_path / "a.png"), noise)
            continue
        refused += 1
    assert refused > len(damaged) * 0.9


def drawn(inside: tuple[int, ...], outside: tuple[int, ...]) -> np.ndarray:
    return np.where(LESION[..., None], inside, outside).astype(np.uint8)


def palette_mask() -> Image.Image:
    image = Image.fromarray(LESION.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0])
    return image


MASKS = {
    "0 and 1": Image.fromarray(LESION.astype(np.uint8)),
    "0 and 255": Image.fromarray(LESION.astype(np.uint8) * 255),
    "one bit": Image.fromarray(LESION),
    "16 bits": Image.fromarray(LESION.astype(np.uint16) * 300),
    "palette": palette_mask(),
    "red on black": Image.fromarray(drawn((255, 0, 0), (0, 0, 0))),
    "white, opaque": Image.fromarray(drawn((255, 255, 255, 255), (0, 0, 0, 255))),
    "white everywhere, alpha inside": Image.fromarray(
        drawn((255, 255, 255, 255), (255, 255, 255, 0))
    ),
    "black on transparent": Image.fromarray(drawn((0, 0, 0, 255), (0, 0, 0, 0))),
    "half transparent": Image.fromarray(drawn((255, 0, 0, 128), (0, 0, 0, 0))),
    "grey and alpha": Image.fromarray(drawn((255, 255), (255, 0)), "LA"),
}


@pytest.mark.parametrize("coding", MASKS)
def test_a_mask_of_any_coding(tmp_path: Path, coding: str) -> None:
    found = read_drawn_mask(saved(tmp_path / "m.png", MASKS[coding]))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, LESION)


def test_an_empty_mask_is_one_and_a_full_one_is_none(tmp_path: Path) -> None:
    empty = read_drawn_mask(saved(tmp_path / "m.png", np.zeros((6, 8), np.uint8)))
    assert empty.shape == (6, 8)
    assert not empty.any()
    with pytest.raises(InputError, match="covers the whole image"):
        read_drawn_mask(saved(tmp_path / "m.png", np.full((6, 8), 255, np.uint8)))


def test_more_values_need_a_threshold(tmp_path: Path) -> None:
    values = LESION.astype(np.uint8) * 200
    values[2, 3], values[0, 0] = 90, 10
    path = saved(tmp_path / "m.png", values)
    with pytest.raises(InputError, match=r"4 different values \(0, 10, 90, 200\).*--threshold"):
        read_drawn_mask(path)
    np.testing.assert_array_equal(read_drawn_mask(path, 127), values > 127)
    np.testing.assert_array_equal(read_drawn_mask(path, 0), values > 0)
    with pytest.raises(InputError, match=r"neither of its values \(10, 200\) is 0"):
        read_drawn_mask(saved(tmp_path / "n.png", np.where(LESION, 200, 10).astype(np.uint8)))


def test_soft_edges_of_colour_and_jpeg(tmp_path: Path) -> None:
    large = np.kron(LESION, np.ones((10, 10))).astype(np.uint8) * 255
    path = saved(tmp_path / "m.jpg", large, quality=80)
    with pytest.raises(InputError, match="--threshold"):
        read_drawn_mask(path)
    assert (read_drawn_mask(path, 127) != large // 255).mean() < 0.01
    overlay = drawn((200, 30, 0, 255), (0, 0, 0, 0))
    overlay[0, 0] = (60, 0, 0, 128)
    np.testing.assert_array_equal(read_drawn_mask(saved(tmp_path / "o.png", overlay), 100), LESION)
