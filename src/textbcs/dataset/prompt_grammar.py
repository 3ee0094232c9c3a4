"""The grammar of a prompt, as TextBCS §4.1 prints it.

"location [left or right]; shape [round or ellipse or irregular]; size [small or medium or large];
number [one or two or three or …]", for example "location left; shape irregular; size medium;
number two". A prompt is data: it is parsed against this vocabulary and never executed.
"""

import difflib
from dataclasses import dataclass, replace

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "many")

VOCABULARY: dict[str, tuple[str, ...]] = {
    "location": ("left", "right"),
    "shape": ("round", "ellipse", "irregular"),
    "size": ("small", "medium", "large"),
    "number": NUMBERS,
}

_OPPOSITE = {"left": "right", "right": "left"}
_LONGEST = 200


class PromptError(ValueError):
    """A text or word outside the grammar; the message says which and what is near."""


@dataclass(frozen=True)
class Prompt:
    """The four attributes of a slice's lesions; `location` is the patient's own side."""

    location: str
    shape: str
    size: str
    number: str

    def __post_init__(self) -> None:
        for slot, words in VOCABULARY.items():
            word = getattr(self, slot)
            if word not in words:
                raise PromptError(f"{slot} {_shown(word)} is no known word;{_nearest(word, words)}")

    @property
    def text(self) -> str:
        """The prompt as the paper writes it."""
        return "; ".join(f"{slot} {getattr(self, slot)}" for slot in VOCABULARY)

    def mirrored(self) -> "Prompt":
        """The prompt of the horizontally flipped image: the other side, all else equal."""
        return replace(self, location=_OPPOSITE[self.location])


def parse(text: str) -> Prompt:
    """Read a prompt text.

    Args:
        text: four `slot word` phrases in the paper's order, separated by semicolons.

    Raises:
        PromptError: the text does not follow the grammar.
    """
    if len(text) > _LONGEST:
        raise PromptError(f"text of {len(text)} characters; a prompt has at most {_LONGEST}")
    phrases = [phrase.split() for phrase in text.rstrip(". ").split(";")]
    if [len(phrase) for phrase in phrases] != [2, 2, 2, 2]:
        raise PromptError(f"{_shown(text)} is not 'location …; shape …; size …; number …'")
    for slot, (found, _) in zip(VOCABULARY, phrases, strict=True):
        if found != slot:
            raise PromptError(f"{_shown(found)} stands where {slot!r} belongs")
    return Prompt(*(word for _, word in phrases))


def mirror(text: str) -> str:
    """The text of the mirrored slice: left and right exchanged in the location slot."""
    return parse(text).mirrored().text


def number_word(count: int) -> str:
    """A number of lesions as a word: `one` to `ten`, `many` beyond.

    Raises:
        PromptError: the count is not positive.
    """
    if count < 1:
        raise PromptError(f"number of lesions is {count}; a prompt needs at least one")
    return NUMBERS[min(count, len(NUMBERS)) - 1]


def _nearest(word: str, words: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word[:_LONGEST], words, n=1)
    return f" did you mean {near[0]!r}?" if near else f" allowed: {', '.join(words)}"


def _shown(text: str) -> str:
    """A quoted, shortened text without control characters, fit for one line."""
    return repr(text if len(text) <= 60 else text[:57] + "...")
