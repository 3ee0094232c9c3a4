"""Files that are no content of any folder: marks of engines, what editors and desktops leave.

`.dvcignore` lists them, DVC reads it, and whoever else looks into a folder asks here: what DVC hashes, what
a receipt names and what the audit judges are the same files. Only names without a slash count: a path in
that file cannot hide a result from the audit.
"""

import functools
import re
from fnmatch import translate
from pathlib import Path, PurePath

LIST = Path(".dvcignore")


def is_ignored(path: PurePath) -> bool:
    """Whether a file, or a folder that it lies in, has a name of the list.

    Args:
        path: relative to the checkout.
    """
    pattern = _pattern(_text(str(LIST.absolute())))
    return any(pattern.fullmatch(part) for part in path.parts)


def files_in(folder: Path) -> list[Path]:
    """The files of a folder and its folders that are content, sorted.

    Args:
        folder: relative to the checkout; it may be missing.
    """
    found = (path for path in folder.rglob("*") if not is_ignored(path))
    return sorted(path for path in found if path.is_file())


@functools.cache
def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


@functools.cache
def _pattern(text: str) -> re.Pattern[str]:
    """The names of a list in one expression."""
    lines = (line.strip() for line in text.splitlines())
    names = [line for line in lines if line and line[0] not in "#!" and "/" not in line]
    return re.compile("|".join(map(translate, names)) or r"(?!)")
