"""A network's maps of a whole volume, a byte a voxel, packed.

A map p in [0, 1] is kept as floor(256 p), at most 255. At a threshold t that is a multiple of 1/256 the
mask `code >= 256 t` is exactly p >= t, so nothing is lost where masks are made, and the codes pack well,
because most of a volume is surely background. `results/volumes/<run>/<split>/<patient>.safetensors` holds
`probability/<source>` (and `vacuity/<source>`), the codes packed by zlib, and `shape`.
"""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_tensors, write_tensors

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

RESULTS = Path("results/volumes")
LEVELS = 256
_LEVEL = 6  # of zlib
_PROBABILITY, _VACUITY, _SHAPE = "probability/", "vacuity/", "shape"
Codes = NDArray[np.uint8]


def code(values: NDArray[np.floating]) -> Codes:
    """floor(256 p), at most 255, of values in [0, 1].

    Raises:
        ValueError: a value lies outside, or is no number.
    """
    if not bool(((values >= 0) & (values <= 1)).all()):
        raise ValueError("a map holds values outside 0 to 1")
    codes: Codes = np.minimum(np.floor(values * np.float32(LEVELS)), LEVELS - 1).astype(np.uint8)
    return codes


def encode(values: NDArray[np.floating]) -> Codes:
    """A map in [0, 1] of any shape as one row of bytes: its codes, packed; ValueError as `code`."""
    return np.frombuffer(zlib.compress(code(values).tobytes(), _LEVEL), dtype=np.uint8)


def decode(row: Codes, shape: tuple[int, ...]) -> Codes:
    """The codes behind what `encode` gave.

    Args:
        row: (n,) bytes.
        shape: of the map.

    Raises:
        ValueError: the bytes are damaged, or are not of that shape.
    """
    try:
        content = zlib.decompress(row.tobytes())
    except zlib.error as error:
        raise ValueError(f"packed codes are damaged ({error})") from error
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def level(threshold: float) -> int:
    """256 t of a threshold.

    Raises:
        ValueError: it is no multiple of 1/256 between 0 and 1: codes cannot tell it from its neighbours.
    """
    found = round(threshold * LEVELS)
    if found != threshold * LEVELS or not 0 < found < LEVELS:
        raise ValueError(f"threshold {threshold} is no multiple of 1/{LEVELS} between 0 and 1")
    return found


def above(codes: Codes, threshold: float) -> NDArray[np.bool_]:
    """Where a map is at least the threshold, a multiple of 1/256 (ValueError as `level`)."""
    return codes >= level(threshold)


def file_of(run: str, split: str, patient: str) -> Path:
    """The file of a patient's maps."""
    return RESULTS / run / split / f"{patient}.safetensors"


def write_maps(
    stage: "Stage",
    run: str,
    split: str,
    patient: str,
    maps: Mapping[str, NDArray[np.float32]],
    vacuity: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Write what a network says of a patient.

    Args:
        stage: the stage that writes.
        run: a network with its seed, such as `textbcs-s1`.
        split: `val` or `test`.
        patient: whose volume.
        maps: foreground probability (z, S, S) by source of the prompt; at least one.
        vacuity: likewise, of a head with evidence.

    Raises:
        InputError: a map holds what is no probability: the training went astray.
    """
    tensors: dict[str, NDArray[Any]] = {}
    try:
        for prefix, kept in ((_PROBABILITY, maps), (_VACUITY, vacuity or {})):
            tensors |= {prefix + source: encode(values) for source, values in kept.items()}
    except ValueError as error:
        raise InputError(
            f"results/runs/{run}/model.safetensors: patient {patient}: {error}; train this network "
            "again with a lower learning rate"
        ) from error
    shape = np.array(next(iter(maps.values())).shape, dtype=np.int64)
    write_tensors(stage.output(file_of(run, split, patient)), {**tensors, _SHAPE: shape})


def read_codes(path: Path) -> dict[str, Codes]:
    """The coded foreground probability (z, S, S) of each source of a prompt.

    Raises:
        InputError: the file is missing or damaged.
    """
    return _read(path, _PROBABILITY)


def read_vacuity(path: Path) -> dict[str, Codes]:
    """The coded vacuity (z, S, S) of each source for which it was kept; InputError as `read_codes`."""
    return _read(path, _VACUITY)


def _read(path: Path, prefix: str) -> dict[str, Codes]:
    tensors = read_tensors(path)
    try:
        shape = tuple(int(side) for side in tensors[_SHAPE])
        names = [name for name in sorted(tensors) if name.startswith(prefix)]
        return {name.removeprefix(prefix): decode(tensors[name], shape) for name in names}
    except (KeyError, ValueError) as error:
        raise InputError(
            f"{path}: no maps of a whole volume ({error}); run the stage again"
        ) from error
