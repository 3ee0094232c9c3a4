"""What a reader makes of a file: a result, or one line that names the file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textbcs.base.io import InputError

Reader = Callable[..., Any]


def outcome(read: Reader, path: Path) -> Any:
    """What a reader gives, or the line that says why not."""
    try:
        return read(path)
    except InputError as error:
        return str(error)


def refusal(read: Reader, path: Path, *arguments: Any, **options: Any) -> str:
    """Why a reader refuses a file, without the file's name, which has to stand in front."""
    with pytest.raises(InputError) as error:
        read(path, *arguments, **options)
    said = str(error.value)
    assert said.startswith(f"{path}: ")
    assert "\n" not in said
    return said.removeprefix(f"{path}: ")
