"""`textbcs init`: an empty folder becomes a working copy of the pipeline, as a clone is one.

The files come from the installed package, or from the checkout where textbcs runs from one; `params.yaml`
is the preset phantom. The folder is there whole or not at all.
"""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import textbcs
from textbcs.base.io import InputError, write_bytes
from textbcs.settings.presets import COMPLETE, preset_text
from textbcs.settings.working_copy import (
    CARRIED,
    above,
    is_working_copy,
    project_files,
    project_folder,
)

# Never of the source: what Python compiles, and what the build has added.
_NOT_SOURCE = ("__pycache__", CARRIED)
_TO_COMMIT = "git add --all && git commit --message start"


def init(folder: Path, dry_run: bool = False) -> Iterator[str]:
    """Make a working copy.

    Args:
        folder: a new folder, or an empty one.
        dry_run: write nothing.

    Yields:
        Lines that say what was made and what comes next.

    Raises:
        InputError: the folder is in use or lies in a working copy, git is missing, or something
            cannot be written; then nothing is left behind.
    """
    _check(folder)
    files = working_copy_files()
    size = sum(len(content) for content in files.values())
    told = f"{len(files)} files, {size / 1e6:.1f} MB, of textbcs {_version()}"
    if dry_run:
        yield f"{folder}: would hold {told}, in a git repository with DVC; nothing was written"
        return
    commit = _make(folder, files)
    yield f"{folder}: {told}, with the parameters of the preset {COMPLETE}"
    yield commit
    go = "" if folder.resolve() == Path.cwd() else f"cd {shlex.quote(str(folder))} && "
    if _is_locked(files["requirements.lock"].decode()):
        yield f"next: {go}textbcs use tiny && snakemake --cores all (this environment is the locked one)"
    else:
        yield f"next: {go}make setup (makes the locked environment, .venv/) && . .venv/bin/activate"


def working_copy_files() -> dict[str, bytes]:
    """The content of a fresh working copy by path, sorted.

    Raises:
        InputError: the files of the pipeline are not where textbcs is installed.
    """
    root = project_folder()
    files = {name: (root / name).read_bytes() for name in project_files(root)}
    files["params.yaml"] = preset_text(COMPLETE, root / "presets").encode()
    package = Path(textbcs.__file__).parent
    for path in package.rglob("*"):
        within = path.relative_to(package)
        if path.is_file() and not set(within.parts) & set(_NOT_SOURCE):
            files[f"src/textbcs/{within.as_posix()}"] = path.read_bytes()
    return dict(sorted(files.items()))


def _check(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; name a new folder")
    if folder.is_dir() and is_working_copy(folder):
        raise InputError(f"{folder}: is a working copy already; name a new folder")
    if folder.is_dir() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name a new folder")
    around = above(folder.absolute())
    if around:
        raise InputError(
            f"{folder}: lies in the working copy {around}; name a folder outside of it"
        )
    if shutil.which("git") is None:
        raise InputError("git: command not found; a working copy is a git repository, install git")


def _make(folder: Path, files: Mapping[str, bytes]) -> str:
    """Write the files beside their places, make the repository, then move all; says how git went."""
    is_new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".textbcs-init.", dir=folder) as place:
            made = Path(place)
            for name, content in files.items():
                write_bytes(made / name, content, durable=False)
                if content.startswith(b"#!"):
                    (made / name).chmod((made / name).stat().st_mode | 0o111)
            said = _repository(made)
            for entry in sorted(made.iterdir()):
                entry.rename(folder / entry.name)
    except OSError as error:  # it would name a temporary folder that nobody has asked for
        _undo(folder, is_new)
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from error
    except BaseException:
        _undo(folder, is_new)
        raise
    return said


def _undo(folder: Path, is_new: bool) -> None:
    """Empty a folder that was empty, or delete one that was not there."""
    if is_new:
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.is_dir():
        for entry in folder.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def _repository(root: Path) -> str:
    """Make a git repository with a first commit, as far as git can; DVC needs no more than its files.

    Raises:
        InputError: git cannot make a repository there.
    """
    code, said = _git(root, "init", "--quiet")
    if code:
        raise InputError(f"git init failed: {said}")
    # Without this switch git would invent a name from the machine's.
    who = [
        _git(root, "-c", "user.useConfigOnly=true", "var", f"GIT_{one}_IDENT")
        for one in ("AUTHOR", "COMMITTER")
    ]
    if any(code for code, _ in who):
        return (
            "git: a repository without a commit, since git does not know your name; set user.name and "
            f"user.email with git config --global, then: {_TO_COMMIT}"
        )
    # All of it, whatever the user's own list of ignored files says.
    code, said = _git(root, "add", "--all", "--force")
    if not code:
        message = f"Working copy of textbcs {_version()}"
        code, said = _git(root, "commit", "--quiet", "--message", message)
    if code:
        return f"git: a repository without a commit ({said}); then: {_TO_COMMIT}"
    return "git: a repository with a first commit"


def _git(root: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and last line that git prints, whatever repository a caller's environment names."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("GIT_DIR")}
    for key in ("GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX"):
        own.pop(key, None)
    done = subprocess.run(
        ["git", *arguments],
        cwd=root,
        env=own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    lines = (done.stderr or done.stdout).strip().splitlines()
    return done.returncode, lines[-1] if lines else f"exit code {done.returncode}"


def _is_locked(lock: str) -> bool:
    """Whether every package of a requirements.lock is installed in just that version."""
    pins = (line.split("==") for line in lock.splitlines() if "==" in line)
    try:
        return all(version(name) == pinned for name, pinned in pins)
    except PackageNotFoundError:
        return False


def _version() -> str:
    try:
        return version("textbcs")
    except PackageNotFoundError:  # a checkout that nothing is installed from
        return "of this checkout"
