"""What the text is worth, and how far automatic prompts agree with the given ones: rows and sentences."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import CONFIDENCE, limits_text
from textbcs.evaluation.statistics.prompt_effects import Worth
from textbcs.prompts.paraphrases import Paraphrases
from textbcs.reporting.common.labels import cohort_words, label

if TYPE_CHECKING:
    import pandas as pd

AGREEMENT = {
    "attribute": "Attribute",
    "slices": "Tumour slices",
    "without": "Tumour slices without an automatic prompt",
    "agreement": "Agreement %",
    "kappa": "Cohen's kappa",
    "interval": "Interval over patients (BCa)",
}

# What the gain over an empty prompt does not say; a network never trained on empty text meets one here.
CAUTION = (
    "No network was trained with an empty or shortened prompt. Part of what is lost without text is "
    "therefore due to an unfamiliar input, and the text gain does not measure what text adds. The difference "
    "to the same recipe trained without text does; for TextBCS it stands among the claims (4.4 (1))."
)


# Quantity -> what it is, with its unit; the order is the order of the printed table. All are means
# over patients of their slices' means.
QUANTITIES = {
    "dice_true": "Dice %, the slice's own prompt",
    "dice_automatic": "Dice %, automatic prompt (attributes from a first pass without text)",
    "dice_empty": "Dice %, empty prompt",
    "dice_shuffled": "Dice %, another case's prompt",
    "dice_swapped_location": "Dice %, wrong location",
    "dice_swapped_shape": "Dice %, wrong shape",
    "dice_swapped_size": "Dice %, wrong size",
    "dice_swapped_number": "Dice %, wrong number",
    "dice_swapped_all": "Dice %, all four wrong",
    "dice_without_location": "Dice %, location not said",
    "dice_without_shape": "Dice %, shape not said",
    "dice_without_size": "Dice %, size not said",
    "dice_without_number": "Dice %, number not said",
    "dice_typing": "Dice %, a typing error in each word",
    "paraphrase_mean_paper": "Dice %, the paper's variants (mean of {paper})",
    "paraphrase_mean_other": "Dice %, other paraphrases (mean of {others})",
    "paraphrase_worst": "Dice %, each case's worst of {all} paraphrases",
    "paraphrase_loss": "Points, own prompt - worst paraphrase",
    "paraphrase_sd": "Points, standard deviation within a case over {all} paraphrases",
    "text_gain": "Points, text gain: own prompt - empty",
    "text_harm": "Points, text harm: empty - another case's prompt",
    "text_harm_location": "Points, text harm: empty - wrong location",
    "break_even": "% of wrong prompts (other cases') at which the text is worth nothing; over 100: never",
    "dice_prior": "Dice %, prompt alone, without the image",
    "leak_share": "Leak share %: prompt alone / own prompt",
    "alarm_true": "Tumour-free slices with a prediction %, borrowed prompt",
    "alarm_automatic": "Tumour-free slices with a prediction %, automatic prompt",
    "alarm_empty": "Tumour-free slices with a prediction %, empty prompt",
    "alarm_shuffled": "Tumour-free slices with a prediction %, another case's prompt",
}


# What asks with another side, or with none said: without sides these words say nothing (`cohort.sides`).
_OF_SIDES = (
    "dice_swapped_location",
    "change_swapped_location",
    "dice_without_location",
    "change_without_location",
    "text_harm_location",
)
NO_SIDES = (
    "Nothing has a side in this cohort (cohort.sides: none): no prompt states a location, so a wrong or "
    "missing one was not judged."
)


def without_sides(found: Sequence[Worth]) -> list[Worth]:
    """The quantities that do not ask for a side."""
    return [one for one in found if one.quantity not in _OF_SIDES]


def long_table(worth: Mapping[str, Sequence[Worth]], paraphrases: Paraphrases) -> "pd.DataFrame":
    """A row per method and quantity, in percent or points; also those that are not printed."""
    import pandas as pd

    labels = quantity_labels(paraphrases)
    return pd.DataFrame(
        [
            {
                "method": method,
                "quantity": one.quantity,
                "label": labels.get(one.quantity) or further_label(one.quantity, paraphrases),
                "value": 100 * one.interval.mean,
                "low": 100 * one.interval.low,
                "high": 100 * one.interval.high,
                "patients": one.interval.patients,
                "slices": one.slices,
            }
            for method, found in worth.items()
            for one in found
        ]
    )


def further_label(quantity: str, paraphrases: Paraphrases) -> str:
    """What a quantity is that is not printed: of one paraphrase or of all, or a change by a prompt."""
    dice, own = "Dice %, ", "own prompt"
    if quantity == "paraphrase_mean":
        return f"{dice}mean of all {len(paraphrases.probe)} paraphrases"
    kind, _, probe = quantity.partition("_")
    sentences = {one.name: one.text for one in paraphrases.probe}
    told = QUANTITIES.get(f"dice_{probe}", f"{dice}paraphrase {sentences.get(probe, probe)!r}")
    return told if kind == "dice" else f"Points, {told.removeprefix(dice)} - {own}"


def quantity_labels(paraphrases: Paraphrases) -> dict[str, str]:
    """The printed quantities' labels, with the numbers of sentences filled in."""
    paper = sum(one.paper for one in paraphrases.probe)
    every = len(paraphrases.probe)
    numbers = {"paper": paper, "others": every - paper, "all": every}
    return {key: text.format_map(numbers) for key, text in QUANTITIES.items()}


