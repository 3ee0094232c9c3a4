"""Closed forms against published values, Monte Carlo, scipy and float64."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import digamma, gammaln

from textbcs.models.common import losses as shared
from textbcs.models.common.contract import Batch, Output, TextBatch
from textbcs.models.textbcs import loss as losses

CONFIG = {
    "name": "textbcs",
    "lambda_evidence": 0.25,
    "lambda_kl": 0.5,
    "kl_annealing_epochs": 4,
    "lambda_alignment": 2.0,
    "balanced_alignment": False,
}


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1)


def onehot(label: int, classes: int) -> torch.Tensor:
    return column(*[float(c == label) for c in range(classes)])


def kl_to_uniform(alpha: torch.Tensor) -> torch.Tensor:
    """KL[D(p | alpha) || D(p | 1)], eq. 13 for any number of classes (B, C, ...), in float64."""
    a = alpha.double()
    total = a.sum(1, keepdim=True)
    lead = torch.lgamma(total[:, 0]) - math.lgamma(a.shape[1]) - torch.lgamma(a).sum(1)
    return lead + ((a - 1) * (torch.digamma(a) - torch.digamma(total))).sum(1)


@pytest.mark.parametrize(
    ("alpha", "expected"),
    [((1, 1), 0.0), ((1, 1, 1), 0.0), ((1, 4), 0.6362943611), ((2.5, 1, 7), 1.4024771709)],
)
def test_kl_oracles(alpha, expected):
    assert float(kl_to_uniform(column(*alpha))) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("alpha", "expected"), [((1, 4), 25 / 12), ((2.5, 1, 7), 1.5998443937), ((1, 1), 1.0)]
)
def test_evidence_loss_oracles(alpha, expected):
    found = float(losses.evidence_loss(column(*alpha), onehot(0, len(alpha))))
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("alpha", [(1.3, 4.2), (2.5, 1.1, 7.0)])
def test_both_integrals_equal_monte_carlo(alpha):
    """Eq. 12 is E[-log p_y]; eq. 13 is E[log D(p | alpha) - log D(p | 1)]."""
    samples = np.random.default_rng(8).dirichlet(alpha, 400_000)
    error = -np.log(samples[:, 1]).mean()
    found = float(losses.evidence_loss(column(*alpha), onehot(1, len(alpha))))
    assert found == pytest.approx(error, rel=0.01)
    a = np.array(alpha)
    normaliser = gammaln(a.sum()) - gammaln(a).sum()
    density = normaliser + ((a - 1) * np.log(samples)).sum(1) - gammaln(len(alpha))
    assert float(kl_to_uniform(column(*alpha))) == pytest.approx(density.mean(), rel=0.01)


@pytest.mark.parametrize("evidence", [0.0, 1e-3, 0.5, 3.0, 1e2, 1e4, 1e5, 1e6, 1e7])
def test_two_class_kl_in_float32_equals_the_general_form_in_float64(evidence):
    """At 1e5 a plain float32 evaluation of eq. 13 gives 10.451 for 10.513."""
    e = torch.tensor([[7.0, evidence]], dtype=torch.float32)
    found = losses.kl_two_classes(e, torch.tensor([[1.0, 0.0]]))
    assert found.dtype == torch.float32
    general = float(kl_to_uniform(torch.tensor([[1.0, evidence + 1]], dtype=torch.float64)))
    assert float(found) == pytest.approx(general, rel=1e-5, abs=1e-8)
    if evidence == 1e5:
        assert float(found) == pytest.approx(10.513, abs=5e-4)


def test_two_class_kl_gradient_is_exact_and_leaves_the_true_class_alone():
    """d/da (ln a + 1/a - 1) = 1/a - 1/a^2."""
    e = torch.tensor([[5.0, 3.0], [1e6, 1e6]], requires_grad=True)
    losses.kl_two_classes(e, torch.tensor([[1.0, 0.0], [0.0, 1.0]])).sum().backward()
    assert e.grad[0].tolist() == pytest.approx([0.0, 1 / 4 - 1 / 16])
    assert e.grad[1].tolist() == pytest.approx([1e-6, 0.0], rel=1e-3)


@pytest.mark.parametrize("scale", [1.0, 1e2, 1e4, 1e6, 1e7])
def test_evidence_loss_is_accurate_in_float32(scale):
    for a, b in ((1.0, scale), (scale, 1.0), (scale, scale)):
        alpha = torch.tensor([[a, b]], dtype=torch.float32)
        found = float(losses.evidence_loss(alpha, torch.tensor([[1.0, 0.0]])))
        assert found == pytest.approx(digamma(a + b) - digamma(a), abs=1e-5)


def test_kl_pushes_wrong_evidence_down_and_evidence_loss_pulls_right_evidence_up():
    e = torch.tensor([[2.0, 2.0]], requires_grad=True)
    y = torch.tensor([[1.0, 0.0]])
    (losses.evidence_loss(e + 1, y) + losses.kl_two_classes(e, y)).sum().backward()
    assert e.grad[0, 0] < 0 < e.grad[0, 1]


def test_dice_losses_by_hand():
    p = torch.tensor([[[0.8, 0.2], [0.6, 0.0]]])
    y = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    squared = 1 - 2 * (0.8 + 0.6) / ((0.64 + 0.04 + 0.36) + 2)
    assert float(shared.squared_dice_loss(p, y)) == pytest.approx(squared, abs=1e-5)
    both = torch.stack([1 - p, p], dim=1)
    labels = torch.stack([1 - y, y], dim=1)
    foreground, background = 2 * 1.4 / (1.6 + 2), 2 * 1.8 / (2.4 + 2)
    expected = 1 - (foreground + background) / 2
    assert float(losses.dice_loss(both, labels)) == pytest.approx(expected, abs=1e-5)
    assert float(losses.dice_loss(labels, labels)) == pytest.approx(0, abs=1e-5)


def test_squared_dice_is_smoothed_after_both_are_halved():
    """LViT's code: (1e-5) / (0.001^2 + 1e-5) where a pixel of 0.002 stands before an empty mask."""
    p, y = torch.zeros(1, 2, 2), torch.zeros(1, 2, 2)
    assert shared.squared_dice_loss(p, y) == 0
    p[0, 0, 0] = 0.002
    assert float(shared.squared_dice_loss(p, y)) == pytest.approx(1 / 11, rel=1e-4)


