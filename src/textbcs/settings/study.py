"""The sections of `params.yaml` that say what is compared, measured and shown."""

from typing import Annotated, TypedDict

from textbcs.settings.ranges import (
    Above,
    AtLeast,
    AtMost,
    Below,
    Count,
    Distinct,
    Items,
    Name,
    NotNegative,
    Positive,
    Seed,
    Share,
    Text,
)

Seeds = Annotated[list[Seed], Items(1), Distinct(), "each method is trained once with each"]


class Replicates(TypedDict):
    """Further trainings: how far the seed alone moves a score."""

    methods: Annotated[list[str], Items(1), Distinct(), "of tables.table1"]
    seeds: Annotated[list[Seed], Distinct(), "beside `seeds`"]


class Tables(TypedDict):
    """Which runs the tables show."""

    table1: Annotated[list[str], Items(1), Distinct(), "methods: the rows, in order"]
    variants: Annotated[
        list[str], Distinct(), "trained beside the rows of Table 1; none: no ablation, no heat maps"
    ]
    for_use: Annotated[
        list[str], Distinct(), "variants that learn from tumour-free slices and other prompts too"
    ]


class ReadersAndOthers(TypedDict):
    """Networks by whether they read the prompt."""

    image: Annotated[list[Name], Distinct(), "those that read no text"]
    text: Annotated[list[Name], Distinct(), "those that do"]


class Volumes(TypedDict):
    """The evaluation on whole volumes."""

    methods: Annotated[ReadersAndOthers, "of tables.table1"]
    variants: Annotated[ReadersAndOthers, "of tables.for_use, all of them"]
    first_pass: Annotated[Name, "one of those that read no text"]
    reports: Annotated[Text, "a table of free-text reports, or presets/none"]
    minimum_lesion_mm3: Annotated[NotNegative, "smaller components are no lesions"]
    thresholds: Annotated[
        list[Annotated[float, Above(0), Below(1)]], Items(1), Distinct(), "ascending; n / 256"
    ]
    smallest_mm3: Annotated[list[NotNegative], Items(1), Distinct(), "ascending"]
    seed: Annotated[Seed, "draws wrong prompts"]


class Resampling(TypedDict):
    """How often something is drawn anew."""

    resamples: Annotated[int, AtLeast(99)]
    seed: Seed


class Lesions(TypedDict):
    """When a lesion counts as found."""

    minimum_covered: Annotated[Share, "share of a lesion that must be predicted"]


class Calibration(TypedDict):
    """How probabilities are judged."""

    bins: Annotated[Count, "of equal mass"]
    band_mm: Annotated[Positive, "width of the boundary band"]
    dropout_passes: Annotated[int, AtLeast(2), "of a network with dropout"]
    dropout_seed: Annotated[Seed, "draws what they drop"]


class Evaluation(TypedDict):
    """How predictions are measured."""

    threshold: Annotated[float, Above(0), Below(1), "foreground where the probability exceeds it"]
    bootstrap: Annotated[Resampling, "of patients, for intervals"]
    permutation: Annotated[Resampling, "of signs, for p-values"]
    nsd_tolerances_mm: Annotated[
        list[Positive], Items(1), Distinct(), "ascending; the first is tested"
    ]
    lesions: Lesions
    calibration: Calibration


class Robustness(TypedDict):
    """What happens to the networks that read text when the prompt is wrong."""

    methods: Annotated[list[Name], Items(1), Distinct(), "of tables.table1, reading the prompt"]
    first_pass: Annotated[Name, "whose masks the automatic prompts are read off"]
    seed: Annotated[Seed, "draws wrong prompts and typing errors"]
    max_tokens: Annotated[int, AtLeast(4), AtMost(512), "of a sentence"]


# Not as a class: `with` is a word of Python.
GradCAM = TypedDict(
    "GradCAM",
    {
        "without": Annotated[str, "a variant without text; without variants textbcs"],
        "with": Annotated[str, "the same with text; without variants textbcs"],
        "tolerance_mm": Annotated[NotNegative, "of the pointing game"],
        "seed": Annotated[Seed, "of the random weights that a heat map is held against"],
        "draws": Annotated[Count, "sets of random weights"],
    },
)
