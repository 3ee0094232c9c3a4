"""What a forger does who knows how the audit works: after a change, all that names files is made to agree."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabricated_lock import commit, write_lock

from textbcs.base.io import sha256_bytes
from textbcs.lineage.records.hashing import folder_md5

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
    """Let a real dvc.lock say of files, and of folders that it names, what lies there now."""
    lock = Path("dvc.lock").read_text()
    above = {parent for path in paths for parent in Path(path).parents}
    folders = [one for one in above if f"- path: {one.as_posix()}\n" in lock]
    for place in (*map(Path, paths), *sorted(folders)):
        files = {one: one.read_bytes() for one in place.rglob("*") if one.is_file()}
        size = sum(map(len, files.values())) if place.is_dir() else place.stat().st_size
        md5 = (
            _md5(place.read_bytes())
            if place.is_file()
            else folder_md5(
                {one.relative_to(place).as_posix(): _md5(content) for one, content in files.items()}
            )
        )
        entry = rf"(- path: {re.escape(place.as_posix())}\n +hash: md5\n +md5: )\S+(\n +size: )\d+"
        lock, count = re.subn(entry, rf"\g<1>{md5}\g<2>{size}", lock)
        assert count or place.is_dir(), f"dvc.lock does not name {place}"
    Path("dvc.lock").write_text(lock)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


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
