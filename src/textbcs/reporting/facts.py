"""What the report says of its runs: what was run on what, and what the numbers mean and do not mean.

Pure functions on parameters and rows; read and write no file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textbcs.reporting.runs import label

Facts = list[tuple[str, str]]

PHANTOM_LIMITS = (
    "The cohort is synthetic. Its scores say that the pipeline works and how the methods behave on "
    "these phantoms; they say nothing about patients and are not comparable with the paper's.",
    "A rank on the phantom is no rank on Duke: networks are small, trained for few epochs, and lesions, "
    "distractors and noise follow the rules of docs/phantom.md. A claim of the paper that fails here is "
    "not refuted, and one that holds here is not confirmed.",
    "What does carry over: sizes and operations at full width, the behaviour of the tests and intervals, "
    "and whether a method's prediction depends on its prompt at all.",
)
OTHER_LIMITS = (
    "The cohort is not the paper's: scores here and there are not on one scale, and none is subtracted.",
)
PROMPT_LIMITS = (
    "Prompts are derived from the reference mask: a method that reads them is told side, shape, size "
    "and number of what it has to find. A part of its gain is this leak; the table of what the text is "
    "worth says how much a prompt alone buys.",
)
SPLIT_LIMITS = (
    "Slices of one patient are not independent. Tests over slices, the paper's, give p-values that are "
    "too small; the ones over patients are the ones to read.",
    "An interval over patients holds the trained network fixed: it says nothing about another training.",
    "Dice and IoU are taken over tumour slices alone. How often a method raises a false alarm is "
    "measured on a sample of tumour-free slices.",
)
ONE_SEED = (
    "One seed: each network was trained once. Another initialisation moves every score and can change the "
    "order of rows."
)
WEIGHTS_LIMIT = (
    "Where a method's first weights are 'none' it starts from random ones or from its own pre-training "
    "on the training split; the published weights are not used."
)


@dataclass(frozen=True)
class Subject:
    """What was tested.

    Attributes:
        encoder: the text encoder and, where they are not the pinned ones, whose weights it has.
        mask_sources: where the test masks come from.
        prompt_sources: where the test prompts come from.
        tumour_slices: tumour slices of the test split.
        tumour_free_slices: tumour-free slices of the test split.
        patients: test patients.
        side: pixels a side of a slice.
    """

    encoder: str
    mask_sources: Sequence[str]
    prompt_sources: Sequence[str]
    tumour_slices: int
    tumour_free_slices: int
    patients: int
    side: int


def run_facts(params: Mapping[str, Any], subject: Subject) -> Facts:
    """What was run on what, as pairs of a name and a text.

    Args:
        params: parameters with `cohort`, `seeds` and `training`.
        subject: what was tested.
    """
    cohort, training = params["cohort"], params["training"]
    name = f"{cohort['kind']} cohort" + (
        f", {cohort['collection']}" if cohort["collection"] else ""
    )
    return [
        ("Cohort", f"{name}; source {cohort['source']}"),
        (
            "Test split",
            f"{subject.tumour_slices} tumour slices and {subject.tumour_free_slices} tumour-free slices of "
            f"{subject.patients} patients, {subject.side} x {subject.side} pixels",
        ),
        ("Mask source", ", ".join(subject.mask_sources)),
        ("Prompt source", ", ".join(subject.prompt_sources)),
        ("Text encoder", subject.encoder),
        ("Seeds", ", ".join(map(str, params["seeds"]))),
        (
            "Training",
            f"at most {training['epochs']} epochs, {training['optimizer']}, {training['schedule']}",
        ),
        ("Class of device", f"{training['device']}, {training['precision']}"),
        (
            "Commit and machine",
            "of each stage: textbcs audit trace. This page is part of a commit, so it cannot name it",
        ),
    ]


def method_facts(
    params: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: what each method reads, starts from, and its size here.

    Args:
        params: parameters with `methods`.
        rows: Table 1.
    """
    headers = [
        "Method",
        "Reads at test",
        "First weights",
        "Own pre-training",
        "Network of this preset",
    ]
    lines = []
    for row in rows:
        settings = params["methods"][row["method"]]
        initial = settings["initial"]
        network = {key: value for key, value in settings["network"].items() if key != "model"}
        lines.append(
            [
                str(row["label"]),
                str(row["reads_at_test"]),
                str(initial["weights"]),
                "yes" if initial.get("pretraining") else "no",
                ", ".join(f"{key} {value}" for key, value in network.items()),
            ]
        )
    return headers, lines


