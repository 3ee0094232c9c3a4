"""One case examined: the passes it costs, the verdict, and the reason in words."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from network_inputs import NETWORKS, SIZE, TOKENS

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import PromptError, every_prompt, parse
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.models.common.registry import build
from textbcs.prompt_check.counterfactuals import asked_prompts
from textbcs.prompt_check.detector import Detector, SlotModel
from textbcs.prompt_check.examination import examine, first_pass, judge, prompt_features

OWN = parse("location left; shape round; size small; number one")
SLOTS = OWN.slots


def made(automatic: str = OWN.text, slices: int = 6):
    codes = np.zeros((slices, SIZE, SIZE), np.uint8)
    codes[2, 4:8, 20:24] = 200
    return first_pass(
        codes,
        automatic,
        voxel_mm3=2.0,
        midline_column=15.5,
        sides="patient",
        thresholds_mm3=(20.0, 40.0),
    )


def detector(weights: dict[str, float], threshold: float = 0.5) -> Detector:
    """The same weights of each slot; features are taken as they are."""
    names, values = tuple(weights), tuple(weights.values())
    zero, one = (0.0,) * len(names), (1.0,) * len(names)
    model = SlotModel(names, zero, one, values, 0.0)
    return Detector(dict.fromkeys(SLOTS, model), threshold, 16)


class Counting(torch.nn.Module):
    """Counts how many slices a network is asked about."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.own = build(NETWORKS["textbcs"], channels=3, image_size=SIZE, text_dim=TOKENS)
        self.slices = 0

    def forward(self, image, text):
        self.slices += len(image)
        return self.own(image, text)


@pytest.fixture
def table() -> PromptTable:
    texts = ["", *(prompt.text for prompt in every_prompt(sided=True))]
    tokens = torch.randn((len(texts), 4, TOKENS), generator=torch.Generator().manual_seed(1))
    return PromptTable(texts, tokens, torch.ones((len(texts), 4), dtype=torch.bool))


IMAGE = np.random.default_rng(2).uniform(size=(6, SIZE, SIZE)).astype(np.float16)


def test_a_case_costs_six_passes_over_few_slices(table) -> None:
    model = Counting()
    found = examine(model, table, IMAGE, OWN.text, made(), detector({"peak": -1.0}), 3)
    assert model.slices == 6 * len(made().slices)
    assert len(made().slices) <= 4
    assert list(found.wrong) == list(SLOTS)


def test_the_same_words_have_the_same_features_alone_and_among_others(table) -> None:
    model = build(NETWORKS["textbcs"], channels=3, image_size=SIZE, text_dim=TOKENS)
    asked = asked_prompts(OWN.text, "a", 1)
    among = prompt_features(model, table, IMAGE, asked, made(), 3)
    for name, one in asked.items():
        alone = prompt_features(model, table, IMAGE, {name: one}, made(), 3)
        for slot, features in alone[name].items():
            assert features == pytest.approx(among[name][slot], abs=1e-4)


def test_the_most_doubtful_word_decides_and_the_reason_names_it() -> None:
    first = made(replace(OWN, size="large").text)
    features = {slot: {"automatic": 1.0, "peak": 0.2, "as_first_pass": 0.1} for slot in SLOTS}
    features["size"] = {"automatic": -1.0, "peak": -0.4, "as_first_pass": 0.1}
    found = judge(
        OWN, features, first, detector({"automatic": -2.0, "peak": -1.0, "as_first_pass": -9.0})
    )
    assert found.rejected
    assert max(found.wrong, key=lambda slot: found.wrong[slot]) == "size"
    assert found.reason == (
        "size small is probably wrong (0.82, warning above 0.50), by the automatic prompt (large); "
        "how sure the network is with another word"
    )


def test_below_the_threshold_nothing_is_rejected() -> None:
    features = {slot: {"peak": -float(slot == "shape")} for slot in SLOTS}
    found = judge(OWN, features, made(), detector({"peak": -1.0}, threshold=0.8))
    assert not found.rejected
    assert found.reason == (
        "no word stands out; most doubtful is shape round (0.73, warning above 0.80)"
    )


def test_no_prompt_is_no_wrong_prompt(table) -> None:
    found = examine(Counting(), table, IMAGE, "", made(), detector({"peak": -1.0}), 3)
    assert (found.wrong, found.rejected) == ({}, False)


def test_what_is_no_prompt_is_refused(table) -> None:
    with pytest.raises(PromptError):
        examine(Counting(), table, IMAGE, "a lump", made(), detector({"peak": -1.0}), 3)
    with pytest.raises(InputError, match="no embedding"):
        small = PromptTable([""], torch.zeros((1, 4, TOKENS)), torch.ones((1, 4)).bool())
        examine(Counting(), small, IMAGE, OWN.text, made(), detector({"peak": -1.0}), 3)


def test_a_first_pass_is_read_as_the_cohort_means_sides() -> None:
    assert made().left_is_larger
    assert made("").prompt is None
    assert made().largest_mm3 == 32.0
    assert made().slices.tolist() == [0, 1, 2]
