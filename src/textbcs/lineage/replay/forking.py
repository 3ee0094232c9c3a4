"""One process that has loaded the code of all stages, and a fork of it for each stage that runs again.

To load the libraries costs a stage of a small cohort more than its own work. Here they are loaded once, from
the copy of the code and before any stage has run, so no stage sees what another one has done. Each stage then
runs in a folder of its own, in a process of its own, with the environment that `workflow/stage` gives to all.

`workflow/stage --fork MODULE...` starts it, in the copy of the code; standard input is a socket. A request is
a message with a folder, a file for what is printed and the stage's words, and a descriptor on which its exit
code is sent back.
"""

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from textbcs.base.io import InputError
from textbcs.settings.params import read_yaml
from textbcs.stage.process import PARENT, die_with_parent
from textbcs.stage.run_information import installed
from textbcs.stages.__main__ import main as run_stage

READY = b"ready"
LONGEST = 1 << 16  # bytes of a message

# What own modules load only where they need it, and several kinds of stage do.
_LATE = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "openpyxl",
    "pandas",
    "ruamel.yaml",
    "safetensors.numpy",
    "safetensors.torch",
    "scipy.ndimage",
    "scipy.optimize",
    "scipy.spatial.distance",
    "scipy.special",
    "scipy.stats",
    "skimage.measure",
    "torch._dynamo",
)


def main(modules: Sequence[str]) -> int:
    """Load modules, say that this is done, and serve requests until the socket is closed."""
    die_with_parent()
    load((*modules, *_LATE))
    if _threads() > 1:
        print("error: a library has started a thread, and a fork would lose it", file=sys.stderr)
        return 3
    gc.collect()
    gc.freeze()  # a collection in a fork would copy the pages of all that was loaded
    with socket.socket(fileno=os.dup(0)) as control:
        control.send(READY)
        serve(control)
    return 0


def load(modules: Iterable[str]) -> None:
    """Load modules, and what every stage asks for; what cannot be had is left to the stage."""
    for name in modules:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for name in ("dvc.yaml", "params.yaml"):
        with contextlib.suppress(InputError):
            read_yaml(name)
    installed()


def serve(control: socket.socket) -> None:
    """Run what is asked for, each in a fork, until the other end is closed."""
    while True:
        _bury()
        request, descriptors, _, _ = socket.recv_fds(control, LONGEST, 1)
        if not request:
            return
        server = os.getpid()
        with socket.socket(fileno=descriptors[0]) as answer:
            if os.fork() == 0:
                _run(json.loads(request), answer, server)


def _bury() -> None:
    """Take the exit codes of forks that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _run(request: Mapping[str, Any], answer: socket.socket, server: int) -> NoReturn:
    """The fork: run one stage as `python -m textbcs.stages` would, and end."""
    code = 1
    try:
        os.environ[PARENT] = str(server)
        die_with_parent()
        _redirect(Path(request["log"]))
        os.chdir(request["folder"])
        sys.argv[1:] = request["argv"]
        code = run_stage(request["argv"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
            answer.send(str(code).encode())
        os._exit(0)


def _redirect(log: Path) -> None:
    """Let the standard streams be no input, and the file."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(descriptor, target)


def _threads() -> int:
    """Threads of this process, those that Python does not know among them; 1 where nobody tells."""
    try:
        return len(list(Path("/proc/self/task").iterdir()))
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
