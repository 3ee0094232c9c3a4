"""The project's pages: their fenced blocks, with the comment above each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        page: path from the root of the checkout.
        line: number of its first fence, from 1.
        language: the word behind the fence, "" for none.
        mark: the HTML comment on the line above, without its brackets; "" for none.
        text: what lies between the fences, without the indentation of a list.
    """

    page: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands, for messages."""
        return f"{self.page}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The shell commands, one a line, without comments."""
        lines = [re.sub(r"(^|\s+)# .*$", "", line).strip() for line in self.text.splitlines()]
        return [part for line in lines if line for part in line.split(" && ")]


def pages() -> list[Path]:
    """README.md and everything in docs/, sorted."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    lines = page.read_text(encoding="utf-8").splitlines()
    number = 0
    while number < len(lines):
        fence = re.match(r"( *)```(\w*)$", lines[number])
        if not fence:
            number += 1
            continue
        end = next(i for i in range(number + 1, len(lines)) if lines[i].strip() == "```")
        mark = re.match(r" *<!-- (.*) -->$", lines[number - 1])
        body = "\n".join(line.removeprefix(fence[1]) for line in lines[number + 1 : end])
        name = str(page.relative_to(ROOT))
        yield Block(name, number + 1, fence[2], mark[1] if mark else "", body)
        number = end + 1
