"""The modules that a module imports, directly and through others, read from the source text."""

import ast
import re
from functools import cache
from pathlib import Path

SOURCE = Path("src")
_NAMED = re.compile(r"(textbcs(?:\.\w+)+):\w+")


def closure(module: str) -> set[str]:
    """Files of this project that importing and running `module` may execute.

    Imports inside functions count, and so does a module that a table names as "textbcs.package.module:name"
    to be imported when it is wanted. Imports under `if TYPE_CHECKING` do not: they never run.
    """
    found: set[str] = set()
    queue = [module, "textbcs"]  # the package itself chooses the kernels
    while queue:
        path = _file(queue.pop())
        if path is None or path.as_posix() in found:
            continue
        found.add(path.as_posix())
        queue += _imports(path.resolve())
    return {path for path in found if not path.endswith("__init__.py")}


def _file(module: str) -> Path | None:
    base = SOURCE / module.replace(".", "/")
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imports(path: Path) -> list[str]:
    names: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = _NAMED.fullmatch(node.value)
            names.extend([match[1]] if match else [])
        if isinstance(node, ast.Import):
            names.extend(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative imports hide what is imported"
            names.append(node.module)
            names.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return [name for name in names if name.split(".")[0] == "textbcs"]
