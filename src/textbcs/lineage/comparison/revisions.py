"""The two sides of a comparison: tables, dvc.lock and receipts of a revision, or of the working folder."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.base.io import InputError
from textbcs.lineage.records.bounded import parse_json, read_regular
from textbcs.lineage.records.graph import RECEIPTS, Receipt, parse_receipt
from textbcs.lineage.records.history import git, lock_at, show
from textbcs.lineage.records.lock_file import LOCK, Locked, read_lock
from textbcs.lineage.records.tree import cached
from textbcs.lineage.tracing import cells
from textbcs.stage.ignored_files import is_ignored

if TYPE_CHECKING:
    import pandas as pd

HERE = "(working folder)"
_RECEIPTS = f"{RECEIPTS}/"


@dataclass
class Side:
    """One revision: its tables (cells as text), its lock, and those receipts that are to be had."""

    name: str
    tables: Mapping[str, "pd.DataFrame"]
    lock: Mapping[str, Locked]
    receipts: Mapping[str, Receipt]
    makers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.makers = {out: address for address, one in self.lock.items() for out in one.outs}

    def inputs(self, address: str) -> dict[str, str]:
        """Path -> md5 of the data that a stage read; a folder over others' outs counts as those."""
        found: dict[str, str] = {}
        for dep, md5 in self.lock[address].deps.items() if address in self.lock else ():
            if dep.startswith("src/"):
                continue
            below = {} if dep in self.makers else self._below(dep)
            found |= below or {dep: md5}
        return found

    def _below(self, folder: str) -> dict[str, str]:
        return {
            out: self.lock[address].outs[out]
            for out, address in self.makers.items()
            if out.startswith(folder.rstrip("/") + "/")
        }

    def maker(self, path: str) -> str | None:
        """The stage that makes a path or a folder above it."""
        for name in (path, *(parent.as_posix() for parent in Path(path).parents)):
            if name in self.makers:
                return self.makers[name]
        return None

    def outs(self, address: str) -> dict[str, str]:
        """Path -> md5 of what a stage wrote, without its receipt."""
        outs = self.lock[address].outs if address in self.lock else {}
        return {path: md5 for path, md5 in outs.items() if not path.startswith(_RECEIPTS)}


def inputs_of_both(
    first: Side, second: Side, address: str
) -> tuple[dict[str, str], dict[str, str]]:
    """What a stage read on either side, path -> md5.

    A folder that differs is taken apart into its files, where DVC's cache has the list of both: a stage may
    have written the rows of all runs, of which one has changed.
    """
    sides = first.inputs(address), second.inputs(address)
    for path in sides[0].keys() & sides[1].keys():
        before, after = sides[0][path], sides[1][path]
        if before != after:
            listed = _listing(path, before), _listing(path, after)
            if listed[0] is not None and listed[1] is not None:
                for side, files in zip(sides, listed, strict=True):
                    del side[path]
                    side.update(files or {})
    return sides


def _listing(folder: str, md5: str) -> dict[str, str] | None:
    """The files of a folder by DVC's list of it; None where it is no folder, or no such list is here."""
    content = _object(md5) if md5.endswith(".dir") else None
    if content is None:
        return None
    try:
        return {f"{folder}/{one['relpath']}": str(one["md5"]) for one in parse_json(content)}
    except (InputError, KeyError, TypeError):
        return None


def at_revision(name: str) -> Side:
    """A revision as git has it.

    Raises:
        InputError: git does not know it, or it has no dvc.lock.
    """
    commit = _resolve(name)
    listing = (git("ls-tree", "--name-only", commit, f"{cells.TABLES}/") or b"").decode()
    tables = {}
    for path in listing.split():
        if path.endswith(".csv"):
            tables[path] = _text_table((show(commit, path) or b"").decode())
    lock = lock_at(commit)
    if lock is None:
        raise InputError(
            f"{name}: has no dvc.lock, so nothing was run there; name another revision"
        )
    receipts = {}
    for address, one in lock.items():
        for out, md5 in one.outs.items():
            if out.startswith(_RECEIPTS):
                receipt = _cached_receipt(md5)
                if receipt:
                    receipts[address] = receipt
    return Side(name, tables, lock, receipts)


def _resolve(name: str) -> str:
    """The commit behind a revision or an experiment's name."""
    found = git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    if found is None:
        refs = (git("for-each-ref", "--format=%(refname)", "refs/exps") or b"").decode().split()
        matching = [ref for ref in refs if ref.rsplit("/", 1)[-1] == name]
        found = git("rev-parse", f"{matching[0]}^{{commit}}") if len(matching) == 1 else None
    if found is None:
        raise InputError(f"{name}: neither a git revision nor one DVC experiment")
    return found.decode().strip()


def _cached_receipt(md5: str) -> Receipt | None:
    """A receipt from DVC's cache; None where it is absent, damaged or none."""
    content = _object(md5)
    try:
        return None if content is None else parse_receipt(content)
    except InputError:
        return None


def _object(md5: str) -> bytes | None:
    """An object of DVC's cache; None where it is absent or damaged, which `audit verify` names."""
    path = cached(md5)
    content = path.read_bytes() if path.is_file() else None
    if content is None:
        return None
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return content if found == md5.removesuffix(".dir") else None


def here() -> Side:
    """The working folder.

    Raises:
        InputError: it has no dvc.lock.
    """
    tables = {
        path.as_posix(): _text_table(path.read_text())
        for path in sorted(Path(cells.TABLES).glob("*.csv"))
    }
    receipts = {}
    for path in RECEIPTS.glob("*.json"):
        if is_ignored(path):
            continue
        try:
            receipts[path.stem] = parse_receipt(read_regular(path))
        except InputError:
            continue  # audit verify names it
    lock, fault = read_lock()
    if lock is None:
        raise InputError(
            f"{LOCK}: {fault or 'file is missing'}; git checkout {LOCK}, or run the stages"
        )
    return Side(HERE, tables, lock, receipts)


def _text_table(text: str) -> "pd.DataFrame":
    import pandas as pd

    if not text.strip():
        return pd.DataFrame()
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
