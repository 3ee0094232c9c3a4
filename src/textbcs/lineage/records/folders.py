"""What lies in the folders of a tree, each folder read once.

The same folders are asked for by many checks: a stage's code, an output's files, what no stage has written.
Names that `.dvcignore` lists are left out, as DVC does; how many there are is kept.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from textbcs.lineage.records.bounded import kind_of
from textbcs.stage.ignored_files import is_ignored


@dataclass(frozen=True, slots=True)
class Entry:
    """Something in a folder.

    Attributes:
        path: from the root of the checkout.
        kind: `file`, `folder`, `lost` where a link leads nowhere, else what it is in words (`a pipe`).
        target: where a link points to; the empty string for what is no link.
    """

    path: str
    kind: str
    target: str = ""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


@dataclass
class Folders:
    """Reads folders, and keeps what it has read.

    Attributes:
        heeds_list: whether what `.dvcignore` lists is left out; in a tree that is received it is not.
        ignored: paths whose names `.dvcignore` lists.
        unreadable: folder -> why it cannot be read.
    """

    heeds_list: bool = True
    ignored: set[str] = field(default_factory=set)
    unreadable: dict[str, str] = field(default_factory=dict)
    _names: dict[str, bool] = field(default_factory=dict)
    _read: dict[str, tuple[Entry, ...]] = field(default_factory=dict)
    _below: dict[str, tuple[Entry, ...]] = field(default_factory=dict)

    def entries(self, folder: str) -> tuple[Entry, ...]:
        """What lies directly in a folder, by name; nothing where there is no folder."""
        if folder not in self._read:
            self._read[folder] = tuple(sorted(self._scan(folder), key=lambda one: one.path))
        return self._read[folder]

    def read(self) -> list[str]:
        """All folders that were looked into."""
        return list(self._read)

    def below(self, folder: str) -> tuple[Entry, ...]:
        """What lies in a folder and the folders in it; a link to a folder is not followed."""
        if folder not in self._below:
            found: list[Entry] = []
            for one in self.entries(folder):
                found.append(one)
                if one.kind == "folder" and not one.target:
                    found += self.below(one.path)
            self._below[folder] = tuple(found)
        return self._below[folder]

    def files(self, folder: str) -> list[str]:
        """Paths of the files in a folder and in those in it, sorted; links to files are files."""
        return sorted(one.path for one in self.below(folder.rstrip("/")) if one.kind == "file")

    def _scan(self, folder: str) -> Iterator[Entry]:
        try:
            with os.scandir(folder or ".") as found:
                entries = list(found)
        except (FileNotFoundError, NotADirectoryError):
            return
        except (OSError, ValueError) as error:
            self.unreadable[folder] = getattr(error, "strerror", None) or str(error)
            return
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if self._is_left_out(entry.name):
                self.ignored.add(path)
            else:
                yield _entry(path, entry)

    def _is_left_out(self, name: str) -> bool:
        if name not in self._names:
            self._names[name] = self.heeds_list and is_ignored(PurePosixPath(name))
        return self._names[name]


def _entry(path: str, entry: "os.DirEntry[str]") -> Entry:
    target = ""
    try:
        if entry.is_symlink():
            target = os.readlink(path)  # noqa: PTH115 (there are many)
        if entry.is_file():
            return Entry(path, "file", target)
        if entry.is_dir():
            return Entry(path, "folder", target)
        return Entry(path, kind_of(entry.stat().st_mode), target)
    except OSError:  # a link to nothing, or to itself
        return Entry(path, "lost", target)
