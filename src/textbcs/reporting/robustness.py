"""What the text is worth: the table, the dose-response curve, and the prompt styles of Fig. 6.

Reads `results/robustness/<name>-s<seed>/`, `results/evaluation/prior-s0/slices.csv` and the test slices;
writes `reports/tables/text_worth.{csv,md,tex}`, `automatic_prompts.csv`, and to `reports/figures/` the
figures `dose_response` and `prompt_styles` as PDF and PNG with their data as CSV.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.agreement import agreement
from textbcs.evaluation.statistics import limits_text
from textbcs.evaluation.textworth import (
    WRONG,
    Worth,
    alarm_values,
    dose_response,
    over_seeds,
    slice_values,
    text_worth,
)
from textbcs.io import read_csv, records, write_csv, write_text
from textbcs.prompts.paraphrase import Paraphrases, read_paraphrases
from textbcs.reporting.render import latex_table, markdown_table
from textbcs.reporting.runs import label, prune

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

ROBUSTNESS = Path("results/robustness")
PRIOR = Path("results/evaluation/prior-s0/slices.csv")
# What the gain over an empty prompt does not say; a network never trained on empty text meets one here.
CAUTION = (
    "No network was trained with an empty or shortened prompt, so the loss without text is also that of an "
    "unfamiliar input, and the text gain is no measure of what text adds: that is the difference to the "
    "same recipe trained without text, which stands for TextBCS among the claims (4.4 (1))."
)
DRAWS = 2000  # assignments of wrong prompts behind the dose-response curve's spread
Tables = Mapping[str, Sequence["pd.DataFrame"]]

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


def write_text_worth(stage: "Stage") -> None:
    """Write the table of all quantities and methods, and the automatic prompts' agreement.

    Params read: `robustness`, `seeds`, `cohort.kind`, `evaluation.bootstrap`.
    """
    bootstrap = stage.params["evaluation"]["bootstrap"]
    stage.seed = bootstrap["seed"]
    paraphrases, tables = read_paraphrases(), read_tables(stage)
    prior = read_csv(stage.input(PRIOR), ["slice_id", "patient", "kind", "dice"])
    worth = {}
    for method, runs in tables.items():
        alarms = over_seeds([alarm_values(run) for run in runs])
        worth[method] = text_worth(pooled(runs, paraphrases), alarms, prior, bootstrap)
    agreed = agreement(next(iter(tables.values()))[0], bootstrap)
    write_csv(stage.output("reports/tables/text_worth.csv"), long_table(worth, paraphrases))
    write_csv(stage.output("reports/tables/automatic_prompts.csv"), agreed)
    markdown, latex = _printed(stage, worth, paraphrases, agreed)
    write_text(stage.output("reports/tables/text_worth.md"), markdown)
    write_text(stage.output("reports/tables/text_worth.tex"), latex)


def read_tables(stage: "Stage") -> dict[str, list["pd.DataFrame"]]:
    """Each method's rows per slice and probe, one table a seed, in the parameters' order."""
    methods, seeds = stage.params["robustness"]["methods"], stage.params["seeds"]
    prune(ROBUSTNESS, [f"{method}-s{seed}" for method in methods for seed in seeds])
    return {method: [read_run(stage, f"{method}-s{seed}") for seed in seeds] for method in methods}


def read_run(stage: "Stage", name: str) -> "pd.DataFrame":
    """One run's rows; an empty cell of `prompt` is the empty prompt."""
    columns = ["slice_id", "patient", "kind", "probe", "prompt", "dice", "predicted_pixels"]
    rows = read_csv(stage.input(ROBUSTNESS / name / "slices.csv"), columns, {"prompt": str})
    return rows.assign(prompt=rows["prompt"].fillna(""))


def pooled(runs: Sequence["pd.DataFrame"], paraphrases: Paraphrases) -> "pd.DataFrame":
    """A method's quantities per tumour slice, averaged over its seeds."""
    paper = [one.name for one in paraphrases.probe if one.paper]
    others = [one.name for one in paraphrases.probe if not one.paper]
    return over_seeds([slice_values(run, paper, others) for run in runs])


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


def _printed(
    stage: "Stage",
    worth: Mapping[str, Sequence[Worth]],
    paraphrases: Paraphrases,
    agreed: "pd.DataFrame",
) -> tuple[str, str]:
    """The tables as Markdown, with what they say in sentences, and as LaTeX."""
    patients = max(one.interval.patients for found in worth.values() for one in found)
    seeds = len(stage.params["seeds"])
    title = (
        f"What the text is worth. Test split of the {stage.params['cohort']['kind']} cohort: means over "
        f"{patients} patients of their slices' means, {seeds} seed{'s' if seeds > 1 else ''}, in brackets "
        f"the {100 * stage.params['evaluation']['bootstrap']['confidence']:g} % interval over patients"
    )
    headers = {"quantity": "Quantity", **{method: label(method) for method in worth}}
    rows = printed_rows(worth, paraphrases)
    kappas = [
        {**row, "agreement": 100 * row["agreement"], "interval": _limits(row["low"], row["high"])}
        for row in records(agreed)
    ]
    first_pass = label(stage.params["robustness"]["first_pass"])
    second = (
        f"Automatic prompts ({first_pass}'s masks, the given prompts' rules) against the given ones"
    )
    columns = {
        "attribute": "Attribute",
        "slices": "Tumour slices",
        "without": "Tumour slices without an automatic prompt",
        "agreement": "Agreement %",
        "kappa": "Cohen's kappa",
        "interval": "Interval over patients (BCa)",
    }
    said = [line for method, found in worth.items() for line in findings(label(method), found)]
    said.append(CAUTION)
    sentences = "".join(f"- {line}\n" for line in said)
    markdown = "\n".join(
        [markdown_table(title, headers, rows), sentences, markdown_table(second, columns, kappas)]
    )
    return markdown, latex_table(title, headers, rows) + latex_table(second, columns, kappas)


def dose_points(
    tables: Tables, paraphrases: Paraphrases, bootstrap: Mapping[str, Any]
) -> "pd.DataFrame":
    """The dose-response points of all methods, in percent."""
    import pandas as pd

    parts = []
    for method, runs in tables.items():
        values = pooled(runs, paraphrases)
        empty = float(values.groupby("patient")["dice_empty"].mean().mean())
        for wrong in WRONG:
            points = dose_response(values, wrong, DRAWS, bootstrap)
            parts.append(points.assign(method=method, dice_empty=empty))
    points = pd.concat(parts, ignore_index=True)
    shares = ["dose", "dice", "low", "high", "drawn_low", "drawn_high", "dice_empty"]
    points[shares] = 100 * points[shares]
    return points[["method", "wrong", *shares]]
