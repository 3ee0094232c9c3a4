"""The four attributes of a prompt from a free-text radiology report, by fixed rules.

Rules, not a model: each is a line here that a reader can check, and no text leaves the machine. A
report is cut into clauses; a lesion counts where a clause names one and neither denies it nor tells of
the past (scope rules in the manner of NegEx, Chapman et al. 2001). What the rules can and cannot read:
docs/how-to/readers_prompts.md.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from textbcs.dataset.prompt_grammar import NUMBERS, Prompt, PromptError, number_word
from textbcs.prompts.derive import size_word

_LONGEST = 20_000

_NOUN = (
    r"(?:mass(?:es)?(?! effect)|lesions?|tumou?rs?|nodules?|carcinomas?|cancers?|malignanc(?:y|ies)"
    r"|neoplasms?|focus|foci|non[- ]?mass enhancement|nme)\b"
)
_LESION = re.compile(rf"\b{_NOUN}")
_PLURAL = re.compile(r"\b(?:masses|lesions|tumou?rs|nodules|carcinomas|cancers|foci)\b")
# Words that make a lesion absent, before and after it, and what ends their reach.
_DENIED = re.compile(
    r"\b(?:no|not|without|absence of|free of|negative for|rules? out|rather than|resolution of)\b"
)
_GONE = re.compile(
    r"\b(?:(?:is|are|was|were) (?:not|no longer) (?:seen|identified|present|visible|detected)"
    r"|(?:is|are|was|were|been) (?:absent|ruled out|excluded)|(?:has|have) resolved)\b"
)
_PAST = re.compile(
    r"\b(?:history of|status post|s/p|prior|previous(?:ly)?|former(?:ly)?|mother|sister"
    r"|post[- ]?(?:lumpectomy|mastectomy))\b"
)
_TURN = re.compile(
    r"\b(?:but|however|except(?: for)?|although|though|apart from|other than)\b"
    r"|,\s*(?=(?:and |with )?(?:no|without|not|there|an?|one|two|three)\b)"
    r"|\band (?=(?:no|there|an?)\b)|\b(?=without\b)"
)
_NO_LESION = re.compile(r"\b(?:parenchymal enhancement|lymph nodes?|mass effect)\b")
_CONTINUES = re.compile(r"\b(?:it|they|which|measur\w+|shaped?|size)\b")

_HEADING = re.compile(r"\s*(?:(left|right)(?: breast)?|([a-z][a-z /]{2,40})):")
_SIDE = re.compile(r"\b(left|right|lt|rt|bilateral(?:ly)?|both breasts)\b")
_SIDES = {"left": "left", "lt": "left", "right": "right", "rt": "right"}
BOTH = "both"

_SHAPES = (
    ("irregular", re.compile(r"\birregular\b")),
    ("ellipse", re.compile(r"\b(?:oval|ovoid|ellip(?:tic|tical|soid|soidal)|lobul(?:ar|ated))\b")),
    ("round", re.compile(r"\b(?:round|rounded|spherical)\b")),
)
# "irregular margins" says nothing of the shape; spicules do where nothing else is said.
_MARGIN = re.compile(r"\b[\w-]+(?:(?:,| and| or) [\w-]+)?,? (?:margins?|borders?|contours?|rim)\b")
_SPICULES = re.compile(r"\b(?:spiculated|stellate)\b")

# A decimal comma is one where digits follow at once; sizes have no thousands to mark.
_START, _NUMBER = r"(?<![\d.])(?<!\d,)", r"(?:\d{1,3}(?:[.,]\d+)?|\.\d+)"
_UNIT = r"[\s-]*(?:mm|cm)\b(?!\s*(?:squared|cubed))"
_AXIS = r"(?:\s*\(?(?:ap|cc|si|tr|tv|ml|lr|transverse|craniocaudal|anteroposterior)\b\)?)?"
_MEASURE = re.compile(
    rf"{_START}{_NUMBER}(?:{_UNIT})?(?:{_AXIS}\s*(?:x|×|\*|by)\s*{_NUMBER}(?:{_UNIT})?){{0,2}}"
    # A distance is no size: "3 cm from the nipple".
    r"(?!\s*(?:from|deep|above|below|posterior|anterior|away|slice))"
)
_VALUE = re.compile(rf"({_NUMBER})(?:[\s-]*(mm|cm)\b)?")
_MM = {"mm": 1.0, "cm": 10.0}
# The ways of writing a size that stand for another: pattern and what it is read as.
_WRITTEN = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        ("[\u2010-\u2015\u2212]", "-"),
        (r"(?<=\d)·(?=\d)", "."),
        (r"\bmillimet(?:er|re)s?\b|(?<=\d)mms\b|\bmms\b", "mm"),
        (r"\bcentimet(?:er|re)s?\b|(?<=\d)cms\b|\bcms\b", "cm"),
        (r"(?<=[mc]m)\s*(?:\^|\*\*)\s*(?=[23]\b)", ""),  # an area or a volume is no diameter
        # Of a range, or of a change, the second number: "0.5-0.9 cm", "from 5 mm to 9 mm".
        (rf"(?<![\w.,]){_NUMBER}(?:{_UNIT})?\s*(?:-|\bto\b)\s*(?={_NUMBER}{_UNIT})", ""),
        (rf"{_START}(\d{{1,2}})\s*cm\s+(?:and\s+)?(\d)\s*mm\b", r"\1.\2 cm"),
    )
)
_SIZE = re.compile(r"\b(small|medium|large)(?:-sized)?\b")

_COUNTS = {"a": 1, "an": 1, "one": 1, "single": 1, "solitary": 1, "another": 1, "additional": 1}
_COUNTS |= {word: number for number, word in enumerate(NUMBERS[:10], start=1)}
_COUNTED = re.compile(
    rf"\b({'|'.join(_COUNTS)}|\d{{1,2}})\b(?![.\d]|[\s-]*(?:mm|cm|x|×|o'clock))"
    rf"(?:[\s,]+(?!(?:of|in|with|and|from|at|is|are|within)\b)[\w.×-]+){{0,8}}?[\s,]+{_NOUN}"
)
_MANY = re.compile(r"\b(?:multiple|numerous|several|innumerable|multifocal|multicentric)\b")


@dataclass(frozen=True)
class Clause:
    """A part of a report that states a lesion or tells more of one; `side` is "" where none holds."""

    text: str
    side: str


def read_report(text: str, thresholds_mm2: tuple[float, float]) -> Prompt:
    """The prompt that a report's stated lesions make.

    Args:
        text: the report, in English.
        thresholds_mm2: the two tertiles of lesion area, for sizes that are stated as diameters.

    Raises:
        PromptError: an attribute is not stated, or lesions are stated on both sides; names all of it.
    """
    return stated_prompt(text, lambda stated: size_of(stated, thresholds_mm2))


def stated_prompt(text: str, size: Callable[[Sequence[Clause]], str]) -> Prompt:
    """The prompt of a report with the size class that `size` gives to its clauses, "" for none.

    Raises:
        PromptError: as `read_report`.
    """
    if len(text) > _LONGEST:
        raise PromptError(f"report of {len(text)} characters; at most {_LONGEST} are read")
    stated = clauses(text)
    if not stated:
        raise PromptError("the report states no lesion")
    sides = {clause.side for clause in stated if clause.side}
    side = sides.pop() if len(sides) == 1 else BOTH if sides else ""
    words = {
        "side": "" if side == BOTH else side,
        "shape": shape_of(stated),
        "size": size(stated),
        "number": number_of(stated),
    }
    faults = [f"no {name} is stated" for name, word in words.items() if not word]
    if side == BOTH:
        faults[0] = "lesions are stated in both breasts"
    if faults:
        raise PromptError(f"report: {', '.join(faults)}")
    return Prompt(words["side"], words["shape"], words["size"], words["number"])


def clauses(text: str) -> list[Clause]:
    """The clauses of a report that state a lesion or go on about the last one, in order.

    A side holds from where it is named to the end of its sentence, or of its section where it is a
    heading ("LEFT BREAST:"); a lesion without one lies where the last one did. What stands under
    "IMPRESSION:" is read only where nothing before it states a lesion: it repeats the findings.
    """
    text = text.lower()
    for pattern, plain in _WRITTEN:
        text = pattern.sub(plain, text)
    parts = re.split(r"\b(?:impression|conclusion|assessment)s?:", text)
    found: list[Clause] = []
    for part in parts:
        found = found or _section(part)
    return found


def _section(text: str) -> list[Clause]:
    """The clauses of a section that name a lesion or go on about one, each with its side."""
    found: list[Clause] = []
    heading, last, goes_on = "", "", False
    for line in text.splitlines():
        if match := _HEADING.match(line):
            heading = last = match[1] or ""
            line = line[match.end() :]
        for sentence in re.split(r"[.;!?](?:\s+|$)", _NO_LESION.sub(" ", line)):
            here = ""
            for clause in _stated(sentence):
                if clause is None:
                    goes_on = False
                    continue
                here = _side(clause) or here
                names = bool(_LESION.search(clause))
                if names:
                    last = here or heading or last
                    found.append(Clause(clause, last))
                elif goes_on and _CONTINUES.search(clause):
                    found.append(Clause(clause, here))
                goes_on = goes_on or names
    return found


def _stated(sentence: str) -> Iterator[str | None]:
    """The clauses of a sentence without what they deny; None for a lesion that is denied or past."""
    for clause in _TURN.split(sentence):
        if _GONE.search(clause) or _PAST.search(clause):
            yield None
            continue
        denied = _DENIED.search(clause)
        kept = clause[: denied.start()] if denied else clause
        if denied and _LESION.search(clause[denied.end() :]) and not _LESION.search(kept):
            yield None
        else:
            yield kept


def _side(clause: str) -> str:
    sides = {_SIDES.get(match[1], BOTH) for match in _SIDE.finditer(clause)}
    return "" if not sides else sides.pop() if len(sides) == 1 else BOTH


def shape_of(stated: Sequence[Clause]) -> str:
    """The first stated shape; spicules count as irregular where no shape is stated; else ""."""
    for clause in stated:
        text = _MARGIN.sub(" ", clause.text)
        found = [(match.start(), word) for word, rule in _SHAPES if (match := rule.search(text))]
        if found:
            return min(found)[1]
    return "irregular" if any(_SPICULES.search(clause.text) for clause in stated) else ""


def size_of(stated: Sequence[Clause], thresholds_mm2: tuple[float, float]) -> str:
    """The size class of the stated diameters, else the stated word, else "".

    A lesion's area is that of the ellipse with its two largest diameters (of the circle, where one is
    stated); the areas of different statements add up, as a mask's do.
    """
    areas = {area for clause in stated for area in _areas(clause.text)}
    return size_word(sum(areas), thresholds_mm2) if areas else stated_size_word(stated)


def stated_size_word(stated: Sequence[Clause]) -> str:
    """The first of the words small, medium and large, else ""."""
    words = (_SIZE.search(clause.text) for clause in stated)
    return next((match[1] for match in words if match), "")


def _areas(text: str) -> Iterator[float]:
    """The area of each stated size, mm2, as an ellipse of its two largest diameters."""
    for sizes in diameters_mm(text):
        yield math.pi / 4 * sizes[0] * sizes[min(1, len(sizes) - 1)]


def diameters_mm(text: str) -> Iterator[list[float]]:
    """The diameters of each stated size, the largest first."""
    for match in _MEASURE.finditer(text):
        found = _VALUE.findall(match[0])
        unit = next((one for _, one in reversed(found) if one), "")
        sizes = []
        for number, own in reversed(found) if unit else ():
            unit = own or unit  # a number without a unit has that of the next one
            sizes.append(float(number.replace(",", ".")) * _MM[unit])
        if sizes:
            yield sorted(sizes, reverse=True)


def _uncounted(text: str) -> str:
    """A text without its sizes, whose numbers count nothing: "2,3 cm mass" is one mass."""
    return _MEASURE.sub(lambda match: " " if re.search("mm|cm", match[0]) else match[0], text)


def number_of(stated: Sequence[Clause]) -> str:
    """The number of stated lesions: what is counted, `many` where it is "multiple", else one.

    "" where lesions stand in the plural and nothing counts them.
    """
    if any(_MANY.search(clause.text) for clause in stated):
        return NUMBERS[-1]
    counts = [
        _COUNTS.get(match[1]) or int(match[1])
        for clause in stated
        for match in _COUNTED.finditer(_uncounted(clause.text))
    ]
    if counts:
        return number_word(sum(counts))
    return "" if any(_PLURAL.search(clause.text) for clause in stated) else NUMBERS[0]
