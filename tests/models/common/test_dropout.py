"""MC-dropout: without a share nothing changes, with one the passes vary around what they should."""

import pytest
import torch
from test_contract import CHANNELS, SIZE, TEXT, TEXTBCS, example
from torch import nn

from textbcs.models.common import registry
from textbcs.models.common.contract import Output, Segmenter
from textbcs.models.common.inference import infer, switch_dropout
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.models.common.unet_blocks import Trunk

UNET = {**TEXTBCS, "svli": False, "evidential": False}
KEPT = 0.7


def network(**changes) -> Segmenter:
    torch.manual_seed(0)
    config = {**UNET, **changes}
    return registry.build(config, channels=CHANNELS, image_size=SIZE, text_dim=TEXT)


def passes(model: Segmenter, image: torch.Tensor, count: int, dropout: bool = True) -> torch.Tensor:
    """The probabilities of several passes, (count, n, H, W)."""
    table = PromptTable(["a"], torch.zeros(1, 1, TEXT), torch.ones(1, 1).bool())
    rows = torch.zeros(len(image), dtype=torch.int64)
    found = []
    for _ in range(count):
        outputs = infer(model, image, table, rows, channels=CHANNELS, batch_size=2, dropout=dropout)
        found.append(torch.cat([output.probability for output in outputs]))
    return torch.stack(found)


def test_a_share_of_zero_is_no_dropout_to_the_last_bit_of_a_step():
    image, text, target = example(3)
    weights, states = [], []
    for changes in ({}, {"dropout": 0}, {"dropout": 0.0}):
        model = network(**changes)
        states.append(torch.get_rng_state())
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        probability = model.train()(image, text).probability
        torch.nn.functional.binary_cross_entropy(probability, target).backward()
        optimizer.step()
        weights.append(model.state_dict())
        states.append(torch.get_rng_state())
        assert not model.sampled
    for other in weights[1:]:
        assert weights[0].keys() == other.keys()
        assert all(torch.equal(weights[0][key], other[key]) for key in other)
    assert all(torch.equal(state, states[0]) for state in states)


def test_dropout_has_no_weights_and_starts_like_the_unet():
    bare, dropping = network(), network(dropout=0.3)
    assert dropping.sampled
    assert bare.state_dict().keys() == dropping.state_dict().keys()
    image, text, _ = example(2)
    for mode, same in ((False, True), (True, False)):
        answers = [model.train(mode)(image, text).probability for model in (bare, dropping)]
        assert torch.equal(*answers) == same


def test_whole_channels_of_the_deeper_half_are_dropped_and_no_others():
    torch.manual_seed(1)
    trunk = Trunk(3, 8, dropout=0.5).train()
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    trunk.drop.register_forward_hook(
        lambda module, inputs, output: seen.append((inputs[0], output))
    )
    trunk(torch.rand(2, 3, 32, 32))
    # encoder stages of 4 and 8 widths, the bottom, two steps of the decoder: side 8, 4, 2, 4, 8
    assert [tuple(x.shape[1:]) for x, _ in seen] == [
        (32, 8, 8),
        (64, 4, 4),
        (64, 2, 2),
        (32, 4, 4),
        (16, 8, 8),
    ]
    for before, after in seen:
        kept = torch.isclose(after, 2 * before).all(dim=(2, 3))
        gone = (after == 0).all(dim=(2, 3))
        assert (kept | gone).all()
        assert gone.any()


class OneLayer(Segmenter):
    """Probability = sum_c w_c m_c / q, m_c one with probability q: every moment is known."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.norm = nn.BatchNorm2d(CHANNELS)
        self.drop = nn.Dropout2d(1 - KEPT)
        self.weights = torch.tensor([0.1, 0.2, 0.3])

    def forward(self, image, text):
        shares = self.weights[:, None, None] * torch.ones_like(image)
        self.norm(shares)  # its statistics would move if it were in training mode
        probability = self.drop(shares).sum(1)
        return Output(probability, probability[:, None])


def test_the_mean_of_the_passes_is_the_expectation_of_one_layer():
    torch.manual_seed(5)
    model, count = OneLayer(), 4000
    before = {key: value.clone() for key, value in model.state_dict().items()}
    found = passes(model, torch.zeros(1, 2, 2), count)[:, 0]
    assert (found == found[:, :1, :1]).all()  # a channel goes as a whole
    variance = float((model.weights**2).sum()) * (1 - KEPT) / KEPT
    # four standard errors; the variance's own is below 2 % of it for a sum of three bounded terms
    assert abs(float(found[:, 0, 0].mean()) - 0.6) < 4 * (variance / count) ** 0.5
    assert float(found[:, 0, 0].var()) == pytest.approx(variance, rel=0.1)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_passes_depend_on_the_seed_alone_and_leave_the_network_without_chance():
    model = network(dropout=0.4)
    image = torch.rand(3, SIZE, SIZE)
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(passes(model, image, 2))
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert not torch.equal(found[0][0], found[0][1])
    assert not any(module.training for module in model.modules())
    state = torch.get_rng_state()
    assert torch.equal(*passes(model, image, 2, dropout=False))
    assert torch.equal(torch.get_rng_state(), state)


def test_dropout_alone_is_switched():
    model = network(dropout=0.4).eval()
    switch_dropout(model, True)
    assert [type(module).__name__ for module in model.modules() if module.training] == ["Dropout2d"]
    switch_dropout(model, False)
    assert not any(module.training for module in model.modules())
