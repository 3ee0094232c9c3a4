"""Where the tables of the data lie that several parts of the audit read."""

SPLITS = ("train", "val", "test")
SPLIT = "data/splits/split.csv"
SERIES = "data/cohort/series.csv"
FLOW = "reports/tables/flow.csv"


def slices_of(split: str) -> str:
    """The table of a split's slices."""
    return f"data/slices/{split}/slices.csv"