def test_dice_loss_is_per_slice_then_mean():
    p, y = torch.rand(3, 2, 4, 4), (torch.rand(3, 2, 4, 4) < 0.5).float()
    alone = torch.stack([losses.dice_loss(p[i : i + 1], y[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(losses.dice_loss(p, y), alone.mean())


def test_balanced_cross_entropy_weighs_the_classes_alike():
    logits = torch.tensor([[[2.0, -1.0, -3.0, 0.5]]])
    mask = torch.tensor([[[1.0, 0.0, 0.0, 0.0]]])
    negative = (
        math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3)) + math.log(1 + math.exp(0.5))
    ) / 3
    expected = 0.5 * math.log(1 + math.exp(-2)) + 0.5 * negative
    assert float(shared.balanced_cross_entropy(logits, mask)) == pytest.approx(expected, rel=1e-6)
    none = shared.balanced_cross_entropy(logits, torch.zeros_like(mask))
    assert none.isfinite()


@pytest.mark.parametrize("balanced", [False, True])
def test_alignment_loss_follows_equations_6_and_7(balanced):
    """Two stages; a token is positive where its quarter of the mask holds foreground."""
    mask = torch.zeros(1, 4, 4)
    mask[0, 3, 0] = 1
    coarse, fine = torch.tensor([[[0.3, -0.2], [1.1, 0.7]]]), torch.randn(1, 4, 4)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    stages = []
    for values, positive in ((coarse, [(1, 0)]), (fine, [(3, 0)])):
        grid = range(values.shape[-1])
        plus = [-math.log(sigmoid(float(values[0][place]))) for place in positive]
        minus = [
            -math.log(1 - sigmoid(float(values[0, r, c])))
            for r in grid
            for c in grid
            if (r, c) not in positive
        ]
        if balanced:
            stages.append((np.mean(plus) + np.mean(minus)) / 2)
        else:
            stages.append(np.mean(plus + minus))
    found = losses.alignment_loss((coarse, fine), mask, balanced)
    assert float(found) == pytest.approx(np.mean(stages), rel=1e-5)


def example(evidential: bool, aligned: bool) -> tuple[Output, Batch]:
    torch.manual_seed(0)
    mask = (torch.rand(2, 4, 4) < 0.3).float()
    alignment = (torch.randn(2, 2, 2),) if aligned else ()
    text = TextBatch(torch.zeros(2, 1, 1), torch.ones(2, 1, dtype=torch.bool))
    rows = torch.arange(2)
    batch = Batch(torch.rand(2, 1, 4, 4), mask, text, rows, torch.zeros(2, 4).long(), rows)
    if not evidential:
        logits = torch.randn(2, 1, 4, 4)
        return Output(logits[:, 0].sigmoid(), logits, alignment=alignment), batch
    evidence = 3 * torch.rand(2, 2, 4, 4)
    alpha = evidence + 1
    return Output((alpha / alpha.sum(1, keepdim=True))[:, 1], evidence, evidence, alignment), batch


def test_total_is_equation_14_with_its_annealed_weight():
    output, batch = example(evidential=True, aligned=True)
    objective = losses.objective(CONFIG)
    for epoch, share in ((0, 0.0), (1, 0.25), (4, 1.0), (9, 1.0)):
        total, parts = objective(output, batch, epoch)
        expected = (
            parts["dice"]
            + 0.25 * parts["evidence"]
            + 0.5 * share * parts["kl"]
            + 2 * parts["alignment"]
        )
        torch.testing.assert_close(total, expected)
    assert set(parts) == {"dice", "evidence", "kl", "alignment"}


def test_ablations_keep_what_is_left():
    output, batch = example(evidential=False, aligned=True)
    total, parts = losses.objective(CONFIG)(output, batch, 1)
    expected = 0.5 * parts["dice"] + 0.5 * parts["bce"] + 2 * parts["alignment"]
    torch.testing.assert_close(total, expected)
    plain, batch = example(evidential=False, aligned=False)
    unet = shared.dice_bce_objective({})(plain, batch, 1)[0]
    torch.testing.assert_close(losses.objective(CONFIG)(plain, batch, 1)[0], unet)
    _, parts = losses.objective(CONFIG)(*example(evidential=True, aligned=False), 1)
    assert set(parts) == {"dice", "evidence", "kl"}


def test_evidential_parts_use_alpha_tilde_and_the_mean_over_pixels():
    output, batch = example(evidential=True, aligned=False)
    _, parts = losses.objective(CONFIG)(output, batch, 1)
    y = torch.stack([1 - batch.mask, batch.mask], 1).double()
    alpha = output.evidence.double() + 1
    kl = kl_to_uniform(y + (1 - y) * alpha).mean()
    assert float(parts["kl"]) == pytest.approx(float(kl), rel=1e-5)
    assert float(parts["evidence"]) == pytest.approx(
        float(losses.evidence_loss(alpha, y).mean()), rel=1e-5
    )


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_plain_cross_entropy_weighs_every_pixel_alike():
    logits = torch.tensor([[[logit(0.8), logit(0.4)], [logit(0.1), logit(0.1)]]])
    mask = torch.tensor([[[1.0, 0.0], [0.0, 0.0]]])
    plain = losses.dice_and_cross_entropy(logits, mask, balanced=False)
    balanced = losses.dice_and_cross_entropy(logits, mask, balanced=True)
    each = [-math.log(0.8), -math.log(0.6), -math.log(0.9), -math.log(0.9)]
    assert float(plain["bce"]) == pytest.approx(sum(each) / 4)
    assert float(balanced["bce"]) == pytest.approx(each[0] / 2 + sum(each[1:]) / 6)
    dice = 1 - 2 * 0.8 / (0.64 + 0.16 + 0.01 + 0.01 + 1)
    assert float(plain["dice"]) == float(balanced["dice"]) == pytest.approx(dice, abs=1e-5)


def test_one_dice_of_a_batch_is_that_of_its_pixels_together():
    logits = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(3, 4, 4)
    mask[0, :2] = 1  # the other slices hold nothing
    found = losses.dice_and_cross_entropy(logits, mask, balanced=False, together=True)
    p = logits.sigmoid()
    by_hand = 1 - (2 * (p * mask).sum() + 4e-5) / ((p * p).sum() + mask.sum() + 4e-5)
    assert float(found["dice"]) == pytest.approx(float(by_hand), rel=1e-6)
    apart = losses.dice_and_cross_entropy(logits, mask, balanced=False)
    assert float(apart["dice"]) > float(found["dice"]) + 0.1
    assert torch.equal(found["bce"], apart["bce"])


def test_deep_loss_by_hand():
    """Heads of half and a quarter of the sides weigh 2/3 and 1/3; targets are shares of pixels."""
    mask = torch.zeros(1, 4, 4)
    mask[0, :2, :2] = 1
    mask[0, 2, 2] = 1  # a quarter of its coarse pixel
    half = torch.full((1, 2, 2), logit(0.5))
    quarter = torch.full((1, 1, 1), logit(0.25))
    found = float(losses.deep_loss([half, quarter], mask, balanced=False))
    dice_half = 1 - 2 * 0.5 * 1.25 / (4 * 0.25 + 1 + 0.0625)
    share = 5 / 16
    dice_quarter = 1 - 2 * 0.25 * share / (0.0625 + share**2)
    entropy = -share * math.log(0.25) - (1 - share) * math.log(0.75)
    expected = 2 / 3 * (dice_half + math.log(2)) / 2 + 1 / 3 * (dice_quarter + entropy) / 2
    assert found == pytest.approx(expected, abs=1e-4)


def test_deep_heads_join_the_total_with_their_weight():
    output, batch = example(evidential=False, aligned=True)
    side = batch.mask.shape[-1] // 2
    deep = torch.randn(len(batch.mask), side, side, generator=torch.Generator().manual_seed(4))
    more = replace(output, auxiliary={"deep": deep})
    config = {**CONFIG, "lambda_deep": 3.0, "balanced_cross_entropy": False}
    total, parts = losses.objective(config)(more, batch, 1)
    without, _ = losses.objective(config)(output, batch, 1)
    assert float(parts["deep"]) > 0
    assert float(total - without) == pytest.approx(3 * float(parts["deep"]), rel=1e-5)
