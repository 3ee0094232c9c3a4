"""With which prompt a case is asked: the user's, a report's, or the automatic one.

What a user types is read by the grammar, a report by the rules of `prompts.report_cases`. The automatic
prompt says what the first pass found. Where the detector finds a word of the user's or the report's probably
wrong, it says so, and the automatic prompt takes its place unless the user wants none of that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import OWN_FILE, InputError, existing
from textbcs.dataset.prompt_grammar import Prompt, PromptError, parse
from textbcs.dataset.volume_store import voxel_mm3
from textbcs.intake.guard import reading
from textbcs.outline.prediction import network
from textbcs.package.reading import Package
from textbcs.prompt_check.examination import Examination, examine, first_pass
from textbcs.prompts.perturbations import NOTHING
from textbcs.prompts.report_cases import read_case_report, report_case_prompts
from textbcs.slices.laterality import NO_SIDES
from textbcs.volumes.case_prompts import automatic_case_prompt
from textbcs.volumes.coded_maps import Codes
from textbcs.volumes.operating_point import apply

GIVEN, REPORT, AUTOMATIC, NONE = "given", "report", "automatic", "none"
_TABLES = (".csv", ".tsv", ".xlsx", ".xlsm")


@dataclass(frozen=True)
class PromptWish:
    """What the user says of the prompt; neither: the automatic one.

    Attributes:
        text: typed.
        report: a text file with one report, or a table of reports by patient.
        fallback: whether the automatic prompt may take the place of one that is probably wrong.
    """

    text: str | None = None
    report: Path | None = None
    fallback: bool = True


@dataclass(frozen=True)
class StatedPrompt:
    """What was read of the user's words.

    Attributes:
        prompt: None where none is stated: then the automatic one is used.
        source: `GIVEN`, `REPORT`, `AUTOMATIC`, or `NONE` where the network reads no text.
        warnings: why it is not what the user wanted.
    """

    prompt: Prompt | None
    source: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class ChosenPrompt:
    """The prompt that a case is asked with.

    Attributes:
        text: "" for the empty one.
        source: as of `StatedPrompt`.
        stated: the user's or the report's; None where there is none.
        automatic: what the first pass says, "" where it finds nothing; None where it was not asked.
        examination: the detector's words on the stated prompt; None where it was not asked.
        warnings: what a person should know.
    """

    text: str
    source: str
    stated: str | None = None
    automatic: str | None = None
    examination: Examination | None = None
    warnings: tuple[str, ...] = ()


def read_prompt(wish: PromptWish, package: Package, name: str) -> StatedPrompt:
    """Read what the user says of the prompt, before any image is read.

    Args:
        wish: of the user.
        package: says whether prompts are read and have sides.
        name: of the study, by which a table of reports calls her.

    Raises:
        InputError: a word outside the grammar (the nearest known one is said), an unreadable report, or
            one that does not say all while nothing may take its place.
    """
    asked = wish.text is not None or wish.report is not None
    if not package.reads_text:
        told = ("the package reads no text, so the prompt changes nothing",) if asked else ()
        return StatedPrompt(None, NONE, told)
    if wish.text is not None:
        return StatedPrompt(_typed(wish.text, package.sides), GIVEN)
    if wish.report is None:
        return StatedPrompt(None, AUTOMATIC)
    try:
        return StatedPrompt(_reported(wish.report, package, name), REPORT)
    except PromptError as error:
        if not wish.fallback:
            raise InputError(
                f"{wish.report}: {error}; give a prompt, or leave --no-fallback out"
            ) from error
        return StatedPrompt(
            None, AUTOMATIC, (f"the report is not used, the automatic prompt is: {error}",)
        )


def _typed(text: str, sides: str) -> Prompt:
    """A typed prompt; case, blanks and commas between its phrases do not matter."""
    plain = " ".join(text.lower().replace(",", ";").split())
    try:
        prompt = parse(plain)
        _check_sides(prompt, sides)
    except PromptError as error:
        raise InputError(f"--prompt: {error}") from error
    return prompt


def _check_sides(prompt: Prompt, sides: str) -> None:
    """PromptError where the package's prompts have a location and this one none, or the other way."""
    if sides == NO_SIDES and prompt.location:
        raise PromptError("nothing has a side for this package: leave the location out")
    if sides != NO_SIDES and not prompt.location:
        raise PromptError("no location is stated; write 'location left; …' or 'location right; …'")


