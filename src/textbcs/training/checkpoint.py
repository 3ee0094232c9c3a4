"""Weights as an artifact, and the state from which an interrupted training continues.

Writes `model.safetensors` (declared) and `.cache/resume/<key>/last.pt` (not declared: it is a part
of no result and is deleted after success). The key names everything that decides the training's
bytes, so a stale state can never be continued. Reads only `last.pt`, with pickle switched off.
"""

import io as streams
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from textbcs.base import io

RESUME = Path(".cache/resume")


def write_weights(path: str | os.PathLike[str], weights: Mapping[str, Tensor]) -> None:
    """Write a state dict as safetensors; equal weights give equal bytes."""
    io.write_tensors(path, {name: value.cpu().numpy() for name, value in weights.items()})


def resume_folder(params: Mapping[str, Any], inputs: Mapping[str, str], **ids: Any) -> Path:
    """Folder of the resume state of the training that these values define.

    Args:
        params: the stage's parameters.
        inputs: sha256 of every input, by path.
        ids: what tells the stage's runs apart (method, seed).
    """
    identity = {"params": params, "inputs": inputs, "ids": ids, "code": code_identity()}
    return RESUME / io.sha256_bytes(io.canonical_json(identity).encode())


def code_identity() -> str:
    """SHA-256 over this package's modules and the version of torch.

    All modules, not only those that a training runs: a key too narrow would mix two versions.
    """
    package = Path(__file__).parent.parent
    hashes = {
        file.relative_to(package).as_posix(): io.sha256_file(file)
        for file in sorted(package.rglob("*.py"))
    }
    return io.sha256_bytes(io.canonical_json({**hashes, "torch": torch.__version__}).encode())


def save(folder: Path, state: Mapping[str, Any]) -> None:
    """Write a resume state atomically: a kill leaves the one before it."""
    buffer = streams.BytesIO()
    torch.save(dict(state), buffer)
    io.write_bytes(folder / "last.pt", buffer.getvalue())


def load(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """The resume state, or None if there is none that can be read."""
    path = folder / "last.pt"
    if not path.is_file():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except Exception:
        # A damaged file raises anything. It is a damaged disk's, not a killed run's: start again.
        return None
    return state


def discard(folder: Path) -> None:
    """Delete a resume state after success."""
    shutil.rmtree(folder, ignore_errors=True)
