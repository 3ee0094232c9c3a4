"""The parameters: what they may be, the presets, and what is wrong with a file of them."""