def _reported(path: Path, package: Package, name: str) -> Prompt:
    """The prompt of a report; PromptError where it does not state all."""
    limits = package.thresholds_mm3
    if path.suffix.lower() in _TABLES:
        existing(path, OWN_FILE)
        text = report_case_prompts(path, [name], limits)[name]
        if not text:
            raise PromptError(
                "the table has no report of this study, or one that does not state all"
            )
        prompt = parse(text)
    else:
        with reading(path, "text file"):
            content = existing(path, OWN_FILE).read_text(encoding="utf-8-sig")
        prompt = read_case_report(content, limits)
    _check_sides(prompt, package.sides)
    return prompt


def needs_first_pass(stated: StatedPrompt, package: Package) -> bool:
    """Whether the first pass has to be asked: for the automatic prompt, or for the detector."""
    if not package.reads_text:
        return False
    return stated.prompt is None or package.detector is not None


def choose_prompt(
    stated: StatedPrompt,
    wish: PromptWish,
    package: Package,
    image: NDArray[np.float16],
    facts: Mapping[str, Any],
    first: Codes | None,
) -> ChosenPrompt:
    """Choose the prompt, with the detector's help where the package has one.

    Args:
        stated: what was read of the user's words.
        wish: of the user.
        package: that is asked.
        image: (z, S, S) in [0, 1].
        facts: the volume's, as `slices.volume_cutting` gives them.
        first: the first pass's coded probability (z, S, S); None where it was not asked.
    """
    warnings = list(stated.warnings)
    if stated.source == NONE:
        return ChosenPrompt(NOTHING, NONE, warnings=tuple(warnings))
    automatic = None if first is None else _automatic(package, facts, first)
    silent = "the first pass found nothing, so the empty prompt is asked"
    if stated.prompt is None:
        if automatic == NOTHING:
            warnings.append(silent)
        return ChosenPrompt(automatic or NOTHING, AUTOMATIC, None, automatic, None, tuple(warnings))
    text = stated.prompt.text
    found = None
    if first is not None and package.detector is not None:
        found = _examine(package, image, text, facts, first, automatic or NOTHING)
    if found is None or not found.rejected:
        return ChosenPrompt(text, stated.source, text, automatic, found, tuple(warnings))
    if not wish.fallback:
        warnings.append(f"{found.reason}; it is used all the same")
        return ChosenPrompt(text, stated.source, text, automatic, found, tuple(warnings))
    warnings.append(f"{found.reason}; the automatic prompt takes its place")
    if automatic == NOTHING:
        warnings.append(silent)
    return ChosenPrompt(automatic or NOTHING, AUTOMATIC, text, automatic, found, tuple(warnings))


def _automatic(package: Package, facts: Mapping[str, Any], first: Codes) -> str:
    """What the first pass says of a case."""
    findings = apply(first, package.first_point, voxel_mm3(facts))
    return automatic_case_prompt(
        findings,
        facts,
        package.thresholds_mm3,
        package.minimum_lesion_mm3,
        package.rules,
        package.sides,
    )


def _examine(
    package: Package,
    image: NDArray[np.float16],
    text: str,
    facts: Mapping[str, Any],
    first: Codes,
    automatic: str,
) -> Examination:
    """The detector's words on a prompt."""
    assert package.detector is not None
    model, table = network(str(package.source.path.absolute()), package.sha256, False)
    found = first_pass(
        first,
        automatic,
        voxel_mm3=voxel_mm3(facts),
        midline_column=facts["midline_col"],
        sides=package.sides,
        thresholds_mm3=package.thresholds_mm3,
    )
    try:
        return examine(model, table, image, text, found, package.detector, package.channels)
    except KeyError as error:
        raise InputError(
            f"{package.source.path}: detector.json asks for a feature that this version does not know "
            f"({error}); use a package that this version has made"
        ) from error
