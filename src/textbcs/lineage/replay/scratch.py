"""A folder in which one stage can run as it ran: the code, the definition, and what its receipt names.

Nothing of the working copy can be changed from there: inputs are copies, and each copy is hashed.
Raw files and a person's own folders are links: they are large, and stages only read them.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import gettempdir, mkdtemp

from textbcs.base.io import InputError, sha256_file
from textbcs.lineage.records.graph import Item, Receipt
from textbcs.lineage.records.tree import Tree, files_of, listed_files
from textbcs.stage.definition import Definition

CODE = "code"  # the folder with the copy of the code, in a workshop
_PREFIX = "textbcs-replay-"
_FOLDERS = ("src", "workflow", "presets")
_FILES = ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore")


@contextmanager
def workshop() -> Iterator[Path]:
    """A temporary folder with a copy of the code, in which scratch folders are made.

    As long as it is in use, this process holds a lock on it: what a killed one has left is deleted.
    """
    _delete_left_ones()
    place, descriptor = _locked_folder()
    try:
        for name in _FOLDERS:
            if Path(name).is_dir():
                without = shutil.ignore_patterns("__pycache__")
                shutil.copytree(name, place / CODE / name, ignore=without, symlinks=True)
        _copy_files(place / CODE)
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        os.close(descriptor)


def _locked_folder() -> tuple[Path, int]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        place = Path(mkdtemp(prefix=_PREFIX))
        descriptor = _lock(place)
        if descriptor is not None and place.is_dir():
            return place, descriptor
        if descriptor is not None:  # deleted as a left one, before it was locked
            os.close(descriptor)


def _delete_left_ones() -> None:
    """Delete the workshops of this user that no living process holds."""
    for place in Path(gettempdir()).glob(f"{_PREFIX}*"):
        descriptor = _lock(place)
        if descriptor is not None:
            shutil.rmtree(place, ignore_errors=True)
            os.close(descriptor)


def _lock(place: Path) -> int | None:
    """A descriptor that holds the lock of a folder of this user; None where that cannot be had."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        if os.fstat(descriptor).st_uid == os.getuid():
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # ends with the process
            return descriptor
    except OSError:
        pass  # another audit is at work in it, or the file system has no locks: it stays
    os.close(descriptor)
    return None


@contextmanager
def scratch(shop: Path, tree: Tree, receipt: Receipt) -> Iterator[Path]:
    """A folder in which a stage can run.

    Args:
        shop: of `workshop`.
        tree: the hashed tree.
        receipt: of the stage.

    Raises:
        InputError: an input is not what the receipt says.
    """
    root = shop / receipt.address.replace("/", "_")
    root.mkdir()
    try:
        for name in _FOLDERS:
            if (shop / CODE / name).is_dir():
                (root / name).symlink_to(shop / CODE / name)
        _copy_files(root)
        _copy(root, receipt.inputs)
        _link(root, tree, receipt)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _copy_files(root: Path) -> None:
    root.mkdir(exist_ok=True)
    for name in _FILES:
        if Path(name).is_file():
            shutil.copyfile(name, root / name)


def _copy(root: Path, items: Iterable[Item]) -> None:
    for item in items:
        target = root / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.path, target)
        if sha256_file(target) != item.sha256:
            raise InputError(f"its input {item.path} is not what its receipt says")


def _link(root: Path, tree: Tree, receipt: Receipt) -> None:
    """Links to raw files that are as their lists say, and to what no stage makes or no receipt names.

    A stage that reads what its receipt does not name is to be found out, not to fail for the lack of it.
    """
    definition = tree.graph.definitions[receipt.address]
    read = {item.path for item in receipt.inputs}
    lists = {name: rows for name, rows in tree.lists.items() if definition.may_read(name)}
    for path, _, row in listed_files(lists):
        if tree.sha256(path) == row["sha256"]:
            _place(root, path)
    for name in outside_folders(tree, definition):
        _place(root, name)
    for name in definition.data:
        for path in set(files_of(name.rstrip("/"), tree.folders)) - read:
            _place(root, path)


def outside_folders(tree: Tree, definition: Definition) -> list[str]:
    """Folders that a stage may read and no stage makes: a person's own."""
    names = (name.rstrip("/") for name in definition.data)
    return [name for name in names if tree.graph.makers.of(name) is None and Path(name).is_dir()]


def _place(root: Path, name: str) -> None:
    target = root / name
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(name).absolute())
