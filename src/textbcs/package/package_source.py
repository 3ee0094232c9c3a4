"""The files of a package as they are read: from its folder or from its zip, into memory and nowhere else.

No name of an archive is ever used as a path, no link is followed, and what is read is bounded by what
`package.json` says before it is read.
"""

import os
import stat
import zipfile
import zlib
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.package.package_files import SETTINGS

LARGEST_SETTINGS = 1 << 22  # bytes of package.json
_MOST_MEMBERS = 10_000
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
AGAIN = "get the package again"


class PackageSource:
    """A package's folder or zip.

    Args:
        path: of it.

    Raises:
        InputError: there is none, or it is no package.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._prefix = ""
        if path.is_dir():
            self._zipped = False
        elif path.is_file():
            self._zipped = True
            self._prefix = _prefix(path)
        else:
            raise InputError(f"{path}: no such package; name its folder or its zip")

    def read(self, name: str, most: int) -> bytes:
        """The bytes of a file.

        Args:
            name: a checked name within the package.
            most: bytes that it may have.

        Raises:
            InputError: it is missing, a link, larger, or damaged.
        """
        content = self._unzipped(name, most) if self._zipped else self._plain(name, most)
        if len(content) > most:
            raise InputError(f"{self.path}: {name} is larger than it may be; {AGAIN}")
        return content

    def _plain(self, name: str, most: int) -> bytes:
        """Of a folder: neither the file nor the folder that it lies in may be a link."""
        folder, _, last = name.rpartition("/")
        try:
            root = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
            try:
                if folder:
                    inner = os.open(
                        folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=root
                    )
                    os.close(root)
                    root = inner
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
                descriptor = os.open(last, flags, dir_fd=root)
            finally:
                os.close(root)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise InputError(f"{self.path}: {name} is no plain file; {AGAIN}")
                return file.read(most + 1)
        except FileNotFoundError as error:
            raise InputError(self._missing(name)) from error
        except OSError as error:
            reason = (
                "a link, which is never followed" if Path(self.path, name).is_symlink() else error
            )
            raise InputError(f"{self.path}: {name}: {_reason(reason)}; {AGAIN}") from error

    def _unzipped(self, name: str, most: int) -> bytes:
        try:
            with zipfile.ZipFile(self.path) as archive:
                member = archive.getinfo(self._prefix + name)
                if stat.S_ISLNK(member.external_attr >> 16):
                    raise InputError(f"{self.path}: {name} is a link; {AGAIN}")
                if member.compress_type not in _METHODS or member.flag_bits & 1:
                    raise InputError(f"{self.path}: {name} is packed or locked otherwise; {AGAIN}")
                with archive.open(member) as file:
                    return file.read(most + 1)
        except KeyError as error:
            raise InputError(self._missing(name)) from error
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise InputError(f"{self.path}: {name}: {_reason(error)}; {AGAIN}") from error

    def _missing(self, name: str) -> str:
        if name == SETTINGS:
            return (
                f"{self.path}: holds no {SETTINGS}, so it is no package; textbcs package makes one"
            )
        return f"{self.path}: {name} is missing; {AGAIN}"


def _prefix(path: Path) -> str:
    """The folder of a zip in which the package lies; "" for none."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InputError(f"{path}: no readable zip ({_reason(error)}); {AGAIN}") from error
    found = [one for one in names if one.rpartition("/")[2] == SETTINGS and one.count("/") <= 1]
    if len(names) > _MOST_MEMBERS or len(found) != 1 or len(names) != len(set(names)):
        what = f"{len(found)} files {SETTINGS}" if len(found) != 1 else "files beyond a package's"
        raise InputError(f"{path}: holds {what}, so it is no package; textbcs package makes one")
    return found[0].removesuffix(SETTINGS)


def _reason(error: object) -> str:
    """Why something cannot be read, in one line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return " ".join(str(error).split())
