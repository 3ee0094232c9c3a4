"""The model card of a package, from its settings, the results and nothing else."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from textbcs.base.io import records
from textbcs.evaluation.statistics.intervals import mean_interval, patient_means
from textbcs.reporting.common.render import markdown_table
from textbcs.reporting.common.source_labels import attribute_label, source_label, source_place
from textbcs.reporting.volumes.scores_by_prompt import interval_text, measures

if TYPE_CHECKING:
    import pandas as pd

# Licences that a hub knows by these names; any other is "other" with its own words.
_KNOWN = (
    *("apache-2.0", "mit", "cc0-1.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-4.0"),
    *("cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0"),
)
_ORIGINS = {
    "derive": "measured on the reference masks by fixed rules, so they leak facts of the answer",
    "table": "written by readers, in a table",
    "report": "read in radiology reports by fixed rules",
}
_SIDES = {
    "patient": "Left and right are the patient's.",
    "image": "Left and right are the image's, as seen.",
    "none": "Prompts name no side.",
}


@dataclass(frozen=True)
class Facts:
    """What a card is made of.

    Attributes:
        settings: of `package.json`.
        evaluation: the parameters `bootstrap` and `nsd_tolerances_mm`.
        means: rows of `results/volume_scores/means.csv` of this run.
        leak: `results/prompt_leak/leak.csv`.
        slices: `patient`, `kind` and `dice` of the test slices.
        detection: `slot`, `auroc`, `low`, `high` of the detector of wrong prompts, or None.
    """

    settings: Mapping[str, Any]
    evaluation: Mapping[str, Any]
    means: "pd.DataFrame"
    leak: "pd.DataFrame"
    slices: "pd.DataFrame"
    detection: "pd.DataFrame | None"


def model_card(facts: Facts) -> str:
    """The card: metadata as the hub of models reads them, then sections for people."""
    from huggingface_hub import ModelCard, ModelCardData

    settings = facts.settings
    data = ModelCardData(
        library_name="textbcs",
        pipeline_tag="image-segmentation",
        tags=["medical", "breast-mri", "dce-mri", "segmentation", settings["method"]],
        **_licence(settings["training"]["cohort"]["licence"]),
    )
    body = "\n\n".join(part.strip() for part in _parts(facts))
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}\n"))


def licence_text(settings: Mapping[str, Any]) -> str:
    """Under which terms the package may be used, as far as the pipeline knows."""
    cohort = settings["training"]["cohort"]
    origin = f" ({cohort['doi']})" if cohort["doi"] else ""
    return (
        f"Model weights: {settings['run']}\n"
        f"Trained on data of: {cohort['source']}{origin}\n"
        f"Licence of these data: {cohort['licence']}\n\n"
        "The weights were learnt from these data. Whoever uses or hands on the package keeps to the data's "
        "licence: its attribution, and where it says so, no commercial use.\n"
        "The embeddings of the prompts were made with the text encoder that package.json names, and "
        "keep its licence.\n"
        "The code of textbcs, which reads the package, is under Apache-2.0.\n"
    )


def _licence(words: str) -> dict[str, Any]:
    """The licence as a hub of models wants it."""
    name = "-".join(words.lower().split())
    if name in _KNOWN:
        return {"license": name}
    return {"license": "other", "license_name": name or "unknown", "license_link": "licence.txt"}


def _parts(facts: Facts) -> Iterator[str]:
    settings = facts.settings
    yield f"# {settings['run']}: breast tumours in DCE-MRI"
    yield (
        "**This is not a medical device. It was made for research, and must not be used to diagnose or "
        "to treat anybody.**"
    )
    yield _what(settings)
    yield "## Training data"
    yield _data(settings)
    yield "## Prompts"
    yield _prompts(settings)
    yield "## Scores"
    yield _volume_scores(facts)
    yield _slice_scores(facts)
    yield "## What the prompts give away"
    yield _leak(facts)
    if settings["first_pass"]:
        yield "## Wrong prompts"
        yield _detection(facts)
    yield "## Limits"
    yield _limits(settings)
    yield "## Where it comes from"
    yield _origin(settings)


def _what(settings: Mapping[str, Any]) -> str:
    slices, first, point = settings["slices"], settings["first_pass"], settings["point"]
    reads = "an image and a short prompt" if first else "an image alone"
    lines = [
        f"A network `{settings['network']['model']}` of {settings['weights']:,} trained numbers that "
        f"reads {reads}, slice by slice at {slices['size']} x {slices['size']} pixels (phase "
        f"`{slices['phase']}`), trained with seed {settings['seed']}. A voxel is tumour where the "
        f"probability is at least {point['threshold']:g}; 26-connected components smaller than "
        f"{point['smallest_mm3']:g} mm³ are removed. Both were chosen on validation patients."
    ]
    if settings["network"].get("evidential"):
        lines.append(
            "Its head tells evidence, from which comes vacuity: how little the network knows."
        )
    else:
        lines.append(
            f"Log-odds divided by the temperature {settings['temperature']:g} are calibrated on the "
            "voxels of validation volumes on which the network is not sure. The threshold is one of the "
            "probability as the network gives it."
        )
    if first:
        lines.append(
            f"Automatic prompts are read off what `{first['run']}` finds, a network that reads no text."
        )
    return "\n\n".join(lines)


def _data(settings: Mapping[str, Any]) -> str:
    facts = settings["training"]
    cohort, people, spacing = facts["cohort"], facts["patients"], facts["spacing_mm"]
    named = cohort["collection"] or cohort["source"]
    doi = f", {cohort['doi']}" if cohort["doi"] else ""
    fields = ", ".join(f"{value:g} T" for value in facts["field_strength_t"]) or "not known"
    lines = [
        f"Cohort: {named} (kind `{cohort['kind']}`{doi}); licence: {cohort['licence']}.",
        f"Patients: {people['train']} to train on, {people['val']} to choose on, {people['test']} to score.",
        f"Masks: {', '.join(facts['mask_sources']) or 'not known'}.",
        f"Pixels: {_between(spacing['row'])} x {_between(spacing['column'])} mm; slices every "
        f"{_between(spacing['slice'])} mm, {_between(facts['slices'])} a volume.",
        f"Field strength: {fields}. Vendors: {', '.join(facts['manufacturers']) or 'not known'}.",
    ]
    if cohort["kind"] == "phantom":
        lines.append("**The patients are synthetic.** The scores say nothing about real patients.")
    return "\n".join(f"- {line}" for line in lines)


def _prompts(settings: Mapping[str, Any]) -> str:
    prompts, encoder = settings["prompts"], settings["encoder"]
    small, medium = prompts["thresholds_mm3"]
    words = "; ".join(f"{slot}: {', '.join(own)}" for slot, own in prompts["vocabulary"].items())
    if not settings["first_pass"]:
        return "The network reads none."
    origin = _ORIGINS.get(prompts["source"], prompts["source"])
    return (
        f"Prompts of the training slices were {origin}. Words: {words}. {_SIDES[settings['sides']]} A "
        f"largest lesion of up to {small:,.0f} mm³ is small, of up to {medium:,.0f} mm³ medium. They were "
        f"embedded with `{encoder['encoder']}` ({encoder['origin']} weights, sha256 "
        f"`{encoder['sha256'][:12]}`); the package holds the embedding of every prompt, and needs no "
        "encoder."
    )


def _volume_scores(facts: Facts) -> str:
    tolerances = facts.evaluation["nsd_tolerances_mm"]
    chosen = measures(tolerances)
    table = facts.means.assign(place=facts.means["source"].map(source_place)).sort_values(
        ["place", "source"], kind="stable"
    )
    rows = []
    for source, own in table.groupby("source", sort=False):
        row: dict[str, Any] = {"prompt": source_label(str(source))}
        for one in records(own[own["metric"].isin(list(chosen))]):
            factor, patients = chosen[one["metric"]][1], int(one["patients"])
            limits = (float(one["low"]), float(one["high"]))
            row[one["metric"]] = _interval(factor, float(one["mean"]), *limits, patients)
        rows.append(row)
    headers = {"prompt": "Prompt", **{name: text for name, (text, _) in chosen.items()}}
    return markdown_table(
        "Whole volumes of the test patients: means with 95 % intervals over patients",
        headers,
        rows,
        ["One training decides little: another seed moves a score by several points."],
    )


def _slice_scores(facts: Facts) -> str:
    """Dice of the tumour slices, each asked with its own prompt."""
    tumour = facts.slices[facts.slices["kind"] == "tumour"]
    found = mean_interval(patient_means(tumour, "dice"), **facts.evaluation["bootstrap"])
    shown = _interval(100, found.mean, found.low, found.high, found.patients)
    return (
        f"On {len(tumour)} tumour slices of {found.patients} test patients, each with its own prompt, "
        f"Dice is {shown} % as a mean over patients. Where a slice is known to hold a tumour the task is "
        "easier than in use."
    )


def _interval(factor: float, value: float, low: float, high: float, patients: int) -> str:
    """A value with its limits, scaled."""
    return interval_text(factor * value, factor * low, factor * high, patients)


def _leak(facts: Facts) -> str:
    own = facts.leak[facts.leak["attribute"] == "all"]
    rows = []
    for row in sorted(records(own), key=lambda row: source_place(row["source"])):
        limits = (float(row["low"]), float(row["high"]))
        shown = _interval(100, float(row["prior_dice"]), *limits, int(row["patients"]))
        rows.append({"prompt": source_label(row["source"]), "dice": shown})
    return markdown_table(
        "Dice of the prompt alone on the test patients' tumour slices, without any image",
        {"prompt": "Prompt", "dice": "Dice %"},
        rows,
        ["A prompt that is written from the reference mask gives away what it says."],
    )


def _detection(facts: Facts) -> str:
    if facts.detection is None:
        return "The package holds no detector of wrong prompts: a wrong prompt goes unnoticed."
    rows = [
        {
            "word": attribute_label(row["slot"]),
            "auroc": interval_text(row["auroc"], row["low"], row["high"], int(row["patients"])),
        }
        for row in records(facts.detection)
    ]
    return markdown_table(
        "The detector of wrong prompts: area under the ROC curve on test patients",
        {"word": "Wrong word", "auroc": "AUROC"},
        rows,
        ["Of the right prompts of the validation patients it warns of at most 5 %."],
    )


def _limits(settings: Mapping[str, Any]) -> str:
    lines = [
        "Not a medical device; nothing here was validated for clinical use.",
        "Every patient of the training had a tumour. How the network behaves in a breast without one was not "
        "measured.",
        "A study of another field strength, vendor, spacing or contrast phase is outside of what was "
        "learnt.",
        "Each slice is segmented by itself, at the resolution of the network's grid.",
    ]
    if settings["first_pass"]:
        lines.append(
            "The scores with the case's own prompt are those of a perfect reader. Without a reader "
            "the row `automatic` counts."
        )
    if settings["training"]["cohort"]["kind"] == "phantom":
        lines.insert(1, "Trained on synthetic patients: of no use on real ones.")
    return "\n".join(f"- {line}" for line in lines)


def _origin(settings: Mapping[str, Any]) -> str:
    return (
        "`package.json` holds every setting and the sha256 of every other file. `receipts/` holds what "
        "ran, from the archive of images to these weights and scores: each stage with its parameters, "
        "seed and code and the sha256 of what it read and wrote. Names of patients and paths of the "
        f"machine are left out. The weights of seed {settings['seed']} are `model.safetensors`. Loading "
        "a package runs nothing in it."
    )


def _between(values: Sequence[float]) -> str:
    low, high = values
    if math.isclose(low, high):
        return f"{low:.3g}"
    return f"{low:.3g} to {high:.3g}"
