"""The three splits, and which of them a patient is in."""

from textbcs.base.io import read_csv

SPLITS = TRAIN, VAL, TEST = ("train", "val", "test")


def read_split(path: str) -> dict[str, str]:
    """Patient -> split, from `split.csv`."""
    table = read_csv(path, ["patient", "split"])
    return dict(zip(table["patient"], table["split"], strict=True))
