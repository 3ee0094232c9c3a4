"""The grammar of a prompt, as TextBCS §4.1 prints it.

"location [left or right]; shape [round or ellipse or irregular]; size [small or medium or large];
number [one or two or three or …]", for example "location left; shape irregular; size medium;
number two". Where nothing has a side (`cohort.sides: none`) a prompt begins with the shape. A prompt is
data: it is parsed against this vocabulary and never executed.
"""

import difflib
import itertools
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
    """The four attributes of a slice's lesions; `location` is the patient's own side, "" without sides."""

    location: str
    shape: str
    size: str
    number: str

    def __post_init__(self) -> None:
        for slot, words in VOCABULARY.items():
            word = getattr(self, slot)
            if word not in words and not (slot == "location" and word == ""):
                raise PromptError(f"{slot} {_shown(word)} is no known word;{_nearest(word, words)}")

    @property
    def text(self) -> str:
        """The prompt as the paper writes it."""
        return "; ".join(f"{slot} {getattr(self, slot)}" for slot in self.slots)

    @property
    def slots(self) -> tuple[str, ...]:
        """The attributes that it states, in order: all four, or without sides the last three."""
        return tuple(VOCABULARY) if self.location else tuple(VOCABULARY)[1:]

    def mirrored(self) -> "Prompt":
        """The prompt of the horizontally flipped image: the other side, if it has one, all else equal."""
        return replace(self, location=_OPPOSITE.get(self.location, ""))


def parse(text: str) -> Prompt:
    """Read a prompt text.

    Args:
        text: four `slot word` phrases in the paper's order, separated by semicolons; the location may
            be missing.

    Raises:
        PromptError: the text does not follow the grammar.
    """
    if len(text) > _LONGEST:
        raise PromptError(f"text of {len(text)} characters; a prompt has at most {_LONGEST}")
    phrases = [phrase.split() for phrase in text.rstrip(". ").split(";")]
    sideless = len(phrases) == 3 and phrases[0][:1] != ["location"]
    slots = tuple(VOCABULARY)[1:] if sideless else tuple(VOCABULARY)
    if [len(phrase) for phrase in phrases] != [2] * len(slots):
        raise PromptError(f"{_shown(text)} is not 'location …; shape …; size …; number …'")
    for slot, (found, _) in zip(slots, phrases, strict=True):
        if found != slot:
            raise PromptError(f"{_shown(found)} stands where {slot!r} belongs")
    return Prompt(
        **{"location": "", **dict(zip(slots, (word for _, word in phrases), strict=True))}
    )


def mirror(text: str) -> str:
    """The text of the mirrored slice: left and right exchanged in the location slot."""
    return parse(text).mirrored().text


def every_prompt(sided: bool) -> list[Prompt]:
    """Every prompt that can be written, with a location or without, in the order of the vocabulary."""
    slots = [VOCABULARY["location"] if sided else ("",), *list(VOCABULARY.values())[1:]]
    return [Prompt(*words) for words in itertools.product(*slots)]


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
