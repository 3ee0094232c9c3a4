"""What the numbers mean, and what they do not: sentences for the page, by cohort, prompts and seeds."""

from collections.abc import Mapping
from typing import Any

PHANTOM_LIMITS = (
    "A rank on synthetic patients is no rank on real ones: networks are small and trained for few epochs, "
    "and lesions, distractors and noise follow fixed rules. A claim of the paper that fails here is not "
    "refuted, and one that holds here is not confirmed.",
    "What carries over: parameters and operations at full width, how the tests and intervals behave, and "
    "whether a method's prediction depends on its prompt at all.",
)
PROMPT_LIMITS = (
    "Prompts are derived from the reference mask: a method that reads them is told the side, shape, size "
    "and number of what it has to find. Part of its gain is this leak; the table of what the text is worth "
    "says how much.",
)
ONE_SEED = (
    "Outside the comparison of seeds, every score is from one training of each network. Another seed would "
    "change the scores and might change the order of the methods; intervals and p-values do not cover that."
)
SEVERAL_SEEDS = (
    "Scores are means over the seeds. Intervals and p-values hold these trainings fixed: they are about "
    "other patients, not about other trainings."
)
SLICE_LIMITS = (
    "Slices of one patient are not independent, so tests over slices, as in the paper, give p-values that "
    "are too small. The ones over patients are the ones to read.",
    "Dice and IoU are taken over tumour slices alone. False alarms are counted on a sample of tumour-free "
    "slices.",
)
WEIGHTS_LIMIT = (
    "Where a method's first weights are 'none', it starts from random weights or from its own pre-training "
    "on the training split, not from the published weights."
)

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
        f"With few patients, a nominal {name} interval contains the true value less often. In simulations of "
        f"{coverage['simulations']:,} cohorts each, it contained it {'; '.join(parts)}.{few}"
    )


def limits(
    phantom: bool, seeds: int, derived: bool, coverage: str = "", spread: str = ""
) -> list[str]:
    """The sentences that say what the numbers mean and do not mean, beyond `answer.answer`.

    Args:
        phantom: whether the cohort is synthetic.
        seeds: number of seeds.
        derived: whether prompts are read off the reference mask.
        coverage: the sentence of `shortfall`.
        spread: the sentence of `notes.retrained`.
    """
    first = PHANTOM_LIMITS if phantom else ()
    prompts = PROMPT_LIMITS if derived else ()
    held = ONE_SEED if seeds == 1 else SEVERAL_SEEDS
    apart, told = ((said,) if said else () for said in (spread, coverage))
    return [*first, *prompts, held, *apart, *SLICE_LIMITS, *told, WEIGHTS_LIMIT]