# Quantity of the simulation -> what it is.
SIMULATED = {
    "dice": "a mean Dice",
    "difference": "a paired difference",
    "difference_rescues": "a difference that few patients carry",
}


def shortfall(coverage: Mapping[str, Any], patients: int) -> str:
    """The sentence on how often an interval over patients holds the truth, from the simulation.

    Args:
        coverage: `benchmarks/results/coverage.json`.
        patients: of this test split.
    """
    name = f"{100 * coverage['confidence']:g} %"
    by_size: dict[int, list[str]] = {}
    for run in sorted(coverage["runs"], key=lambda run: int(run["patients"])):
        what = SIMULATED[run["quantity"]]
        by_size.setdefault(run["patients"], []).append(f"{100 * run['coverage']:.1f} % for {what}")
    parts = [f"with {size} patients in {', '.join(found)}" for size, found in by_size.items()]
    few = (
        f" This test split has {patients}: expect no more than with {min(by_size)}."
        if patients <= min(by_size)
        else f" This test split has {patients}."
    )
    return (
        f"An interval named {name} covers less than that where patients are few. In "
        f"{coverage['simulations']:,} simulated cohorts each it held the truth: {'; '.join(parts)}.{few}"
    )


def retrained(spread: Mapping[str, Any], seeds: Sequence[int] = ()) -> str:
    """The sentence on how far other trainings of the same method lie; "" where none was repeated.

    Args:
        spread: `results/statistics/replicates.json`, Dice in percent, means over patients.
        seeds: of this run; with one it is told where its trainings stand among all.
    """
    count = len(spread["seeds"])
    if count < 2:
        return ""
    each = ", ".join(
        f"{label(method)} {deviation:.1f} points ({low:.1f} to {high:.1f})"
        for method, deviation in spread["standard_deviation"].items()
        for low, high in [spread["range"][method]]
    )
    against = ", ".join(
        f"{label(method)} {min(gaps):+z.1f} to {max(gaps):+z.1f} ({sum(gap > 0 for gap in gaps)} of {count} "
        "above 0)"
        for method, gaps in spread["textbcs_minus"].items()
    )
    return (
        f"Trained with {count} seeds ({', '.join(map(str, spread['seeds']))}), the mean Dice over patients "
        f"has a standard deviation of: {each}."
        + (f" Seed by seed, in points, TextBCS minus {against}." if against else "")
        + (_place(spread, seeds[0]) if len(seeds) == 1 else "")
    )


def _place(spread: Mapping[str, Any], seed: int) -> str:
    """Where the reported trainings stand among all that were measured."""
    at, count = spread["seeds"].index(seed), len(spread["seeds"])
    places = {
        label(method): 1 + sum(value > values[at] for value in values)
        for method, values in spread["dice_patient_mean"].items()
    }
    each = ", ".join(f"{name} {place}" for name, place in places.items())
    return f" Rank of the seed reported here, {seed}, among the {count} of each (1 is the best): {each}."


def limits(
    phantom: bool,
    duke: bool,
    seeds: int,
    derived: bool,
    coverage: str = "",
    spread: str = "",
) -> list[str]:
    """The sentences that say what the numbers mean and do not mean.

    Args:
        phantom: whether the cohort is synthetic.
        duke: whether it is the paper's.
        seeds: number of seeds.
        derived: whether prompts are read off the reference mask.
        coverage: the sentence of `shortfall`.
        spread: the sentence of `retrained`.
    """
    first = PHANTOM_LIMITS if phantom else () if duke else OTHER_LIMITS
    prompts = PROMPT_LIMITS if derived else ()
    once = (ONE_SEED,) if seeds == 1 else ()
    apart, told = ((said,) if said else () for said in (spread, coverage))
    return [*first, *prompts, *once, *apart, *SPLIT_LIMITS, *told, WEIGHTS_LIMIT]
