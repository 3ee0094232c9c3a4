"""What was run on what: the cohort, the test split, the training, and each method's settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from textbcs.reporting.common.labels import cohort_words, label

Facts = list[tuple[str, str]]


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
    name = cohort_words(cohort)
    if cohort["collection"] and str(cohort["collection"]) not in name:
        name += f", {cohort['collection']}"
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
            "of each stage: textbcs audit trace. This page is part of a commit and cannot name it",
        ),
    ]


def method_facts(
    counted: Mapping[str, Mapping[str, Any]],
) -> tuple[list[str], list[list[str]]]:
    """Headings and rows: what each method reads, starts from, and its size here.

    Args:
        counted: `results/complexity/<method>.json` of each method of Table 1: `reads_at_test`, and the
            settings `network` and `initial`.
    """
    headers = [
        "Method",
        "Reads at test",
        "First weights",
        "Own pre-training",
        "Network of this preset",
    ]
    lines = []
    for method, settings in counted.items():
        initial = settings["initial"]
        network = {key: value for key, value in settings["network"].items() if key != "model"}
        lines.append(
            [
                label(method),
                str(settings["reads_at_test"]),
                str(initial["weights"]),
                "yes" if initial.get("pretraining") else "no",
                ", ".join(f"{key} {value}" for key, value in network.items()),
            ]
        )
    return headers, lines
