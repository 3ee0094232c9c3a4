"""From trained weights to per-slice metrics on the test split, and what they amount to."""
