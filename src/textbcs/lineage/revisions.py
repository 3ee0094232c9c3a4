"""The two sides of a comparison: tables, dvc.lock and receipts at a git revision, or in the working folder.

Part of `diff.py`. Reads git, the working folder and DVC's cache; writes nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.io import InputError
from textbcs.lineage import cells
from textbcs.lineage.graph import LOCK, RECEIPTS, Locked, Receipt, parse_lock, parse_receipt
from textbcs.lineage.history import git, lock_at, show
from textbcs.lineage.tree import cached
from textbcs.params import read_yaml

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
    path = cached(md5)
    if not path.is_file():
        return None
    content = path.read_bytes()
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        return None  # a damaged object: audit verify names it
    try:
        return parse_receipt(content)
    except InputError:
        return None


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
        try:
            receipts[path.stem] = parse_receipt(path.read_bytes())
        except InputError:
            continue  # audit verify names it
    return Side(HERE, tables, parse_lock(read_yaml(LOCK)), receipts)


def _text_table(text: str) -> "pd.DataFrame":
    import pandas as pd

    if not text.strip():
        return pd.DataFrame()
    return pd.read_csv(StringIO(text), dtype=str, keep_default_na=False)
