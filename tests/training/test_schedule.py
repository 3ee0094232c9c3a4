"""Learning rates against torch's own schedulers."""

import pytest
import torch
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
)

from textbcs.training.schedule import Schedule

CONFIG = {
    "learning_rate": 0.02,
    "plateau_factor": 0.1,
    "plateau_patience": 2,
    "restart_epochs": 4,
    "restart_minimum": 1e-4,
    "poly_power": 0.9,
}


def rates_of(scheduler, optimizer, steps: int) -> list[float]:
    rates = []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def optimizer() -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.02)


@pytest.mark.parametrize("steps", [7, 40])
def test_one_cycle_is_torchs(steps):
    reference = optimizer()
    expected = rates_of(OneCycleLR(reference, 0.02, total_steps=steps), reference, steps)
    schedule = Schedule({**CONFIG, "schedule": "onecycle"}, steps, 1)
    assert [schedule.rate(step) for step in range(steps)] == pytest.approx(expected)


def test_cosine_is_torchs():
    reference = optimizer()
    expected = rates_of(CosineAnnealingLR(reference, T_max=30), reference, 30)
    schedule = Schedule({**CONFIG, "schedule": "cosine"}, 10, 3)
    assert [schedule.rate(step) for step in range(30)] == pytest.approx(expected)


def test_poly_is_torchs():
    reference = optimizer()
    expected = rates_of(PolynomialLR(reference, 30, power=0.9), reference, 30)
    schedule = Schedule({**CONFIG, "schedule": "poly"}, 10, 3)
    assert [schedule.rate(step) for step in range(30)] == pytest.approx(expected)


def test_restarts_are_torchs():
    """A wave of four epochs of three steps, stepped every step."""
    reference = optimizer()
    torchs = CosineAnnealingWarmRestarts(reference, T_0=12, eta_min=1e-4)
    expected = rates_of(torchs, reference, 30)
    schedule = Schedule({**CONFIG, "schedule": "restarts"}, 3, 10)
    assert [schedule.rate(step) for step in range(30)] == pytest.approx(expected)


def test_a_restart_never_raises_the_rate_above_its_peak():
    """LViT's floor of 1e-4 would raise a peak of 3e-5."""
    low = Schedule({**CONFIG, "schedule": "restarts", "learning_rate": 3e-5}, 3, 10)
    assert {low.rate(step) for step in range(30)} == {3e-5}


def test_plateau_is_torchs():
    scores = [0.1, 0.3, 0.2, 0.3, 0.1, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9, 0.1]
    reference = optimizer()
    torchs = ReduceLROnPlateau(reference, "max", factor=0.1, patience=2, threshold=0)
    schedule = Schedule({**CONFIG, "schedule": "plateau"}, 33, 3)
    for score in scores:
        torchs.step(score)
        schedule.epoch_end(score)
        assert schedule.rate(0) == pytest.approx(reference.param_groups[0]["lr"])
    assert schedule.reductions == 3


def test_constant_and_shortest_trainings():
    assert Schedule({**CONFIG, "schedule": "constant"}, 5, 1).rate(4) == 0.02
    for kind in ("onecycle", "cosine"):
        assert 0 < Schedule({**CONFIG, "schedule": kind}, 1, 1).rate(0) <= 0.02


def test_state_continues_where_it_was():
    first = Schedule({**CONFIG, "schedule": "plateau"}, 33, 3)
    for score in (0.5, 0.4, 0.4):
        first.epoch_end(score)
    second = Schedule({**CONFIG, "schedule": "plateau"}, 33, 3)
    second.restore(first.state())
    for schedule in (first, second):
        schedule.epoch_end(0.4)
    assert first.state() == second.state()
    assert second.rate(0) == pytest.approx(0.002)
