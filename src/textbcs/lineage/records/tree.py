"""The state that the checks judge: the graph, and the hash of every file that it concerns.

Reads every file that a receipt, a declared folder, DVC's cache or a list of raw files names.
"""

import configparser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv, records
from textbcs.lineage.records.graph import Graph, Locked
from textbcs.lineage.records.hashing import Digest, Hashes, hash_files
from textbcs.lineage.records.history import lock_at
from textbcs.stage.definition import Definition
from textbcs.stage.ignored_files import files_in, is_ignored
from textbcs.stage.receipt import ENVIRONMENT

if TYPE_CHECKING:
    import pandas as pd

KEPT_BY_DVC = ".gitignore"  # DVC writes it beside its outputs
RUNINFO = Path("results/runinfo")
BOTH = ("sha256", "md5")

# Files that no stage declares and that a list with their sha256 stands for: (list, folder, stage).
LISTED = (
    ("data/cohort/files.csv", "data/raw", "download"),
    ("data/phantom/manifest.csv", "data/phantom/archive", "phantom"),
)


@dataclass
class Tree:
    """The tree in the working folder, hashed."""

    graph: Graph
    hashes: Hashes
    tables: dict[str, "pd.DataFrame"] = field(default_factory=dict)

    def digest(self, path: str) -> Digest | None:
        """Size and hashes of a file, or None where there is none."""
        return self.hashes.of(path)

    def sha256(self, path: str) -> str | None:
        """sha256 of a file, or None where there is none."""
        found = self.hashes.of(path)
        return found.sha256 if found else None

    @cached_property
    def recorded(self) -> Mapping[str, tuple[str, str]]:
        """Output path -> (address, sha256), of every receipt of a defined stage."""
        return {
            item.path: (receipt.address, item.sha256)
            for receipt in self.graph.active()
            for item in receipt.outputs
        }

    @cached_property
    def committed_lock(self) -> Mapping[str, Locked]:
        """dvc.lock as the last commit has it."""
        return lock_at("HEAD") or {}

    def is_authentic(self, path: str) -> bool:
        """Whether a file is what its maker's receipt says."""
        return path in self.recorded and self.sha256(path) == self.recorded[path][1]

    def node(self, path: str) -> str:
        """The stage that makes a file; "" where no stage does."""
        return self.graph.makers.of(path) or ""

    def table(self, path: str) -> "pd.DataFrame | None":
        """A CSV of the tree, read once; None where it is missing or cannot be read."""
        if path not in self.tables:
            try:
                self.tables[path] = read_csv(path)
            except InputError:
                return None
        return self.tables[path]


def load_tree(graph: Graph, quick: bool = False) -> Tree:
    """Hash what the graph concerns.

    Args:
        graph: the stages.
        quick: trust sizes and times since the last audit.
    """
    return Tree(graph, hash_files(wanted_files(graph), quick, remember=True))


def wanted_files(graph: Graph) -> dict[str, tuple[str, ...]]:
    """Every file that the graph concerns, and which hashes of it are needed."""
    wanted: dict[str, tuple[str, ...]] = {}
    for receipt in graph.receipts.values():
        wanted |= dict.fromkeys((item.path for item in receipt.outputs), BOTH)
        wanted |= dict.fromkeys((item.path for item in receipt.inputs), BOTH)
        wanted |= dict.fromkeys(receipt.code, BOTH)
        wanted[receipt.path] = BOTH
    for path in graph.unreadable:
        wanted[path] = BOTH
    for definition in graph.definitions.values():
        wanted |= dict.fromkeys(code_files(definition), BOTH)
    wanted |= dict.fromkeys(managed_files(graph), BOTH)
    wanted[ENVIRONMENT] = BOTH
    for path, _, _ in listed_files():
        wanted.setdefault(path, ("sha256",))
    for cached_object in cache_objects():
        wanted.setdefault(cached_object.as_posix(), ("md5",))
    return wanted


def code_files(definition: Definition) -> list[str]:
    """Every file of a stage's code that DVC hashes: modules, and what they read that lies beside them."""
    found: set[Path] = set()
    for name in map(Path, definition.code):
        found.update(files_in(name) if name.is_dir() else [name] if name.is_file() else [])
    return sorted(path.as_posix() for path in found)


def managed_files(graph: Graph) -> list[str]:
    """Every file where only stages write: beside declared outputs, in them, and anywhere in results/.

    Raw files stand in lists and are no outputs; a top folder may hold a README and users' own files.
    """
    outside = [Path(folder) for _, folder, _ in LISTED] + [RUNINFO]
    roots: set[tuple[Path, bool]] = {(Path("results"), True)}
    for definition in graph.definitions.values():
        for out in definition.outputs:
            parent = Path(out).parent
            roots.add((parent, len(parent.parts) > 1))
            if Path(out).is_dir():
                roots.add((Path(out), True))
    inputs = {name for one in graph.definitions.values() for name in one.data}
    found: set[str] = set()
    for root, deep in roots:
        for path in root.rglob("*") if deep else root.glob("*"):
            skipped = path.name == KEPT_BY_DVC or (len(path.parts) == 2 and path.suffix == ".md")
            if skipped or is_ignored(path) or any(path.is_relative_to(one) for one in outside):
                continue
            if path.is_file() and (path.as_posix() not in inputs or graph.makers.of(str(path))):
                found.add(path.as_posix())
    return sorted(found)


def listed_files() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each file of a list: its path, the list's stage, its row (`bytes`, `sha256` and more)."""
    for listing, folder, stage in LISTED:
        if Path(listing).is_file():
            try:
                table = read_csv(listing, ["path", "bytes", "sha256"], {"path": str, "sha256": str})
            except InputError:
                continue  # it is hashed as an output; what is wrong shows there
            for row in records(table):
                yield f"{folder}/{row['path']}", stage, row


def cache_folder() -> Path:
    """Where DVC keeps its objects: `cache.dir` of its configuration, else `.dvc/cache`."""
    for name in ("config.local", "config"):
        settings = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            settings.read(Path(".dvc") / name)
        except configparser.Error:
            continue
        if settings.has_option("cache", "dir"):
            return Path(".dvc") / settings.get("cache", "dir").strip("'\"") / "files/md5"
    return Path(".dvc/cache/files/md5")


def cache_objects() -> list[Path]:
    """DVC's objects: a file `ab/cdef...` holds what has the md5 `abcdef...`."""
    return sorted(path for path in cache_folder().glob("??/*") if path.is_file())


def cached(md5: str) -> Path:
    """Where the object with an md5 (or `md5.dir`) would lie in DVC's cache."""
    return cache_folder() / md5[:2] / md5[2:]
