"""Embed each distinct prompt once: `data/text/learn.*` for training, `data/text/probe.*` for test.

The two are apart so that a new probe prompt changes nothing that a training reads. Each table maps a
text to its row in the tensors. Mirror images are embedded too: a flipped slice needs its prompt with
left and right exchanged. `learn.json` and `probe.json` say whose weights did it, so that a table can.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.io import sha256_file, write_csv, write_json, write_tensors
from textbcs.prompts.grammar import mirror
from textbcs.prompts.table import read_prompts

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def embed_learn(stage: "Stage") -> None:
    """Embed what learning sees: prompts of train and val, and their mirror images."""
    _embed(stage, "learn", ("train", "val"))


def embed_probe(stage: "Stage") -> None:
    """Embed what evaluation asks: prompts of test, and the same with the side exchanged."""
    _embed(stage, "probe", ("test",))


def _embed(stage: "Stage", name: str, splits: Iterable[str]) -> None:
    import pandas as pd

    from textbcs.text.encoders import embed

    own: set[str] = set()
    for split in splits:
        own |= set(read_prompts(stage.input(f"data/prompts/{split}.csv"))["text"])
    texts = sorted(own | {mirror(text) for text in own})
    embedded = embed(texts, stage.params["text"])
    write_csv(
        stage.output(f"data/text/{name}.csv"),
        pd.DataFrame({"row": range(len(texts)), "text": texts}),
    )
    write_tensors(
        stage.output(f"data/text/{name}.safetensors"),
        {"tokens": embedded.tokens, "mask": embedded.mask},
    )
    write_json(stage.output(f"data/text/{name}.json"), encoder_facts(stage.params["text"]))
    stage.log(f"{len(texts)} distinct prompts, {embedded.tokens.shape[2]} values a token")


def encoder_facts(options: Mapping[str, Any]) -> dict[str, str]:
    """Which encoder it is and whose weights it has.

    Args:
        options: the section `text` (`encoder`, `directory`).

    Returns:
        `encoder`; `origin`, "pinned" or "local directory"; the name (`file`) and `sha256` of the
        weights as they came, before any conversion.

    Raises:
        InputError: the encoder's files are not to be had.
    """
    from textbcs.text.encoders import encoder_folder

    name, directory = options["encoder"], options["directory"]
    # What a pickle was converted to lies in another folder; the user knows the pickle.
    folder = Path(directory or encoder_folder(name, ""))
    weights = folder / "model.safetensors"
    if not weights.is_file():
        weights = folder / "pytorch_model.bin"
    origin = "local directory" if directory else "pinned"
    return {
        "encoder": name,
        "origin": origin,
        "file": weights.name,
        "sha256": sha256_file(weights),
    }
