"""The state that the checks judge: the graph, and the hash of every file that it concerns.

Reads every file that a receipt, a declared folder, DVC's cache or a list of raw files names.
"""

import configparser
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, read_csv, records
from textbcs.lineage.records.bounded import POINTER, path_fault, read_regular
from textbcs.lineage.records.data_tables import columns_of
from textbcs.lineage.records.folders import Entry, Folders
from textbcs.lineage.records.graph import Graph
from textbcs.lineage.records.hashing import Digest, Hashes, hash_files
from textbcs.lineage.records.history import lock_at
from textbcs.lineage.records.lock_file import Locked
from textbcs.stage.definition import Definition, covered
from textbcs.stage.receipt import ENVIRONMENT
from textbcs.stage.trainings import LIST as TRAININGS

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
_LEDGERS = (TRAININGS.parent.as_posix(), TRAININGS.as_posix())
_APART = (*(folder for _, folder, _ in LISTED), RUNINFO.as_posix())


@dataclass
class Tree:
    """The tree in the working folder, hashed.

    Attributes:
        graph: its stages.
        hashes: of the files.
        folders: what lies where.
        unread: path -> why a table of the tree cannot be read.
        lists: rows of the lists that stand for raw files, by the list's path.
        wanted: every file that was looked for.
        md5s: path -> DVC's hash of the file or folder as it is now, once it was asked for.
    """

    graph: Graph
    hashes: Hashes
    folders: Folders = field(default_factory=Folders)
    unread: dict[str, str] = field(default_factory=dict)
    md5s: dict[str, str | None] = field(default_factory=dict)
    lists: Mapping[str, list[dict[str, Any]]] = field(default_factory=dict)
    wanted: Collection[str] = ()
    _tables: dict[str, "pd.DataFrame | None"] = field(default_factory=dict)

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
        """dvc.lock as the last commit has it; nothing where that is none."""
        try:
            return lock_at("HEAD") or {}
        except InputError:
            return {}

    def is_authentic(self, path: str) -> bool:
        """Whether a file is what its maker's receipt says."""
        return path in self.recorded and self.sha256(path) == self.recorded[path][1]

    def node(self, path: str) -> str:
        """The stage that makes a file; "" where no stage does."""
        return self.graph.makers.of(path) or ""

    def table(self, path: str) -> "pd.DataFrame | None":
        """A CSV of the tree, read once; None where it is missing, cannot be read or is another table."""
        if path not in self._tables:
            self._tables[path] = None
            try:
                self._tables[path] = _read_table(path)
            except InputError as error:
                if self.digest(path) is not None:
                    self.unread[path] = str(error).removeprefix(f"{path}: ")
        return self._tables[path]


def load_tree(graph: Graph, quick: bool = False) -> Tree:
    """Hash what the graph concerns.

    Args:
        graph: the stages.
        quick: trust sizes and times since the last audit.
    """
    folders = Folders()
    lists = {listing: _rows_of(listing) for listing, _, _ in LISTED}
    wanted = wanted_files(graph, folders, lists)
    return Tree(
        graph, hash_files(wanted, quick, remember=True), folders, lists=lists, wanted=wanted
    )


def _read_table(path: str) -> "pd.DataFrame":
    """A CSV that has the columns that the checks need.

    Raises:
        InputError: it cannot be read, or is another table.
    """
    if is_pointer(path):
        raise InputError(f"{path}: no table but a pointer of Git LFS; git lfs pull")
    try:
        return read_csv(path, columns_of(path))
    except (OSError, UnicodeError, RecursionError, OverflowError) as error:
        raise InputError(f"{path}: not a readable table ({error}); regenerate it") from error


Lists = Mapping[str, list[dict[str, Any]]]


def wanted_files(
    graph: Graph, folders: Folders | None = None, lists: Lists | None = None
) -> dict[str, tuple[str, ...]]:
    """Every file that the graph concerns, and which hashes of it are needed."""
    folders = folders or Folders()
    lists = {one: _rows_of(one) for one, _, _ in LISTED} if lists is None else lists
    wanted: dict[str, tuple[str, ...]] = {}
    for receipt in graph.receipts.values():
        wanted |= dict.fromkeys((item.path for item in receipt.outputs), BOTH)
        wanted |= dict.fromkeys((item.path for item in receipt.inputs), BOTH)
        wanted |= dict.fromkeys(receipt.code, BOTH)
        for path in receipt.loaded:
            wanted.setdefault(path, ("sha256",))
        wanted[receipt.path] = BOTH
    for path in graph.unreadable:
        wanted[path] = BOTH
    for definition in graph.definitions.values():
        wanted |= dict.fromkeys(code_files(definition, folders), BOTH)
    wanted |= dict.fromkeys(managed_files(graph, folders), BOTH)
    wanted[ENVIRONMENT] = BOTH
    for path, _, _ in listed_files(lists):
        wanted.setdefault(path, ("sha256",))
    for cached_object in cache_objects():
        wanted.setdefault(cached_object, ("md5",))
    return wanted


