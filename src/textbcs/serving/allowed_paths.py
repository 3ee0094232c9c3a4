"""Which studies the page may open: those that were named at the start, and what lies in them."""

import os
from collections.abc import Sequence
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.imaging import volume_files
from textbcs.intake.folder_walk import is_hidden

_MOST_LISTED = 500
_LONGEST = 1000
_REFUSED = "no such study here; name one of those that were given at the start, or a folder in one"


class AllowedPaths:
    """Studies and folders of studies by name.

    Args:
        paths: as the user typed them.

    Raises:
        InputError: one does not exist, or two have one name.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._roots: dict[str, Path] = {}
        for path in paths:
            if not path.exists():
                raise InputError(
                    f"{path}: no such file or folder; name a study or a folder of them"
                )
            name = path.resolve().name
            if self._roots.setdefault(name, path.resolve()) != path.resolve():
                raise InputError(
                    f"{path}: {self._roots[name]} has the same name; rename one, or name one alone"
                )

    def listed(self) -> list[str]:
        """What is offered: each name, and what lies directly in it and may be a study."""
        found = []
        for name, root in self._roots.items():
            found.append(name)
            inside = sorted(root.iterdir()) if root.is_dir() else []
            found += [
                f"{name}/{path.name}"
                for path in inside
                if not is_hidden(path, root)
                and path.name.isprintable()  # another name cannot be sent to the page
                and (path.is_dir() or volume_files.stem(path) is not None)
            ]
        return found[:_MOST_LISTED]

    def find(self, text: str) -> Path:
        """The path that a name of the page means.

        Raises:
            InputError: it is none, or lies outside of what was named at the start, also by a link.
        """
        parts = text.split("/")
        plain = len(text) <= _LONGEST and text.isprintable() and "\\" not in text
        if not plain or any(part in ("", ".", "..") or part.startswith(".") for part in parts):
            raise InputError(_REFUSED)
        root = self._roots.get(parts[0])
        if root is None:
            raise InputError(_REFUSED)
        try:
            path = Path(os.path.realpath(root.joinpath(*parts[1:]), strict=True))
        except OSError as error:
            raise InputError(_REFUSED) from error
        if path != root and root not in path.parents:
            raise InputError(_REFUSED)
        return path

    def without_folders(self, message: str) -> str:
        """A message that names files as the page does, and says nothing of where they lie."""
        for root in self._roots.values():
            message = message.replace(f"{root.parent}{os.sep}", "")
        return message
