"""Work for other processes, which import it by this module's name."""

import os
import signal
import time

from textbcs.base.io import InputError


def square_slowly(item: int) -> tuple[int, int]:
    """The earlier the item, the longer it takes."""
    time.sleep(0.05 * (5 - item))
    return item * item, os.getpid()


def refuse_three(item: int) -> int:
    if item == 3:
        raise InputError("file three: is wrong; mend it")
    return item


def die_at_three(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item
