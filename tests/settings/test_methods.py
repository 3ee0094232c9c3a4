"""A method's settings stand in its folder, and that is all that makes it known."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from textbcs.settings.methods import method_names, reading_methods, settings_of
from textbcs.settings.presets import preset_text

NEW = """
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, TypedDict

from textbcs.models.common.settings import Width
from textbcs.settings.ranges import AtLeast


class Network(TypedDict):
    model: Literal["bare"]
    width: Width
    layers: Annotated[int, AtLeast(2), "of it"]


class Loss(TypedDict):
    weight: float


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    if network["width"] > size:
        yield f"width = {network['width']}: allowed: at most slices.size = {size}"
"""
BLOCK = """\
methods:
  bare:
    network: {model: bare, width: 8, layers: 2}
    loss: {weight: 1.0}
    training: {epochs: 3}
    grid: [[0.002, 8]]
    initial: {weights: none}
"""


def check(root: Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from textbcs import cli; status = cli.main(['check']); "
        "assert 'torch' not in sys.modules; sys.exit(status)"
    )
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )


def test_a_new_folder_with_settings_is_a_method(tmp_path: Path) -> None:
    shutil.copytree("src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", "presets"):  # the check looks for the files that stages read
        (tmp_path / name).symlink_to(Path(name).resolve())
    text, blocks = re.subn(r"^methods:\n", BLOCK, preset_text("phantom"), flags=re.MULTILINE)
    text, rows = re.subn(
        r"^(  table1: \[.*)textbcs\]", r"\1bare, textbcs]", text, flags=re.MULTILINE
    )
    assert (blocks, rows) == (1, 1)
    (tmp_path / "params.yaml").write_text(text)
    assert "methods.bare = {" in (found := check(tmp_path)).stderr
    assert "unknown key; allowed here: clip, convirt" in found.stderr
    folder = tmp_path / "src/textbcs/models/bare"
    folder.mkdir()
    (folder / "settings.py").write_text(NEW)
    # The package imports a network, which the check must not.
    (folder / "__init__.py").write_text("raise AssertionError('the package was run')\n")
    found = check(tmp_path)
    assert (found.returncode, found.stdout) == (0, "params.yaml is valid\n"), found.stderr
    for old, new, words in (
        (
            "layers: 2",
            "layers: 1",
            "methods.bare.network.layers = 1: allowed: integer, at least 2",
        ),
        ("weight: 1.0", "wieght: 1.0", "methods.bare.loss.wieght = 1.0: unknown key"),
        (
            "width: 8, l",
            "width: 999, l",
            "methods.bare.network.width = 999: allowed: at most slices",
        ),
        (
            "epochs: 3}",
            "epochs: 0}",
            "methods.bare.training.epochs = 0: allowed: integer, at least 1",
        ),
    ):
        (tmp_path / "params.yaml").write_text(text.replace(old, new, 1))
        found = check(tmp_path)
        assert (found.returncode, found.stdout) == (2, "")
        assert words in found.stderr


def test_settings_and_the_check_import_no_torch() -> None:
    code = (
        "import sys\n"
        "from textbcs.settings.params import load_params\n"
        "load_params()\n"
        "heavy = {'torch', 'numpy', 'pandas', 'jsonschema'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    environment = {**os.environ, "PYTHONPATH": "src"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


def test_what_reads_text_is_said_beside_the_method() -> None:
    assert reading_methods() == ["lvit", "textbcs (with svli)"]


def test_every_method_declares_its_own_name() -> None:
    for name in method_names():
        assert settings_of(name).Network.__annotations__["model"].__args__ == (name,)
