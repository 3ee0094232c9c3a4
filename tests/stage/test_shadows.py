"""What Python would load in place of the sources is named, and what is harmless is not."""

import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import textbcs
from textbcs.base.io import write_text
from textbcs.stage.shadows import refuse, shadows


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package whose folder PYTHONPATH names."""
    for name in ("__init__", "base/__init__", "base/io"):
        write_text(tmp_path / f"src/textbcs/{name}.py", "")
    write_text(tmp_path / "workflow/own_code.py", "")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "src"), *sys.path])
    return tmp_path / "src/textbcs"


@pytest.mark.parametrize(
    "path",
    [
        f"textbcs/base/io{EXTENSION_SUFFIXES[0]}", "textbcs/base/io.so", "textbcs/base/io.pyc",
        "textbcs/base/io/__init__.py", "textbcs/__init__.abi3.so", "numpy.py", "json/__init__.py",
        "sitecustomize.py",
    ],
)  # fmt: skip
def test_what_comes_before_the_sources_is_named(path: str, package: Path) -> None:
    write_text(package.parent / path, "")
    (found,) = shadows(package)
    assert path.removesuffix("/__init__.py").rpartition("/")[2] in found


def test_what_is_harmless_is_not_named(package: Path) -> None:
    for name in ("textbcs/base/__pycache__/io.cpython-311.pyc", "textbcs/base/io/notes.txt",
                 "textbcs/base/io.py~", "mylab/__init__.py", "textbcs.egg-info/PKG-INFO"):  # fmt: skip
        write_text(package.parent / name, "")
    assert list(shadows(package)) == []


def test_a_library_beside_a_package_that_no_path_names_is_harmless(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(package.parent / "numpy.py", "")
    monkeypatch.setattr(sys, "path", sys.path[1:])
    assert list(shadows(package)) == []


def test_where_it_is_installed_libraries_lie_beside_it(package: Path) -> None:
    (package.parents[1] / "workflow/own_code.py").unlink()
    write_text(package.parent / "numpy.py", "")
    assert list(shadows(package)) == []


def test_it_is_one_line_and_exit_code_2(package: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_text(package / "base/a\nb.so", "")
    with pytest.raises(SystemExit) as ended:
        refuse(package)
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_project_itself_is_clean() -> None:
    assert list(shadows(Path(textbcs.__file__).parent)) == []
