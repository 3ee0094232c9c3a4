"""The list of all trainings of this checkout, each line with the hash of the one before it.

`results/ledger/trainings.jsonl`, one JSON text a line, only ever appended to: a training that was thrown away
is still told, and a line that was taken out breaks the chain. No output of DVC, and no result depends on it.
"""

import fcntl
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

from textbcs.base.io import sha256_bytes

LIST = Path("results/ledger/trainings.jsonl")
TRAINS = re.compile(r"(train|pretrain|search)(_\w+)?")
FIRST = "0" * 64  # what the first line names as the one before it


def note(address: str, event: str, receipt: str | None = None) -> None:
    """Append a line.

    Args:
        address: of the stage.
        event: `started`, `ended` or `failed`.
        receipt: sha256 of the receipt of a training that ended.
    """
    LIST.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(LIST, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # several trainings may end at once
        lines = LIST.read_bytes().splitlines(keepends=True)
        facts = {
            "number": len(lines) + 1,
            "previous": sha256_bytes(lines[-1]) if lines else FIRST,
            "stage": address,
            "event": event,
            "receipt": receipt,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        torn = b"\n" if lines and not lines[-1].endswith(b"\n") else b""
        os.write(descriptor, torn + json.dumps(facts, sort_keys=True).encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
