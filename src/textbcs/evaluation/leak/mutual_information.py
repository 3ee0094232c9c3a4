"""Entropy and mutual information of discrete facts, in bits.

The plug-in estimate with the correction of Miller and Madow (1955): an entropy from the counts of K values
that were seen among n cases is raised by (K - 1) / 2n nats. The plug-in alone finds information where there
is none, the more so the more values there are; the correction takes most of that away while n is larger than
the number of pairs of values. Slices of one patient resemble each other, though, so n counts more cases than
there are independent ones. What is left of the excess is measured and taken off (`adjusted_information`).
"""

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

SHUFFLES = 50
_ALMOST_ALL = 0.01  # bits


def entropy(values: Sequence[Hashable]) -> float:
    """Entropy in bits, at least 0; 0 for no values.

    Args:
        values: one a case.
    """
    return _entropy(_codes(values))


def mutual_information(one: Sequence[Hashable], other: Sequence[Hashable]) -> float:
    """Mutual information in bits, H(one) + H(other) - H(both), at least 0 and at most either entropy.

    Args:
        one: a value a case.
        other: likewise, of the same cases.

    Raises:
        ValueError: different numbers of cases.
    """
    if len(one) != len(other):
        raise ValueError(f"{len(one)} and {len(other)} cases")
    return _information(_codes(one), _codes(other))


def adjusted_information(
    one: Sequence[Hashable], other: Sequence[Hashable], owners: Sequence[str], seed: int
) -> float:
    """Mutual information in bits with what chance gives taken off, from 0 to the lesser entropy.

    Chance is the mean of estimates where the patients' values of `one` are put in another order, each
    patient's kept together. As Vinh, Epps and Bailey (2010) adjust it, H (I - chance) / (H - chance) with
    the lesser entropy H: 0 where nothing more than by chance is told, H where all is.

    Args:
        one: a value a case, cases of a patient side by side.
        other: likewise, of the same cases.
        owners: the patient of each case.
        seed: of the orders.
    """
    told, facts = _codes(one), _codes(other)
    most = min(_entropy(told), _entropy(facts))
    rng = np.random.default_rng(seed)
    names = list(dict.fromkeys(owners))
    places = [np.flatnonzero(np.asarray(owners, dtype=str) == name) for name in names]
    shuffled = []
    for _ in range(SHUFFLES if most else 0):
        order = np.concatenate([places[place] for place in rng.permutation(len(places))])
        shuffled.append(_information(told[order], facts))
    chance = math.fsum(shuffled) / SHUFFLES
    if most - chance < _ALMOST_ALL:
        return 0.0
    found = most * (_information(told, facts) - chance) / (most - chance)
    return max(found, 0.0)


def _codes(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """Values as numbers, in the order in which they first appear."""
    known: dict[Hashable, int] = {}
    return np.asarray([known.setdefault(value, len(known)) for value in values], dtype=np.int64)


def _entropy(codes: NDArray[np.int64]) -> float:
    counts = [int(count) for count in np.bincount(codes) if count] if len(codes) else []
    if len(counts) < 2:
        return 0.0
    total = sum(counts)
    plug_in = math.fsum(count / total * math.log2(total / count) for count in sorted(counts))
    return plug_in + (len(counts) - 1) / (2 * total * math.log(2))


def _information(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    if not len(one):
        return 0.0
    own = _entropy(one), _entropy(other)
    found = math.fsum([*own, -_entropy(one * (int(other.max()) + 1) + other)])
    return min(max(found, 0.0), *own)
