"""From per-slice metrics to what the paper prints, ours beside it."""
