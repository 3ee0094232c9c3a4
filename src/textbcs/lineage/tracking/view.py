"""MLflow's pages on the database, for a person; kept up to date while they are open."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from textbcs.lineage.tracking.apart import track_apart
from textbcs.lineage.tracking.database import FOLDER, synchronise, uri
from textbcs.stage.process import PARENT, die_with_parent

EVERY_SECONDS = 30.0


def serve(host: str, port: int) -> int:
    """Serve the pages until interrupted; return the server's exit code.

    What ends while they are open appears within half a minute, if the page is loaded again.

    Raises:
        TrackingError: MLflow is missing, or the database cannot be written.
    """
    print(synchronise().text())
    print(f"http://{host}:{port} in some seconds; Ctrl-C ends it", flush=True)
    signal.signal(signal.SIGTERM, _interrupt)
    os.environ[PARENT] = str(os.getpid())
    server = subprocess.Popen(
        command(host, port, FOLDER),
        env=environment(),
        start_new_session=True,  # it has children of its own, which end with it
        preexec_fn=die_with_parent,
    )
    try:
        while True:
            try:
                return server.wait(EVERY_SECONDS)
            except subprocess.TimeoutExpired:
                track_apart()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)


def command(host: str, port: int, folder: Path) -> list[str]:
    """The server's command line: one worker, nothing but our database and files."""
    return [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri(folder),
        "--default-artifact-root", (folder / "artifacts").resolve().as_uri(),
        "--host", host, "--port", str(port), "--workers", "1",
    ]  # fmt: skip


def environment() -> dict[str, str]:
    """The server's environment: it asks no other machine, and starts no service beside the pages."""
    return os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _end(server: "subprocess.Popen[bytes]") -> None:
    """End the server and what it started."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            return
        end = time.monotonic() + 5
        while server.poll() is None and time.monotonic() < end:
            time.sleep(0.05)
