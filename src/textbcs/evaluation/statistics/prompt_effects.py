"""What the text is worth: statistics of one method's answers to all probes.

Every quantity is a value per slice, a difference of two answers to the same slice for most; the mean
over its patients' means has a BCa interval over patients (`intervals`). Several seeds are averaged slice
by slice first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.statistics.intervals import (
    CONFIDENCE,
    Interval,
    mean_interval,
    patient_means,
)
from textbcs.prompts.perturbations import AUTOMATIC, EMPTY, SHUFFLED, TRUE

if TYPE_CHECKING:
    import pandas as pd

DOSES = tuple(step / 10 for step in range(11))
WRONG = (SHUFFLED, "swapped_location")
ALARMS = (TRUE, AUTOMATIC, EMPTY, SHUFFLED)


@dataclass(frozen=True)
class Worth:
    """One quantity of one method, with its interval over patients and the slices behind it."""

    quantity: str
    interval: Interval
    slices: int


def slice_values(
    rows: "pd.DataFrame", paper: Sequence[str], others: Sequence[str]
) -> "pd.DataFrame":
    """The quantities of each tumour slice of one run.

    Args:
        rows: a run's `slices.csv`, a row per slice and probe.
        paper: names of the probes that are the paper's variants.
        others: names of the other paraphrases.

    Returns:
        By slice_id: `patient`; `dice_<probe>`; `change_<probe>`, that minus the true prompt's;
        `text_gain` = Dice(true) - Dice(empty); `text_harm` = Dice(empty) - Dice(another case's
        prompt) and `text_harm_location` with the other side; over all paraphrases
        `paraphrase_mean`, `paraphrase_sd` (n - 1), `paraphrase_worst`, `paraphrase_loss` = Dice(true)
        - worst, and the means of the two kinds.
    """
    tumour = rows[rows["kind"] == "tumour"]
    dice = tumour.pivot(index="slice_id", columns="probe", values="dice").astype(float)
    values = tumour.groupby("slice_id")[["patient"]].first()
    for probe in rows["probe"].unique():
        values[f"dice_{probe}"] = dice[probe]
        if probe != TRUE:
            values[f"change_{probe}"] = dice[probe] - dice[TRUE]
    values["text_gain"] = dice[TRUE] - dice[EMPTY]
    values["text_harm"] = dice[EMPTY] - dice[SHUFFLED]
    values["text_harm_location"] = dice[EMPTY] - dice["swapped_location"]
    wordings = dice[[*paper, *others]]
    values["paraphrase_mean"] = wordings.mean(axis=1)
    values["paraphrase_mean_paper"] = dice[list(paper)].mean(axis=1)
    values["paraphrase_mean_other"] = dice[list(others)].mean(axis=1)
    values["paraphrase_sd"] = wordings.std(axis=1, ddof=1)
    values["paraphrase_worst"] = wordings.min(axis=1)
    values["paraphrase_loss"] = dice[TRUE] - wordings.min(axis=1)
    return values.sort_index()


def alarm_values(rows: "pd.DataFrame") -> "pd.DataFrame":
    """By tumour-free slice: `patient` and `alarm_<probe>`, 1 where anything is predicted, else 0."""
    free = rows[rows["kind"] == "negative"]
    pixels = free.pivot(index="slice_id", columns="probe", values="predicted_pixels")
    values = free.groupby("slice_id")[["patient"]].first()
    for probe in ALARMS:
        values[f"alarm_{probe}"] = (pixels[probe] > 0).astype(float) if len(free) else np.nan
    return values.sort_index()


def over_seeds(tables: Sequence["pd.DataFrame"]) -> "pd.DataFrame":
    """The mean of several seeds' values of the same slices.

    Raises:
        ValueError: the tables hold different slices.
    """
    first = tables[0]
    if any(not table.index.equals(first.index) for table in tables):
        raise ValueError("seeds are averaged over the same slices")
    columns = [column for column in first.columns if column != "patient"]
    mean = np.mean([table[columns].to_numpy(float) for table in tables], axis=0)
    averaged = first.copy()
    averaged[columns] = mean
    return averaged


def text_worth(
    values: "pd.DataFrame",
    alarms: "pd.DataFrame",
    prior: "pd.DataFrame",
    bootstrap: Mapping[str, Any],
) -> list[Worth]:
    """All quantities of one method, each with its interval.

    Args:
        values: `slice_values`, averaged over seeds.
        alarms: `alarm_values`, likewise.
        prior: the evaluated rows (`slice_id`, `kind`, `dice`) of what the prompt alone predicts.
        bootstrap: `resamples` and `seed`.

    Returns:
        The columns of both tables; `dice_prior`; `leak_share`, that over Dice(true); and `break_even`,
        the share of wrong prompts (other cases') at which the text is worth nothing, text gain over
        Dice(true) - Dice(wrong), NaN where one of the two is not positive.
    """
    known = prior[prior["kind"] == "tumour"].set_index("slice_id")["dice"]
    values = values.assign(dice_prior=known.reindex(values.index))
    found = [
        Worth(name, _interval(table, name, bootstrap), int(table[name].notna().sum()))
        for table in (values, alarms)
        for name in table.columns
        if name != "patient"
    ]
    loss = values.assign(loss=-values[f"change_{SHUFFLED}"])
    shares = (("leak_share", "dice_prior", "dice_true"), ("break_even", "text_gain", "loss"))
    for name, part, of in shares:
        means = loss.groupby("patient")[[part, of]].mean().dropna()
        share = ratio_interval(means[part].to_numpy(), means[of].to_numpy(), **bootstrap)
        found.append(Worth(name, share, int(loss[[part, of]].notna().all(axis=1).sum())))
    return found


def _interval(table: "pd.DataFrame", column: str, bootstrap: Mapping[str, Any]) -> Interval:
    # A difference that is the same for every patient has no spread but rounding.
    means = patient_means(table, column).round(12)
    if not len(means):
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    return mean_interval(means, **bootstrap)


def ratio_interval(
    numerator: NDArray[np.float64],
    denominator: NDArray[np.float64],
    resamples: int,
    seed: int,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Ratio of two means over the same patients, with a BCa interval from resampled patients.

    NaN where the denominator's mean is not positive or the numerator's is negative: no share then. No
    limits where every patient has the same share, as in `intervals.mean_interval`.
    """
    from scipy.stats import bootstrap

    if not len(numerator) or np.mean(denominator) <= 0 or np.mean(numerator) < 0:
        return Interval(float("nan"), float("nan"), float("nan"), len(numerator))
    share = float(np.mean(numerator) / np.mean(denominator))
    # The same share of every patient has no spread but rounding, of which no limits can be made.
    if np.abs(numerator - share * denominator).max() <= 1e-12 * np.abs(denominator).max():
        return Interval(share, float("nan"), float("nan"), len(numerator))
    limits = bootstrap(
        (numerator, denominator),
        lambda part, of, axis: part.mean(axis=axis) / of.mean(axis=axis),
        paired=True,
        n_resamples=resamples,
        confidence_level=confidence,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Interval(share, float(limits.low), float(limits.high), len(numerator))


def dose_response(
    values: "pd.DataFrame", wrong: str, draws: int, bootstrap: Mapping[str, Any]
) -> "pd.DataFrame":
    """Mean Dice where a share of the cases gets a wrong prompt, from what each slice scored with both.

    Slices are segmented one by one, so no inference is needed, and the expected mean falls on a
    straight line; what a chance assignment of the faults adds is the spread of the draws.

    Args:
        values: a method's `slice_values`, averaged over seeds.
        wrong: the probe that stands for the wrong prompt.
        draws: random assignments of the wrong prompts to slices.
        bootstrap: `resamples` and `seed`; the seed draws the assignments as well.

    Returns:
        By `dose` (0, 0.1, ..., 1): `dice`, the expected patient mean, its limits `low` and `high` over
        patients, and `drawn_low`, `drawn_high`, the central 95 % of the assignments.
    """
    import pandas as pd

    true, false = (values[f"dice_{probe}"].to_numpy(float) for probe in (TRUE, wrong))
    patients = values["patient"].to_numpy()
    weight = _weights(patients)
    generator = np.random.default_rng(bootstrap["seed"])
    # Nested assignments: a slice that is wrong at one dose stays wrong at every higher one.
    rank = generator.random((draws, len(values))).argsort(axis=1).argsort(axis=1)
    rows = []
    for dose in DOSES:
        mixed = pd.DataFrame({"patient": patients, "dice": (1 - dose) * true + dose * false})
        expected = mean_interval(patient_means(mixed, "dice"), **bootstrap)
        is_wrong = rank < round(dose * len(values))
        drawn = (np.where(is_wrong, false, true) * weight).sum(axis=1)
        low, high = np.quantile(drawn, [0.025, 0.975])
        rows.append(
            {
                "wrong": wrong,
                "dose": dose,
                "dice": expected.mean,
                "low": expected.low,
                "high": expected.high,
                "drawn_low": float(low),
                "drawn_high": float(high),
            }
        )
    return pd.DataFrame(rows)


def _weights(patients: NDArray[Any]) -> NDArray[np.float64]:
    """The weight of each slice in the mean over patients' means."""
    _, place, sizes = np.unique(patients, return_inverse=True, return_counts=True)
    return np.asarray(1 / (sizes[place] * len(sizes)))
