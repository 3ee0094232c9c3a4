"""Hashing many files at once: sha256 for receipts, md5 for what DVC has written down.

Every file is read once, whatever it is hashed for. Hashing releases Python's lock, so threads use all
cores. Reads the files and, only when asked (`quick`), `.cache/audit/hashes.json`, where sizes and times
of the last audit stand; writes that file.
"""

import hashlib
import os
import stat
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from textbcs.base.io import InputError, canonical_json, write_bytes
from textbcs.lineage.records.bounded import parse_json, read_regular

REMEMBERED = Path(".cache/audit/hashes.json")
_CHUNK = 1 << 18
_MOST_REMEMBERED = 1 << 30  # bytes
_BATCH = 1 << 22  # bytes of small files that a thread gets at once
_FILE_COST = 1 << 15  # what opening a file costs, in bytes hashed meanwhile
_MAKERS = {"sha256": hashlib.sha256, "md5": hashlib.md5}


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


def hash_files(
    wanted: Mapping[str, Iterable[str]], quick: bool = False, remember: bool = False
) -> Hashes:
    """Hash files in parallel, with a progress bar on a terminal.

    Args:
        wanted: path -> names of the hashes to make of it, `sha256` and `md5`.
        quick: take a file's hashes from the last audit where its size, time and inode are as then.
        remember: this is an audit: keep the hashes for the next quick one.
    """
    from tqdm import tqdm

    start = time.perf_counter()
    known = _recall() if quick else {}
    stats = {path: found for path in wanted if (found := _stat(path)) is not None}
    # A hard link is the same file: read once.
    by_file: dict[tuple[int, int], list[str]] = {}
    for path, facts in stats.items():
        by_file.setdefault((facts.st_dev, facts.st_ino), []).append(path)
    todo: list[_Todo] = []
    digests: dict[str, Digest] = {}
    for paths in by_file.values():
        names = tuple(sorted({name for path in paths for name in wanted[path]}))
        old = known.get(paths[0])
        if old and old[0] == _mark(stats[paths[0]]) and all(getattr(old[1], n) for n in names):
            digests |= dict.fromkeys(paths, old[1])
        else:
            todo.append((paths, names))
    remembered = len(digests)
    unreadable: dict[str, str] = {}
    sizes = {paths[0]: stats[paths[0]].st_size for paths, _ in todo}
    total = sum(sizes.values())
    bar = tqdm(total=total, unit="B", unit_scale=True, desc="hash", disable=None, leave=False)
    with bar, ThreadPoolExecutor(os.cpu_count()) as pool:
        for batch, results in pool.map(_hash_batch, _batches(todo, sizes)):
            for (paths, _), result in zip(batch, results, strict=True):
                if isinstance(result, str):
                    unreadable |= dict.fromkeys(paths, result)
                else:
                    digests |= dict.fromkeys(paths, result)
                bar.update(sizes[paths[0]])
    if remember:
        _remember({path: (_mark(stats[path]), digest) for path, digest in digests.items()})
    seconds = time.perf_counter() - start
    return Hashes(digests, len(todo), total, seconds, remembered, unreadable)


_Todo = tuple[list[str], tuple[str, ...]]  # paths of one file, and the hashes to make of it


def _batches(todo: list[_Todo], sizes: Mapping[str, int]) -> list[list[_Todo]]:
    """Work for one thread at a time: a large file, or many small ones; large files first.

    Handing over single files of a few kB costs more than hashing them.
    """
    batches: list[list[_Todo]] = []
    room = 0
    for entry in sorted(todo, key=lambda one: -sizes[one[0][0]]):
        size = sizes[entry[0][0]] + _FILE_COST
        if size > room:
            batches.append([])
            room = _BATCH
        batches[-1].append(entry)
        room -= size
    return batches


def _hash_batch(batch: list[_Todo]) -> tuple[list[_Todo], list[Digest | str]]:
    return batch, [_hash_or_fault(paths[0], names) for paths, names in batch]


def _hash_or_fault(path: str, names: tuple[str, ...]) -> Digest | str:
    try:
        return hash_file(path, names)
    except OSError as error:
        return str(error)


def hash_file(path: str, names: Iterable[str]) -> Digest:
    """Hash one file with each named algorithm, reading it once."""
    makers = {name: _MAKERS[name](usedforsecurity=False) for name in names}
    size = 0
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        while block := os.read(descriptor, _CHUNK):
            size += len(block)
            for maker in makers.values():
                maker.update(block)
    finally:
        os.close(descriptor)
    return Digest(size, **{name: maker.hexdigest() for name, maker in makers.items()})


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
    try:
        found = os.stat(path)  # noqa: PTH116 (twice as fast as Path.stat, and there are many)
    except (OSError, ValueError):  # a NUL, or half a character, names no file
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def _mark(facts: os.stat_result) -> list[int]:
    return [facts.st_size, facts.st_mtime_ns, facts.st_ino]


def mark_of(path: str) -> list[int] | None:
    """By what a file is taken to be as it was: size, time and inode; None for what is no file."""
    facts = _stat(path)
    return None if facts is None else _mark(facts)


def _recall() -> dict[str, tuple[list[int], Digest]]:
    """The hashes of the last audit by path, or {} where there are none to read or to believe."""
    try:
        entries = parse_json(read_regular(REMEMBERED, _MOST_REMEMBERED))
        known = {path: (mark, Digest(*digest)) for path, (mark, digest) in entries.items()}
    except (InputError, ValueError, TypeError, AttributeError):
        return {}
    return {path: one for path, one in known.items() if _is_digest(one[1])}


def _is_digest(one: Digest) -> bool:
    texts = isinstance(one.sha256, str) and isinstance(one.md5, str)
    return isinstance(one.bytes, int) and texts


def _remember(entries: Mapping[str, tuple[list[int], Digest]]) -> None:
    """Keep the hashes for the next audit; a read-only tree keeps none."""
    plain = {
        path: [mark, [one.bytes, one.sha256, one.md5]] for path, (mark, one) in entries.items()
    }
    try:
        write_bytes(REMEMBERED, canonical_json(plain).encode(), durable=False)
    except OSError:
        return  # a read-only tree can be audited too
