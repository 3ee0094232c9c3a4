"""A process that has loaded the code, and its forks: one a stage, apart from each other, gone with it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[3]

# Stages of a test: what a fork is, and what it leaves behind in its own process.
SERVER = """
import os, sys, time
import textbcs.lineage.replay.forking as forking

def stage(argv):
    if argv[0] == "wait":
        print(os.getpid(), flush=True)
        time.sleep(60)
    seen = getattr(forking, "seen", [])
    forking.seen = [*seen, argv[0]]
    print(os.getcwd(), sys.argv[1:], seen, os.environ["TEXTBCS_PARENT"] == str(os.getppid()), flush=True)
    if argv[0] == "raise":
        raise ValueError("no")
    if argv[0] == "exit":
        sys.exit(5)
    return int(argv[1])

forking._LATE = ()  # libraries of many seconds
forking.run_stage = stage
sys.exit(forking.main(sys.argv[1:]))
"""


class Server:
    """The other end of a process that forks."""

    def __init__(self, folder: Path, script: str, *modules: str) -> None:
        self.folder = folder
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        own = {"PYTHONPATH": str(ROOT / "src"), "TEXTBCS_PARENT": str(os.getpid())}
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, *modules], stdin=theirs.fileno(), env=os.environ | own
        )
        theirs.close()
        self.said = self.control.recv(16)

    def ask(self, *argv: str) -> socket.socket:
        """Ask for a stage in a folder of its name; the answer comes through the socket."""
        (self.folder / argv[0]).mkdir(exist_ok=True)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        request: dict[str, Any] = {"folder": str(self.folder / argv[0]), "argv": argv}
        request["log"] = str(self.folder / f"{argv[0]}.log")
        with theirs:
            socket.send_fds(self.control, [json.dumps(request).encode()], [theirs.fileno()])
        return ours

    def log(self, name: str) -> str:
        """What a stage has printed."""
        return (self.folder / f"{name}.log").read_text()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A process that has loaded a module."""
    one = Server(tmp_path, SERVER, "textbcs.base.variants", "textbcs.no_such_module")
    assert one.said == b"ready"
    yield one
    one.control.close()
    assert one.process.wait(20) in (0, -signal.SIGKILL)


def test_each_stage_has_a_folder_and_a_state_of_its_own(server: Server, tmp_path: Path) -> None:
    answers = {
        words[0]: server.ask(*words) for words in (["a", "0"], ["b", "2"], ["raise"], ["exit"])
    }
    codes = {name: answer.recv(16) for name, answer in answers.items()}
    assert codes == {"a": b"0", "b": b"2", "raise": b"1", "exit": b"5"}
    assert server.log("a") == f"{tmp_path / 'a'} ['a', '0'] [] True\n"
    assert server.log("b") == f"{tmp_path / 'b'} ['b', '2'] [] True\n"
    assert "ValueError: no" in server.log("raise")


def test_a_fork_that_is_killed_sends_no_code_and_all_end_with_the_process(server: Server) -> None:
    def waiting() -> tuple[socket.socket, int]:
        (server.folder / "wait.log").unlink(missing_ok=True)
        answer = server.ask("wait")
        for _ in range(400):
            said = server.log("wait") if (server.folder / "wait.log").exists() else ""
            if said.endswith("\n"):
                return answer, int(said)
            time.sleep(0.05)
        raise AssertionError("the fork did not start")

    answer, pid = waiting()
    os.kill(pid, signal.SIGKILL)
    assert answer.recv(16) == b""
    answer, pid = waiting()
    server.process.kill()
    assert answer.recv(16) == b""
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    raise AssertionError("the fork has outlived the process")


def test_a_thread_is_no_ground_to_fork_on(tmp_path: Path) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()"
    one = Server(tmp_path, f"{thread}\n{SERVER}")
    assert one.said == b""
    assert one.process.wait(60) == 3
