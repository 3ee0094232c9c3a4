"""Files that Python would load in place of the project's sources, or of a library.

A folder with an `__init__` comes before the module beside it, a compiled module before its source, and what
lies beside the package before a library of that name, where PYTHONPATH names the folder. None of that is the
project's, and neither a receipt nor an audit of such code would mean anything: `textbcs/__init__.py` asks
before anything else is loaded.

Standard library only.
"""

import os
import sys
from collections.abc import Iterator
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES
from pathlib import Path

_COMPILED = (*EXTENSION_SUFFIXES, *BYTECODE_SUFFIXES)
_SKIPPED = "__pycache__"
_AT_THE_START = ("sitecustomize", "usercustomize")  # Python loads them when it starts


def shadows(package: Path) -> Iterator[str]:
    """What comes before the sources of a package, a line each.

    Args:
        package: its folder.
    """
    root = package.parent
    # Where a package is installed, all libraries lie beside it.
    if str(root) in sys.path and (root.parent / "workflow/own_code.py").is_file():
        for name in sorted(one.name for one in root.iterdir()):
            module = name.partition(".")[0]
            if module not in ("", package.name, _SKIPPED) and _is_library(module, root):
                yield f"{root.name}/{name} would come before the library {module}"
    for place, folders, files in os.walk(package):
        folders[:] = sorted(one for one in folders if one != _SKIPPED)
        where = Path(place).relative_to(root.parent)
        for name in sorted(files):
            if name.endswith(_COMPILED):
                yield f"{where / name} is compiled, and would come before its source"
            elif name.removesuffix(".py") in folders and name.endswith(".py"):
                inner = Path(place, name.removesuffix(".py"))
                if any(inner.glob("__init__.*")):
                    yield f"{where / inner.name} would come before {where / name}"


def _is_library(module: str, beside: Path) -> bool:
    """Whether Python would find a module of that name elsewhere."""
    if module in sys.stdlib_module_names or module in _AT_THE_START:
        return True
    places = [Path(place) for place in sys.path if place != str(beside)]
    return any((place / name).exists() for place in places for name in (module, f"{module}.py"))


def refuse(package: Path) -> None:
    """End this process in a line where something comes before the package's sources."""
    found = next(shadows(package), "")
    if found:
        print(f"error: {found!a:.300}; look at git status, and delete it", file=sys.stderr)
        raise SystemExit(2)
