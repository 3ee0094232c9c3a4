"""The text prompt of a slice: derived from the mask, or from what readers wrote; and changed, as a probe."""
