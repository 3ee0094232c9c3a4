"""The files of an archive's folder, in a fixed order."""

import os
from collections.abc import Iterator
from pathlib import Path


def walk(folder: Path) -> Iterator[Path]:
    """Files below a folder in a fixed order, hidden and unfinished ones left out."""
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if not name.startswith(".") and not name.endswith(".part"):
                yield Path(root, name)
