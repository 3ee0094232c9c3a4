"""What git's history holds: versions of modules, and dvc.lock at a revision.

Nothing is fetched, nothing is asked of a person, and git is not waited for longer than a few minutes.
"""

import hashlib
import os
import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from textbcs.base.io import InputError
from textbcs.lineage.records.lock_file import LOCK, Locked, parse_lock, parse_yaml

Version = tuple[str, str]  # path, sha256 of the content
_PATIENCE_S = 300
# A partial clone would fetch what it lacks; a remote that asks for a password would wait for ever.
_QUIET = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


@dataclass(frozen=True)
class Answer:
    """What git printed, and what it said where it failed; the empty string where it did not."""

    printed: bytes
    fault: str = ""


def ask_git(*arguments: str, given: bytes | None = None) -> Answer:
    """What git prints, or why it fails.

    Args:
        arguments: of git.
        given: what it reads from its standard input.
    """
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", "-c", "protocol.allow=never", *arguments],
            input=given,
            stdin=subprocess.DEVNULL if given is None else None,
            capture_output=True,
            check=False,
            timeout=_PATIENCE_S,
            env=os.environ | _QUIET,
        )
    except FileNotFoundError:
        return Answer(b"", "there is no git on this machine")
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        return Answer(b"", f"git does not answer ({type(error).__name__})")
    if done.returncode == 0:
        return Answer(done.stdout)
    words = done.stderr.decode(errors="replace").strip().splitlines() or ["git fails"]
    return Answer(done.stdout, words[0])


def git(*arguments: str, given: bytes | None = None) -> bytes | None:
    """What git prints, or None where it fails or there is none."""
    answer = ask_git(*arguments, given=given)
    return None if answer.fault else answer.printed


def no_history() -> str:
    """Why there is no history to ask, in words; the empty string where there is one."""
    fault = ask_git("rev-parse", "--git-dir").fault
    if "dubious ownership" in fault:
        return (
            "the repository belongs to another user, and git does not read it; look at it as its owner, or: "
            "git config --global --add safe.directory FOLDER"
        )
    if "not a git repository" in fault:
        return "this is no git repository"
    return fault


def show(revision: str, path: str) -> bytes | None:
    """A file at a revision, or None."""
    return git("show", f"{revision}:{path}")


def is_shallow() -> bool:
    """Whether the clone lacks a part of the history."""
    return (git("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"


@dataclass
class Committed:
    """What commits hold.

    Attributes:
        versions: of the files that were asked for, those that some commit of a branch, tag or remote holds.
        lost: objects that the history names and that are not here.
        fault: why git could not be asked; the empty string where it could.
    """

    versions: set[Version] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    fault: str = ""


def committed(wanted: Collection[Version]) -> Committed:
    """Those versions that some commit of any branch holds at that path.

    One walk over the history of all wanted paths lists their blobs, one `cat-file` reads them. What lies in
    a stash alone is no commit of a branch; an experiment of DVC is one.
    """
    paths = sorted({path for path, _ in wanted})
    fault = no_history()
    if fault or not paths:
        return Committed(fault=fault)
    # Merges too: a conflict's solution can be in no parent. HEAD too: it may be on no branch.
    listing = ask_git(
        "-c", "log.showRoot=true", "log", "HEAD", "--branches", "--remotes", "--tags",
        "--exclude=refs/exps/stash*", "--glob=refs/exps", "-m", "--raw", "--no-abbrev", "--no-renames",
        "-z", "--format=", "--", *paths,
    )  # fmt: skip
    found = Committed(fault=listing.fault)
    blobs = _blobs(listing.printed, set(paths))
    for (path, blob), content in zip(blobs, contents(blob for _, blob in blobs), strict=True):
        if content is None:
            found.lost.add(blob)
        else:
            found.versions.add((path, hashlib.sha256(content).hexdigest()))
    found.versions &= set(wanted)
    return found


def _blobs(listing: bytes, paths: set[str]) -> list[Version]:
    """Distinct (path, blob) of `git log --raw -z`, newest first."""
    fields = listing.split(b"\0")
    seen: dict[Version, None] = {}
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        name = path.decode(errors="surrogateescape")
        parts = head.lstrip(b"\n:").split()
        if name in paths and len(parts) >= 4 and set(parts[3]) != {ord("0")}:
            seen[name, parts[3].decode()] = None
    return list(seen)


def contents(blobs: Iterable[str]) -> Iterator[bytes | None]:
    """The contents of git objects, in order, from one process; None for what is not here."""
    names = list(blobs)
    request = "".join(f"{name}\n" for name in names).encode()
    answer = ask_git("cat-file", "--batch", given=request).printed if names else b""
    place = 0
    for _ in names:
        end = answer.find(b"\n", place)
        head = answer[place:end].split() if end >= 0 else []
        if len(head) != 3 or not head[2].isdigit():  # "NAME missing", or git broke off
            place = end + 1 if end >= 0 else len(answer)
            yield None
            continue
        size = int(head[2])
        content = answer[end + 1 : end + 1 + size]
        yield content if len(content) == size else None
        place = end + size + 2


def files_at(commit: str, *paths: str) -> dict[str, str] | None:
    """Path -> blob of the files of a commit below some paths; None where there is no such commit here."""
    if not commit or commit.startswith("-"):
        return None
    listing = git("ls-tree", "-r", "-z", f"{commit}^{{commit}}", "--", *paths)
    if listing is None:
        return None
    entries = (line.partition(b"\t") for line in listing.split(b"\0") if line)
    return {
        path.decode(errors="surrogateescape"): head.split()[2].decode() for head, _, path in entries
    }


def sha256_of_blobs(blobs: Iterable[str]) -> Mapping[str, str]:
    """Blob -> sha256 of its content, for those that are here."""
    names = sorted(set(blobs))
    pairs = zip(names, contents(names), strict=True)
    return {
        name: hashlib.sha256(content).hexdigest() for name, content in pairs if content is not None
    }


def lock_at(revision: str) -> dict[str, Locked] | None:
    """The stages of dvc.lock at a revision; None where there is none.

    Raises:
        InputError: it is no lock file.
    """
    content = show(revision, str(LOCK))
    if content is None:
        return None
    try:
        return parse_lock(parse_yaml(content))
    except InputError as error:
        raise InputError(f"{LOCK} at {revision}: {error}; restore it") from error
