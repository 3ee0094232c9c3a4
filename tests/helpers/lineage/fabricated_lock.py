"""`dvc.lock`, DVC's cache and the commits of the fabricated tree, as the real tools leave them."""

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from textbcs.settings.params import flatten, select
from textbcs.stage.definition import define_all


def write_lock(only: str = "") -> None:
    """dvc.lock and the cache as DVC leaves them; `only` the entry of one stage."""
    params = YAML(typ="safe").load(Path("params.yaml"))
    stages: dict[str, Any] = {}
    if only:
        stages = YAML(typ="safe").load(Path("dvc.lock"))["stages"]
    for address, definition in define_all(params).items():
        if only not in ("", address):
            continue
        stages[address] = {
            "cmd": definition.command,
            "deps": [_locked(path) for path in sorted(definition.inputs)],
            "params": {"params.yaml": _by_key(params, definition.keys)},
            "outs": [_locked(path, keep=True) for path in definition.outputs],
        }
    YAML().dump({"schema": "2.0", "stages": stages}, Path("dvc.lock"))


def _by_key(params: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in keys:
        node: Any = params
        for part in key.split("."):
            node = node[part]
        found[key] = node
    assert flatten(found) == flatten(select(params, keys))
    return found


def _locked(name: str, keep: bool = False) -> dict[str, Any]:
    path = Path(name)
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    if keep:
        for file in files:
            _cache(file.read_bytes(), "")
    if not path.is_dir():
        content = path.read_bytes()
        return {"path": name, "hash": "md5", "md5": _md5(content), "size": len(content)}
    listing = [
        {"md5": _md5(file.read_bytes()), "relpath": file.relative_to(path).as_posix()}
        for file in files
    ]
    content = json.dumps(listing, sort_keys=True).encode()
    if keep:
        _cache(content, ".dir")
    size = sum(file.stat().st_size for file in files)
    facts = {"hash": "md5", "md5": _md5(content) + ".dir", "size": size, "nfiles": len(files)}
    return {"path": name, **facts}


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _cache(content: bytes, suffix: str) -> None:
    digest = _md5(content)
    target = Path(".dvc/cache/files/md5") / digest[:2] / f"{digest[2:]}{suffix}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)


def commit(message: str) -> None:
    """Commit everything that git does not ignore."""
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    for name in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{name}_NAME": "test", f"GIT_{name}_EMAIL": "test@example.org"}
    for command in (
        ["init", "-q", "-b", "main"],
        ["add", "-A"],
        ["commit", "-qm", message, "--allow-empty"],
    ):
        subprocess.run(["git", *command], check=True, env=environment, capture_output=True)
