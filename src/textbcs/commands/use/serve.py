"""`textbcs serve`: a page on this machine on which studies are scrolled and asked with typed prompts."""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from textbcs.commands.arguments import MOST_JOBS, add_command, number
from textbcs.commands.completion import FILE, completed
from textbcs.stage.command import one_line

PORT = 8765
_NEEDED = ("starlette", "uvicorn")


def add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add `serve` to the command line."""
    text = (
        "open a page on this machine that outlines tumours by typed prompts (needs textbcs[serve])"
    )
    parser = add_command(commands, "serve", text)
    text = "a study, or a folder of studies: what the page may open beside what is given to it"
    studies = parser.add_argument("studies", metavar="STUDY", nargs="*", default=[], help=text)
    completed(studies, FILE)
    text = "a package's folder or zip, as textbcs package makes it"
    model = parser.add_argument("--model", metavar="PACKAGE", required=True, help=text)
    completed(model, FILE)
    text = "address to listen on (%(default)s, which other machines cannot reach)"
    parser.add_argument("--host", default="127.0.0.1", help=text)
    text = "port to listen on, 0 for any that is free (%(default)s)"
    parser.add_argument("--port", type=number(int, 0, 65535), default=PORT, help=text)
    text = "threads of the network (as many as this process may use CPUs)"
    parser.add_argument("--jobs", metavar="N", type=number(int, 1, MOST_JOBS), help=text)
    text = "most MB of an uploaded zip (%(default)s)"
    parser.add_argument(
        "--most-upload", metavar="MB", type=number(int, 1, 4000), default=2000, help=text
    )
    parser.set_defaults(run=_run, anywhere=True)


def _run(arguments: argparse.Namespace) -> None:
    from textbcs.base.io import InputError
    from textbcs.package.reading import read_package

    # Read when torch is loaded. Threads that wait by spinning double the CPU time where others compute too.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    package = read_package(Path(arguments.model))
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(
            f"textbcs serve needs {' and '.join(missing)}: pip install 'textbcs[serve]'"
        )
    from textbcs.serving.allowed_paths import AllowedPaths
    from textbcs.serving.open_studies import OpenStudies
    from textbcs.serving.request_guard import is_loopback
    from textbcs.serving.server import address_of, listen, serve
    from textbcs.serving.uploaded_zip import Limits

    paths = AllowedPaths([Path(one) for one in arguments.studies])
    host = arguments.host
    with listen(host, arguments.port) as listening:
        limits = Limits(most_bytes=arguments.most_upload * 1_000_000)
        jobs = arguments.jobs or len(os.sched_getaffinity(0))
        studies = OpenStudies(package, paths, min(jobs, MOST_JOBS), limits)
        if not is_loopback(host):
            told = (
                f"{one_line(host)}: other machines can reach this page, and it asks for no password"
            )
            print(f"warning: {told}", file=sys.stderr)
        print(f"{package.name}: {address_of(host, listening)} (Ctrl-C ends it)", flush=True)
        try:
            serve(studies, host, listening)
        except KeyboardInterrupt:
            print("ended")
