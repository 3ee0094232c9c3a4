"""Stands in for src/textbcs/cli.py: every stage writes a digest of what dvc.yaml lets it read.

A file is written in place, in two halves with a pause between them, so that a kill leaves a torn one:
worse than the real stages, which rename finished files.
"""

import hashlib
import os
import sys
import time
from pathlib import Path

from textbcs.definition import define
from textbcs.io import canonical_json
from textbcs.params import load_params, select
from textbcs.process import die_with_parent

PAUSE = float(os.environ.get("TOY_PAUSE", "0.02"))


def contents(path: Path) -> bytes:
    """A file's bytes, or those of all files in a folder, by name."""
    files = (
        [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
    )
    return b"".join(
        file.as_posix().encode() + file.read_bytes() for file in files if "snake" not in file.name
    )


def write(path: Path, text: str) -> None:
    """Write `text` in two halves."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        for half in (text[: len(text) // 2], text[len(text) // 2 :]):
            file.write(half)
            file.flush()
            time.sleep(PAUSE)


def main(stage: str, *items: str) -> int:
    """Run the stage and note its address in executed.txt."""
    die_with_parent()
    definition = define(stage, items)
    params = load_params()
    if stage == os.environ.get("TOY_FAIL"):
        print("error: toy.csv: a column is missing; regenerate it", file=sys.stderr)
        return 2
    digest = hashlib.sha256(canonical_json(select(params, definition.keys)).encode())
    # A new archive with the same first patients: the cohort then ends in the same bytes.
    if stage == "cohort":
        digest = hashlib.sha256(b"cohort")
    else:
        for name in definition.inputs:
            digest.update(contents(Path(name)))
    if stage == "table1":
        # Only what the parameters name: an older checkout may leave other folders.
        digest = hashlib.sha256()
        for method in params["tables"]["table1"]:
            for seed in params["seeds"]:
                digest.update(contents(Path(f"results/evaluation/{method}-s{seed}")))
    for name in definition.outputs:
        text = f"{name} {digest.hexdigest()}\n"
        if Path(name).suffix:
            write(Path(name), text)
        else:
            write(Path(name, "slices.csv"), text)
            write(Path(name, "slices.bin"), text[::-1])
    with Path("executed.txt").open("a") as file:
        file.write(definition.address + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
