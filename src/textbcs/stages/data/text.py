"""Stage `text`: embed each distinct prompt that learning sees.

Reads the prompts of train and val; writes `data/text/learn/`: a table that maps a text to its row, and the
rows. Mirror images are embedded too: a flipped slice needs its prompt with left and right exchanged.
`encoder.json` says whose weights did it. `data/text/grammar/` holds every prompt that can be written, the
empty one, and the wordings that are set apart for training: what methods for use learn from and are asked.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textbcs.base.io import write_json
from textbcs.dataset.prompt_grammar import NUMBERS, Prompt, every_prompt, parse
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.prompts.perturbations import NOTHING
from textbcs.text.embedding import (
    GRAMMAR,
    encoder_facts,
    texts_of_split,
    with_mirror_images,
    write_embeddings,
)

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

USUAL = NUMBERS[
    :3
]  # few slices have more lesions: other numbers are learnt in the prompt's own words alone


def run(stage: "Stage") -> None:
    """Embed what learning sees: prompts of train and val, and their mirror images.

    With `text.paraphrases` also other wordings of them; a column `prompt` then says of which.
    """
    texts = with_mirror_images(texts_of_split(stage, "train") | texts_of_split(stage, "val"))
    meanings = list(texts)
    if stage.params["text"]["paraphrases"]:
        paraphrases = read_paraphrases()
        wordings = [(text, text) for text in texts]
        wordings += [
            (other, text) for text in texts for other in paraphrases.learnt(parse(text)).values()
        ]
        texts, meanings = (list(column) for column in zip(*sorted(wordings), strict=True))
    write_embeddings(
        stage, "learn", texts, stage.params["text"], meanings if meanings != texts else None
    )
    write_json(stage.output("data/text/learn/encoder.json"), encoder_facts(stage.params["text"]))
    _embed_grammar(stage, [parse(meaning) for meaning in set(meanings)])


def _embed_grammar(stage: "Stage", learnt: Sequence[Prompt]) -> None:
    """Embed the whole grammar and its wordings; a column `prompt` says what each is a wording of."""
    paraphrases = read_paraphrases()
    wordings = {NOTHING: NOTHING}
    for prompt in every_prompt(sided=all(one.location for one in learnt)):
        if prompt.number in USUAL:
            wordings |= dict.fromkeys(paraphrases.learnt(prompt).values(), prompt.text)
        wordings[prompt.text] = prompt.text
    texts = sorted(wordings)
    # A sentence is longer than a prompt, as for the probes.
    longer = {
        **stage.params["text"],
        "max_tokens": max(
            stage.params["text"]["max_tokens"], stage.params["robustness"]["max_tokens"]
        ),
    }
    write_embeddings(stage, GRAMMAR, texts, longer, [wordings[text] for text in texts])
