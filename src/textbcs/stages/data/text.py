"""Stage `text`: embed each distinct prompt that learning sees.

Reads the prompts of train and val; writes `data/text/learn/`: a table that maps a text to its row, and the
rows. Mirror images are embedded too: a flipped slice needs its prompt with left and right exchanged.
`encoder.json` says whose weights did it.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import write_json
from textbcs.dataset.prompt_grammar import parse
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.text.embedding import (
    encoder_facts,
    texts_of_split,
    with_mirror_images,
    write_embeddings,
)

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


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
