"""The stage with a small untrained network, and its answers with probabilities made by hand."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from network_inputs import (
    LEFT,
    PARAMS,
    RIGHT,
    SIZE,
    TEXTS,
    shard,
    write_split,
    write_text,
    write_weights,
)

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.evaluation.metrics.answer_scores import score_answers
from textbcs.models.common.contract import Output
from textbcs.prediction.answers import files_of, read_answers
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import possible_texts
from textbcs.stages.evaluation.robustness import answer, case_maps
from textbcs.stages.evaluation.robustness import run as robustness

SEED = 41
MAPS = "results/predictions/unet-s1/maps.safetensors"
OWN = PARAMS | {
    "robustness": {"seed": SEED, "first_pass": "unet"},
    "prompts": {"irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75},
    "evaluation": {"threshold": 0.5},
}


class ByText:
    """Answers by the text alone: the lesion for LEFT, its half for RIGHT, else nothing."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def __call__(self, places: Sequence[int], texts: Sequence[str]):
        self.asked += list(zip(places, texts, strict=True))
        probability = torch.full((len(texts), SIZE, SIZE), 0.1)
        for row, text in enumerate(texts):
            probability[row, 4 : {LEFT: 8, RIGHT: 6}.get(text, 4), 20:24] = 0.9
        # Evidence 2 and 1 everywhere: vacuity 2 / (3 + 2).
        evidence = torch.tensor([2.0, 1.0]).view(1, 2, 1, 1).expand(len(texts), 2, SIZE, SIZE)
        for part in range(0, len(texts), 2):
            both = slice(part, part + 2)
            yield Output(probability[both], probability[both, None], evidence=evidence[both])


PROBES = {"true": [LEFT, LEFT, RIGHT, LEFT], "empty": [""] * 4, "swapped": [RIGHT, LEFT, LEFT, ""]}


def test_each_slice_is_asked_once_for_each_text_and_scored_with_its_own_mask() -> None:
    ask = ByText()
    answers = answer(PROBES.items(), shard(), ask, 0.5)
    assert len(ask.asked) == len(set(ask.asked)) == len(answers.packed) == 4 + 4 + 2
    rows = score_answers(answers, shard().masks)
    assert len(rows) == 12
    dice = rows.pivot(index="slice_id", columns="probe", values="dice")
    assert dice["true"].tolist()[:3] == [1, 1, pytest.approx(16 / 24)]
    assert dice["swapped"].tolist()[:3] == [pytest.approx(16 / 24), 1, 1]
    assert dice["empty"].tolist()[:3] == [0, 0, 0]
    pixels = rows.set_index(["probe", "slice_id"])["predicted_pixels"]
    assert (pixels["true", "b-9"], pixels["empty", "b-9"], pixels["true", "b-1"]) == (16, 0, 8)
    # Tumour-free: a false alarm has Dice 0, silence none.
    assert dice.loc["b-9", "true"] == 0
    assert np.isnan(dice.loc["b-9", "empty"])
    assert rows["vacuity"].tolist() == pytest.approx([0.4] * 12)
    assert rows["prompt"].tolist() == [text for of in PROBES.values() for text in of]


def test_a_cases_maps_bear_its_name_and_the_probes() -> None:
    cases = {2: {probe: of[2] for probe, of in PROBES.items()}}
    maps = case_maps(cases, shard(), ByText())
    assert set(maps) == {"b-1/true", "b-1/empty", "b-1/swapped"}
    assert [int((m > 0.5).sum()) for m in maps.values()] == [8, 0, 16]
    assert maps["b-1/true"].dtype == np.float16


@pytest.fixture
def written(stage_in):
    """The stage's inputs: two networks with random weights, random embeddings of all probes."""
    stage, own = stage_in(OWN), shard()
    write_split(stage, "test", own)
    io.write_json(
        "data/prompts/thresholds.json", {"small_up_to_mm2": 10.0, "medium_up_to_mm2": 20.0}
    )
    write_text("styles", possible_texts(list(TEXTS), read_paraphrases(), SEED))
    write_weights()
    found = own.masks.astype(np.float16)
    found[1] = 0
    io.write_tensors(MAPS, {"probability": found})
    return stage


def test_the_stage_asks_everything_and_writes_the_figures_cases(written) -> None:
    robustness(written, "textbcs", "1")
    answers = read_answers(*files_of("textbcs-s1"), shard())
    rows = score_answers(answers, shard().masks)
    prompts = rows.pivot(index="slice_id", columns="probe", values="prompt")
    assert len(rows) == 4 * 28
    assert prompts["true"].tolist() == [LEFT, LEFT, RIGHT, LEFT]
    shuffled = prompts["shuffled"].tolist()
    assert shuffled[:2] == [RIGHT, RIGHT]
    assert shuffled[2] == LEFT
    assert prompts["empty"].tolist() == [""] * 4
    # 16 mm2 lie between the thresholds; the first pass found nothing on the second and the last slice.
    square = "location left; shape round; size medium; number one"
    assert prompts["automatic"].tolist() == [square, "", square, ""]
    assert rows["vacuity"].between(0, 1).all()
    maps = io.read_tensors("results/robustness/textbcs-s1/cases.safetensors")
    assert len(maps) == 2 * 28
    slices = {name.split("/")[0] for name in maps}
    assert "b-1" in slices
    assert len(slices & {"a-1", "a-2"}) == 1


def test_a_network_that_reads_no_text_is_refused(written) -> None:
    with pytest.raises(InputError, match="unet reads no text"):
        robustness(written, "unet", "1")


def test_maps_of_another_test_split_are_one_line(written) -> None:
    io.write_tensors(MAPS, {"probability": np.zeros((3, SIZE, SIZE), np.float16)})
    with pytest.raises(InputError, match="3 maps for 4 test slices"):
        robustness(written, "textbcs", "1")
