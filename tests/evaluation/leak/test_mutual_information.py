"""Entropies whose values are known, and what the correction does to independent facts."""

import math

import numpy as np
import pytest

from textbcs.evaluation.leak.mutual_information import (
    adjusted_information,
    entropy,
    mutual_information,
)


def correction(values: int, cases: int) -> float:
    return (values - 1) / (2 * cases * math.log(2))


def test_entropies_by_hand() -> None:
    assert entropy([]) == 0
    assert entropy(["a"] * 9) == 0
    assert entropy([0, 1] * 50) == pytest.approx(1 + correction(2, 100))
    # 1/2, 1/4, 1/4: 1.5 bits.
    assert entropy(["a", "a", "b", "c"] * 10) == pytest.approx(1.5 + correction(3, 40))


def test_entropy_agrees_with_scipy() -> None:
    from scipy.stats import entropy as theirs

    drawn = np.random.default_rng(3).choice(7, 200, p=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    values, counts = np.unique(drawn, return_counts=True)
    own = entropy(drawn.tolist()) - correction(len(values), 200)
    assert own == pytest.approx(theirs(counts, base=2))


def test_what_is_known_and_what_is_not() -> None:
    side = [0, 1] * 100
    assert mutual_information(side, [f"side {one}" for one in side]) == pytest.approx(entropy(side))
    independent = [0, 0, 1, 1] * 50
    assert mutual_information(side, independent) == pytest.approx(0, abs=0.01)
    assert mutual_information(side, ["a"] * 200) == 0


def test_a_noisy_channel() -> None:
    """Of 1000 answers a tenth are wrong: 1 - H(0.1) = 0.531 bits, less nothing to speak of."""
    truth = [number % 2 for number in range(1000)]
    said = [one ^ (number % 20 < 2) for number, one in enumerate(truth)]
    noise = -(0.1 * math.log2(0.1) + 0.9 * math.log2(0.9))
    assert mutual_information(truth, said) == pytest.approx(1 - noise, abs=0.002)


def test_the_correction_takes_most_of_the_excess_away() -> None:
    rng = np.random.default_rng(5)
    found, plain = [], []
    for _ in range(40):
        one, other = rng.integers(0, 8, 400).tolist(), rng.integers(0, 10, 400).tolist()
        found.append(mutual_information(one, other))
        joint = np.histogram2d(one, other, bins=(8, 10))[0] / 400
        outer = joint.sum(1, keepdims=True) * joint.sum(0, keepdims=True)
        plain.append(np.sum(joint[joint > 0] * np.log2((joint / outer)[joint > 0])))
    assert np.mean(plain) > 0.1
    assert np.mean(found) < 0.02


def test_information_never_exceeds_an_entropy() -> None:
    names = [f"n{number}" for number in range(20)]
    side = [0, 1] * 10
    assert mutual_information(names, side) == entropy(side)
    with pytest.raises(ValueError, match="2 and 1 cases"):
        mutual_information([0, 1], [0])


def patients(rng: np.random.Generator, told: float) -> tuple[list[int], list[int], list[str]]:
    """40 patients of 4 slices: 12 facts, 30 prompts; both mostly alike within a patient."""
    facts, prompts, owners = [], [], []
    for name in range(40):
        fact = int(rng.integers(12))
        prompt = fact if rng.random() < told else 12 + int(rng.integers(18))
        for _ in range(4):
            facts.append(fact if rng.random() < 0.8 else int(rng.integers(12)))
            prompts.append(prompt)
            owners.append(f"p{name}")
    return prompts, facts, owners


def test_chance_is_taken_off_where_slices_of_a_patient_resemble_each_other() -> None:
    rng = np.random.default_rng(7)
    plain, adjusted = [], []
    for _ in range(20):
        prompts, facts, owners = patients(rng, told=0.0)
        plain.append(mutual_information(prompts, facts))
        adjusted.append(adjusted_information(prompts, facts, owners, seed=1))
    assert np.mean(plain) > 0.8
    assert np.mean(adjusted) < 0.15


def test_what_is_told_stays() -> None:
    prompts, facts, owners = patients(np.random.default_rng(7), told=1.0)
    half = adjusted_information(*patients(np.random.default_rng(7), told=0.5), seed=1)
    whole = adjusted_information(prompts, facts, owners, seed=1)
    assert 0.2 < half < whole < entropy(facts)
    assert adjusted_information(facts, facts, owners, seed=1) == pytest.approx(entropy(facts))
    assert adjusted_information(prompts, ["a"] * 160, owners, seed=1) == 0
    assert adjusted_information(owners, facts, owners, seed=1) < 0.5  # a name for each: no words
    assert adjusted_information(prompts, facts, owners, seed=1) == whole
