"""What git's history holds: versions of modules, and dvc.lock at a revision."""

import hashlib
import subprocess
from collections.abc import Collection, Iterable, Iterator

from textbcs.base.io import InputError
from textbcs.lineage.records.graph import LOCK, Locked, parse_lock

Version = tuple[str, str]  # path, sha256 of the content


def git(*arguments: str, given: bytes | None = None) -> bytes | None:
    """What git prints, or None where it fails or there is none."""
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            input=given,
            capture_output=True,
            check=False,
        )
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


def show(revision: str, path: str) -> bytes | None:
    """A file at a revision, or None."""
    return git("show", f"{revision}:{path}")


def is_shallow() -> bool:
    """Whether the clone lacks a part of the history."""
    return (git("rev-parse", "--is-shallow-repository") or b"").strip() == b"true"


def committed(wanted: Collection[Version]) -> set[Version] | None:
    """Those versions that some commit of any branch holds at that path; None without git.

    One walk over the history of all wanted paths lists their blobs, one `cat-file` reads them.
    """
    paths = sorted({path for path, _ in wanted})
    if git("rev-parse", "--git-dir") is None:
        return None
    if not paths:
        return set()
    # Merges too: a conflict's solution can be in no parent.
    listing = git(
        "-c", "log.showRoot=true", "log", "--all", "-m", "--raw", "--no-abbrev", "--no-renames",
        "-z", "--format=", "--", *paths,
    )  # fmt: skip
    found: set[Version] = set()
    blobs = _blobs(listing or b"", set(paths))
    for (path, _), content in zip(blobs, contents(blob for _, blob in blobs), strict=True):
        found.add((path, hashlib.sha256(content).hexdigest()))
    return found & set(wanted)


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


def contents(blobs: Iterable[str]) -> Iterator[bytes]:
    """The contents of git objects, in order, from one process."""
    names = list(blobs)
    answer = (
        git("cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode()) or b""
    )
    place = 0
    for _ in names:
        end = answer.index(b"\n", place)
        size = int(answer[place:end].split()[2])
        yield answer[end + 1 : end + 1 + size]
        place = end + size + 2


def lock_at(revision: str) -> dict[str, Locked] | None:
    """The stages of dvc.lock at a revision; None where there is none.

    Raises:
        InputError: it is no lock file.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    content = show(revision, str(LOCK))
    if content is None:
        return None
    try:
        return parse_lock(YAML(typ="safe", pure=True).load(content.decode()))
    except YAMLError as error:
        raise InputError(f"{LOCK} at {revision}: not valid YAML; restore it") from error
