"""How far automatic prompts agree with the given ones: Cohen's kappa, by attribute."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.prompt_grammar import VOCABULARY, parse
from textbcs.evaluation.statistics.intervals import CONFIDENCE, FEWEST, bca
from textbcs.prompts.perturbations import AUTOMATIC, NOTHING, TRUE

if TYPE_CHECKING:
    import pandas as pd

MOST = 3  # three and more lesions are one class, as few slices have so many


def agreement(rows: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> "pd.DataFrame":
    """How far the automatic prompts agree with the given ones, by attribute.

    Over the tumour slices for which the first pass found something; three and more lesions are one
    class. Limits are BCa ones over resampled patients, as those of all means are.

    Args:
        rows: a run's `slices.csv`.
        bootstrap: `resamples` and `seed`.

    Returns:
        By `attribute`: `slices` compared, `without` (tumour slices with no automatic prompt),
        `agreement` (share), Cohen's `kappa` with `low` and `high`.
    """
    import pandas as pd

    tumour = rows[rows["kind"] == "tumour"]
    texts = tumour.pivot(index="slice_id", columns="probe", values="prompt").fillna(NOTHING)
    said = texts[texts[AUTOMATIC] != NOTHING]
    patients = tumour.groupby("slice_id")["patient"].first().loc[said.index].to_numpy()
    found = []
    stated = {slot for text in said[TRUE] for slot in parse(str(text)).slots}
    for slot in (slot for slot in VOCABULARY if slot in stated or not len(said)):
        given, automatic = (_classes(said[probe], slot) for probe in (TRUE, AUTOMATIC))
        kappa, low, high = kappa_interval(given, automatic, patients, **bootstrap)
        found.append(
            {
                "attribute": slot,
                "slices": len(said),
                "without": len(texts) - len(said),
                "agreement": float(np.mean(given == automatic)) if len(said) else float("nan"),
                "kappa": kappa,
                "low": low,
                "high": high,
            }
        )
    return pd.DataFrame(found)


def _classes(texts: "pd.Series", slot: str) -> NDArray[np.int64]:
    words = VOCABULARY[slot]
    numbers = [min(words.index(getattr(parse(str(text)), slot)), MOST - 1) for text in texts]
    return np.asarray(numbers, dtype=np.int64)


def kappa(confusion: NDArray[np.generic]) -> NDArray[np.float64]:
    """Cohen's kappa (1960) of confusion matrices (..., k, k); NaN where chance alone agrees fully."""
    counts = np.asarray(confusion, dtype=np.float64)
    total = counts.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.trace(counts, axis1=-2, axis2=-1) / total
        chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / total**2
        return np.asarray((observed - chance) / (1 - chance))


def kappa_interval(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    patients: NDArray[np.generic],
    resamples: int,
    seed: int,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Cohen's kappa of two ratings below `MOST`, and its BCa limits from resampled patients.

    Resamples in which chance alone agrees fully have no kappa and are left out. The limits are NaN for
    fewer than `FEWEST` patients, where leaving one out gives no kappa, and where that changes nothing.
    """
    names, place = np.unique(patients, return_inverse=True)
    each = np.zeros((len(names), MOST, MOST))
    np.add.at(each, (place, first, second), 1)
    whole = each.sum(axis=0)
    observed = float(kappa(whole)) if len(names) else math.nan
    if len(names) < FEWEST or math.isnan(observed):
        return observed, math.nan, math.nan
    generator = np.random.default_rng(seed)
    times = generator.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    drawn = kappa(np.tensordot(times, each, axes=1))
    low, high = bca(observed, drawn[np.isfinite(drawn)], kappa(whole - each), confidence)
    return observed, float(low), float(high)
