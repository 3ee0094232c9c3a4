"""The one Dice that stops a training.

Training selects weights by this number and evaluation may quote it, but neither imports the other, so a
changed evaluation metric retrains nothing.
"""

from torch import Tensor


def dice(probability: Tensor, mask: Tensor, threshold: float = 0.5) -> Tensor:
    """Dice of the foreground of every slice, 2 |P and T| / (|P| + |T|).

    Args:
        probability: foreground probability, (n, H, W), in [0, 1].
        mask: true mask, (n, H, W), foreground where positive.
        threshold: a pixel is predicted foreground where its probability is greater.

    Returns:
        (n,) float64 in [0, 1]; NaN where prediction and truth are both empty (nothing to overlap).
    """
    predicted = (probability > threshold).flatten(1)
    true = (mask > 0).flatten(1)
    overlap = (predicted & true).sum(1).double()
    return 2 * overlap / (predicted.sum(1) + true.sum(1)).double()


def mean_dice(values: Tensor) -> Tensor:
    """Mean over the slices that have a Dice; 0 if none has.

    Args:
        values: (n,) as `dice` returns them.
    """
    known = values[~values.isnan()]
    return known.mean() if known.numel() else values.new_zeros(())
