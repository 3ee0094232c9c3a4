"""Embed each distinct prompt once: `data/text/learn.*` for training, `data/text/probe.*` for test.

The two are apart so that a new probe prompt changes nothing that a training reads. Each table maps a
text to its row in the tensors. Mirror images are embedded too: a flipped slice needs its prompt with
left and right exchanged.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from textbcs.io import write_csv, write_tensors
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
    stage.log(f"{len(texts)} distinct prompts, {embedded.tokens.shape[2]} values a token")
