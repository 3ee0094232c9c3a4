"""What of a study the training data never had, and what a study does not say."""

from dataclasses import replace

import numpy as np

from textbcs.study.acquisition import Acquisition, unlike, unstated
from textbcs.study.body import body_doubts, body_fault

TRAINING = {
    "spacing_mm": {"row": [0.6, 1.0], "column": [0.6, 1.0], "slice": [1.0, 2.0]},
    "slices": [60, 200],
    "field_strength_t": [1.5, 3.0],
    "manufacturers": ["GE MEDICAL SYSTEMS", "SIEMENS"],
}
ALIKE = Acquisition("Siemens", "3.0", 2.05, 0.58, 1.0, 160, 448, 448)


def test_what_lies_within_the_training_data_is_not_mentioned() -> None:
    assert unlike(ALIKE, TRAINING) == unstated(ALIKE, TRAINING) == []


def test_what_lies_outside_is_said_with_both_numbers() -> None:
    other = replace(
        ALIKE, manufacturer="Philips", field_strength_t="0.5", spacing_slice_mm=4.0, slices=20
    )
    assert unlike(other, TRAINING) == [
        "the distance of slices is 4 mm; the training data had 1 to 2 mm",
        "the number of slices is 20; the training data had 60 to 200",
        "the field strength is 0.5 T; the training data had 1.5, 3.0 T",
        "the manufacturer is Philips; the training data had GE MEDICAL SYSTEMS, SIEMENS",
    ]
    assert unstated(other, TRAINING) == []


def test_what_nobody_states_cannot_be_compared() -> None:
    silent = replace(ALIKE, manufacturer="", field_strength_t="")
    assert unlike(silent, TRAINING) == []
    assert [line.partition(",")[0] for line in unstated(silent, TRAINING)] == [
        "the study does not state its field strength",
        "the study does not state its manufacturer",
    ]
    unknown = TRAINING | {"field_strength_t": [], "manufacturers": []}
    assert unlike(ALIKE, unknown) == unstated(silent, unknown) == []


def test_noise_and_nothing_are_no_body_and_odd_shares_are_doubted() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(100, 10, (6, 40, 40))
    assert "noise" in body_fault(noise)
    assert "one value" in body_fault(np.full((6, 40, 40), 7))
    y, x = np.indices((40, 40))
    for radius, doubted in ((4, True), (14, False)):
        disc = ((y - 20) ** 2 + (x - 20) ** 2 < radius**2) * 400.0
        volume = np.broadcast_to(disc, (6, 40, 40)) + rng.normal(0, 4, (6, 40, 40))
        assert body_fault(volume) == ""
        assert bool(body_doubts(volume)) == doubted
    assert (
        "hardly any" in body_doubts(np.broadcast_to(disc * 0 + (y + x < 6) * 400, (6, 40, 40)))[0]
    )
