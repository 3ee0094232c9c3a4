"""2-D images and drawn masks (PNG, JPEG, TIFF, BMP) as arrays: every coding that people use, or a reason.

Pillow decodes. What it would change without a word is refused here: 16-bit colour (it drops eight bits), a
second page, an orientation tag, white-is-zero in 16 bits. The checksums of a PNG are checked before a pixel
is believed. JPEG, TIFF and BMP have none: of those only damage that the decoder stumbles over is seen.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.intake.guard import reading

if TYPE_CHECKING:
    from PIL.Image import Image

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP")
LARGEST = 100_000_000  # pixels: more is no medical image, but a file that fills the memory
_ORIENTATION = 0x0112  # EXIF
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339  # TIFF
_PALETTES = ("P", "PA")
_ALPHA = ("LA", "PA", "RGBA", "La", "RGBa")
_KNOWN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "F", "I;16", "I;16L", "I;16B", "I;16N")
_LUMINANCE = (299, 587, 114)  # thousandths of R, G, B: luminance by ITU-R BT.601


def read_image(path: Path, colour: bool = False) -> NDArray[Any]:
    """The grey values of an image, as they are stored.

    Args:
        path: a PNG, JPEG, TIFF or BMP file.
        colour: turn colours to grey by their luminance (ITU-R BT.601); else they are refused.

    Returns:
        (rows, columns): uint8, uint16, int32 or float32, as the file has it.

    Raises:
        InputError: unreadable or damaged, another format, several pages, turned by a tag, in colour, partly
            transparent, not finite, or the same everywhere.
    """
    with reading(path, "image"):
        pixels = _pixels(path)
        grey = _grey(path, pixels, colour)
    if not np.isfinite(grey).all():
        raise InputError(f"{path}: holds values that are no finite numbers; save it without them")
    if grey.min() == grey.max():
        raise InputError(f"{path}: the same value ({grey.flat[0]}) everywhere; export it again")
    return grey


def read_drawn_mask(path: Path, threshold: float | None = None) -> NDArray[np.uint8]:
    """A drawn mask: which pixels are inside.

    Outside is black (0, in a palette the colour black) or transparent, inside is the one other value,
    whatever it is. A palette counts by its colours.

    Args:
        path: a PNG, JPEG, TIFF or BMP file.
        threshold: inside is what is brighter than this, for masks of several labels (0) or with soft
            edges; None: a mask has two values.

    Returns:
        (rows, columns), 1 inside; all 0 where the mask is black.

    Raises:
        InputError: as `read_image`, or more than two values, no black, or nothing but inside.
    """
    with reading(path, "image"):
        values, shown = _mask_values(path, _pixels(path), threshold is not None)
    if not np.isfinite(values).all():
        raise InputError(f"{path}: holds values that are no finite numbers; save it without them")
    if threshold is None:
        found = np.unique(values)
        if len(found) > 2:
            raise InputError(
                f"{path}: {len(found)} different values ({shown(found)}) are no mask of inside and "
                "outside; say with --threshold what is inside, or save it without soft edges"
            )
        if len(found) == 2 and found[0] != 0:
            raise InputError(
                f"{path}: neither of its values ({shown(found)}) is 0 (black), which outside must be"
            )
        threshold = 0
    inside = values > threshold
    if inside.all():
        raise InputError(f"{path}: the mask covers the whole image; outside must be 0 (black)")
    return inside.astype(np.uint8)


def _pixels(path: Path) -> "Image":
    """The decoded image, still in its own coding."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # "Truncated File Read", bombs: a warning is a doubt
        warnings.simplefilter("ignore", DeprecationWarning)
        with Image.open(path, formats=_FORMATS) as image:
            _refuse_size(path, image.size)
            if image.format == "PNG":
                image.verify()  # all checksums; the image has to be opened again after it
        with Image.open(path, formats=_FORMATS) as image:
            _refuse(path, image)
            image.load()
            return image.copy()


def _refuse_size(path: Path, size: tuple[int, int]) -> None:
    if size[0] * size[1] > LARGEST:
        raise InputError(
            f"{path}: {size[0]} x {size[1]} pixels; at most {LARGEST // 1_000_000} million are read"
        )


def _refuse_gaps(path: Path, image: "Image") -> None:
    """Refuse a TIFF whose strips do not make the whole image: the rest would be black without a word."""
    extents = [tuple(tile[1]) for tile in getattr(image, "tile", ())]
    filled = sum((right - left) * (lower - upper) for left, upper, right, lower in extents)
    whole = image.size[0] * image.size[1]
    if extents and (filled < whole or filled % whole):  # several times where channels lie apart
        raise InputError(f"{path}: its strips do not make the whole image; damaged, save it again")


