"""What stands behind the rows of one run, which the stage `score` writes for all runs at once.

Its receipt names the maps of every run. What is said of one run's rows must not rest on another's, so the
lineage follows from a run's rows to its own maps alone, and to what all runs share.
"""

import re

from textbcs.stage.definition import covered

ROWS = "results/evaluation"
_TABLE = re.compile(rf"{ROWS}/(?P<run>[^/]+)/(?P<table>slices|prompts)\.csv")
# Where what belongs to one run lies, and which of it the stage has made a table from.
_OF_RUNS = ("results/predictions", "results/robustness")
_SOURCE = {"slices": "results/predictions", "prompts": "results/robustness"}


def rows_of(path: str) -> str:
    """`path` where it is a table of one run's rows, else the empty string."""
    return path if _TABLE.fullmatch(path) else ""


def stands_behind(path: str, output: str) -> bool:
    """Whether an output of a stage rests on one of the stage's inputs, a file or a folder.

    Only of a run's rows less than all is known to count: rows of slices rest on that run's maps, rows of
    prompts on its answers, both on all that belongs to no run.
    """
    match = _TABLE.fullmatch(output)
    if match is None or not covered(path, _OF_RUNS):
        return True
    own = f"{_SOURCE[match['table']]}/{match['run']}"
    return path in _OF_RUNS or covered(path, (own,))
