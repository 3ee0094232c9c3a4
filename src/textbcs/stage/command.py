"""How a command ends: bad input, and what the system refuses, is one line and exit code 2."""

import os
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
        return _fail(f"{os.fsdecode(error.filename)}: {error.strerror}" if named else str(error))


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2
