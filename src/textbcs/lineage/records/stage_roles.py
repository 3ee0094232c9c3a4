"""What a stage does, by its name, and which files belong to the test split."""

import re

from textbcs.stage.definition import covered

# A stage with such a name learns, selects or sets something.
LEARNS = re.compile(
    r"(train|pretrain|search|select|calibrate|temperature|tune|fit|threshold)(_\w+)?|text"
)
PREDICTS = re.compile(r"predict(_\w+)?")  # a trained network's maps
VOLUME_MAPS = re.compile(r"volumes_\w+")  # the same of whole volumes, of validation and of test
# What turns a trained network into scores; whatever else these read was learned or chosen.
EVALUATES = re.compile(
    r"predict(_\w+)?|score|robustness|trivial|volumes_\w+|volume_score|prompt_features(_\w+)?|prompt_check"
)
REPLICATE = "_replicate"  # ends the name of a stage that does another one's work with further seeds

# What only evaluation may read.
TEST = (
    "data/slices/test", "data/volumes/test", "data/prompts/test.csv", "data/prompts/patients.csv",
    "data/volumes/prompts.csv", "results/evaluation", "results/robustness", "results/volume_scores",
    "results/prompt_features", "results/prompt_check", "results/prompt_leak", "results/volume_viewer",
    "results/packages",
)  # fmt: skip
_PROBE = "data/text/probe"
# Of a run's maps those of the validation slices may be learned from. The folder above holds both, so
# what counts of a stage that may read all of it is what it has read.
_TEST_MAPS = re.compile(
    r"results/predictions/[^/]+/(?!validation\.safetensors$).+|results/volumes/[^/]+/test/.+"
)


def is_test(path: str) -> bool:
    """Whether a path belongs to the test split or was computed on it, or is a folder that holds such."""
    holds = any(covered(name, (path,)) for name in TEST)
    return (
        holds
        or covered(path, TEST)
        or path.startswith(_PROBE)
        or _TEST_MAPS.fullmatch(path) is not None
    )
