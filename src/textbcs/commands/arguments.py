"""Pieces of the command line that several commands share: commands that say what they do, checked numbers.

Standard library only.
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

MOST_JOBS = 64


def add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    """Add a command whose own help begins with the text of the list above it.

    It needs a working copy unless its default `anywhere` is set to True.
    """
    description = text[:1].upper() + text[1:] + "."
    parser = commands.add_parser(name, help=text, description=description.replace("%", "%%"))
    parser.set_defaults(typed=parser.prog, anywhere=False)
    return parser


def number(kind: type, least: float, most: float) -> Callable[[str], Any]:
    """A type for argparse: an `int` or a `float` from `least` to `most`."""

    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not least <= value <= most:  # also where it is no number (nan)
            word = "whole number" if kind is int else "number"
            raise argparse.ArgumentTypeError(f"{text!r}: a {word} from {least:g} to {most:g}")
        return value

    return read


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """`--jobs`: two where there are two CPUs; more of them take more memory than a laptop has."""
    two = min(2, len(os.sched_getaffinity(0)))
    text = "processes that work at once; changes no byte (two, or one where there is one CPU)"
    parser.add_argument(
        "--jobs", metavar="N", type=number(int, 1, MOST_JOBS), default=two, help=text
    )
