"""GDCM in a process of its own: over some damaged frames it ends its process, and of others it only
prints that they are corrupt and gives other pixels.

The process starts with the first frame and ends with its parent, whose pipe it reads.
"""

import os
import pickle
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

PLUGIN = "gdcm"
_LONGEST_S = 60.0
_LOCK = threading.Lock()
_SERVE = "from textbcs.intake.dicom_gdcm import serve; serve()"


class _Worker:
    """The process, what it prints, and the process that started it."""

    def __init__(self) -> None:
        self.parent = os.getpid()
        self.printed = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the process
        path = os.pathsep.join(one for one in sys.path if one)
        self.process = subprocess.Popen(
            [sys.executable, "-c", _SERVE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.printed,
            env=os.environ | {"PYTHONPATH": path},
        )

    def ask(self, question: object) -> Any:
        """The answer to a question; EOFError or OSError where the process has ended."""
        timer = threading.Timer(_LONGEST_S, self.process.kill)
        timer.start()
        try:
            assert self.process.stdin is not None
            assert self.process.stdout is not None
            _send(self.process.stdin, question)
            return _receive(self.process.stdout)
        finally:
            timer.cancel()


_WORKERS: list[_Worker] = []


def decode(source: bytes, syntax: str, options: Mapping[str, Any]) -> NDArray[np.integer[Any]]:
    """Unpack encapsulated pixels as pydicom's decoder does with GDCM.

    Raises:
        ValueError: they are damaged.
    """
    with _LOCK:
        worker = _worker()
        before = os.fstat(worker.printed.fileno()).st_size
        try:
            answer = worker.ask((source, syntax, dict(options)))
        except (EOFError, OSError) as error:
            _WORKERS.clear()
            worker.process.kill()
            worker.process.wait()
            raise ValueError("its compressed pixels are damaged") from error
        corrupt = os.fstat(worker.printed.fileno()).st_size > before
    if isinstance(answer, str):
        raise ValueError(answer)
    if corrupt:
        raise ValueError("its compressed pixels are damaged")
    return np.asarray(answer)


def serve() -> None:
    """Answer until the pipe is closed: pixels, or in words why there are none."""
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import UID

    questions, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the library prints belongs to no answer
    while True:
        try:
            source, syntax, options = _receive(questions)
        except EOFError:
            return
        answer: Any
        try:
            answer, _ = get_decoder(UID(syntax)).as_array(source, decoding_plugin=PLUGIN, **options)
        except Exception as error:
            answer = str(error).strip().replace("\n", " ") or type(error).__name__
        _send(answers, answer)


def _worker() -> _Worker:
    """The process of this process, started where there is none; one that was forked is not shared."""
    if not _WORKERS or _WORKERS[0].parent != os.getpid() or _WORKERS[0].process.poll() is not None:
        _WORKERS[:] = [_Worker()]
    return _WORKERS[0]


def _send(file: IO[bytes], what: object) -> None:
    content = pickle.dumps(what)
    file.write(len(content).to_bytes(8, "little") + content)
    file.flush()


def _receive(file: IO[bytes]) -> Any:
    """What `_send` wrote; EOFError at the end."""
    head = file.read(8)
    content = file.read(int.from_bytes(head, "little")) if len(head) == 8 else b""
    if len(head) < 8 or len(content) < int.from_bytes(head, "little"):
        raise EOFError
    return pickle.loads(content)
