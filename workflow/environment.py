"""Make an environment movable: `.venv/bin/python workflow/environment.py`, the end of `make setup`.

What pip writes names the folder in which it ran: after a rename nothing starts, and in a copy the old
folder's code runs. Programs then start the Python that lies beside them, the package is the `src` beside the
environment, and they find each other without an activated environment (`dvc exp run --queue` starts `dvc`).
Standard library only.
"""

import os
import re
import sys
import sysconfig
from pathlib import Path

# A shell runs the second line; for Python the three are a text. Works in every folder, and through a link.
LAUNCHER = b"""#!/bin/sh
'''exec' "$(dirname "$(readlink -f "$0")")/python" "$0" "$@"
' '''
"""
_DIRECT = re.compile(rb"#![^\n]*python[^\n]*\n")
_BY_SHELL = re.compile(rb"#!/bin/sh\n'''exec'[^\n]*python[^\n]*\n' '''\n")
_ACTIVATE = re.compile(r"^( *)(export )?VIRTUAL_ENV=.*$", re.MULTILINE)
_HERE = r'\1\2VIRTUAL_ENV="$(cd "$(dirname "${BASH_SOURCE:-$0}")/.." > /dev/null && pwd)"'
_PROGRAMS = "textbcs_programs.pth"
# Python runs it at each start. What stands first in PATH wins, so the user's own choice stays.
_FIND_PROGRAMS = (
    "import os, sys; p = os.path.join(sys.prefix, 'bin'); "
    "q = os.environ.get('PATH', os.defpath); "
    "p in q.split(os.pathsep) or os.environ.__setitem__('PATH', q + os.pathsep + p)\n"
)


def make_movable(environment: Path, packages: Path, source: Path) -> list[str]:
    """Rewrite what names a folder; what is right already stays.

    Args:
        environment: its root, with `bin/`.
        packages: its `site-packages`.
        source: the folder of the project's package.

    Returns:
        The files that were changed.
    """
    changed = [path for path in sorted((environment / "bin").iterdir()) if _relaunch(path)]
    activate = environment / "bin/activate"
    if activate.is_file():
        text = activate.read_text(encoding="utf-8")
        changed += _write(activate, _ACTIVATE.sub(_HERE, text).encode())
    beside = os.path.relpath(source.resolve(), packages.resolve())
    for path in packages.glob("__editable__*textbcs*.pth"):
        changed += _write(path, f"{beside}\n".encode())
    changed += _write(packages / _PROGRAMS, _FIND_PROGRAMS.encode())
    return [str(path) for path in changed]


def _relaunch(path: Path) -> bool:
    """Let a program start the Python beside it; whether it was changed."""
    if path.is_symlink() or not path.is_file():
        return False
    content = path.read_bytes()
    head = _BY_SHELL.match(content) or _DIRECT.match(content)
    return head is not None and bool(_write(path, LAUNCHER + content[head.end() :]))


def _write(path: Path, content: bytes) -> list[Path]:
    if path.is_file() and path.read_bytes() == content:
        return []
    mode = path.stat().st_mode if path.exists() else 0o644
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.chmod(mode & 0o777)
    new.replace(path)
    return [path]


if __name__ == "__main__":
    root = Path(__file__).resolve().parent.parent
    make_movable(Path(sys.prefix), Path(sysconfig.get_path("purelib")), root / "src")
