"""The page of an outline: one self-contained file with a viewer that scrolls the whole study."""
