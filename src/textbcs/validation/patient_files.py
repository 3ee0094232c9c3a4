"""What was found of a patient, kept beside the tables: an evaluation that was stopped goes on from there.

`patients/<name>.json` holds what it follows from, facts and scores; `patients/<name>.safetensors` the masks,
a bit a voxel and deflated, for the page.
"""

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_json, read_tensors, write_json, write_tensors

FOLDER = "patients"
_REFERENCE = "reference"
Mask = NDArray[np.bool_]
Row = dict[str, Any]


@dataclass(frozen=True)
class PatientResult:
    """Facts and scores of a patient.

    Attributes:
        name: her study's.
        origin: what they follow from.
        facts: that group her.
        rows: `model`, `source`, what was asked, and the scores; a row each.
    """

    name: str
    origin: str
    facts: Mapping[str, str]
    rows: Sequence[Row]


@dataclass(frozen=True)
class PatientMasks:
    """Masks of a patient on her study's grid.

    Attributes:
        reference: (z, y, x), the true one.
        found: by the place of the row that it belongs to; of another shape where packages are shown phases
            that lie on different grids.
    """

    reference: Mask
    found: Sequence[Mask]


def write_patient(folder: Path, result: PatientResult, masks: PatientMasks) -> None:
    """Keep a patient's result; the masks first, so that a result never lacks them."""
    tensors = _packed(_REFERENCE, masks.reference)
    for place, mask in enumerate(masks.found):
        tensors |= _packed(f"found/{place}", mask)
    write_tensors(_path(folder, result.name, ".safetensors"), tensors)
    told = {
        "origin": result.origin,
        "facts": list(result.facts.items()),  # as lists, which keep their order
        "columns": list(result.rows[0]),
        "rows": [[_plain(value) for value in row.values()] for row in result.rows],
    }
    write_json(_path(folder, result.name, ".json"), told)


def read_patient(folder: Path, name: str, origin: str) -> PatientResult | None:
    """A result that was kept and follows from the same; else None."""
    path = _path(folder, name, ".json")
    if not path.is_file() or not _path(folder, name, ".safetensors").is_file():
        return None
    try:
        told = read_json(path)
        if told["origin"] != origin:
            return None
        rows = [
            dict(zip(told["columns"], map(_number, values), strict=True)) for values in told["rows"]
        ]
        return PatientResult(name, origin, dict(told["facts"]), rows)
    except (InputError, KeyError, TypeError, ValueError):
        return None


def read_masks(folder: Path, name: str, count: int) -> PatientMasks:
    """The masks of a patient's rows.

    Raises:
        InputError: the file is damaged or of another result.
    """
    path = _path(folder, name, ".safetensors")
    tensors = read_tensors(path)
    try:
        found = [_unpacked(f"found/{place}", tensors) for place in range(count)]
        return PatientMasks(_unpacked(_REFERENCE, tensors), found)
    except (KeyError, ValueError, zlib.error) as error:
        raise InputError(f"{path}: is damaged ({error}); delete it and run again") from error


def _path(folder: Path, name: str, suffix: str) -> Path:
    return folder / FOLDER / f"{name}{suffix}"


def _packed(name: str, mask: Mask) -> dict[str, NDArray[Any]]:
    content = zlib.compress(np.packbits(mask).tobytes(), 6)
    bits = np.frombuffer(content, np.uint8)
    return {f"{name}/bits": bits, f"{name}/shape": np.array(mask.shape, np.int64)}


def _unpacked(name: str, tensors: Mapping[str, NDArray[Any]]) -> Mask:
    shape = tuple(int(side) for side in tensors[f"{name}/shape"])
    bits = np.frombuffer(zlib.decompress(tensors[f"{name}/bits"].tobytes()), np.uint8)
    return np.unpackbits(bits, count=math.prod(shape)).reshape(shape).astype(bool)


def _plain(value: Any) -> Any:
    """A value as JSON has it: what is no finite number becomes `{"number": "inf"}`."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {"number": str(value)}
    return value


def _number(value: Any) -> Any:
    return float(value["number"]) if isinstance(value, dict) else value
