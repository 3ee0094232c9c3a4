"""The data of the page's slice viewer: test slices, masks, predictions and vacuity as small pictures.

Every layer is one greyscale PNG in which all slices stand side by side, row by row, as a browser decodes
such a sheet by itself and at once.
"""

import base64
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

COLUMNS = 16  # slices in a row of a sheet
MOST_SLICES = 400  # more are thinned out evenly; the page says so
MOST_PIXELS = 128  # a side; larger slices are shown at a half, a third, ...
LEVELS = 16  # of a probability; the upper eight are foreground
SMALLEST_VACUITY = 1e-4  # vacuity is shown from here to 1, on a logarithmic scale


@dataclass(frozen=True)
class Layer:
    """What one method predicts.

    Attributes:
        name: the method.
        label: its printed name.
        probability: (n, H, W) float in [0, 1], of foreground.
        vacuity: (n, H, W) float in (0, 1], or None for a method that has none.
        dice: (n,) Dice of each slice on the evaluated grid, NaN where it is not defined.
    """

    name: str
    label: str
    probability: np.ndarray
    vacuity: np.ndarray | None
    dice: np.ndarray


def viewer_data(
    slices: Sequence[Mapping[str, Any]],
    images: np.ndarray,
    masks: np.ndarray,
    layers: Sequence[Layer],
    threshold: float,
) -> dict[str, Any]:
    """What the viewer needs, as JSON would hold it.

    Args:
        slices: a mapping per slice with `id`, `patient`, `z`, `kind`, `source` and `prompt`.
        images: (n, H, W) float in [0, 1].
        masks: (n, H, W), 1 inside lesions.
        layers: the methods, in the order of Table 1.
        threshold: a pixel is foreground where its probability exceeds this.
    """
    total = len(slices)
    kept = np.unique(np.linspace(0, total - 1, min(total, MOST_SLICES)).round().astype(int))
    step = -(-images.shape[1] // MOST_PIXELS)

    def sheet(values: np.ndarray, bits: int) -> str:
        return png_address(grey_png(tile(values[kept][:, ::step, ::step], COLUMNS), bits))

    return {
        "size": [len(range(0, side, step)) for side in images.shape[1:]],
        "columns": COLUMNS,
        "total": total,
        "step": step,
        "levels": LEVELS,
        "slices": [dict(slices[row]) for row in kept],
        "image": sheet(_bytes(images), 8),
        "mask": sheet(masks.astype(np.uint8), 1),
        "methods": [
            {
                "name": layer.name,
                "label": layer.label,
                "dice": [None if d != d else round(float(d), 3) for d in layer.dice[kept]],
                "probability": sheet(probability_levels(layer.probability, threshold), 4),
                "vacuity": None
                if layer.vacuity is None
                else sheet(vacuity_levels(layer.vacuity), 8),
            }
            for layer in layers
        ],
    }


def script_json(value: Any) -> str:
    """JSON that may stand inside a `<script>` element: no `<` in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def probability_levels(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Sixteen levels; 8 and above exactly where the probability exceeds the threshold.

    Rounding to the nearest sixteenth would move pixels across the threshold, so each side of it is
    divided by itself.

    Args:
        probability: any shape, float in [0, 1].
        threshold: in (0, 1).

    Returns:
        uint8 of the same shape, 0 to 15.
    """
    value = np.clip(np.nan_to_num(probability.astype(np.float32)), 0, 1)
    half = LEVELS // 2 - 1
    below = np.floor(half * value / threshold)
    above = LEVELS // 2 + np.floor(half * (value - threshold) / (1 - threshold))
    levels: np.ndarray = np.where(
        value > threshold,
        np.clip(above, half + 1, LEVELS - 1),
        np.clip(below, 0, half),
    )
    return levels.astype(np.uint8)


def vacuity_levels(vacuity: np.ndarray) -> np.ndarray:
    """Vacuity as uint8, logarithmic: 0 at a ten-thousandth and below, 252 at 1, in steps of 4.

    The steps keep the file small; the eye sees none of them.
    """
    share: np.ndarray = 1 - np.log10(
        np.clip(vacuity.astype(np.float32), SMALLEST_VACUITY, 1)
    ) / np.log10(SMALLEST_VACUITY)
    steps: np.ndarray = 4 * np.round(63 * share)
    return steps.astype(np.uint8)


def tile(values: np.ndarray, columns: int) -> np.ndarray:
    """(n, H, W) side by side: (rows * H, columns * W), the last row filled up with zeros."""
    count, height, width = values.shape
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, height, width), values.dtype)
    padded[:count] = values
    grid = padded.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    return grid.reshape(rows * height, columns * width)


def grey_png(values: np.ndarray, bits: int) -> bytes:
    """A greyscale PNG (W3C PNG specification): 1, 4 or 8 bits a pixel, no colour profile, no time.

    Args:
        values: (H, W) uint8 below 2 ** bits.
        bits: bit depth.
    """
    height, width = values.shape
    if bits == 8:  # filter 1: each pixel minus its left neighbour, which deflates better
        lines = np.diff(values, axis=1, prepend=np.uint8(0)).astype(np.uint8)
        filtering = 1
    else:
        lines = _pack(values, bits)
        filtering = 0
    raw = np.concatenate([np.full((height, 1), filtering, np.uint8), lines], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(raw, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _pack(values: np.ndarray, bits: int) -> np.ndarray:
    if bits == 1:
        return np.packbits(values, axis=1)
    even = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    pairs: np.ndarray = even[:, ::2] << 4 | even[:, 1::2]
    return pairs.astype(np.uint8)


def _chunk(kind: bytes, body: bytes) -> bytes:
    check = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)


def _bytes(images: np.ndarray) -> np.ndarray:
    return np.round(255 * np.clip(images.astype(np.float32), 0, 1)).astype(np.uint8)


def png_address(png: bytes) -> str:
    """A PNG as an address that holds it, for `src`."""
    return "data:image/png;base64," + base64.b64encode(png).decode()
