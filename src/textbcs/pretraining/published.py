"""Published weights as the start of a training: which file, whether it is the right one, and its tensors.

`published.yaml` lists the files with their origin, revision, licence and hash. A method that can start
from one has a module `weights` in its folder with `SOURCE`, a name of that list, and `counterpart`,
which finds the published tensor of one of the network's.
"""

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from textbcs.base.io import NONE, InputError, sha256_file
from textbcs.settings.params import read_yaml

# Values of `methods.<method>.initial.weights` that mean a random start.
NO_WEIGHTS = ("none", NONE, "")

# (published tensors, one of the network's names, its shape) -> its published counterpart or None
Counterpart = Callable[[Mapping[str, Tensor], str, tuple[int, ...]], Tensor | None]


@dataclass(frozen=True)
class Source:
    """A published file.

    Attributes:
        name: in `published.yaml`.
        used_by: the method.
        file: its name where it is published.
        url: its address.
        revision: of the address, "" where there is none.
        licence: of the weights, an SPDX identifier.
        sha256: of its bytes, or None where the project has not verified it.
        reported_sha256: what others report; for people to compare, never relied on.
    """

    name: str
    used_by: str
    file: str
    url: str
    revision: str
    licence: str
    sha256: str | None
    reported_sha256: str | None


def sources() -> dict[str, Source]:
    """All published files by name."""
    table = read_yaml(Path(__file__).with_name("published.yaml"))
    return {name: Source(name=name, **entry) for name, entry in table.items()}


def load_pinned(name: str, path: str | Path, sha256: str = "") -> dict[str, Tensor]:
    """Read a published file from the local disk, if its bytes are the expected ones.

    Args:
        name: in `published.yaml`.
        path: a .npz, .safetensors, .pth, .pt or .bin file; what a pickle would run is never run.
        sha256: the expected hash, needed where `published.yaml` has none; "" where it is not stated.

    Returns:
        Floating-point tensors in float32, others as they are, by their published names.

    Raises:
        InputError: no such name or file, an unknown or different hash, or a file that holds more than
            tensors.
    """
    known = sources()
    if name not in known:
        raise InputError(f"weights {name!r}: not in published.yaml; there are {', '.join(known)}")
    if not Path(path).is_file():
        raise InputError(f"{path}: file is missing; fetch {known[name].url} or set weights to none")
    _check_hash(known[name], path, sha256.lower())
    return {
        key: value.float() if value.is_floating_point() else value
        for key, value in _read(Path(path)).items()
    }


def published_initial_weights(
    config: Mapping[str, Any], network: nn.Module, path: str | Path, sha256: str = ""
) -> dict[str, Tensor]:
    """Published weights for a network, under the network's own names.

    Args:
        config: the method's `network` block of params.yaml; `model` names the method's folder.
        network: the network that it builds, for names and shapes.
        path: `methods.<method>.initial.weights`: a local file, or "none".
        sha256: `methods.<method>.initial.sha256`, "" where it is not stated.

    Returns:
        A part of the network's state, on the CPU; empty with "none". What is not in it starts at random.

    Raises:
        InputError: as `load_pinned`; a method that has no published weights; a file whose tensors are
            not those of the published network, or a network of another width.
    """
    if str(path) in NO_WEIGHTS:
        return {}
    model = str(config["model"])
    module = _weights_module(model)
    if module is None:
        raise InputError(
            f"methods.{model}.initial.weights: there are no published weights; set it to none"
        )
    published = load_pinned(module.SOURCE, path, sha256)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    try:
        found = counterparts(module.counterpart, published, shapes)
    except KeyError as error:
        raise InputError(f"{path}: has no {error.args[0]!r}; it is not {module.SOURCE}") from error
    for name, value in found.items():
        if tuple(value.shape) != shapes[name]:
            raise InputError(
                f"{path}: {name} is {tuple(value.shape)} there and {shapes[name]} here; use the"
                f" published size of {model} or set weights to none"
            )
        if not value.isfinite().all():
            raise InputError(f"{path}: {name} is not finite; fetch the file again")
    # Copies: two of the network's tensors may start from one published tensor.
    return {name: value.clone().contiguous() for name, value in sorted(found.items())}


def counterparts(
    counterpart: Counterpart, published: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, Tensor]:
    """The published tensors by the network's own names; those that have no counterpart are left out.

    Args:
        counterpart: of the method's module `weights`.
        published: by their names in the file.
        shapes: of the network's state by its own names.

    Raises:
        KeyError: a tensor is missing in the file.
    """
    found = {name: counterpart(published, name, shape) for name, shape in shapes.items()}
    return {name: value for name, value in found.items() if value is not None}


def _weights_module(model: str) -> ModuleType | None:
    name = f"textbcs.models.{model}.weights"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _check_hash(source: Source, path: str | Path, stated: str) -> None:
    """Raise InputError unless the file's hash is the verified one, or the stated one where none is."""
    found = sha256_file(path)
    if source.sha256 is None and not stated:
        reported = source.reported_sha256
        others = f"; others report {reported}" if reported else ""
        raise InputError(
            f"{path}: the hash of {source.name} is not verified; this file's sha256 is {found}{others};"
            f" state the one you trust as methods.{source.used_by}.initial.sha256"
        )
    for origin, expected in (("published.yaml", source.sha256), ("initial.sha256", stated)):
        if expected and found != expected:
            raise InputError(
                f"{path}: sha256 is {found}, {origin} says {expected}; fetch {source.url} again"
            )


def _read(path: Path) -> dict[str, Tensor]:
    """Tensors of a file by its suffix.

    Raises:
        InputError: another suffix, a damaged file, or one that holds more than tensors.
    """
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    readers |= dict.fromkeys((".pth", ".pt", ".bin"), _read_torch)
    if path.suffix not in readers:
        raise InputError(f"{path}: unknown format; there are {', '.join(readers)}")
    try:
        return readers[path.suffix](path)
    except InputError:
        raise
    except Exception as error:  # each library has its own; all mean that the file cannot be used
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable file of tensors ({reason})") from error


def _read_npz(path: Path) -> dict[str, Tensor]:
    import numpy as np

    with np.load(path, allow_pickle=False) as arrays:
        return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    return dict(load_file(path))


def _read_torch(path: Path) -> dict[str, Tensor]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(content, dict) and isinstance(content.get("model"), dict):
        content = content["model"]  # beside it may stand the optimiser's state
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds no table of tensors")
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
