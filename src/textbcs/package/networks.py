"""Networks and embedded prompts from a package's arrays, which nobody has vouched for.

Settings that ask for a larger network than the weights have are refused while it is built.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from textbcs.base.io import InputError
from textbcs.models.common.contract import Segmenter
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.models.common.registry import build
from textbcs.package.package_files import EMBEDDINGS, PROMPTS

Arrays = Mapping[str, NDArray[Any]]


def built(
    network: Mapping[str, Any], arrays: Arrays, channels: int, size: int, text_dimension: int
) -> Segmenter:
    """A network with these weights, on the CPU, in evaluation mode.

    Args:
        network: its checked settings.
        arrays: the weights by name.
        channels: of the image.
        size: side of the image in pixels.
        text_dimension: width of an embedding.

    Raises:
        ValueError: the weights are not this network's, or are no finite numbers.
    """
    shape = {"channels": channels, "image_size": size, "text_dim": text_dimension}
    total = sum(one.size for one in arrays.values())
    try:
        # First weights are drawn, and nobody else's draws may change.
        with torch.random.fork_rng(devices=[]), _no_larger_than(total):
            model = build(network, **shape)
    except (InputError, RuntimeError) as error:
        raise ValueError(f"a network that cannot be built ({error})") from error
    _check_weights(model.state_dict(), arrays)
    model.load_state_dict({name: torch.from_numpy(one.copy()) for name, one in arrays.items()})
    return model.eval()


@contextmanager
def _no_larger_than(values: int) -> Iterator[None]:
    """Stop the building of a network that has far more weights; memory is not used before they are set."""
    count = 0

    def counted(_: nn.Module, __: str, weight: nn.Parameter | None) -> None:
        nonlocal count
        count += 0 if weight is None else weight.numel()
        if count > 2 * values:  # a weight that two layers share may be counted twice
            raise ValueError("settings of a larger network than the weights'")

    handle = register_module_parameter_registration_hook(counted)
    try:
        yield
    finally:
        handle.remove()


def _check_weights(expected: Mapping[str, torch.Tensor], arrays: Arrays) -> None:
    for name in sorted(expected.keys() ^ arrays.keys()):
        raise ValueError(f"weights of another network ({name[:100]} is missing or unknown)")
    for name, one in expected.items():
        array = arrays[name]
        shape = tuple(one.shape) or (1,)  # the writer of tensors knows no single number
        if shape != (array.shape or (1,)) or one.is_floating_point() != (array.dtype.kind == "f"):
            raise ValueError(f"weights of another network ({name}: {array.dtype}, {array.shape})")
        if not np.isfinite(array).all():
            raise ValueError(f"weights that are no numbers ({name})")


def prompts_of(content: bytes) -> "tuple[list[str], list[str]]":
    """The texts of `prompts.csv` in the order of their rows, and what each is a wording of.

    Raises:
        ValueError: it is no such table.
    """
    import pandas as pd

    types = {"row": int, "text": str, "prompt": str}
    table = pd.read_csv(BytesIO(content), dtype=types, keep_default_na=False)
    if not {"row", "text"} <= set(table.columns) or sorted(table["row"]) != list(range(len(table))):
        raise ValueError(f"{PROMPTS}: no table of embedded prompts")
    table = table.sort_values("row")
    meanings = table["prompt"] if "prompt" in table else table["text"]
    return table["text"].tolist(), meanings.tolist()


def prompt_table(
    content: bytes, arrays: Arrays, dimension: int, device: torch.device
) -> PromptTable:
    """The embedded prompts on a device.

    Args:
        content: of `prompts.csv`.
        arrays: `tokens` (P, L, D) and `mask` (P, L), as `data/text` has them.
        dimension: D.
        device: where to.

    Raises:
        ValueError: they are something else, or disagree.
    """
    texts, meanings = prompts_of(content)
    if set(arrays) != {"tokens", "mask"}:
        raise ValueError(f"{EMBEDDINGS}: no embedded prompts")
    tokens, mask = arrays["tokens"], arrays["mask"]
    if tokens.ndim != 3 or mask.shape != tokens.shape[:2] or len(tokens) != len(texts):
        raise ValueError(f"{EMBEDDINGS}: does not fit {PROMPTS}")
    if tokens.shape[2] != dimension or tokens.dtype != np.float32 or not np.isfinite(tokens).all():
        raise ValueError(f"{EMBEDDINGS}: other than {dimension} numbers a token")
    if not mask.astype(bool).any(axis=1).all() or "" not in texts or len(set(texts)) != len(texts):
        raise ValueError(f"{EMBEDDINGS}: a prompt without a token, twice, or no empty prompt")
    values = (torch.from_numpy(tokens.copy()), torch.from_numpy(mask.astype(bool)))
    return PromptTable(texts, values[0].to(device), values[1].to(device), meanings)
