"""Is the working folder a working copy of the pipeline, and where do the files of one come from?

A working copy is a folder with the files of the repository: a clone, or what `textbcs init` makes. Its
files lie at the root of the checkout, or in the installed package, into which the build copies them
(`setup.py`). Standard library only, since the build reads this module too.
"""

import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

from textbcs.base.io import InputError

# The folder of an installed package that holds the files; pyproject.toml lists them.
CARRIED = "_project"
LISTED_IN = Path("pyproject.toml")
# What the metadata of an RO-Crate is called; an export of a run holds it.
CRATE = "ro-crate-metadata.json"
_PACKAGE = Path(__file__).parents[1]
_LAUNCHER = "workflow/stage"  # the command of every stage in dvc.yaml calls it


def is_export(folder: Path = Path()) -> bool:
    """Whether a folder is an RO-Crate and no repository that carries such metadata of its own."""
    return (folder / CRATE).is_file() and not (folder / ".dvc").exists()


def is_working_copy(folder: Path = Path()) -> bool:
    """Whether the pipeline can be run in a folder; a damaged one counts, a mere export does not."""
    if is_export(folder):
        return False
    try:
        definition = (folder / "dvc.yaml").read_text(encoding="utf-8", errors="replace")
    except OSError:
        definition = ""
    return _LAUNCHER in definition or (folder / _LAUNCHER).is_file()


def above(folder: Path) -> Path | None:
    """The working copy in which a folder lies, or None."""
    return next((parent for parent in folder.parents if is_working_copy(parent)), None)


def require_working_copy(command: str) -> None:
    """Check that the working folder is a working copy.

    Args:
        command: what needs it, as it is typed.

    Raises:
        InputError: it is none; the message says where one is, or how to make one.
    """
    if is_working_copy():
        return
    if is_export():
        raise InputError(
            f"{command} needs a working copy of the pipeline, and this folder is an export of a run; "
            "here textbcs audit verify works"
        )
    root = above(Path.cwd())
    if root:
        raise InputError(
            f"{command} runs in the root of the working copy: cd {shlex.quote(str(root))}"
        )
    raise InputError(
        f"{command} needs a working copy of the pipeline, and this folder is none; "
        "cd to yours, or make one: textbcs init DIR"
    )


def project_folder() -> Path:
    """Where the files of the repository lie: in the installed package, or at the checkout's root."""
    carried = _PACKAGE / CARRIED
    return carried if carried.is_dir() else _PACKAGE.parents[1]


def project_files(root: Path) -> list[str]:
    """The files that make a working copy, apart from `src/` and `params.yaml`; sorted paths.

    Args:
        root: a checkout, or the files that a package carries.

    Raises:
        InputError: pyproject.toml is missing or lists a file that is not there.
    """
    listing = root / LISTED_IN
    try:
        patterns = tomllib.loads(listing.read_text(encoding="utf-8"))["tool"]["textbcs"]
        found = {one: list(_matching(root, one)) for one in patterns["working-copy"]}
    except (OSError, KeyError, ValueError) as error:
        raise InputError(
            f"{listing}: does not list the files of the pipeline; install textbcs again"
        ) from error
    for pattern, names in found.items():
        if not names:
            raise InputError(f"{root / pattern}: is missing; install textbcs again")
    return sorted({name for names in found.values() for name in names})


def _matching(root: Path, pattern: str) -> Iterator[str]:
    for path in root.glob(pattern):
        if path.is_file():
            yield path.relative_to(root).as_posix()


def own_code() -> Path | None:
    """The `src` of this working copy where the textbcs that runs is another one, else None.

    What an export holds is to be judged, and never run.
    """
    source = Path("src").absolute()
    if (Path(CRATE)).exists() or not is_working_copy():
        return None
    if not (source / "textbcs/cli.py").is_file():
        return None
    running = _PACKAGE.resolve().parent
    return None if source.resolve() == running else source
