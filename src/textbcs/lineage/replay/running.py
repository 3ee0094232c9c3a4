"""How a stage is run again: in a process of its own, or as a fork of one that has loaded the code already."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.lineage.records.graph import Receipt
from textbcs.lineage.replay.forking import LONGEST, READY
from textbcs.stage.process import PARENT

LAUNCHER = Path("workflow/stage")
FORK = "--fork"  # the launcher's first word where one process is to run many stages
_WORTH_LOADING = 5  # stages: for fewer, to load all code costs more than it saves
_MEMORY = 6 << 30  # bytes that have to be free for two stages at once
_KILLED = "it was killed"


@dataclass(frozen=True)
class Runner:
    """Runs stages.

    Attributes:
        code: the folder with the copy of the code.
        at_once: how many stages may run at a time.
        control: the socket of the process that forks; None where there is none.
    """

    code: Path
    at_once: int = 1
    control: socket.socket | None = field(default=None, compare=False)

    def can_fork(self, receipt: Receipt) -> bool:
        """Whether a stage may run as a fork: a card's driver does not survive one."""
        return self.control is not None and not receipt.device.startswith("cuda")

    def fork(self, root: Path, receipt: Receipt) -> None:
        """Run a stage as a fork, in the folder `root`.

        Raises:
            InputError: it fails.
        """
        log = root.with_name(f"{root.name}.log")
        request = {"folder": str(root), "log": str(log), "argv": list(receipt.argv)}
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        assert self.control is not None
        with ours:
            with theirs:
                message = json.dumps(request).encode()
                socket.send_fds(self.control, [message], [theirs.fileno()])
            code = ours.recv(LONGEST)
        said = log.read_bytes() if log.exists() else b""
        log.unlink(missing_ok=True)
        if code != b"0":
            raise InputError(_ended(code.decode(), said))

    def alone(self, root: Path, receipt: Receipt) -> None:
        """Run a stage in a process of its own, in the folder `root`.

        Raises:
            InputError: it fails.
        """
        done = subprocess.run(
            ["/bin/sh", str(self.code / LAUNCHER), *receipt.argv],
            cwd=root,
            env=environment(on_a_card=receipt.device.startswith("cuda")),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            raise InputError(_ended(str(done.returncode), done.stdout))


def _ended(code: str, said: bytes) -> str:
    lines = said.decode(errors="replace").strip().splitlines() or ["without a word"]
    return f"it ends with {code}: {lines[-1]}" if code else _KILLED


@contextmanager
def runner(code: Path, receipts: Collection[Receipt]) -> Iterator[Runner]:
    """What runs some stages again.

    Args:
        code: the folder with the copy of the code.
        receipts: of the stages.
    """
    at_once = 2 if len(os.sched_getaffinity(0)) > 1 and _free_memory() >= _MEMORY else 1
    plain = [one for one in receipts if not one.device.startswith("cuda")]
    if len(plain) < _WORTH_LOADING:
        yield Runner(code, at_once)
        return
    modules = sorted({name for one in plain for name in _modules(one)})
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, subprocess.Popen(
        ["/bin/sh", str(code / LAUNCHER), FORK, *modules],
        cwd=code,
        env=environment(on_a_card=False),
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        theirs.close()
        try:
            # An older launcher knows no such word, and ends: each stage then has a process of its own.
            is_ready = ours.recv(len(READY)) == READY
            yield Runner(code, at_once, ours if is_ready else None)
        except BaseException:
            process.kill()
            raise
        finally:
            ours.close()


def _modules(receipt: Receipt) -> Iterator[str]:
    """The modules of a stage's code, as Python names them."""
    for path in receipt.code:
        parts = Path(path).with_suffix("").parts
        if parts[0] == "src":
            yield ".".join(parts[1:-1] if parts[-1] == "__init__" else parts[1:])


def environment(on_a_card: bool) -> dict[str, str]:
    """Of the user's environment what starts programs; a stage that ran on the CPU sees no card."""
    apart = ("PYTHON", "TEXTBCS_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    kept |= {"TEXTBCS_PYTHON": sys.executable, PARENT: str(os.getpid())}
    return kept if on_a_card else kept | {"CUDA_VISIBLE_DEVICES": ""}


def _free_memory() -> int:
    """Bytes that new processes can have; enough where nobody tells."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(one.split()[1]) << 10 for one in lines if one.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):
        return _MEMORY
