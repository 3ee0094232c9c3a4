"""A study asked of a package with each source of prompts, as `textbcs predict` asks it, and scored."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.prompt_grammar import Prompt
from textbcs.dataset.volume_store import Volume, spacing_of
from textbcs.evaluation.volumes.patient_scores import Reference, Rules, score_patient
from textbcs.imaging.geometry import spacing
from textbcs.outline.chosen_prompt import (
    AUTOMATIC,
    GIVEN,
    NONE,
    REPORT,
    PromptWish,
    StatedPrompt,
    choose_prompt,
    needs_first_pass,
    read_prompt,
)
from textbcs.outline.drawing import Outline, outlined
from textbcs.outline.prediction import Maps, ask_package
from textbcs.package.reading import Package
from textbcs.prompts.derive import size_word
from textbcs.slices.case_lesions import measure_case
from textbcs.slices.volume_cutting import whole_volume
from textbcs.study.reading import Study

NO_TUMOUR = "no tumour"
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Prompts:
    """What patients are asked with beside the automatic prompt.

    Attributes:
        given: of each patient who has a row in the table of prompts; None where there is no table.
        reports: a table of reports by patient; None where there is none.
        fallback: whether the automatic prompt may take the place of one that is probably wrong.
    """

    given: Mapping[str, Prompt] | None = None
    reports: Path | None = None
    fallback: bool = True

    def wishes(self, name: str, package: Package) -> dict[str, PromptWish]:
        """The wish of each source for a patient, by source; `none` of a package that reads no text."""
        if not package.reads_text:
            return {NONE: PromptWish()}
        found = {AUTOMATIC: PromptWish()}
        if self.given is not None:
            own = self.given.get(name)
            found[GIVEN] = PromptWish(own.text if own else None, None, self.fallback)
        if self.reports is not None:
            found[REPORT] = PromptWish(None, self.reports, self.fallback)
        return found

    def stated(self, name: str, package: Package) -> dict[str, StatedPrompt]:
        """What is read of them; it says whether an older result is still right."""
        wishes = self.wishes(name, package)
        return {source: read_prompt(wish, package, name) for source, wish in wishes.items()}


def outlines(
    study: Study, volume: Volume, package: Package, name: str, prompts: Prompts, jobs: int
) -> Iterator[tuple[str, Outline]]:
    """Source and outline, one after the other; the first pass and equal prompts are asked once.

    Args:
        study: as it was read.
        volume: on the package's square grid.
        package: that is asked.
        name: of the patient.
        prompts: of the cohort.
        jobs: most processes that work at once.
    """
    image, facts = volume.image, volume.facts
    wishes, stated = prompts.wishes(name, package), prompts.stated(name, package)
    first = None
    if any(needs_first_pass(one, package) for one in stated.values()):
        first = ask_package(package, image, "", first=True, jobs=jobs).codes
    known: dict[str, Maps] = {}
    for source, wish in wishes.items():
        prompt = choose_prompt(stated[source], wish, package, image, facts, first)
        if prompt.text not in known:
            known[prompt.text] = ask_package(package, image, prompt.text, jobs=jobs)
        yield source, outlined(study, package, prompt, known[prompt.text], facts)


def marked_volume(study: Study, reference: Mask, package: Package) -> Volume:
    """A study with its true mask on a package's square grid."""
    patient = replace(study.patient, mask=reference.astype(np.uint8))
    return whole_volume(patient, dict(package.slices), package.sides)


def case_facts(study: Study, volume: Volume, package: Package) -> dict[str, str]:
    """What groups a patient: `manufacturer`, `field_strength_t`, and `side` and `size` of her largest lesion.

    Args:
        study: of her.
        volume: with the true mask, on the package's square grid.
        package: whose limits of size count.
    """
    facts = volume.facts
    own = (volume.mask, spacing_of(facts), facts["midline_col"])
    least, sides = package.minimum_lesion_mm3, package.sides
    case = measure_case(*own, least, sides) or measure_case(*own, 0.0, sides)
    found = study.acquisition
    return {
        "manufacturer": found.manufacturer,
        "field_strength_t": found.field_strength_t,
        "side": case.side if case else NO_TUMOUR,
        "size": size_word(case.volume_mm3, package.thresholds_mm3) if case else NO_TUMOUR,
    }


def score_rows(
    found: Sequence[tuple[str, Outline]], reference: Mask, rules: Rules
) -> list[dict[str, Any]]:
    """A row for each source: what was asked, how it went, and the scores of `score_patient`."""
    if not found:
        return []
    steps = spacing(found[0][1].study.grid.affine)[::-1]
    truth = Reference.of(reference, [float(step) for step in steps])
    return [
        {
            "source": source,
            "prompt": one.prompt.text,
            "prompt_from": one.prompt.source,
            "reliability": "doubtful" if one.doubts else "ok",
            **score_patient(one.mask, truth, rules),
        }
        for source, one in found
    ]
