"""`textbcs serve` as it is typed: what it says, what it refuses, and how it ends."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from packages import tiny_package
from studies import write_study

from textbcs.cli import main
from textbcs.commands.use import serve

pytest.importorskip("starlette", reason="textbcs[serve] is not installed")
pytest.importorskip("uvicorn", reason="textbcs[serve] is not installed")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_package(tmp_path_factory.mktemp("package") / "p", "unet"))


def refused(capsys: Any, *words: str) -> str:
    """The one line that it ends with."""
    assert main(["serve", *words]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert told.err.count("\n") == 1
    return str(told.err)


def test_a_taken_port_is_one_line(package: str, capsys: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        told = refused(capsys, "--model", package, "--port", port)
    assert f"--port {port}: cannot be used on 127.0.0.1 (Address already in use); choose" in told


def test_what_cannot_be_served_is_one_line(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    assert "nowhere: no such package" in refused(capsys, "--model", "nowhere")
    assert "no such file" in refused(capsys, "--model", package, str(tmp_path / "none"))
    told = refused(capsys, "--model", package, "--host", "192.0.2.7", "--port", "0")
    assert "cannot be used on 192.0.2.7" in told
    assert "no address of this machine" in refused(capsys, "--model", package, "--host", "a b")
    monkeypatch.setattr(serve, "find_spec", lambda _: None)
    told = refused(capsys, "--model", package)
    assert "needs starlette and uvicorn: pip install 'textbcs[serve]'" in told


def test_it_serves_until_it_is_interrupted_and_logs_nobody(package: str, tmp_path: Path) -> None:
    folder = write_study(tmp_path / "Doe^Jane")
    words = ["serve", "--model", package, "--port", "0", "--jobs", "1", str(folder)]
    code = f"import sys; from textbcs.cli import main; sys.exit(main({words!r}))"
    environment = {**os.environ, "PYTHONPATH": str(Path("src").resolve())}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    started = subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes)
    assert started.stdout is not None
    try:
        first = started.stdout.readline()
        found = re.fullmatch(r"unet-s1: (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", first)
        assert found, first
        request = urllib.request.Request(
            found[1] + "api/studies",
            b'{"name": "Doe^Jane"}',
            {"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert b'"slices":10' in answer.read()
            assert "server" not in answer.headers
    finally:
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=60)
    assert (started.returncode, out, err) == (0, "ended\n", "")
