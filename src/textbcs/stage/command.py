"""How a command ends: bad input, and what the system refuses, is one line and exit code 2."""

import os
import re
import signal
import sys
from collections.abc import Callable

from textbcs.base.io import InputError


def exit_code(command: Callable[[], int | None]) -> int:
    """Run a command, print what is wrong with its input, and return its exit code."""
    try:
        code = int(command() or 0)
        sys.stdout.flush()
        return code
    except InputError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        _fail("interrupted; run the same command again to continue")
        return 130
    except BrokenPipeError:
        # A reader has seen enough (`| head`): no traceback, the exit code of a tool that it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        named = error.filename is not None and error.strerror
        return _fail(f"{_meant(error.filename)}: {error.strerror}" if named else str(error))


def _meant(name: str | bytes) -> str:
    """The file that a person knows: of a temporary one that is to take its place, that place."""
    return re.sub(r"\.([^/]+)\.\w{8}\.part$", r"\1", os.fsdecode(name))


def one_line(message: str) -> str:
    """A message as one line of visible text: what would break it or steer a terminal is quoted.

    Args:
        message: may hold names of files, which may hold anything but "/" and NUL.

    Returns:
        The message without blanks at its ends; a line break is `\\n`, an escape `\\x1b`, and a byte of
        a name that is no UTF-8 `\\xfc`. Letters of any language stay.
    """
    return "".join(_visible(one) for one in message.strip())


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":  # a byte that the system could not decode
        return f"\\x{ord(character) - 0xDC00:02x}"
    return ascii(character)[1:-1]


def _fail(message: str) -> int:
    print(f"error: {one_line(message)}", file=sys.stderr)
    return 2
