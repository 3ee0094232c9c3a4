"""What a module of the project imports whenever it is loaded, read from its source."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

SOURCES = "src"
_PACKAGE = "textbcs"
_UNREAD = (OSError, SyntaxError, ValueError, RecursionError)


def loaded_with(path: str, exists: Callable[[str], bool]) -> list[str]:
    """The project's files that are loaded with a file, if that was loaded to its end.

    Only the top level of the source counts: what a function or a condition imports may never be loaded.

    Args:
        path: of the file, from the root of the checkout.
        exists: whether there is a file at a path.
    """
    try:
        source = ast.parse(Path(path).read_bytes())
    except _UNREAD:
        return []
    own = _module_of(path)
    names = [*_imported(source), *([own] if own else [])]
    found = dict.fromkeys(file for name in names for file in _files(name, exists))
    return [file for file in found if file != path]


def _module_of(path: str) -> str:
    """The name of a module of the package; the empty string where it is another file."""
    if not path.startswith(f"{SOURCES}/{_PACKAGE}/"):
        return ""
    return path.removeprefix(f"{SOURCES}/").removesuffix(".py").replace("/", ".")


def _imported(source: ast.Module) -> Iterator[str]:
    """Names of modules, and of what may be one, that the top level imports."""
    for node in source.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(module: str, exists: Callable[[str], bool]) -> Iterator[str]:
    """The files of a module of the package and of the packages that it lies in, as far as there are any."""
    parts = module.split(".")
    if parts[0] != _PACKAGE:
        return
    for count in range(1, len(parts) + 1):
        place = "/".join((SOURCES, *parts[:count]))
        if exists(f"{place}/__init__.py"):
            yield f"{place}/__init__.py"
        elif exists(f"{place}.py"):
            yield f"{place}.py"
