"""Which module a stage is: the one of its name in one of the folders here."""

import importlib
from pathlib import Path
from types import ModuleType

from textbcs.base.io import InputError


def module_names() -> dict[str, str]:
    """The module of each stage by its name."""
    folder = Path(__file__).parent
    found = sorted(path for path in folder.glob("*/*.py") if not path.stem.startswith("_"))
    return {path.stem: f"textbcs.stages.{path.parent.name}.{path.stem}" for path in found}


def module_of(name: str) -> ModuleType:
    """The module of a stage of `dvc.yaml`.

    Raises:
        InputError: nobody has written it.
    """
    modules = module_names()
    if name not in modules:
        raise InputError(
            f"stage {name} has no module; write src/textbcs/stages/FOLDER/{name}.py with a function `run`"
        )
    return importlib.import_module(modules[name])