def code_files(definition: Definition, folders: Folders) -> list[str]:
    """Every file of a stage's code that DVC hashes: modules, and what they read that lies beside them."""
    return sorted({path for name in definition.code for path in files_of(name, folders)})


def files_of(name: str, folders: Folders) -> list[str]:
    """A file, or the files of a folder; nothing where neither is there."""
    return folders.files(name) or ([name] if Path(name).is_file() else [])


def modules_of(tree: Tree, definition: Definition) -> list[str]:
    """The Python files of a stage's code, and the files that it names as such."""
    found: list[str] = []
    for name in sorted(set(definition.code)):
        inside = tree.folders.files(name)
        found += [path for path in inside if path.endswith(".py")]
        found += [name] if not inside and Path(name).is_file() else []
    return found


def managed_files(graph: Graph, folders: Folders) -> list[str]:
    """Every file where only stages write: beside declared outputs, in them, and anywhere in results/.

    Raw files stand in lists and are no outputs; a top folder may hold a README and users' own files.
    """
    return sorted({one.path for one in managed_entries(graph, folders) if one.kind == "file"})


def managed_entries(graph: Graph, folders: Folders) -> Iterator[Entry]:
    """Whatever lies where only stages write: files, folders, links and all else."""
    roots: dict[str, bool] = {"results": True}
    for definition in graph.definitions.values():
        for out in definition.outputs:
            parent = out.rpartition("/")[0]
            roots[parent] = roots.get(parent, False) or "/" in parent
            roots[out.rstrip("/")] = True
    inputs = {name for one in graph.definitions.values() for name in one.data}
    seen: set[str] = set()
    for root, deep in roots.items():
        for one in folders.below(root) if deep else folders.entries(root):
            if one.path in seen:
                continue
            seen.add(one.path)
            if _is_explained(one) or any(covered(one.path, (apart,)) for apart in _APART):
                continue
            # A top folder also holds people's own folders, or links to them.
            if not deep and one.kind == "folder" and not (one.target and _holds(graph, one.path)):
                continue
            # What people bring may lie anywhere and be linked; not so what holds the outputs of stages.
            if one.path not in inputs or graph.makers.of(one.path) or _holds(graph, one.path):
                yield one


def _is_explained(one: Entry) -> bool:
    """Whether a file tells of its folder, or of trainings: neither is a result."""
    is_text = one.name == "README.md" or (one.path.startswith("data/") and one.name.endswith(".md"))
    return one.path in _LEDGERS or (one.path.count("/") == 1 and is_text)


def _holds(graph: Graph, folder: str) -> bool:
    """Whether an output is a folder, or lies in it."""
    return any(covered(out, (folder,)) for out in graph.makers.paths)


def listed_files(lists: Lists) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each file of a list: its path, the list's stage, its row (`bytes`, `sha256` and more)."""
    for listing, folder, stage in LISTED:
        for row in lists.get(listing, ()):
            if not path_fault(row["path"]):
                yield f"{folder}/{row['path']}", stage, row


def listed_outside(lists: Lists) -> Iterator[tuple[str, str, str]]:
    """Paths of a list that leave its folder: the list, its stage, the path."""
    for listing, _, stage in LISTED:
        for row in lists.get(listing, ()):
            if path_fault(row["path"]):
                yield listing, stage, row["path"]


def _rows_of(listing: str) -> list[dict[str, Any]]:
    """The rows of a list; none where it cannot be read: it is hashed as an output, and that shows there."""
    if not Path(listing).is_file() or is_pointer(listing):
        return []
    try:
        table = read_csv(listing, ["path", "bytes", "sha256"], {"path": str, "sha256": str})
    except (InputError, OSError, UnicodeError):
        return []
    return records(table.astype({"path": str, "sha256": str}))


def is_pointer(path: str) -> bool:
    """Whether a file is what Git LFS leaves in a file's place until it is fetched."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(POINTER)) == POINTER
    except OSError:
        return False


def cache_folder() -> Path:
    """Where DVC keeps its objects: `cache.dir` of its configuration, else `.dvc/cache`."""
    for name in ("config.local", "config"):
        settings = configparser.ConfigParser(strict=False, interpolation=None)
        try:
            settings.read_string(read_regular(Path(".dvc") / name).decode("utf-8"))
        except (InputError, configparser.Error, UnicodeDecodeError):
            continue  # it is absent, or DVC does not read it either
        if settings.has_option("cache", "dir"):
            return Path(".dvc") / settings.get("cache", "dir").strip("'\"") / "files/md5"
    return Path(".dvc/cache/files/md5")


def cache_objects() -> list[str]:
    """DVC's objects: a file `ab/cdef...` holds what has the md5 `abcdef...`."""
    folders = Folders()
    inner = (one for one in folders.entries(cache_folder().as_posix()) if len(one.name) == 2)
    return [one.path for each in inner for one in folders.entries(each.path) if one.kind == "file"]


def cached(md5: str) -> Path:
    """Where the object with an md5 (or `md5.dir`) would lie in DVC's cache."""
    return cache_folder() / md5[:2] / md5[2:]
