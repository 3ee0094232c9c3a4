"""Reading and writing files: every write is atomic, every artifact's bytes are deterministic.

A write goes to a temporary file beside its target, is flushed to the disk and renamed, so a reader sees
the old file or the new one, never a part of either, and a killed stage leaves nothing under a final
name.
"""

import csv
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

_CHUNK = 1 << 20

# The value of a parameter that names an optional file where there is none: an empty file of the
# repository, because what DVC compares by content has to exist.
NONE = "presets/none"

# What to do where a file is missing: most are written by a stage, some are a person's own.
MADE_BY_A_STAGE = "run the stage that makes it (snakemake --cores all)"
OWN_FILE = "no stage makes it: check its name, or put the file there"


class InputError(Exception):
    """Bad input: one line that says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


@contextmanager
def atomic(path: str | os.PathLike[str], durable: bool = True) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; rename it to `path` if the block succeeds.

    Args:
        path: the file to write or replace.
        durable: flush to the disk before and after the rename. False spares two flushes a file where
            thousands are written and every reader checks size and sha256 against a durable list.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(
        prefix=f".{target.name}.", suffix=".part", dir=target.parent
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        Path(name).chmod(0o666 & ~_umask())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], content: bytes, durable: bool = True) -> None:
    """Write `content` to `path` atomically; `durable` as in `atomic`."""
    with atomic(path, durable) as file:
        file.write(content)


def write_text(path: str | os.PathLike[str], content: str) -> None:
    """Write `content` to `path` atomically, as UTF-8 with the newlines it has."""
    write_bytes(path, content.encode())


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Used where texts are hashed."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write a value as indented JSON with sorted keys and a final newline."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(path, text + "\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing or is no JSON.
    """
    try:
        return json.loads(existing(path).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not valid JSON ({error}); restore or regenerate it") from error


def write_csv(path: str | os.PathLike[str], table: "pd.DataFrame") -> None:
    """Write a table as CSV: no index, shortest exact floats, line feeds, empty for missing."""
    write_text(path, table.to_csv(index=False, lineterminator="\n", quoting=csv.QUOTE_MINIMAL))


# Text, whatever they look like: a patient may be called 007.
_IDENTIFIERS = dict.fromkeys(("patient", "series_uid", "sop_uid", "slice_id"), str)


def read_csv(
    path: str | os.PathLike[str],
    required: Sequence[str] = (),
    dtype: Mapping[str, Any] | None = None,
) -> "pd.DataFrame":
    """Read a CSV that this project wrote, with identifiers kept as text.

    Args:
        path: the file.
        required: columns that must exist.
        dtype: types of columns, as `pandas.read_csv` takes them; others are inferred.

    Raises:
        InputError: the file is missing, cannot be parsed or lacks a required column.
    """
    import pandas as pd

    try:
        table = pd.read_csv(
            existing(path),
            dtype=_IDENTIFIERS | dict(dtype or {}),
            keep_default_na=False,
            na_values=[""],
        )
    except (ValueError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise InputError(f"{path}: not a readable table ({error}); regenerate it") from error
    missing = [name for name in required if name not in table.columns]
    if missing:
        raise InputError(
            f"{path}: column {missing[0]!r} is missing; it has {', '.join(table.columns)}"
        )
    return table


def records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """The rows of a table as mappings from column names to values."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def write_tensors(path: str | os.PathLike[str], tensors: Mapping[str, "np.ndarray"]) -> None:
    """Write arrays as safetensors; equal arrays give equal bytes."""
    import numpy as np
    from safetensors.numpy import save

    write_bytes(path, save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}))


def read_tensors(path: str | os.PathLike[str]) -> dict[str, "np.ndarray"]:
    """Read a safetensors file (no pickle is ever read).

    Raises:
        InputError: the file is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(existing(path)))
    except SafetensorError as error:
        raise InputError(f"{path}: damaged tensor file ({error}); regenerate it") from error


def existing(path: str | os.PathLike[str], advice: str = MADE_BY_A_STAGE) -> Path:
    """Return `path` if it is a file.

    Args:
        path: the file.
        advice: what to do where it is missing.

    Raises:
        InputError: it is not.
    """
    found = Path(path)
    if not found.is_file():
        raise InputError(f"{path}: file is missing; {advice}")
    return found


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, in hexadecimal, read once in pieces."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: on Linux that needs the folder itself flushed."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
