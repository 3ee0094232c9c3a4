"""MLflow's pages on the database, for a person; kept up to date while they are open."""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from textbcs.lineage.tracking.apart import track_apart
from textbcs.lineage.tracking.database import FOLDER, TrackingError, synchronise, uri
from textbcs.stage.process import PARENT, die_with_parent

EVERY_SECONDS = 30.0


def serve(host: str, port: int) -> int:
    """Serve the pages until interrupted; return the exit code.

    What ends while they are open appears within half a minute, if the page is loaded again.

    Raises:
        TrackingError: MLflow is missing, the database cannot be written, the port is taken, the address is
            none of this machine, or the server ends by itself.
    """
    check_address(host, port)
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
                code = server.wait(EVERY_SECONDS)
                raise TrackingError(
                    f"MLflow's server ended by itself (exit code {code}); see above"
                )
            except subprocess.TimeoutExpired:
                track_apart()
    except KeyboardInterrupt:
        return 0
    finally:
        _end(server)


def check_address(host: str, port: int) -> None:
    """Check that a server could listen there: MLflow says so only in its log, and ends as if all were well.

    Raises:
        TrackingError: the port is taken, or the address is none of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the server does
            probe.bind(address)
    except socket.gaierror as error:
        raise TrackingError(f"--host {host}: no such address ({error.strerror})") from error
    except (OSError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            reason = f"--port {port}: something else listens there; choose another, such as"
            raise TrackingError(f"{reason} --port {port % 65535 + 1}") from error
        if getattr(error, "errno", None) == errno.EACCES:
            reason = f"--port {port}: this user may not listen there; choose one above 1023"
            raise TrackingError(reason) from error
        raise TrackingError(
            f"--host {host}: no address of this machine; 127.0.0.1 is for it alone, 0.0.0.0 for all"
        ) from error


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
