"""Scores of probabilities and of uncertainty with limits over resampled patients, as three tables.

The scores are given in every sample of the patients (`assessment_samples`). With several seeds a score is
the mean over them, in each sample. Limits are BCa.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.statistics.cluster_bootstrap import Array, Draws, interval
from textbcs.evaluation.uncertainty.assessment_samples import Sample

if TYPE_CHECKING:
    import pandas as pd

RAW = "raw"
KINDS = (RAW, "scaled", "scaled_region", "sampled", "ensemble")
SCORES = ("method", "kind", "measure", "value", "low", "high", "patients", "seeds")
DIFFERENCES = ("first", "first_kind", "second", "second_kind", *SCORES[2:])
DIAGRAMS = (
    *("method", "kind", "seed", "scope", "ece", "ece_low", "ece_high"),
    *("bin", "probability", "frequency", "low", "high", "count"),
)
# The map that a head offers as its doubt: an evidential one its vacuity.
OWN = ("vacuity", "entropy")


@dataclass(frozen=True)
class ProbabilitySet:
    """One set of probabilities: a method's own, or what was made of them.

    Attributes:
        method: name of the method or variant.
        kind: of `KINDS`: as they are, with the temperature of the image or of the region, the mean of
            passes with dropout, the mean of the seeds.
    """

    method: str
    kind: str = RAW


Samples = Mapping[ProbabilitySet, Sequence[Sample]]  # one a seed


def score_rows(samples: Samples, draws: Draws) -> "pd.DataFrame":
    """Every score of every set of probabilities: the columns `SCORES`."""
    import pandas as pd

    rows = [
        (key.method, key.kind, name, *_limits(values, draws), len(each))
        for key, each in samples.items()
        for name, values in _means(each).items()
    ]
    return pd.DataFrame(rows, columns=list(SCORES))


def difference_rows(
    samples: Samples, pairs: Iterable[tuple[ProbabilitySet, ProbabilitySet]], draws: Draws
) -> "pd.DataFrame":
    """First minus second of each pair, paired by patient: the columns `DIFFERENCES`.

    Beside the scores that both have: `own_<score>`, of the map that each head offers as its doubt,
    vacuity of an evidential one and entropy of another.
    """
    import pandas as pd

    rows = []
    for first, second in pairs:
        if first in samples and second in samples:
            one, other = (_with_own(_means(samples[key])) for key in (first, second))
            names = (first.method, first.kind, second.method, second.kind)
            seeds = min(len(samples[first]), len(samples[second]))
            rows += [
                (*names, name, *_limits(one[name] - other[name], draws), seeds)
                for name in one
                if name in other
            ]
    return pd.DataFrame(rows, columns=list(DIFFERENCES))


def diagram_rows(
    key: ProbabilitySet, seed: int, assessed: Mapping[str, Any], sample: Sample, draws: Draws
) -> "pd.DataFrame":
    """A reliability diagram, a row per scope and bin: the columns `DIAGRAMS`.

    The limits are of `frequency`, the share of foreground in the bin, and of the calibration error.

    Args:
        key: whose probabilities.
        seed: of the run.
        assessed: of `assessment.assess`.
        sample: the same in every sample of the patients.
        draws: the samples.
    """
    import pandas as pd

    rows = []
    for scope, found in assessed.items():
        errors = _limits(sample.scores[f"ece_{scope}"], draws)[:3]
        diagram = found["reliability"]
        values = zip(
            *(diagram[name] for name in ("probability", "frequency", "count")), strict=True
        )
        for number, (probability, frequency, count) in enumerate(values):
            own = interval(sample.diagrams[scope][:, number], draws)
            cells = (number + 1, probability, frequency, own.low, own.high, count)
            rows.append((key.method, key.kind, seed, scope, *errors, *cells))
    return pd.DataFrame(rows, columns=list(DIAGRAMS))


def _limits(values: Array, draws: Draws) -> tuple[float, float, float, int]:
    found = interval(values, draws)
    return found.mean, found.low, found.high, found.patients


def _means(each: Sequence[Sample]) -> dict[str, Array]:
    """The mean over seeds of every score in every sample."""
    total = dict(each[0].scores)
    for other in each[1:]:
        total = {name: values + other.scores[name] for name, values in total.items()}
    return {name: values / len(each) for name, values in total.items()}


def _with_own(scores: Mapping[str, Array]) -> dict[str, Array]:
    doubt = next((name for name in OWN if f"{name}_auroc_image" in scores), None)
    own = {
        name.replace(doubt, "own", 1): values
        for name, values in scores.items()
        if doubt and name.startswith(f"{doubt}_")
    }
    return {**scores, **own}
