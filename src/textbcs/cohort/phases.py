"""Which phase of the dynamic study a series is, from its description.

The names of the Duke collection are known; any other data say by `cohort.descriptions` what theirs are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from textbcs.base.io import InputError
from textbcs.intake.spelling import short

PRE, UNNUMBERED = "pre", "dynamic"
MISSING = "no "  # how a reason begins that says which phase no series is
_MOST_NAMED = 4

# A dynamic series without a number: pre-contrast in most families, any phase in a few patients.
_BASE = r"ax dyn|ax dynamic|ax 3d dyn(?: mp)?|ax vibrant multiphase"
_STEM = rf"(?:{_BASE}|ax 3d|t1 fl3d tra dynviews spair)"
_ORDINAL = r"(?P<n>[1-9])(?:st|nd|rd|th)"
_POSTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"ph(?P<n>[1-9])/(?:{_BASE})",
        rf"{_STEM} {_ORDINAL} pass?",  # one patient has '1st pas'
        rf"{_ORDINAL} ax dyn",
    )
)


@dataclass(frozen=True)
class Candidate:
    """What choosing a phase needs to know of an MR series."""

    series_uid: str
    description: str
    series_number: int
    instances: int


def phase_of(description: str) -> str:
    """The phase that a SeriesDescription names.

    Returns:
        `pre`, `post1` .. `post9`, `dynamic` for a dynamic series without a number, or "" for
        anything else (T1 series such as `ax t1 pre` included).
    """
    text = re.sub(r"[\s_]+", " ", description).strip().lower()
    for pattern in _POSTS:
        if match := pattern.fullmatch(text):
            return f"post{match['n']}"
    if re.fullmatch(rf"{_STEM} pre", text):
        return PRE
    return UNNUMBERED if re.fullmatch(_BASE, text) else ""


def choose_phases(candidates: Iterable[Candidate]) -> tuple[dict[str, str], str]:
    """Choose at most one series per phase for one patient.

    The first series named pre, or else the first dynamic one without a number, is `pre`. Where no
    series is named post1, the other unnumbered ones are the phases that no name covers, in order of
    SeriesNumber. Of several series of one name the one with the lowest SeriesNumber counts.

    Returns:
        {series UID: phase}, and why the patient has to be excluded ("" if not).
    """
    ordered = sorted(candidates, key=lambda one: (one.series_number, one.series_uid))
    named: dict[str, list[Candidate]] = {}
    for one in ordered:
        if phase := phase_of(one.description):
            named.setdefault(phase, []).append(one)
    unnumbered = named.pop(UNNUMBERED, [])
    chosen = {phase: found[0] for phase, found in named.items()}
    if PRE not in chosen and unnumbered:
        chosen[PRE] = unnumbered.pop(0)
    if "post1" not in chosen:
        free = [f"post{n}" for n in range(1, 10) if f"post{n}" not in chosen]
        chosen |= dict(zip(free, unnumbered, strict=False))
    return {one.series_uid: phase for phase, one in chosen.items()}, _fault(chosen)


def choose_described(
    candidates: Iterable[Candidate], descriptions: Mapping[str, str]
) -> tuple[dict[str, str], str]:
    """Choose one series per phase for one patient, as her own data's names say.

    Args:
        candidates: her MR series.
        descriptions: phase -> regular expression, searched in the SeriesDescription without case.
            Of several series that match, the one with the lowest SeriesNumber counts; where that
            number is equal or absent, the one with the lowest UID.

    Returns:
        {series UID: phase}, and why the patient has to be excluded ("" if not).

    Raises:
        InputError: one description matches two phases.
    """
    chosen: dict[str, Candidate] = {}
    ordered = sorted(candidates, key=lambda one: (one.series_number, one.series_uid))
    for one in ordered:
        found = matches(one.description, descriptions)
        if len(found) > 1:
            raise InputError(
                f"params.yaml: cohort.descriptions: {found[0]} and {found[1]} both match the series "
                f"{one.description!r}; make them narrower"
            )
        if found:
            chosen.setdefault(found[0], one)
    absent = [phase for phase in sorted(descriptions) if phase not in chosen]
    reason = ""
    if absent:
        reason = f"no series matches cohort.descriptions.{absent[0]}"
        reason += found_instead(one.description for one in ordered)
    return {one.series_uid: phase for phase, one in chosen.items()}, reason


def matches(description: str, descriptions: Mapping[str, str]) -> list[str]:
    """The phases whose regular expression is found in a SeriesDescription, in alphabetical order."""
    return [
        phase
        for phase in sorted(descriptions)
        if re.search(descriptions[phase], description, re.IGNORECASE)
    ]


def found_instead(descriptions: Iterable[str]) -> str:
    """What there is where nothing matches, for the end of a reason: `; there are 'a', 'b'`.

    At most `_MOST_NAMED` descriptions, shortened, in alphabetical order, so that patients of one
    protocol have one reason.
    """
    names = sorted(set(descriptions))
    if not names:
        return "; there is no MR series"
    named = ", ".join(short(name) for name in names[:_MOST_NAMED])
    more = len(names) - _MOST_NAMED
    return f"; there {'is' if len(names) == 1 else 'are'} {named}" + (
        f" and {more} more" if more > 0 else ""
    )


def _fault(chosen: Mapping[str, Candidate]) -> str:
    """Why chosen phases are no dynamic study, "" if they are one."""
    if PRE not in chosen:
        return "no pre-contrast series"
    if "post1" not in chosen:
        return "no first post-contrast series"
    order = sorted(chosen, key=lambda phase: (phase != PRE, phase))
    numbers = [chosen[phase].series_number for phase in order]
    if numbers != sorted(set(numbers)):
        return "phases do not follow SeriesNumber"
    if len({chosen[phase].instances for phase in order}) > 1:
        return "phases differ in their number of slices"
    return ""
