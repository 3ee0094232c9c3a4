"""What is wrong with a checkout and its machine before any stage runs: one line each, with what to do."""

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from textbcs.base.io import InputError

LAUNCHER = Path("workflow/stage")
# What takes space, and may be a link to a folder of another disk: no stage of dvc.yaml declares it.
MAY_BE_LINKS = ("data/raw", "data/phantom/archive", "data/quarantine", ".dvc/cache", ".snakemake")


def check_checkout() -> None:
    """Check what every stage needs: git, a launcher that can be started, and the disks that links name.

    Raises:
        InputError: something is missing, or has been changed on the way here.
    """
    folders = (Path.cwd(), *Path.cwd().parents)
    if not any((folder / ".git").exists() for folder in folders) and not _without_git():
        raise InputError(
            "no git repository here (a downloaded archive has none), and DVC needs one: git init && "
            "git add -A && git commit -m start; or without git: dvc config --local core.no_scm true"
        )
    if not LAUNCHER.is_file():
        raise InputError(f"{LAUNCHER}: file is missing; git checkout {LAUNCHER}")
    if b"\r" in LAUNCHER.read_bytes():
        raise InputError(
            f"{LAUNCHER}: has Windows line ends, and so have other files; clone again, or: git config "
            "core.autocrlf false && git rm -rq --cached . && git reset -q --hard"
        )
    if not os.access(LAUNCHER, os.X_OK):
        raise InputError(f"{LAUNCHER}: may not be executed; chmod +x {LAUNCHER}")
    for name in MAY_BE_LINKS:
        if Path(name).is_symlink() and not Path(name).exists():
            raise InputError(
                f"{name}: is a link to {Path(name).readlink()}, which is not there; mount the disk, or make "
                "the folder"
            )


def check_links(outs: Iterable[str]) -> None:
    """Check that no stage would write through a link, which DVC refuses only when the stage has run.

    Args:
        outs: what the stages write.

    Raises:
        InputError: a folder above an output, or the output, is a link.
    """
    folders = {PurePosixPath(out) for out in outs}
    folders |= {parent for out in set(folders) for parent in out.parents}
    for folder in sorted(folders):
        if Path(folder).is_symlink():
            raise InputError(
                f"{folder}: is a link, and DVC writes no output through one; make it a folder. What may "
                f"be a link to another disk: {', '.join(MAY_BE_LINKS)}, and what you put into data/; or "
                "mount the disk there"
            )


def system_fault(error: Exception) -> str | None:
    """One line for what the system refuses, or None where the error is another.

    Args:
        error: whatever the start raised.
    """
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        return f"{os.fsdecode(error.filename)}: {reason}" if error.filename else reason
    if isinstance(error, sqlite3.Error):
        return f"DVC cannot use its database ({error}); is the disk full, or the folder read-only?"
    if isinstance(error, KeyError) and "getpw" in str(error):
        return "this system does not know the user's name; set one, such as: export LOGNAME=me"
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "this system does not know the user's home; set one, such as: export HOME=/tmp"
    return None


def name_the_user() -> None:
    """Give a user without a name one, as containers have: Snakemake and DVC ask for it."""
    import getpass

    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):
        os.environ["LOGNAME"] = f"uid{os.getuid()}"


def _without_git() -> bool:
    """Whether DVC was told to do without git."""
    import configparser

    for name in ("config.local", "config"):
        settings = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            settings.read(Path(".dvc") / name)
            if settings.getboolean("core", "no_scm", fallback=False):
                return True
        except (configparser.Error, ValueError):
            continue
    return False
