from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.io import read_csv, read_json, read_tensors, write_csv
from textbcs.prompts.grammar import parse
from textbcs.prompts.table import COLUMNS
from textbcs.text.embed import embed_learn, embed_probe

OPTIONS = {"text": {"encoder": "minilm", "directory": "", "max_tokens": 16}}


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
    table = read_csv("data/text/learn.csv")
    assert table["text"].tolist() == [
        "location left; shape ellipse; size large; number two",
        "location left; shape round; size small; number one",
        "location right; shape ellipse; size large; number two",
        "location right; shape round; size small; number one",
    ]
    assert table["row"].tolist() == [0, 1, 2, 3]
    assert read_tensors("data/text/learn.safetensors")["tokens"].shape == (4, 16, 384)


def test_a_new_test_prompt_changes_nothing_that_learns(prompts) -> None:
    embed_learn(prompts)
    before = {
        path: Path(path).read_bytes()
        for path in ("data/text/learn.csv", "data/text/learn.safetensors")
    }
    write_prompts("test", "location right; shape round; size large; number ten")
    embed_learn(prompts)
    embed_probe(prompts)
    assert all(Path(path).read_bytes() == content for path, content in before.items())
    assert set(read_csv("data/text/probe.csv")["text"]) == {
        "location right; shape round; size large; number ten",
        "location left; shape round; size large; number ten",
    }
    facts = [read_json(f"data/text/{name}.json") for name in ("learn", "probe")]
    assert facts[0] == facts[1]
    assert facts[0]["origin"] == "pinned"
    assert np.isfinite(read_tensors("data/text/probe.safetensors")["tokens"]).all()
