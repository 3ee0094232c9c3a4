"""Prompts of a case without a reader, and how well they agree with the case's own."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.dataset.prompt_grammar import VOCABULARY, parse
from textbcs.dataset.volume_store import spacing_of
from textbcs.prompts.cases import case_prompt
from textbcs.prompts.perturbations import NOTHING
from textbcs.slices.case_lesions import measure_case
from textbcs.volumes.prompt_sources import AUTOMATIC, PATIENT, REPORT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

AGREEMENT_COLUMNS = ("split", "source", "attribute", "patients", "agreeing")
ALL = "all"  # every attribute that the case's own prompt states


def automatic_case_prompt(
    findings: "NDArray[np.bool_]",
    facts: Mapping[str, Any],
    thresholds_mm3: tuple[float, float],
    minimum_mm3: float,
    rules: Mapping[str, Any],
    sides: str,
) -> str:
    """The prompt that a case would have if a first pass's findings were her lesions.

    Args:
        findings: (z, S, S), what the first pass marks at its operating point.
        facts: the volume's row of patients.csv.
        thresholds_mm3: tertiles of the largest lesion's volume, fitted on train patients.
        minimum_mm3: smaller 26-connected components are not counted.
        rules: the parameters of `prompts`.
        sides: `cohort.sides`.

    Returns:
        The prompt, or the empty one where nothing is found.
    """
    case = measure_case(findings, spacing_of(facts), facts["midline_col"], minimum_mm3, sides)
    return NOTHING if case is None else case_prompt(case, thresholds_mm3, rules).text


def agreement(rows: Sequence[Mapping[str, str]]) -> list[dict[str, Any]]:
    """How often each attribute of an automatic prompt, or of a report's, is that of the case's own.

    Args:
        rows: `split, patient, source, text`, as `data/volumes/prompts.csv` holds them.

    Returns:
        `AGREEMENT_COLUMNS`, in the order of the rows' splits: `patients` have a
        prompt of their own that states the attribute, `agreeing` of them have the same word in the source's.
        A source that says nothing agrees with nobody. The attribute `all` is the whole prompt.
    """
    known: dict[tuple[str, str], dict[str, str]] = {}
    for row in rows:
        known.setdefault((row["split"], row["source"]), {})[row["patient"]] = row["text"]
    found = []
    for (split, source), texts in known.items():
        if source not in (AUTOMATIC, REPORT):
            continue
        pairs = [
            (_words(own), _words(texts.get(patient, NOTHING)))
            for patient, own in known.get((split, PATIENT), {}).items()
            if own != NOTHING
        ]
        for attribute in (*VOCABULARY, ALL):
            told = [(own.get(attribute), said.get(attribute)) for own, said in pairs]
            stated = [pair for pair in told if pair[0]]
            counts = {"patients": len(stated), "agreeing": sum(a == b for a, b in stated)}
            if stated or not pairs:
                found.append({"split": split, "source": source, "attribute": attribute, **counts})
    return found


def _words(text: str) -> dict[str, str]:
    """The word of each attribute, and the whole prompt; nothing of the empty prompt."""
    if text == NOTHING:
        return {}
    prompt = parse(text)
    return {slot: getattr(prompt, slot) for slot in VOCABULARY} | {ALL: prompt.text}
