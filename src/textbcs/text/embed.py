"""Embed each distinct prompt once: for training, for the test, and for what else the test asks.

`data/text/learn.*` holds what learning sees, the prompts of train and val; `probe.*` the test prompts;
`styles.*` the probes of `prompts/perturb.py`: the whole grammar, other wordings, typing errors and the
empty prompt. They are apart so that a new probe changes nothing that a training or the plain
evaluation reads. Each table maps a text to its row in the tensors. Mirror images are embedded too: a
flipped slice needs its prompt with left and right exchanged. `learn.json` and `probe.json` say whose
weights did it, so that a table can.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.io import sha256_file, write_csv, write_json, write_tensors
from textbcs.prompts.grammar import mirror, parse
from textbcs.prompts.paraphrase import read_paraphrases
from textbcs.prompts.perturb import possible_texts
from textbcs.prompts.table import read_prompts

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def embed_learn(stage: "Stage") -> None:
    """Embed what learning sees: prompts of train and val, and their mirror images.

    With `text.paraphrases` also other wordings of them; a column `prompt` then says of which.
    """
    texts = _with_mirror_images(_texts(stage, "train") | _texts(stage, "val"))
    meanings = list(texts)
    if stage.params["text"]["paraphrases"]:
        paraphrases = read_paraphrases()
        wordings = [(text, text) for text in texts]
        wordings += [
            (other, text) for text in texts for other in paraphrases.learnt(parse(text)).values()
        ]
        texts, meanings = (list(column) for column in zip(*sorted(wordings), strict=True))
    _embed(stage, "learn", texts, stage.params["text"], meanings if meanings != texts else None)
    write_json(stage.output("data/text/learn.json"), encoder_facts(stage.params["text"]))


def embed_probe(stage: "Stage") -> None:
    """Embed what evaluation asks: prompts of test with their mirror images, and all probes of them."""
    own, options = _texts(stage, "test"), stage.params["text"]
    _embed(stage, "probe", _with_mirror_images(own), options)
    probes = stage.params["robustness"]
    styles = possible_texts(sorted(own), read_paraphrases(), probes["seed"])
    # A sentence is longer than a prompt; the padding of the learnt prompts stays as it is.
    longer = {**options, "max_tokens": max(options["max_tokens"], probes["max_tokens"])}
    _embed(stage, "styles", styles, longer)
    write_json(stage.output("data/text/probe.json"), encoder_facts(options))


def _texts(stage: "Stage", split: str) -> set[str]:
    return set(read_prompts(stage.input(f"data/prompts/{split}.csv"))["text"])


def _with_mirror_images(texts: Iterable[str]) -> list[str]:
    own = set(texts)
    return sorted(own | {mirror(text) for text in own})


def _embed(
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
    write_csv(stage.output(f"data/text/{name}.csv"), table)
    write_tensors(
        stage.output(f"data/text/{name}.safetensors"),
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
