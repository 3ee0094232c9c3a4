"""What a setting may hold: the words in which the sections of `params.yaml` are declared.

A setting is declared as a type with its limits and its meaning, such as
`Annotated[int, AtLeast(1), "pixels a side"]`. `checking.py` holds values against it.
"""

import re
from typing import Annotated, Any, NamedTuple, Protocol


class Limit(Protocol):
    """A limit on a value of the right type; `str(limit)` says it in words."""

    def holds(self, value: Any) -> bool:
        """Whether the value keeps to it."""
        ...


class AtLeast(NamedTuple):
    """A number that is no smaller."""

    number: float

    def holds(self, value: float) -> bool:
        return value >= self.number

    def __str__(self) -> str:
        return f"at least {self.number}"


class Above(NamedTuple):
    """A number that is greater."""

    number: float

    def holds(self, value: float) -> bool:
        return value > self.number

    def __str__(self) -> str:
        return f"above {self.number}"


class AtMost(NamedTuple):
    """A number that is no greater."""

    number: float

    def holds(self, value: float) -> bool:
        return value <= self.number

    def __str__(self) -> str:
        return f"at most {self.number}"


class Below(NamedTuple):
    """A number that is smaller."""

    number: float

    def holds(self, value: float) -> bool:
        return value < self.number

    def __str__(self) -> str:
        return f"below {self.number}"


class MultipleOf(NamedTuple):
    """A whole number of times another."""

    number: int

    def holds(self, value: int) -> bool:
        return value % self.number == 0

    def __str__(self) -> str:
        return f"a multiple of {self.number}"


class Items(NamedTuple):
    """How many items a list, or how many keys a mapping, has; without `most` there is no upper limit."""

    least: int
    most: int | None = None

    def holds(self, value: Any) -> bool:
        return self.least <= len(value) and (self.most is None or len(value) <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least} item{'' if self.least == 1 else 's'}"
        count = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        return f"{count} item{'' if self.most == 1 else 's'}"


class Distinct(NamedTuple):
    """A list without repetitions."""

    def holds(self, value: list[Any]) -> bool:
        return not any(item in value[:place] for place, item in enumerate(value))

    def __str__(self) -> str:
        return "no value twice"


class NotEmpty(NamedTuple):
    """A text of at least one character."""

    def holds(self, value: str) -> bool:
        return value != ""

    def __str__(self) -> str:
        return "not empty"


class Matching(NamedTuple):
    """A text that is described, as a whole, by a regular expression."""

    pattern: str

    def holds(self, value: str) -> bool:
        return re.fullmatch(self.pattern, value) is not None

    def __str__(self) -> str:
        return f"matching {self.pattern}"


Text = Annotated[str, NotEmpty()]
# Of a method or a variant. With its stage, its seed and what a writer adds it is a file's name, and file
# systems take 255 bytes, encrypted ones 143.
Name = Annotated[str, Matching("[a-z][a-z0-9_]{0,63}")]
Count = Annotated[int, AtLeast(1)]
Seed = Annotated[
    int, AtLeast(0), AtMost(4294967295)
]  # what every generator of random numbers takes
NotNegative = Annotated[float, AtLeast(0)]
Positive = Annotated[float, Above(0)]
Share = Annotated[float, AtLeast(0), AtMost(1)]
