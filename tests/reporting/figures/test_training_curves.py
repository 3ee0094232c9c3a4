"""Training curves: the epoch that is kept."""

import pandas as pd

from textbcs.reporting.figures import training_curves


def test_training_curves_mark_the_epoch_that_is_kept() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "validation_dice": [0.1, 0.6, 0.6]})
    shown = training_curves.epoch_rows({("unet", 1): history, ("textbcs", 1): history / 2})
    assert shown["best"].tolist() == [False, True, False] * 2
    first = training_curves.draw(shown).axes[0]
    other, own, dot = first.lines
    assert own.get_ydata().tolist() == [0.1, 0.6, 0.6]
    assert other.get_ydata().tolist() == [0.05, 0.3, 0.3]
    assert (dot.get_xdata().tolist(), dot.get_ydata().tolist()) == ([2], [0.6])
