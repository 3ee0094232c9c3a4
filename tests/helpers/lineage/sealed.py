"""What a forger does who knows how the audit works: after a change, all that names files is made to agree."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabricated_lock import commit, write_lock

from textbcs.base.io import sha256_bytes

RECEIPTS = Path("results/receipts")
RUNINFO = Path("results/runinfo")
Change = Callable[[dict[str, Any]], object]


def seal(*addresses: str) -> None:
    """Let receipts (of these stages, else all) say what lies there now, and all that names them agree."""
    agree(*addresses)
    write_lock()
    commit("sealed")


def agree(*addresses: str) -> None:
    """Let receipts (of these stages, else all) say what lies there now, and run information name them."""
    for path in sorted(RECEIPTS.glob("*.json")):
        if not addresses or path.stem in addresses:
            facts = json.loads(path.read_text())
            for item in (*facts["inputs"], *facts["outputs"]):
                if Path(item["path"]).is_file():
                    content = Path(item["path"]).read_bytes()
                    item |= {"sha256": sha256_bytes(content), "bytes": len(content)}
            write(path, facts)


def relock(*paths: str) -> None:
    """Let a real dvc.lock say of files what lies there now, as whoever reads or writes them has it."""
    lock = Path("dvc.lock").read_text()
    for path in paths:
        content = Path(path).read_bytes()
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        entry = rf"(- path: {re.escape(path)}\n +hash: md5\n +md5: )\w+(\n +size: )\d+"
        lock, count = re.subn(entry, rf"\g<1>{md5}\g<2>{len(content)}", lock)
        assert count, f"dvc.lock does not name {path}"
    Path("dvc.lock").write_text(lock)


def change_receipt(address: str, change: Change) -> None:
    """Change a receipt, and make run information, dvc.lock, cache and git agree."""
    path = RECEIPTS / f"{address}.json"
    facts = json.loads(path.read_text())
    change(facts)
    write(path, facts)
    write_lock()
    commit("sealed")


def change_runinfo(address: str, **values: object) -> None:
    """Change run information; nothing else names it."""
    path = RUNINFO / f"{address}.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def write(path: Path, facts: dict[str, Any]) -> None:
    """Write a receipt; its run information belongs to it as before."""
    path.write_text(json.dumps(facts, sort_keys=True, indent=2) + "\n")
    told = RUNINFO / path.name
    if told.is_file():
        digest = sha256_bytes(path.read_bytes())
        told.write_text(json.dumps(json.loads(told.read_text()) | {"receipt": digest}))
