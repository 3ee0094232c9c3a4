from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base.io import InputError, read_csv, read_json, read_tensors, write_csv
from textbcs.dataset.prompt_grammar import mirror, parse
from textbcs.dataset.prompt_table import COLUMNS
from textbcs.prompts.paraphrases import read_paraphrases
from textbcs.stages.data.text import run as embed_learn
from textbcs.stages.data.text_probe import run as embed_probe

OPTIONS = {
    "text": {"encoder": "minilm", "directory": "", "max_tokens": 16, "paraphrases": False},
    "robustness": {"seed": 41, "max_tokens": 40},
}


def write_prompts(split: str, *texts: str) -> None:
    rows = []
    for number, text in enumerate(texts):
        prompt = parse(text)
        words = [prompt.location, prompt.shape, prompt.size, prompt.number]
        rows.append([f"{split}-{number}", split, *words, text, "mask", ""])
    write_csv(f"data/prompts/{split}.csv", pd.DataFrame(rows, columns=list(COLUMNS)))


@pytest.fixture
def prompts(stage_in):
    write_prompts("train", *["location left; shape round; size small; number one"] * 2)
    write_prompts("val", "location right; shape ellipse; size large; number two")
    write_prompts("test", "location left; shape irregular; size medium; number three")
    return stage_in(OPTIONS)


def test_learning_sees_its_own_prompts_and_their_mirror_images_once(prompts) -> None:
    embed_learn(prompts)
    table = read_csv("data/text/learn/prompts.csv")
    assert table.columns.tolist() == ["row", "text"]
    assert table["text"].tolist() == [
        "location left; shape ellipse; size large; number two",
        "location left; shape round; size small; number one",
        "location right; shape ellipse; size large; number two",
        "location right; shape round; size small; number one",
    ]
    assert table["row"].tolist() == [0, 1, 2, 3]
    assert read_tensors("data/text/learn/embeddings.safetensors")["tokens"].shape == (4, 16, 384)


def test_a_new_test_prompt_changes_nothing_that_learns(prompts) -> None:
    embed_learn(prompts)
    before = {
        path: Path(path).read_bytes()
        for path in ("data/text/learn/prompts.csv", "data/text/learn/embeddings.safetensors")
    }
    write_prompts("test", "location right; shape round; size large; number ten")
    embed_learn(prompts)
    embed_probe(prompts)
    assert all(Path(path).read_bytes() == content for path, content in before.items())
    assert set(read_csv("data/text/probe/prompts.csv")["text"]) == {
        "location right; shape round; size large; number ten",
        "location left; shape round; size large; number ten",
    }
    facts = [read_json(f"data/text/{name}/encoder.json") for name in ("learn", "probe")]
    assert facts[0] == facts[1]
    assert facts[0]["origin"] == "pinned"
    assert read_tensors("data/text/probe/embeddings.safetensors")["tokens"].shape == (2, 16, 384)
    assert np.isfinite(read_tensors("data/text/probe/embeddings.safetensors")["tokens"]).all()


def test_probes_lie_apart_from_what_evaluation_reads(prompts) -> None:
    embed_probe(prompts)
    texts = (
        read_csv("data/text/styles/prompts.csv", dtype={"text": str})["text"].fillna("").tolist()
    )
    own = "location left; shape irregular; size medium; number three"
    assert {"", own, mirror(own)} <= set(texts)
    assert set(read_paraphrases().asked(parse(own)).values()) <= set(texts)
    arrays = read_tensors("data/text/styles/embeddings.safetensors")
    assert arrays["tokens"].shape == (len(texts), 40, 384)
    # The empty prompt has the encoder's two frame tokens; more room does not change an embedding.
    assert arrays["mask"][texts.index("")].sum() == 2
    probe = read_csv("data/text/probe/prompts.csv")["text"].tolist()
    short = read_tensors("data/text/probe/embeddings.safetensors")["tokens"][probe.index(own)]
    assert np.array_equal(arrays["tokens"][texts.index(own), :16], short)


def test_a_training_on_wordings_gets_its_own_and_none_that_is_asked(stage_in) -> None:
    options = {
        "text": OPTIONS["text"] | {"max_tokens": 40, "paraphrases": True},
        "robustness": OPTIONS["robustness"],
    }
    stage = stage_in(options)
    write_prompts("train", "location left; shape round; size small; number one")
    write_prompts("val", "location left; shape round; size small; number one")
    embed_learn(stage)
    table = read_csv("data/text/learn/prompts.csv")
    paraphrases = read_paraphrases()
    assert table.columns.tolist() == ["row", "text", "prompt"]
    for text, rows in table.groupby("prompt"):
        assert set(rows["text"]) == {text, *paraphrases.learnt(parse(text)).values()}
        assert set(rows["text"]).isdisjoint(paraphrases.asked(parse(text)).values())
    assert table["prompt"].nunique() == 2
    assert len(table) == 2 * (1 + len(paraphrases.learn))


def test_wordings_need_room(stage_in) -> None:
    stage = stage_in({"text": OPTIONS["text"] | {"max_tokens": 12, "paraphrases": True}})
    for split in ("train", "val"):
        write_prompts(split, "location left; shape round; size small; number one")
    with pytest.raises(InputError, match=r"raise text\.max_tokens"):
        embed_learn(stage)
