"""From the values of a mask file to tumour and background."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError

Labels = Sequence[int] | Literal["all"] | None

# A label that went through a scale of 32-bit numbers is still that label.
_ROUNDING = 1e-3
_SHOWN = 6


def tumour(path: Path, values: NDArray[Any], labels: Labels = None) -> NDArray[np.uint8]:
    """1 where the mask's value is a label of the tumour, 0 elsewhere; an empty mask stays empty.

    Args:
        path: the user's file, for messages.
        values: of any shape.
        labels: the labels of the tumour; `all`: all but 0; None: the one label that there is.

    Raises:
        InputError: NaN, numbers that are not whole, complex or colour values, several labels where
            none was chosen, or none of those that were.
    """
    if values.dtype.kind not in "biuf":
        raise InputError(f"{path}: values of type {values.dtype} are no labels; save whole numbers")
    found = np.unique(values)
    bad = int(np.count_nonzero(~np.isfinite(values))) if values.dtype.kind == "f" else 0
    if bad:
        raise InputError(f"{path}: {bad} of {values.size} voxels are NaN or infinite, no labels")
    if values.dtype.kind == "f":
        off = found[np.abs(found - np.rint(found)) > _ROUNDING]
        if off.size:
            raise InputError(
                f"{path}: holds {off[0]:g}, and labels are whole numbers: a map of probabilities, or "
                "interpolated; set a threshold and save it again"
            )
        values, found = np.rint(values), np.unique(np.rint(found))
    if labels == "all":
        return _marked(values != 0)
    there = found[found != 0]
    if labels is None:
        if len(there) > 1:
            raise InputError(
                f"{path}: holds labels {shown(there)}; say which are tumour with masks.sources: "
                "labels (a list, or all)"
            )
        return _marked(values != 0)
    wanted = np.asarray(sorted(set(labels)))
    if there.size and not np.isin(there, wanted).any():
        raise InputError(
            f"{path}: has none of the labels {shown(wanted)} of masks.sources (it has {shown(there)})"
        )
    return _marked(np.isin(values, wanted))


def _marked(inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return inside.astype(np.uint8)


def shown(labels: NDArray[Any]) -> str:
    """The first labels of a list as text."""
    more = f", ... ({len(labels)})" if len(labels) > _SHOWN else ""
    return ", ".join(f"{label:g}" for label in labels[:_SHOWN]) + more
