"""Embed each distinct prompt once: `data/text/learn.*` for training, `data/text/probe.*` for test.

The two are apart so that a new probe prompt changes nothing that a training reads. Each table maps a
text to its row in the tensors. Mirror images are embedded too: a flipped slice needs its prompt with
left and right exchanged.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.io import InputError, read_csv, read_tensors, write_csv, write_tensors
from textbcs.prompts.grammar import mirror
from textbcs.prompts.table import read_prompts

if TYPE_CHECKING:
    import numpy as np

    from textbcs.receipt import Stage


@dataclass
class TextTable:
    """Embedded prompts.

    Attributes:
        rows: text -> row.
        tokens: (P, L, D) float32.
        mask: (P, L) uint8, 1 at real tokens.
    """

    rows: dict[str, int]
    tokens: "np.ndarray"
    mask: "np.ndarray"

    def row(self, text: str) -> int:
        """The row of a text.

        Raises:
            InputError: the text was not embedded.
        """
        if text not in self.rows:
            raise InputError(
                f"prompt {text!r} is not embedded; run the stages text and text_probe again"
            )
        return self.rows[text]


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
    stage.log(f"{len(texts)} distinct prompts, {embedded.tokens.shape[2]} values a token")


def read_text(table_path: Path, tensor_path: Path) -> TextTable:
    """Read embedded prompts.

    Raises:
        InputError: a file is missing or damaged, or table and tensors disagree.
    """
    table = read_csv(table_path, ["row", "text"])
    tensors = read_tensors(tensor_path)
    if len(table) != len(tensors["tokens"]):
        raise InputError(f"{table_path}: {len(table)} rows for {len(tensors['tokens'])} embeddings")
    rows = dict(zip(table["text"], (int(row) for row in table["row"]), strict=True))
    return TextTable(rows, tensors["tokens"], tensors["mask"])
