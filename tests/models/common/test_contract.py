"""One contract for every method of the tiny preset, and for every switch of TextBCS.

TEXTBCS_TEST_DEVICE=cuda puts the networks on a GPU (`make gpu-check`), where float32 products may use TF32.
"""

import os

import pytest
import torch

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.models.common.contract import Batch, TextBatch
from textbcs.settings.presets import read_preset
from textbcs.training.checkpoint import write_weights

SIZE, CHANNELS, TEXT, TOKENS = (
    64,
    3,
    12,
    6,
)  # a smaller image would leave a ResNet's last map one pixel
TEXTBCS = {
    "model": "textbcs",
    "width": 8,
    "svli": True,
    "evidential": True,
    "grid": None,
    "heads": 2,
    "position": "sine",
    "alignment_dim": 6,
    "evidence_gain": 2.0,
}
TEXTBCS_LOSS = {
    "name": "textbcs",
    "lambda_evidence": 0.1,
    "lambda_kl": 0.1,
    "kl_annealing_epochs": 3,
    "lambda_alignment": 0.1,
    "balanced_alignment": False,
}
DEVICE = os.environ.get("TEXTBCS_TEST_DEVICE", "cpu")
BETWEEN_BATCHES = 1e-5 if DEVICE == "cpu" else 2e-3  # another batch, another kernel
METHODS = read_preset("tiny")["methods"]

NETWORKS = {
    **{name: (method["network"], method["loss"]) for name, method in METHODS.items()},
    "textbcs": (TEXTBCS, TEXTBCS_LOSS),
    "textbcs, SVLI only": ({**TEXTBCS, "evidential": False}, TEXTBCS_LOSS),
    "textbcs, EL only": ({**TEXTBCS, "svli": False}, TEXTBCS_LOSS),
    "textbcs, neither": ({**TEXTBCS, "svli": False, "evidential": False}, TEXTBCS_LOSS),
    "textbcs, dropout": (
        {**TEXTBCS, "svli": False, "evidential": False, "dropout": 0.2},
        TEXTBCS_LOSS,
    ),
    "textbcs, full grid": ({**TEXTBCS, "grid": "full"}, TEXTBCS_LOSS),
    "textbcs, grid of 4": ({**TEXTBCS, "grid": 4}, TEXTBCS_LOSS),
    "textbcs, no position": ({**TEXTBCS, "position": "none"}, TEXTBCS_LOSS),
}

pytestmark = pytest.mark.parametrize("name", NETWORKS)


def make(name: str, seed: int = 0, **changes):
    torch.manual_seed(seed)
    config = {**NETWORKS[name][0], **changes}
    return registry.build(config, channels=CHANNELS, image_size=SIZE, text_dim=TEXT).to(DEVICE)


def batch_of(image: torch.Tensor, mask: torch.Tensor, text: TextBatch) -> Batch:
    """A batch whose first two prompts are equal."""
    rows = torch.arange(len(image), device=image.device)
    attributes = torch.stack([rows % 2, rows % 3, rows % 3, rows % 2], dim=1)
    return Batch(image, mask, text, (rows - 1).clamp_min(0), attributes, rows)


def example(count: int) -> tuple[torch.Tensor, TextBatch, torch.Tensor]:
    generator = torch.Generator().manual_seed(9)
    image = torch.rand(count, CHANNELS, SIZE, SIZE, generator=generator)
    tokens = torch.randn(count, TOKENS, TEXT, generator=generator)
    mask = torch.ones(count, TOKENS, dtype=torch.bool)
    mask[:, -2:] = False
    target = (torch.rand(count, SIZE, SIZE, generator=generator) < 0.1).float()
    text = TextBatch(tokens.to(DEVICE), mask.to(DEVICE))
    return image.to(DEVICE), text, target.to(DEVICE)


def test_every_registered_network_is_here(name):
    assert {config["model"] for config, _ in NETWORKS.values()} == set(registry.names())


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_shapes_types_and_ranges(name, count, training):
    image, text, _ = example(count)
    output = make(name).train(training)(image, text)
    assert output.probability.shape == (count, SIZE, SIZE)
    assert output.probability.dtype == torch.float32
    assert bool(((output.probability >= 0) & (output.probability <= 1)).all())
    assert output.logits.shape[0] == count
    assert output.logits.shape[2:] == (SIZE, SIZE)
    if output.evidence is not None:
        assert output.evidence.shape == (count, 2, SIZE, SIZE)
        assert bool((output.evidence >= 0).all())
    assert all(values.shape[0] == count for values in output.alignment)
    assert training or not output.alignment


