"""A stage's process must not outlive the run that started it.

After `kill -9` of an engine, an orphaned stage would go on writing while a new run starts. Linux can
kill a process when its parent dies; elsewhere this does nothing. Standard library only and quick to
import: the time before the call is the time in which an orphan could be born.
"""

import ctypes
import os
import signal
import sys

PARENT = "TEXTBCS_PARENT"  # process id of the parent that a started process must have
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask the kernel for SIGKILL when the parent ends; end at once if it has already ended.

    Who starts a process names the expected parent in the environment (`TEXTBCS_PARENT`). Without
    that name nothing happens, so a command typed behind `nohup` survives its terminal.
    """
    expected = os.environ.get(PARENT)
    if not expected or sys.platform != "linux":
        return
    if not expected.isdecimal():
        print(f"error: {PARENT} = {expected!r}: a process id is needed; unset it", file=sys.stderr)
        sys.exit(2)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The parent may have died before the kernel knew of our wish.
    if os.getppid() != int(expected):
        os._exit(128 + signal.SIGKILL)