def _refuse(path: Path, image: "Image") -> None:
    """Refuse what would be decoded into something else than the file says."""
    _refuse_size(path, image.size)
    _refuse_gaps(path, image)
    # First of all: the next questions may decode the image, after which nothing says how it was coded.
    coded = " ".join(str(part) for tile in getattr(image, "tile", ()) for part in tile[3:])
    if getattr(image, "n_frames", 1) != 1:
        raise InputError(f"{path}: several pages or frames; save each as a file of its own")
    if "16" in coded and image.mode in ("RGB", "RGBA", "LA"):
        raise InputError(f"{path}: colour of 16 bits a channel; save it in grey of 16 bits")
    turned = int(image.getexif().get(_ORIENTATION, 1))
    if turned not in (0, 1):
        raise InputError(
            f"{path}: turned by a tag (EXIF orientation {turned}), which not all programs follow; save it "
            "upright"
        )
    if image.mode not in _KNOWN:
        raise InputError(f"{path}: coded as {image.mode}; save it in grey")
    tags: Any = getattr(image, "tag_v2", {})
    kinds = tags.get(_SAMPLE_FORMAT, (1,))
    kinds = kinds if isinstance(kinds, tuple) else (kinds,)
    if 2 in kinds and image.mode == "L":
        raise InputError(f"{path}: signed values of 8 bits; save it with values from 0")
    if tags and kinds == (1,) and image.mode == "I":
        raise InputError(
            f"{path}: unsigned values of 32 bits; save it with 16 bits or as numbers with sign"
        )
    if tags.get(_PHOTOMETRIC) == 0 and image.mode not in ("1", "L"):
        raise InputError(
            f"{path}: stored with white as 0 (PhotometricInterpretation); save it anew"
        )


def _grey(path: Path, image: "Image", colour: bool) -> NDArray[Any]:
    """An image's grey values (rows, columns); InputError where it has none."""
    if image.mode in _PALETTES or "transparency" in image.info:
        if image.mode.startswith("I"):
            raise InputError(f"{path}: a value stands for transparent; save it without one")
        image = image.convert("RGBA")
    values = _plain(image)
    if image.mode in _ALPHA:
        if values[..., -1].min() < 255:
            raise InputError(f"{path}: has transparent pixels; save it without transparency")
        values = values[..., :-1]
    if values.ndim == 2:
        return values
    if values.shape[2] == 1 or (values == values[..., :1]).all():
        return np.ascontiguousarray(values[..., 0])
    if not colour:
        raise InputError(f"{path}: in colour; save it in grey, or allow it with --colour")
    weighted: NDArray[np.int64] = values.astype(np.int64) @ np.array(_LUMINANCE)
    return ((weighted + 500) // 1000).astype(np.uint8)


def _mask_values(
    path: Path, image: "Image", bright: bool
) -> tuple[NDArray[Any], Callable[[NDArray[Any]], str]]:
    """A number for each pixel of a mask, 0 outside, and what shows several of them to people.

    With `bright`, a colour's number is its strongest channel, which a threshold can be held against.
    """
    if image.mode in _PALETTES or "transparency" in image.info:
        if image.mode.startswith("I"):
            raise InputError(f"{path}: a value stands for transparent; save it without one")
        image = image.convert("RGBA")
    values = _plain(image)
    if values.ndim == 2:
        return values, _numbers
    if image.mode in _ALPHA and bright:
        values = np.where(values[..., -1:] == 0, 0, values[..., :-1])
    elif image.mode in _ALPHA:
        alpha, colours = values[..., -1], values[..., :-1].astype(np.int64)
        clear = alpha == 0
        if clear.any():
            # Transparent is outside: what is drawn may then be black.
            return np.where(clear, 0, _code(colours) * 256 + alpha), _colours
        if (alpha != alpha.flat[0]).any():
            return _code(colours) * 256 + alpha, _colours
        values = colours
    values = values.astype(np.int64)
    if bright or (values == values[..., :1]).all():
        return values.max(axis=2), _numbers
    return _code(values), _colours


def _code(colours: NDArray[np.int64]) -> NDArray[np.int64]:
    """Colours (rows, columns, 1 or 3) as one number each; black is 0."""
    code = np.zeros(colours.shape[:2], np.int64)
    for channel in range(colours.shape[2]):
        code = code * 256 + colours[..., channel]
    return code


def _numbers(values: NDArray[Any]) -> str:
    shown = [f"{value:g}" for value in values[:4]]
    return ", ".join([*shown, "..."] if len(values) > 4 else shown)


def _colours(values: NDArray[Any]) -> str:
    return f"{len(values)} colours"


def _plain(image: "Image") -> NDArray[Any]:
    """Pixels in the machine's byte order: (rows, columns) or (rows, columns, channels)."""
    values = np.asarray(image)
    if values.dtype == np.bool_:
        return values.astype(np.uint8)
    return values.astype(values.dtype.newbyteorder("="))
