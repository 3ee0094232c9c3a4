"""What uncertainty is assessed on: tumour slices, and the maps of an evidential head."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics.regions import Scopes, spacing
from textbcs.evaluation.uncertainty.assessment import Cases
from textbcs.prediction.dirichlet import expected_probability, uncertainty

if TYPE_CHECKING:
    import pandas as pd


_SLICES = 64  # at a time, so that a large test split fits in memory


def tumour_cases(slices: "pd.DataFrame", shard: Shard, scopes: Scopes) -> Cases:
    """The tumour slices of a shard with their scores, `slices` in the shard's order."""
    tumour = np.flatnonzero(shard.table["kind"] == "tumour")
    own = slices.iloc[tumour].reset_index(drop=True)
    return Cases(own, shard.masks[tumour] > 0, scopes.of(tumour), spacing(shard)[tumour])


def same_slices(slices: "pd.DataFrame", shard: Shard, folder: str) -> None:
    """Check that an evaluation is of a shard's slices, in their order.

    Raises:
        InputError: it is not.
    """
    if slices["slice_id"].tolist() != shard.table["slice_id"].tolist():
        raise InputError(
            f"{folder}/slices.csv: holds other slices than data/slices/test; run the stage score again"
        )


def evidential_maps(
    evidence: NDArray[np.floating],
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float32]]]:
    """Foreground probability (n, H, W) and the four uncertainty maps of evidence (n, 2, H, W)."""
    parts = [evidence[start : start + _SLICES] for start in range(0, len(evidence), _SLICES)]
    probability = np.concatenate([expected_probability(part)[:, 1] for part in parts])
    maps = [vars(uncertainty(part)) for part in parts]
    return probability, {name: np.concatenate([one[name] for one in maps]) for name in maps[0]}
