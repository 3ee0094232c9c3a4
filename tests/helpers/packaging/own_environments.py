"""Environments for programs whose libraries do not go with the locked ones: made once, then kept.

They lie in `.cache/test-environments`, or in the folder that TEXTBCS_TEST_ENVIRONMENTS names, under a hash of
what is wanted. Without a network they cannot be made: a test that needs one is skipped with pip's reason.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "TEXTBCS_TEST_ENVIRONMENTS"
VALIDATOR = ("roc-validator>=0.13,<0.14",)
# Apart from each other: their pins of boto differ, and pip would look for minutes.
S3_SERVER = ("moto[s3]>=5,<6", "flask>=3,<4", "flask-cors>=4,<7")
S3_DVC = (f"dvc[s3]=={version('dvc')}",)
_SECONDS = 240


def programs(*requirements: str) -> Path:
    """The folder `bin` of an environment with some packages; the test is skipped where it cannot be made."""
    found = _made(requirements)
    if isinstance(found, str):
        pytest.skip(f"no environment with {', '.join(requirements)}: {found}")
    return found


@cache  # what could not be had is not tried again in the same session
def _made(requirements: tuple[str, ...]) -> Path | str:
    """The folder of an environment's programs, or why there is none."""
    wanted = "\n".join((sys.version, *requirements))
    parent = Path(os.environ.get(FOLDER) or ROOT / ".cache/test-environments")
    place = parent / hashlib.sha256(wanted.encode()).hexdigest()[:16]
    parent.mkdir(parents=True, exist_ok=True)
    with (parent / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several test processes may want it at once
        if not (place / "complete").is_file():
            shutil.rmtree(place, ignore_errors=True)
            venv.create(place, with_pip=False, symlinks=True)
            reason = _install(place, requirements)
            if reason:
                shutil.rmtree(place, ignore_errors=True)
                return reason
            (place / "complete").touch()
    return place / "bin"


def _install(place: Path, requirements: tuple[str, ...]) -> str:
    """Install packages; what pip says last where it fails, else the empty string."""
    command = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install"]
    options = ["--quiet", "--no-input", "--no-compile", "--retries=1", "--timeout=15"]
    try:
        done = subprocess.run(
            [*command, *options, *requirements],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"pip was not done after {_SECONDS} s"
    said = done.stderr.strip().splitlines() or ["without a word"]
    errors = [line for line in said if line.startswith("ERROR")]
    return "" if done.returncode == 0 else f"pip failed: {(errors or said)[-1]}"
