"""A folder in which one stage can run as it ran: the code, the definition, and what its receipt names.

Nothing of the working copy can be changed from there: inputs are copies, and each copy is hashed.
Raw files and a person's own folders are links: they are large, and stages only read them.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from textbcs.base.io import InputError, sha256_file
from textbcs.lineage.records.graph import Item, Receipt
from textbcs.lineage.records.tree import LISTED, Tree, listed_files
from textbcs.stage.definition import Definition

_FOLDERS = ("src", "workflow", "presets")
_FILES = ("dvc.yaml", "params.yaml", "requirements.lock", ".dvcignore")


@contextmanager
def workshop() -> Iterator[Path]:
    """A temporary folder with a copy of the code, in which scratch folders are made."""
    with TemporaryDirectory(prefix="textbcs-replay-") as place:
        code = Path(place) / "code"
        for name in _FOLDERS:
            if Path(name).is_dir():
                without = shutil.ignore_patterns("__pycache__")
                shutil.copytree(name, code / name, ignore=without, symlinks=True)
        yield Path(place)


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
            if (shop / "code" / name).is_dir():
                (root / name).symlink_to(shop / "code" / name)
        for name in _FILES:
            if Path(name).is_file():
                shutil.copyfile(name, root / name)
        _copy(root, receipt.inputs)
        _link(root, tree, receipt)
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _copy(root: Path, items: Iterable[Item]) -> None:
    for item in items:
        target = root / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(item.path, target)
        if sha256_file(target) != item.sha256:
            raise InputError(f"its input {item.path} is not what its receipt says")


def _link(root: Path, tree: Tree, receipt: Receipt) -> None:
    """Links to raw files that are as their lists say, and to folders that no stage makes."""
    makes = {stage for _, _, stage in LISTED if stage == receipt.stage}
    for path, stage, row in listed_files(tree.lists):
        if stage not in makes and tree.sha256(path) == row["sha256"]:
            _place(root, path)
    for name in outside_folders(tree, tree.graph.definitions[receipt.address]):
        _place(root, name)


def outside_folders(tree: Tree, definition: Definition) -> list[str]:
    """Folders that a stage may read and no stage makes: a person's own."""
    names = (name.rstrip("/") for name in definition.data)
    return [name for name in names if tree.graph.makers.of(name) is None and Path(name).is_dir()]


def _place(root: Path, name: str) -> None:
    target = root / name
    if not os.path.lexists(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(Path(name).absolute())
