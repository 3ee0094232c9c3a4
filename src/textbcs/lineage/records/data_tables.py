"""Where the tables of the data lie that several parts of the audit read."""

SPLITS = ("train", "val", "test")
SPLIT = "data/splits/split.csv"
SERIES = "data/cohort/series.csv"
FLOW = "reports/tables/flow.csv"
FILES = "data/cohort/files.csv"


def slices_of(split: str) -> str:
    """The table of a split's slices."""
    return f"data/slices/{split}/slices.csv"


_COLUMNS = {
    SPLIT: ("patient", "split"),
    SERIES: ("patient", "study_uid", "series_uid"),
    FLOW: ("step", "outcome", "split", "patients", "tumour_slices", "tumour_free_slices"),
    FILES: ("path", "series_uid", "sop_uid"),
    **{
        slices_of(name): ("slice_id", "patient", "series_uid", "sop_uid", "kind") for name in SPLITS
    },
    **{f"data/prompts/{name}.csv": ("slice_id", "patient") for name in SPLITS},
}


def columns_of(path: str) -> tuple[str, ...]:
    """The columns of a table that the audit looks at."""
    if path.startswith("results/evaluation/") and path.endswith("/slices.csv"):
        return ("slice_id", "kind")
    return _COLUMNS.get(path, ())
