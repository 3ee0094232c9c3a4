"""The text prompt of a slice: its grammar, its derivation from the mask, its table."""
