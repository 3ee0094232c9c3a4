"""The rules of the house that no linter knows. Who imports whom: [tool.importlinter] in pyproject.toml."""

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import networkx
import pytest

SOURCE = Path("src/textbcs")
ROOTS = (SOURCE, Path("workflow"), Path("tests"))
STAGES = SOURCE / "stages"
FILES = sorted(path for root in ROOTS for path in root.rglob("*.py"))
# What is read like the rest, though the folder of benchmarks is no package.
READ = [*FILES, *sorted(Path("benchmarks").glob("*.py"))]
FOLDERS = sorted({path.parent for path in FILES})
# What a folder has beside its modules: its description, and the fixtures of its tests.
BESIDE = ("__init__", "conftest")
# Folders of tests that mirror no package: whole runs, what tests share, rules, documents, engines, programs.
APART = ("cluster", "dag", "helpers", "house", "docs", "workflow", "benchmarks")
MODULES, LINES, FUNCTION_LINES = 16, 320, 45


def modules(folder: Path) -> list[str]:
    """Names of the modules directly in a folder."""
    return sorted(path.stem for path in folder.glob("*.py") if path.stem not in BESIDE)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a file, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_folder_is_taken_in_at_a_glance(folder: Path) -> None:
    assert len(modules(folder)) <= MODULES


def test_a_file_is_read_in_one_sitting() -> None:
    lengths = {path.as_posix(): len(path.read_text().splitlines()) for path in READ}
    assert {path: length for path, length in lengths.items() if length > LINES} == {}


def test_a_function_fits_on_a_screen() -> None:
    lengths = {
        f"{path}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in READ
        for node in functions(path)
    }
    assert {name: length for name, length in lengths.items() if length > FUNCTION_LINES} == {}


def test_no_circle_of_imports() -> None:
    """Imports inside functions count; those for types alone do not, since they never run."""
    graph = grimp.build_graph("textbcs", exclude_type_checking_imports=True, cache_dir=None)
    imports = networkx.DiGraph(
        (module, imported)
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    )
    circles = [part for part in networkx.strongly_connected_components(imports) if len(part) > 1]
    assert circles == []


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=str)
def test_a_package_says_what_is_in_it(path: Path) -> None:
    said = ast.get_docstring(ast.parse(path.read_text()))
    assert said
    assert "TODO" not in said


def test_every_folder_of_source_is_a_package() -> None:
    folders = {path.parent for path in SOURCE.rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


def test_the_tests_mirror_the_source() -> None:
    folders = {folder.relative_to("tests") for folder in FOLDERS if folder.is_relative_to("tests")}
    mirrors = {folder for folder in folders if folder.parts and folder.parts[0] not in APART}
    assert [folder for folder in sorted(mirrors) if not (SOURCE / folder).is_dir()] == []


def test_only_a_stage_bears_a_stages_name() -> None:
    """`table1.py` is where the stage `table1` is, and nothing else can be opened by mistake."""
    stages = {path.stem for path in STAGES.glob("*/*.py")} - set(BESIDE)
    others = [path for path in SOURCE.rglob("*.py") if not path.is_relative_to(STAGES)]
    assert [path.as_posix() for path in sorted(others) if path.stem in stages] == []
