"""What speaks for and against each word of a case's prompt, as numbers.

Each word is held against another one in its place (`counterfactuals`), and a feature above 0 speaks for the
word that was given. Three kinds: how alike image and text are at each stage of the network's interaction; how
sure the network is with the other word and with no prompt; and what a first pass found that read no text.

How sure it is: the mean log-odds of its surest voxels, as many as a small lesion has. A sum over all voxels
would be swayed by much that is little likely, and a mask by its threshold. A side is judged by what
lies there.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.prompt_check.answers import Answer
from textbcs.prompt_check.peaks import columns_of_left, peak

Features = dict[str, float]
Map = NDArray[np.floating]
Columns = NDArray[np.bool_]
_LEVELS = 256
_FOUND = 128  # code from which the first pass has found something
_FURTHEST = 2.0  # a volume e² times a class's limit is far from it; further says no more


@dataclass(frozen=True)
class FirstPass:
    """What a network without text found in the volume.

    Attributes:
        codes: (z, S, S), its coded foreground probability.
        slices: (k,), those of the z slices on which the answers were given.
        midline_column: what divides left and right; the patient's left is at larger columns.
        left_is_larger: whether the word `left` means the larger columns; not so with `cohort.sides: image`.
        peak_voxels: how many of the surest voxels count (`peaks.peak_voxels`).
        largest_mm3: volume of the largest finding; 0 where there is none.
        thresholds_mm3: up to which volumes a case is small and medium.
        prompt: the automatic prompt; None where nothing was found.
    """

    codes: NDArray[np.uint8]
    slices: NDArray[np.intp]
    midline_column: float
    left_is_larger: bool
    peak_voxels: int
    largest_mm3: float
    thresholds_mm3: tuple[float, float]
    prompt: Prompt | None

    @property
    def probability(self) -> NDArray[np.float64]:
        """(z, S, S), what the codes stand for."""
        return self.codes.astype(np.float64) / _LEVELS


def largest_finding_mm3(codes: NDArray[np.uint8], voxel_mm3: float) -> float:
    """Volume of the largest 26-connected component that a first pass finds at 1/2, mm³; 0 for none."""
    from scipy.ndimage import label

    labels, number = label(codes >= _FOUND, structure=np.ones((3, 3, 3), dtype=bool))
    return float(np.bincount(labels.ravel())[1:].max() * voxel_mm3) if number else 0.0


def word_features(
    slot: str, prompt: Prompt, given: Answer, other: Answer, empty: Answer, first: FirstPass
) -> Features:
    """The features of one word.

    Args:
        slot: of the word.
        prompt: that was given.
        given: the network's answer to it, on the first pass's k slices.
        other: to the prompt with another word in this slot.
        empty: to no prompt.
        first: what was found without text.
    """
    features = {"automatic": agreement(slot, prompt, first.prompt)}
    if slot == "location":
        return features | side_features(prompt, given, other, empty, first)
    found = first.probability[first.slices]
    own, against, without = (x.probability.astype(np.float64) for x in (given, other, empty))
    features |= {
        "peak": peak(own, first.peak_voxels) - peak(against, first.peak_voxels),
        "as_without_prompt": soft_dice(own, without) - soft_dice(against, without),
        "as_first_pass": soft_dice(own, found) - soft_dice(against, found),
    }
    pairs = zip(given.similarity, other.similarity, strict=True)
    for stage, (alike, less) in enumerate(pairs, start=1):
        features[f"similarity_{stage}"] = float(alike.max()) - float(less.max())
    if slot == "size":
        place = VOCABULARY["size"].index(prompt.size)
        features["volume_first_pass"] = margin(first.largest_mm3, place, first.thresholds_mm3)
    return features


def side_features(
    prompt: Prompt, given: Answer, other: Answer, empty: Answer, first: FirstPass
) -> Features:
    """The features of the word `left` or `right`: what is found on either side when it is asked about.

    Args:
        prompt: that was given.
        given: the answer to it.
        other: to the prompt with the other side.
        empty: to no prompt.
        first: what was found without text.
    """
    size, voxels = given.probability.shape[-1], first.peak_voxels
    larger = (prompt.location == "left") == first.left_is_larger
    asked = columns_of_left(size, size, first.midline_column) == larger

    def sides(one: Map, two: Map) -> float:
        return peak(one[..., asked], voxels) - peak(two[..., ~asked], voxels)

    features = {
        "peak": sides(given.probability, other.probability),
        "peak_without_prompt": sides(empty.probability, empty.probability),
        "peak_first_pass": sides(first.probability, first.probability),
    }
    pairs = zip(given.similarity, other.similarity, strict=True)
    for stage, (alike, less) in enumerate(pairs, start=1):
        tokens = columns_of_left(alike.shape[-1], size, first.midline_column) == larger
        most, least = (
            float(x.max(initial=-np.inf)) for x in (alike[..., tokens], less[..., ~tokens])
        )
        features[f"similarity_{stage}"] = most - least if math.isfinite(most - least) else 0.0
    return features


def soft_dice(one: Map, other: Map) -> float:
    """2 sum(a b) / (sum(a²) + sum(b²)) in [0, 1]; 1 for two empty maps."""
    total = float(np.square(one).sum() + np.square(other).sum())
    return 2 * float((one * other).sum()) / total if total > 0 else 1.0


def agreement(slot: str, prompt: Prompt, automatic: Prompt | None) -> float:
    """1 where the automatic prompt has the same word, -1 where it has another, 0 where it says nothing."""
    if automatic is None:
        return 0.0
    return 1.0 if getattr(automatic, slot) == getattr(prompt, slot) else -1.0


def margin(volume_mm3: float, place: int, thresholds_mm3: tuple[float, float]) -> float:
    """How far a volume lies within its size class (above 0) or outside, in natural logarithms, in [-2, 2].

    Args:
        volume_mm3: of the largest finding; 0 where there is none, which says nothing.
        place: of the class: 0 small, 1 medium, 2 large.
        thresholds_mm3: the two limits.
    """
    if volume_mm3 <= 0:
        return 0.0
    low, high = (-math.inf, *(math.log(max(x, 1e-9)) for x in thresholds_mm3), math.inf)[
        place : place + 2
    ]
    size = math.log(volume_mm3)
    return min(max(min(size - low, high - size), -_FURTHEST), _FURTHEST)


def case_features(
    slots: tuple[str, ...],
    prompt: Prompt,
    others: Mapping[str, Prompt],
    answers: Mapping[str, Answer],
    first: FirstPass,
) -> dict[str, Features]:
    """The features of several words of a prompt.

    Args:
        slots: of the words.
        prompt: that was given.
        others: the prompt with another word in each of the slots.
        answers: to the given prompt, to the others and to none, by text.
        first: what was found without text.
    """
    given, empty = answers[prompt.text], answers[""]
    return {
        slot: word_features(slot, prompt, given, answers[others[slot].text], empty, first)
        for slot in slots
    }