def printed_rows(
    worth: Mapping[str, Sequence[Worth]], paraphrases: Paraphrases
) -> list[dict[str, str]]:
    """A row per printed quantity; a method's cell reads `value [low, high]`."""
    by_name = {method: {one.quantity: one for one in found} for method, found in worth.items()}
    rows = []
    for quantity, text in quantity_labels(paraphrases).items():
        cells = {method: _cell(known.get(quantity)) for method, known in by_name.items()}
        rows.append({"quantity": text, **cells})
    return rows


def _cell(one: Worth | None) -> str:
    if one is None or one.interval.mean != one.interval.mean:
        return "–"
    mean, low, high = (100 * x for x in (one.interval.mean, one.interval.low, one.interval.high))
    if low != low:
        return f"{mean:z.2f} [{limits_text(low, high, one.interval.patients)}]"
    return f"{mean:z.2f} [{low:z.2f}, {high:z.2f}]"


def _limits(low: float, high: float) -> str:
    return f"{low:z.2f} to {high:z.2f}" if low == low else "–"


def findings(name: str, found: Sequence[Worth]) -> list[str]:
    """What the headline intervals of one method say, for or against the text."""
    known = {one.quantity: one for one in found}
    words = {
        "text_gain": ("its own prompt is better than none", "its own prompt is worse than none"),
        "text_harm": (
            "another case's prompt is worse than none",
            "another case's prompt is better than none",
        ),
    }
    lines = []
    for quantity, (positive, negative) in words.items():
        interval = known[quantity].interval
        if interval.low > 0:
            said = positive
        elif interval.high < 0:
            said = negative
        else:
            why = "the interval holds 0" if interval.low == interval.low else "there is no interval"
            said = f"whether {positive} is open, {why}"
        lines.append(
            f"{name}, {quantity.replace('_', ' ')} {_cell(known[quantity])} points: {said}."
        )
    loss = _cell(known["paraphrase_loss"])
    lines.append(f"{name} loses {loss} points with a case's worst paraphrase.")
    return lines


def notes(worth: Mapping[str, Sequence[Worth]], sides: str = "patient") -> list[str]:
    """The sentences below the table; `sides` is `cohort.sides`."""
    return [
        *(line for method, found in worth.items() for line in findings(label(method), found)),
        CAUTION,
        *([NO_SIDES] if sides == "none" else []),
    ]


def title(params: Mapping[str, Any], worth: Mapping[str, Sequence[Worth]]) -> str:
    """What the table is of.

    Args:
        params: `cohort.kind` and `seeds`.
        worth: each method's quantities.
    """
    patients = max(one.interval.patients for found in worth.values() for one in found)
    seeds = len(params["seeds"])
    return (
        f"What the text is worth. Test split of the {cohort_words(params['cohort'])}: means over "
        f"{patients} patients of their slices' means, {seeds} seed{'s' if seeds > 1 else ''}, in brackets "
        f"the {100 * CONFIDENCE:g} % interval over patients"
    )


def agreement_rows(agreed: "pd.DataFrame") -> list[dict[str, Any]]:
    """The automatic prompts' agreement, in percent and with its interval as text, a row an attribute."""
    return [
        {**row, "agreement": 100 * row["agreement"], "interval": _limits(row["low"], row["high"])}
        for row in records(agreed)
    ]
