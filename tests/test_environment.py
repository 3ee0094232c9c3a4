"""One truth about packages: pyproject.toml, the lock and the conda file agree."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from textbcs.settings.params import read_yaml

PROJECT = tomllib.loads(Path("pyproject.toml").read_text())["project"]
LOCK = {
    canonicalize_name(name): pinned
    for name, pinned in re.findall(
        r"^([\w.-]+)==(\S+)", Path("requirements.lock").read_text(), re.MULTILINE
    )
}
WANTED = [
    Requirement(line)
    for line in [
        *PROJECT["dependencies"],
        *PROJECT["optional-dependencies"]["dev"],
        *PROJECT["optional-dependencies"]["encoder"],
        *PROJECT["optional-dependencies"]["tracking"],
    ]
]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_the_lock_holds_what_the_project_asks_for(wanted: Requirement) -> None:
    if wanted.name == "torch":
        pinned = next(iter(wanted.specifier))
        assert pinned.operator == "=="
        assert "+" not in pinned.version, "a pin that only one build satisfies"
        assert version("torch").split("+")[0] == pinned.version
    else:
        assert wanted.specifier.contains(LOCK[canonicalize_name(wanted.name)])


def test_every_line_of_the_lock_is_an_exact_pin() -> None:
    lines = Path("requirements.lock").read_text().splitlines()
    assert all(
        re.fullmatch(r"[\w.-]+==[\w.!-]+", line) for line in lines if not line.startswith("#")
    )


def test_the_lock_is_what_is_installed() -> None:
    wrong = {name: version(name) for name, pinned in LOCK.items() if version(name) != pinned}
    assert not wrong


def test_the_lock_has_no_torch_and_nothing_that_needs_torchvision() -> None:
    assert not {"torch", "torchvision", "timm", "triton"} & set(LOCK)
    assert not [name for name in LOCK if name.startswith(("nvidia-", "cuda-"))]


def test_conda_gets_python_and_pip_and_then_the_lock() -> None:
    environment = read_yaml("environment.yml")
    assert list(environment) == ["name", "channels", "dependencies"]
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert pip == {"pip": ["--requirement requirements.lock", "--editable ."]}
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains("3.11")


def test_nothing_in_the_lock_changes_how_pandas_stores_text_or_slows_transformers() -> None:
    """MLflow asks for these; its tracking and its pages work without (docs/how-to/tracking.md)."""
    assert not {"pyarrow", "scikit-learn", "skops"} & set(LOCK)


@pytest.mark.parametrize("minor", range(9, 16))
def test_make_takes_the_pythons_of_the_project(minor: int) -> None:
    line = next(line for line in Path("Makefile").read_text().splitlines() if "sys.exit" in line)
    condition = re.findall(r"sys\.exit\((.*) and \"", line)[0]
    refused = eval(condition.replace("sys.version_info[:2]", f"(3, {minor})"))
    assert refused is not SpecifierSet(PROJECT["requires-python"]).contains(f"3.{minor}.0")
