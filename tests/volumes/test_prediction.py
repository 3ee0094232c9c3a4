"""What a volume is asked: slices and texts in step, in batches of the volume alone; equal texts once."""

import numpy as np
import pytest
import torch
from network_inputs import LEFT, NETWORKS, RIGHT, SIZE, TOKENS
from torch import nn

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.models.common.registry import build
from textbcs.prediction.dirichlet import uncertainty
from textbcs.volumes.predicted_patients import ask
from textbcs.volumes.prediction import predict_volume, vacuity

TEXTS = ("", LEFT, RIGHT)


class Echo(Segmenter):
    """Answers the mean of a slice times the number that its prompt is; counts slices and batches."""

    reads_text = True

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.batches: list[int] = []

    def forward(self, image: torch.Tensor, text: object) -> Output:
        self.batches.append(len(image))
        told = text.tokens[:, 0, 0] * image.mean((1, 2, 3))
        probability = told[:, None, None].expand(-1, *image.shape[2:])
        evidence = torch.stack([probability, 2 * probability], 1)
        return Output(probability, probability[:, None], evidence=evidence)


def table() -> PromptTable:
    numbers = torch.tensor([0.25, 0.5, 1.0]).view(3, 1, 1)
    return PromptTable(TEXTS, numbers, torch.ones(3, 1).bool())


def image(slices: int) -> np.ndarray:
    levels = np.arange(1, slices + 1) / 64
    return np.broadcast_to(levels[:, None, None], (slices, 4, 4)).astype(np.float16)


def test_each_slice_is_asked_with_its_text_and_others_stay_empty() -> None:
    texts = [LEFT, None, "", RIGHT, None]
    found = predict_volume(Echo(), table(), image(5), texts, 3, batch=2)
    expected = [0.5 * 1 / 64, 0, 0.25 * 3 / 64, 4 / 64, 0]
    assert found.probability[:, 0, 0].tolist() == expected
    assert found.probability.shape == (5, 4, 4)
    assert found.probability.dtype == np.float32
    assert found.evidence is not None
    assert found.evidence.shape == (5, 2, 4, 4)
    assert found.evidence[:, 1, 3, 3].tolist() == [2 * p for p in expected]


def test_slices_are_batched_by_their_volume() -> None:
    model = Echo()
    predict_volume(model, table(), image(10), [LEFT] * 10, 3)
    predict_volume(model, table(), image(3), [None, LEFT, None], 3)
    assert model.batches == [4, 4, 2, 1]
    assert not predict_volume(model, table(), image(2), [None, None], 3).probability.any()
    assert model.batches == [4, 4, 2, 1]


def test_what_cannot_be_asked_is_refused() -> None:
    with pytest.raises(InputError, match="'unheard' has no embedding"):
        predict_volume(Echo(), table(), image(1), ["unheard"], 3)
    for slices, texts in ((2, [LEFT]), (0, [])):
        with pytest.raises(ValueError, match="prompts"):
            predict_volume(Echo(), table(), image(slices), texts, 3)


def test_equal_texts_are_asked_once() -> None:
    model, own = Echo(), image(2)
    texts = {
        "empty": [""] * 2,
        "patient": [LEFT] * 2,
        "slice": [None, LEFT],
        "automatic": [LEFT] * 2,
        "wrong_side": [""] * 2,
    }
    maps, unsure = ask(model, table(), own, texts, 3, ("patient", "automatic"))
    assert model.batches == [2, 2, 1]
    assert set(maps) == set(texts)
    for source, one in texts.items():
        expected = predict_volume(Echo(), table(), own, one, 3).probability
        assert np.array_equal(maps[source], expected)
    assert set(unsure) == {"patient", "automatic"}
    assert unsure["automatic"] is unsure["patient"]
    assert np.allclose(unsure["patient"][:, 0, 0], [2 / (2 + 1.5 / 64), 2 / (2 + 3 / 64)])
    # Where an automatic prompt is the empty one, its vacuity is kept all the same.
    _, unsure = ask(model, table(), own, {**texts, "automatic": [""] * 2}, 3, ("automatic",))
    assert set(unsure) == {"automatic"}


def test_vacuity_is_the_dirichlets() -> None:
    evidence = np.random.default_rng(0).gamma(1.0, 5.0, (2, 2, 5, 5)).astype(np.float32)
    assert np.array_equal(vacuity(evidence), uncertainty(evidence).vacuity)


def test_a_network_answers_one_patient_as_it_does_among_others() -> None:
    torch.manual_seed(3)
    model = build(NETWORKS["textbcs"], channels=3, image_size=SIZE, text_dim=TOKENS).eval()
    prompts = PromptTable(TEXTS, torch.randn(3, 4, TOKENS), torch.ones(3, 4).bool())
    volume = np.random.default_rng(1).uniform(size=(5, SIZE, SIZE)).astype(np.float16)
    first = predict_volume(model, prompts, volume, [RIGHT] * 5, 3)
    predict_volume(model, prompts, volume[:2], [LEFT] * 2, 3)
    again = predict_volume(model, prompts, volume, [RIGHT] * 5, 3)
    assert first.probability.tobytes() == again.probability.tobytes()
    assert first.evidence is not None
    other = predict_volume(model, prompts, volume, [LEFT] * 5, 3)
    assert not np.array_equal(first.probability, other.probability)
