"""The wheel, built from a copy of this checkout and unpacked, and its commands as typed by a user."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).resolve().parents[3]
# Not in the wheel: what the default run has written, and what tests.
LEFT_OUT = ("tests/", "reports/", ".ci/", "dvc.lock")


def repository_files() -> list[str]:
    """The files of the repository, those included that no commit has yet."""
    listing = ["git", "ls-files", "-co", "--exclude-standard"]
    names = subprocess.run(listing, cwd=SOURCE, capture_output=True, text=True, check=True).stdout
    kept = [name for name in names.splitlines() if not name.startswith(LEFT_OUT)]
    return sorted(name for name in kept if (SOURCE / name).is_file())


def install_wheel(base: Path) -> Path:
    """Build the wheel and unpack it as pip would, without what it depends on; returns the folder."""
    source, site = base / "source", base / "site"
    for name in repository_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(SOURCE / name, source / name)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(base)]
    build = [sys.executable, "-m", "pip", "wheel", *options, "."]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(build, cwd=source, env=clean, check=True, timeout=600)
    shutil.rmtree(source)
    (wheel,) = base.glob("textbcs-*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    return site


def without_root() -> None:
    """Root obeys permissions from the next program on: the capabilities to override them are dropped."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        for override in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            assert libc.prctl(24, override, 0, 0, 0) == 0  # PR_CAPBSET_DROP


def python(site: Path, cwd: Path, *arguments: str, **environment: str) -> Any:
    """Run Python with the unpacked wheel, in a folder, as somebody who obeys permissions."""
    kept = {key: os.environ[key] for key in ("PATH", "TMPDIR") if key in os.environ}
    identity = {
        f"GIT_{who}_{what}": "test@example.org"
        for who in ("AUTHOR", "COMMITTER")
        for what in ("NAME", "EMAIL")
    }
    own = {"PYTHONPATH": str(site), "GIT_CONFIG_GLOBAL": os.devnull, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=kept | identity | own | {"HOME": str(site.parent)} | environment,
        preexec_fn=without_root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def textbcs(site: Path, cwd: Path, *arguments: str, **environment: str) -> Any:
    """Run a command of the unpacked wheel."""
    return python(site, cwd, "-m", "textbcs.cli", *arguments, **environment)


# Types every command in one process: a place takes seconds instead of minutes.
_TYPIST = """
import contextlib, io, json, sys, traceback
from textbcs.cli import main
found = {}
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as stopped:
            code = stopped.code
        except BaseException:
            code = traceback.format_exc()
    found[" ".join(words)] = [code, out.getvalue(), err.getvalue()]
print("FOUND" + json.dumps(found))
"""


def type_all(site: Path, cwd: Path, commands: list[list[str]]) -> dict[str, list[Any]]:
    """Exit code (a traceback, where there was one), output and errors of commands, by what was typed."""
    done = python(site, cwd, "-c", _TYPIST, json.dumps(commands))
    assert "FOUND" in done.stdout, done.stderr
    found: dict[str, list[Any]] = json.loads(done.stdout.rpartition("FOUND")[2])
    return found