def test_gradients_reach_every_trainable_parameter(name):
    image, text, target = example(3)
    model = make(name).train()
    network, loss = NETWORKS[name]
    objective = registry.objective(network["model"], loss)
    total, parts = objective(model(image, text), batch_of(image, target, text), 1)
    total.backward()
    assert total.isfinite()
    assert all(part.isfinite() for part in parts.values())
    # A key's bias shifts all scores of a query alike, and softmax does not see that; the bias of a
    # convolution before batch normalisation vanishes likewise. Their gradients are rounding noise.
    for key, value in model.named_parameters():
        if not value.requires_grad:
            assert value.grad is None, key
            continue
        assert value.grad is not None, key
        assert value.grad.isfinite().all(), key
        if not key.endswith("bias"):
            assert value.grad.abs().max() > 0, key


def test_equal_seeds_give_equal_networks_and_answers(name):
    image, text, _ = example(2)
    first, second = make(name).eval(), make(name).eval()
    assert all(
        torch.equal(a, b)
        for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True)
    )
    assert torch.equal(first(image, text).probability, second(image, text).probability)


def test_evaluation_mode_has_no_randomness_and_no_memory(name):
    image, text, _ = example(2)
    model = make(name).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    answers = [model(image, text).probability for _ in range(2)]
    assert torch.equal(*answers)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_slices_of_a_batch_do_not_touch_one_another_in_evaluation(name):
    image, text, _ = example(3)
    model = make(name).eval()
    together = model(image, text).probability
    alone = model(image[1:2], TextBatch(text.tokens[1:2], text.mask[1:2])).probability
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=BETWEEN_BATCHES)


def test_text_changes_the_answer_exactly_where_the_network_reads_it(name):
    image, text, _ = example(2)
    model = make(name).eval()
    answer = model(image, text).probability
    other = model(image, TextBatch(text.tokens.flip(0), text.mask)).probability
    assert torch.equal(answer, other) != model.reads_text
    padded = text.tokens.clone()
    padded[:, -2:] = 1e3
    assert torch.equal(answer, model(image, TextBatch(padded, text.mask)).probability)


def test_weights_survive_a_round_trip(name, tmp_path):
    image, text, _ = example(2)
    model = make(name)
    model.train()(image, text)  # moves the running statistics
    write_weights(tmp_path / "model.safetensors", model.state_dict())
    again = make(name, seed=1)
    registry.read_weights(again, tmp_path / "model.safetensors")
    assert torch.equal(model.eval()(image, text).probability, again.eval()(image, text).probability)
    first = io.sha256_file(tmp_path / "model.safetensors")
    write_weights(tmp_path / "again.safetensors", again.state_dict())
    assert io.sha256_file(tmp_path / "again.safetensors") == first


def test_weights_of_another_width_are_refused_in_one_line(name, tmp_path):
    write_weights(
        tmp_path / "model.safetensors",
        make(name, width=2 * NETWORKS[name][0]["width"]).state_dict(),
    )
    with pytest.raises(InputError, match="weights of another configuration") as error:
        registry.read_weights(make(name), tmp_path / "model.safetensors")
    assert "\n" not in str(error.value)


def test_width_scales_the_network(name):
    """Parameters grow with the square of the width, but for embeddings and norms."""
    own = NETWORKS[name][0]["width"]
    sizes = [
        sum(p.numel() for p in make(name, width=factor * own).parameters()) for factor in (2, 4, 8)
    ]
    assert 2.5 < sizes[1] / sizes[0] < 4.3
    assert 3 < sizes[2] / sizes[1] < 4.3


def test_image_size_may_be_another_multiple_of_16(name):
    config = dict(NETWORKS[name][0])
    if "grid" in config:
        config["grid"] = None
    model = registry.build(config, channels=1, image_size=48, text_dim=TEXT).eval()
    output = model.to(DEVICE)(torch.rand(1, 1, 48, 48, device=DEVICE), example(1)[1])
    assert output.probability.shape == (1, 48, 48)


def test_heads_start_at_the_share_that_is_asked_for(name):
    """With weights of zero a head answers with its bias alone: the first answer of all heads alike."""
    image, text, _ = example(2)
    model = make(name).train()
    model.start_at(0.02)
    heads = list(model.mask_heads())
    assert heads
    with torch.no_grad():
        for head in heads:
            head.weight.zero_()
    output = model(image, text)
    share = torch.full((2, SIZE, SIZE), 0.02, device=DEVICE)
    torch.testing.assert_close(output.probability, share, rtol=1e-4, atol=1e-6)
    for logits in output.auxiliary.values():
        if logits.ndim == 4 and logits.shape[1] == 2:
            found = logits.softmax(1)[:, 1]
        elif logits.ndim == 3:
            found = logits.sigmoid()
        else:
            continue  # a predicted attribute
        torch.testing.assert_close(found, torch.full_like(found, 0.02))
