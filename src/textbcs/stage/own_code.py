"""The project's own modules that a stage has loaded, by what was in their files when they were loaded.

A stage's code dependencies are hashed when it starts. What is loaded besides (the launcher, what surrounds a
stage), and a module that was edited between the two, is known only here. `workflow/own_code.py` loads own
modules from their sources alone and notes the hash of each; elsewhere the files are hashed as they are.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from textbcs.base.io import sha256_file

_FOLDERS = ("src", "workflow")


def loaded_beside(code: Mapping[str, str]) -> dict[str, str]:
    """Path -> sha256 of the own modules that were loaded and that `code` does not hold as they were.

    Args:
        code: path -> sha256 of the declared modules, as the stage found them.
    """
    found = dict(_loaded())
    return {path: found[path] for path in sorted(found) if code.get(path) != found[path]}


def _loaded() -> Iterator[tuple[str, str]]:
    roots = {name: (Path.cwd() / name).resolve() for name in _FOLDERS}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        # To resolve the names of a few thousand foreign modules would cost more than all hashes.
        if not isinstance(file, str) or not any(f"/{name}/" in file for name in _FOLDERS):
            continue
        place = Path(file).resolve()
        for name, root in roots.items():
            if place.is_relative_to(root) and place.is_file() and place.suffix == ".py":
                loader = getattr(getattr(module, "__spec__", None), "loader", None)
                noted = getattr(loader, "sha256", None)
                yield f"{name}/{place.relative_to(root).as_posix()}", noted or sha256_file(place)
