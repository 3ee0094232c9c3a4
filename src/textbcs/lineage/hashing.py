"""Hashing many files at once: sha256 for receipts, md5 for what DVC has written down.

Every file is read once, whatever it is hashed for. Hashing releases Python's lock, so threads use all
cores. Reads the files and, only when asked (`quick`), `.cache/audit/hashes.json`, where sizes and times
of the last audit stand; writes that file.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.io import canonical_json, write_bytes

REMEMBERED = Path(".cache/audit/hashes.json")
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Digest:
    """A file's size in bytes and its hashes; a hash that nobody asked for is ""."""

    bytes: int
    sha256: str = ""
    md5: str = ""


@dataclass
class Hashes:
    """Digests by path; a path without one is no file. And what it cost to get them."""

    digests: Mapping[str, Digest]
    files: int = 0
    bytes: int = 0
    seconds: float = 0.0
    remembered: int = 0
    unreadable: Mapping[str, str] = field(default_factory=dict)

    def of(self, path: str) -> Digest | None:
        """The digest of a file, or None."""
        return self.digests.get(path)


def hash_files(wanted: Mapping[str, Iterable[str]], quick: bool = False) -> Hashes:
    """Hash files in parallel, with a progress bar on a terminal.

    Args:
        wanted: path -> names of the hashes to make of it, `sha256` and `md5`.
        quick: take a file's hashes from the last audit where its size, time and inode are as then.
    """
    from tqdm import tqdm

    start = time.perf_counter()
    known = _recall() if quick else {}
    stats = {path: stat for path in wanted if (stat := _stat(path))}
    # A hard link is the same file: read once.
    by_file: dict[tuple[int, int], list[str]] = {}
    for path, stat in stats.items():
        by_file.setdefault((stat.st_dev, stat.st_ino), []).append(path)
    todo: list[tuple[list[str], tuple[str, ...]]] = []
    digests: dict[str, Digest] = {}
    for paths in by_file.values():
        names = tuple(sorted({name for path in paths for name in wanted[path]}))
        old = known.get(paths[0])
        if old and old[0] == _mark(stats[paths[0]]) and all(getattr(old[1], n) for n in names):
            digests |= dict.fromkeys(paths, old[1])
        else:
            todo.append((paths, names))
    remembered = len(digests)
    # Large files first, so that no thread is left with one at the end.
    todo.sort(key=lambda entry: -stats[entry[0][0]].st_size)
    total = sum(stats[paths[0]].st_size for paths, _ in todo)
    unreadable: dict[str, str] = {}
    bar = tqdm(total=total, unit="B", unit_scale=True, desc="hash", disable=None, leave=False)
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for (paths, _), found in zip(todo, pool.map(_hash_or_fault, todo), strict=True):
            if isinstance(found, str):
                unreadable |= dict.fromkeys(paths, found)
            else:
                digests |= dict.fromkeys(paths, found)
            bar.update(stats[paths[0]].st_size)
    _remember({path: (_mark(stats[path]), digest) for path, digest in digests.items()})
    seconds = time.perf_counter() - start
    return Hashes(digests, len(todo), total, seconds, remembered, unreadable)


def hash_file(path: str, names: Iterable[str]) -> Digest:
    """Hash one file with each named algorithm, reading it once."""
    makers = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    size = 0
    with Path(path).open("rb", buffering=0) as file:
        buffer = bytearray(_CHUNK)
        view = memoryview(buffer)
        while count := file.readinto(buffer):
            size += count
            for maker in makers.values():
                maker.update(view[:count])
    return Digest(size, **{name: maker.hexdigest() for name, maker in makers.items()})


def _hash_or_fault(entry: tuple[list[str], tuple[str, ...]]) -> Digest | str:
    try:
        return hash_file(entry[0][0], entry[1])
    except OSError as error:
        return str(error)


def folder_md5(files: Mapping[str, str]) -> str:
    """DVC's hash of a folder: of the list of its files.

    Args:
        files: path within the folder -> md5.
    """
    import json

    listing = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def _stat(path: str) -> os.stat_result | None:
    found = Path(path)
    try:
        return found.stat() if found.is_file() else None
    except OSError:
        return None


def _mark(stat: os.stat_result) -> list[int]:
    return [stat.st_size, stat.st_mtime_ns, stat.st_ino]


def _recall() -> dict[str, tuple[list[int], Digest]]:
    import json

    try:
        entries = json.loads(REMEMBERED.read_text())
        return {path: (mark, Digest(*digest)) for path, (mark, digest) in entries.items()}
    except (OSError, ValueError, TypeError):
        return {}


def _remember(entries: Mapping[str, tuple[list[int], Digest]]) -> None:
    plain = {
        path: [mark, [one.bytes, one.sha256, one.md5]] for path, (mark, one) in entries.items()
    }
    try:
        write_bytes(REMEMBERED, canonical_json(plain).encode(), durable=False)
    except OSError:
        return  # a read-only tree can be audited too
