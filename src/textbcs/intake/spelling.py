"""What a person may have meant: the nearest of the known names, and what spreadsheets do to names."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches

_NEAR = 0.75
_FEW = 2  # so many of one cause are still a line each
_HINTS = 50  # names that are compared with all others, which takes long
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?: 00:00:00)?")
_POWER = re.compile(r"\d(?:[.,]\d+)?e\+?\d+", re.IGNORECASE)


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that is most like another one, case ignored; "" where none is near."""
    by_case = {one.casefold(): one for one in known}
    found = get_close_matches(name.casefold(), list(by_case), 1, _NEAR)
    return by_case[found[0]] if found else ""


def without_zeros(name: str) -> str:
    """A name whose numbers have lost their leading zeros, as spreadsheets take them: 007 -> 7."""
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def hint(name: str, known: Collection[str]) -> str:
    """What may be meant by a name that is not known, as a question; "" where nothing comes near.

    Args:
        name: as it stands in a person's file.
        known: the names that there are.
    """
    if words := _by_spreadsheets(name, known):
        return words
    found = nearest(name, known)
    return f"did you mean {found!r}?" if found else ""


def _by_spreadsheets(name: str, known: Iterable[str]) -> str:
    """What a spreadsheet may have done to a name, "" if nothing."""
    for one in known:
        if one != name and without_zeros(one) == name:
            return f"did a spreadsheet take the leading zeros away: {one!r}?"
    if _DATE.fullmatch(name):
        return "did a spreadsheet turn it into a date? Enter it as text"
    if _POWER.fullmatch(name):
        return "did a spreadsheet shorten a long number? Enter it as text"
    return ""


def unknown_names(names: Iterable[str], known: Collection[str]) -> dict[str, str]:
    """What to say of names that are not known, once for all that one cause explains.

    Args:
        names: in the order of the file; each counts once.
        known: the names that there are.

    Returns:
        Of the first name of each cause: "'7' and 41 more are not in the cohort; did a spreadsheet ..."
    """
    words: dict[str, str] = {}
    causes: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        words[name] = (hint if len(words) < _HINTS else _by_spreadsheets)(name, known)
        cause = words[name].partition(":")[0] if "spreadsheet" in words[name] else words[name]
        causes.setdefault(cause, []).append(name)
    lines = {}
    for alike in causes.values():
        together = len(alike) > _FEW
        for name in alike[:1] if together else alike:
            more = f" and {len(alike) - 1} more are" if together else " is"
            told = f"; {words[name]}" if words[name] else ""
            lines[name] = f"{short(name)}{more} not in the cohort{told}"
    return lines


def pattern_of(names: Iterable[str], wanted: Sequence[str]) -> tuple[str, int]:
    """How names are made of the wanted ones: the commonest "before{}after", and how often it fits.

    Args:
        names: of files, without suffix.
        wanted: what each should be called; compared without case.

    Returns:
        The pattern with `{}` for the wanted name, and the number of wanted names that have a file
        of this pattern; ("", 0) where none has. The plain name `{}` is no answer.
    """
    by_case = sorted({one.casefold() for one in wanted if one}, key=len, reverse=True)
    found: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for name in names:
        # The longest wanted name in it: P12 and not P1 in "P12_mask".
        inside = next((one for one in by_case if _whole(one).search(name)), "")
        pattern = _whole(inside).sub("{}", name) if inside else "{}"
        if pattern != "{}" and (pattern, inside) not in seen:
            seen.add((pattern, inside))
            found[pattern] += 1
    if not found:
        return "", 0
    best, count = min(found.items(), key=lambda item: (-item[1], item[0]))
    return best, count


def short(text: str, longest: int = 40) -> str:
    """Somebody's words as they are shown: one short quoted line."""
    return repr(text if len(text) <= longest else text[: longest - 3] + "...")


def plain(text: object, longest: int = 60) -> str:
    """The same without quotes: what is no printable character becomes a blank."""
    line = "".join(one if one.isprintable() else " " for one in str(text)[: longest + 1])
    return line if len(line) <= longest else line[: longest - 3] + "..."


def _whole(wanted: str) -> re.Pattern[str]:
    """Finds a name in another one, with no digit or letter cut."""
    return re.compile(rf"(?<![^\W_]){re.escape(wanted)}(?![^\W_])", re.IGNORECASE)
