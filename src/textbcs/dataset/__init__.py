"""What the stages pass on: slices, splits and prompts, as they lie in `data/`."""
