"""What a stage does, by its name, and which files belong to the test split."""

import re

from textbcs.stage.definition import covered

# A stage with such a name learns, selects or sets something.
LEARNS = re.compile(
    r"(train|pretrain|search|select|calibrate|temperature|tune|fit|threshold)(_\w+)?|text"
)
PREDICTS = re.compile(r"predict(_\w+)?")  # a trained network's maps
# What turns a trained network into scores; whatever else these read was learned or chosen.
EVALUATES = re.compile(r"predict(_\w+)?|score|robustness|trivial")
REPLICATE = "_replicate"  # ends the name of a stage that does another one's work with further seeds

# What only evaluation may read.
TEST = ("data/slices/test", "data/prompts/test.csv", "results/evaluation", "results/robustness")
_PROBE = "data/text/probe"
# Of a run's maps those of the validation slices may be learned from. The folder above holds both, so
# what counts of a stage that may read all of it is what it has read.
_TEST_MAPS = re.compile(r"results/predictions/[^/]+/(?!validation\.safetensors$).+")


def is_test(path: str) -> bool:
    """Whether a path belongs to the test split or was computed on it, or is a folder that holds such."""
    holds = any(covered(name, (path,)) for name in TEST)
    return (
        holds
        or covered(path, TEST)
        or path.startswith(_PROBE)
        or _TEST_MAPS.fullmatch(path) is not None
    )
