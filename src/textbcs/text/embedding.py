"""Distinct prompts embedded once, and a table that maps a text to its row."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import sha256_file, write_csv, write_tensors
from textbcs.dataset.prompt_grammar import mirror
from textbcs.dataset.prompt_table import read_prompts

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


GRAMMAR = "grammar"  # every prompt that can be written, and wordings of it


def texts_of_split(stage: "Stage", split: str) -> set[str]:
    """The distinct prompts of a split."""
    return set(read_prompts(stage.input(f"data/prompts/{split}.csv"))["text"])


def with_mirror_images(texts: Iterable[str]) -> list[str]:
    """Texts and what each becomes with left and right exchanged, distinct and sorted."""
    own = set(texts)
    return sorted(own | {mirror(text) for text in own})


def write_embeddings(
    stage: "Stage",
    name: str,
    texts: Sequence[str],
    options: Mapping[str, Any],
    meanings: Sequence[str] | None = None,
) -> None:
    """Write the embeddings of distinct texts, and the table that names their rows."""
    import pandas as pd

    from textbcs.text.encoders import embed

    embedded = embed(texts, options)
    table = pd.DataFrame({"row": range(len(texts)), "text": texts})
    if meanings is not None:
        table["prompt"] = list(meanings)
    write_csv(stage.output(f"data/text/{name}/prompts.csv"), table)
    write_tensors(
        stage.output(f"data/text/{name}/embeddings.safetensors"),
        {"tokens": embedded.tokens, "mask": embedded.mask},
    )
    stage.log(f"{name}: {len(texts)} distinct texts, {embedded.tokens.shape[2]} values a token")


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
