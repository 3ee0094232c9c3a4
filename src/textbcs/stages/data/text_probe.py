"""Stage `text_probe`: embed what the test asks, apart from what learning sees.

Reads `data/prompts/test.csv`; writes `data/text/probe/`, the test prompts, and `styles/`, the probes of
`prompts/perturbations.py`: the whole grammar, other wordings, typing errors and the empty prompt. A new
probe changes nothing that a training or the plain evaluation reads. `encoder.json` says whose weights did it.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import write_json
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import possible_texts
from textbcs.text.embedding import (
    encoder_facts,
    texts_of_split,
    with_mirror_images,
    write_embeddings,
)

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Embed the prompts of test with their mirror images, and all probes of them."""
    own, options = texts_of_split(stage, "test"), stage.params["text"]
    write_embeddings(stage, "probe", with_mirror_images(own), options)
    probes = stage.params["robustness"]
    styles = possible_texts(sorted(own), read_paraphrases(), probes["seed"])
    # A sentence is longer than a prompt; the padding of the learnt prompts stays as it is.
    longer = {**options, "max_tokens": max(options["max_tokens"], probes["max_tokens"])}
    write_embeddings(stage, "styles", styles, longer)
    write_json(stage.output("data/text/probe/encoder.json"), encoder_facts(options))
