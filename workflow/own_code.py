"""Run a module with the sources of this checkout and no others: `own_code.py MODULE [ARGUMENT...]`.

The project's modules are loaded from their sources alone, whatever is installed, and never from the byte
code that Python keeps beside them: that goes by time and size, so an edit that keeps both would run unseen.
Byte code is kept in `.cache/bytecode` under the hash of its source. Each loader notes that hash, and the
receipt of a stage names it.

Processes that a stage starts load this file first, too (multiprocessing runs the main file in each).
Standard library only.
"""

import contextlib
import hashlib
import importlib.abc
import importlib.machinery
import marshal
import os
import runpy
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

ROOT = Path(__file__).absolute().parent.parent
SOURCES = ROOT / "src"
CACHE = ROOT / ".cache/bytecode"
PACKAGE = "textbcs"


class OwnLoader(importlib.machinery.SourceFileLoader):
    """Loads a module from its source.

    Attributes:
        sha256: of the source that was loaded; the empty string before.
    """

    sha256 = ""

    def get_code(self, fullname: str) -> CodeType:
        """The code of the source as it is now."""
        path = self.get_filename(fullname)
        source = self.get_data(path)
        self.sha256 = hashlib.sha256(source).hexdigest()
        key = hashlib.sha256(f"{sys.version}\0{path}\0{self.sha256}".encode()).hexdigest()
        kept = CACHE / key[:2] / key[2:]
        code = _recall(kept)
        if code is None:
            code = compile(source, path, "exec", dont_inherit=True)
            _keep(kept, marshal.dumps(code))
        return code


class OwnFinder(importlib.abc.MetaPathFinder):
    """Finds the project's modules in this checkout."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Where a module of the project lies; None for all others."""
        if fullname.partition(".")[0] != PACKAGE:
            return None
        places = [str(SOURCES)] if path is None else list(path)
        spec = importlib.machinery.PathFinder.find_spec(fullname, places, target)
        if spec is not None and isinstance(spec.loader, importlib.machinery.SourceFileLoader):
            spec.loader = OwnLoader(fullname, spec.loader.path)
        elif spec is not None and spec.has_location:
            raise ImportError(f"{spec.origin}: is compiled, and comes before its source; delete it")
        return spec


def _recall(kept: Path) -> CodeType | None:
    """Code that was kept, or None where there is none, or it is damaged."""
    try:
        content = kept.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        code = marshal.loads(content[32:])
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return code if isinstance(code, CodeType) else None


def _keep(kept: Path, content: bytes) -> None:
    """Keep code for the next process; a checkout that cannot be written to keeps none."""
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=kept.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(hashlib.sha256(content).digest() + content)
        Path(name).replace(kept)


sys.meta_path.insert(0, OwnFinder())

if __name__ == "__main__":
    module = sys.argv.pop(1)
    # `__main__` stays this file, so that a process that is started from here loads it first.
    runpy.run_module(module, run_name="__main__", alter_sys=False)
