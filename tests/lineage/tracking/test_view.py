"""`textbcs track ui` serves the runs, and leaves no process behind."""

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
from finished import Tree, guarded

from textbcs.cli import main

pytest.importorskip("mlflow", reason="MLflow is an extra; requirements.lock has it")
PATIENCE = 240  # the server takes 12 s on two free cores


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answer(url: str, question: object = None) -> bytes:
    data = None if question is None else json.dumps(question).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        content: bytes = response.read()
    return content


def test_the_pages_list_the_runs_ask_nobody_and_end_with_the_command(
    finished: Tree, tmp_path: Path
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "textbcs.cli", "track", "ui", "--port", str(port)]
    server = subprocess.Popen(
        command, env=guarded(tmp_path / "guard"), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    home = f"http://127.0.0.1:{port}"
    try:
        limit = time.monotonic() + PATIENCE
        while server.poll() is None and time.monotonic() < limit:
            try:
                answer(f"{home}/health")
                break
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        assert b"<title>MLflow</title>" in answer(f"{home}/")
        api = f"{home}/ajax-api/2.0/mlflow"
        found = json.loads(answer(f"{api}/experiments/search", {"max_results": 99}))
        experiments = {one["name"]: one["experiment_id"] for one in found["experiments"]}
        runs = json.loads(
            answer(f"{api}/runs/search", {"experiment_ids": [experiments["training"]]})
        )["runs"]
        assert {run["info"]["run_name"] for run in runs} == {"train@unet-1", "train@textbcs-1"}
        children = psutil.Process(server.pid).children(recursive=True)
        assert children
    finally:
        server.send_signal(signal.SIGTERM)
        printed, _ = server.communicate(timeout=60)
    assert server.returncode == 0, printed
    assert printed.splitlines()[:2] == [
        "8 runs written, 0 removed, 0 as they were",
        f"{home} in some seconds; Ctrl-C ends it",
    ]
    assert (tmp_path / "guard/asked").read_text() == ""
    psutil.wait_procs(children, timeout=10)
    assert not [one for one in children if one.is_running() and one.status() != "zombie"]


@pytest.mark.parametrize(
    ("host", "words"),
    [
        ("127.0.0.1", "something else listens there; choose another"),
        ("192.0.2.1", "no address of this machine"),
        ("no.such.host.invalid", "no such address"),
    ],
)
def test_where_nothing_can_be_served_is_one_line(
    finished: Tree, host: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["track", "ui", "--host", host, "--port", str(port)]) == 2
    printed = capsys.readouterr()
    assert printed.out == "", "no address that nobody serves"
    assert printed.err.startswith("error: tracking: --")
    assert words in printed.err
    assert printed.err.count("\n") == 1
