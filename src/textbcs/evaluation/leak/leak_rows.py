"""What the prompts of a source give away: Dice of the prompt-only prior, and bits about the mask.

The prior learns on slices of other patients than those on which it is measured, by patient, with the
project's interval: what a method scores that reads the words and never sees the image. Mutual information is
that between a prompt, or one of its attributes, and facts of the mask (`mask_facts`), over slices, with
chance taken off; a case's prompt is asked of each of its slices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.evaluation.leak.mask_facts import ALL, FACTS, Limits, Measured, classes
from textbcs.evaluation.leak.mutual_information import adjusted_information, entropy
from textbcs.evaluation.leak.prompt_prior import Chain, Prior, Words, learn
from textbcs.evaluation.metrics.overlap import count, dice
from textbcs.evaluation.statistics.intervals import Interval, mean_interval

ATTRIBUTES = (ALL, *VOCABULARY)
LEAK = (
    "source",
    "attribute",
    "prior_dice",
    "low",
    "high",
    "mutual_information_bits",
    "of_entropy_bits",
    "slices",
    "patients",
    "information_slices",
)
FACT = ("source", "attribute", "fact", "mutual_information_bits", "of_entropy_bits", "slices")
# OURS: the mean of fewer masks is taken for a place rather than for the words'.
FEWEST = 5


@dataclass(frozen=True)
class Asked:
    """n tumour slices and what is asked of each.

    Attributes:
        masks: (n, H, W) uint8, 0 or 1, none empty.
        measured: n, of the masks.
        patients: n.
        prompts: n; None is the empty prompt.
    """

    masks: NDArray[np.uint8]
    measured: Sequence[Measured]
    patients: Sequence[str]
    prompts: Sequence[Prompt | None]


Fold: TypeAlias = tuple[Asked, Asked]


def words_of(prompt: Prompt | None, attribute: str) -> Words:
    """The words of a prompt, or of one attribute: a place for each slot, "" where nothing is said."""
    slots = VOCABULARY if attribute == ALL else (attribute,)
    return tuple(getattr(prompt, slot) if prompt and slot in slots else "" for slot in VOCABULARY)


def chain_of(prompt: Prompt | None, attribute: str) -> Chain:
    """What a prior looks up, in turn: the words, side and size, the side, nothing."""
    said = words_of(prompt, attribute)
    location, _, size, _ = said
    return [said, (location, "", size, ""), (location, "", "", ""), ("",) * len(said)]


def prior_dice(prior: Prior, tested: Asked, attribute: str) -> NDArray[np.float64]:
    """The Dice of the prior's mask on each slice, (n,) in [0, 1]."""
    chains = [chain_of(prompt, attribute) for prompt in tested.prompts]
    found = [
        dice(count(prior.mask(chain), mask))
        for chain, mask in zip(chains, tested.masks, strict=True)
    ]
    return np.asarray(found, dtype=np.float64)


def leak_rows(
    source: str,
    folds: Sequence[Fold],
    told: Sequence[Asked],
    limits: Limits,
    bootstrap: Mapping[str, Any],
) -> tuple[list[list[Any]], list[list[Any]]]:
    """The rows of a source: columns `LEAK`, and columns `FACT`.

    Args:
        source: its name.
        folds: what the prior learns from, not empty, and what it is measured on; the second ones together
            are the slices that count, each once.
        told: the slices over which information is estimated, those of a patient side by side.
        limits: of the classes of facts.
        bootstrap: `resamples` and `seed`, which also puts patients in other orders.
    """
    prompts = [prompt for asked in told for prompt in asked.prompts]
    said = {name: [words_of(prompt, name) for prompt in prompts] for name in ATTRIBUTES}
    # An attribute that no prompt states has no row: where nothing has a side, say.
    said = {name: own for name, own in said.items() if name == ALL or any(map(any, own))}
    bits = _information(said, told, limits, bootstrap["seed"])
    rows: list[list[Any]] = []
    by_fact: list[list[Any]] = []
    for attribute in said:
        for fact in (ALL, *FACTS):
            by_fact.append([source, attribute, fact, *bits[attribute, fact], len(prompts)])
        prior, slices = _prior_interval(folds, attribute, bootstrap)
        counts = [slices, prior.patients, len(prompts)]
        found = [prior.mean, prior.low, prior.high, *bits[attribute, ALL]]
        rows.append([source, attribute, *found, *counts])
    return rows, by_fact


def _information(
    said: Mapping[str, Sequence[Words]], told: Sequence[Asked], limits: Limits, seed: int
) -> dict[tuple[str, str], tuple[float, float]]:
    """By attribute and fact: mutual information, and the fact's entropy.

    A prompt tells at least what any of its attributes tells. Its own estimate may fall short of that, as
    many prompts of few patients come near to what chance gives.
    """
    facts = [classes(one, limits) for asked in told for one in asked.measured]
    owners = [name for asked in told for name in asked.patients]
    bits: dict[tuple[str, str], tuple[float, float]] = {}
    for fact in (ALL, *FACTS):
        values = [own[fact] for own in facts]
        found = {
            name: adjusted_information(words, values, owners, seed) for name, words in said.items()
        }
        found[ALL] = max(found.values())
        bits |= {(name, fact): (own, entropy(values)) for name, own in found.items()}
    return bits


def _prior_interval(
    folds: Sequence[Fold], attribute: str, bootstrap: Mapping[str, Any]
) -> tuple[Interval, int]:
    """The mean over patients of their mean Dice over slices, and the number of slices."""
    values: list[NDArray[np.float64]] = []
    patients: list[str] = []
    for train, tested in folds:
        chains = [chain_of(prompt, attribute) for prompt in train.prompts]
        values.append(prior_dice(learn(train.masks, chains, FEWEST), tested, attribute))
        patients += tested.patients
    means = _by_patient(np.concatenate(values), patients)
    return mean_interval(means, bootstrap["resamples"], bootstrap["seed"]), len(patients)


def _by_patient(values: NDArray[np.float64], patients: Sequence[str]) -> NDArray[np.float64]:
    """Each patient's mean over slices, sorted by patient."""
    owner = np.asarray(patients, dtype=str)
    return np.asarray([values[owner == name].mean() for name in sorted(set(patients))])
