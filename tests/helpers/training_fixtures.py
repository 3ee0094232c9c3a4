"""The small data set, written into an empty working folder."""

import copy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_training import PARAMS, FakeStage, write_split, write_start

from textbcs.base import io
from textbcs.dataset.prompt_grammar import mirror


@pytest.fixture
def dataset(tmp_path, monkeypatch) -> Path:
    """Train (17 slices) and val (6), prompts and embeddings, in the current folder."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    texts = sorted(set(write_split("train", 17, rng)) | set(write_split("val", 6, rng)))
    texts = sorted(set(texts) | {mirror(text) for text in texts})
    words = {word: rng.normal(size=12) for text in texts for word in text.replace(";", "").split()}
    tokens = np.array([[words[w] for w in t.replace(";", "").split()] for t in texts], np.float32)
    mask = np.ones(tokens.shape[:2], np.uint8)
    io.write_csv(
        "data/text/learn/prompts.csv", pd.DataFrame({"row": range(len(texts)), "text": texts})
    )
    io.write_tensors("data/text/learn/embeddings.safetensors", {"tokens": tokens, "mask": mask})
    for method in PARAMS["methods"]:
        write_start(method)
    return tmp_path


@pytest.fixture
def params() -> dict:
    return copy.deepcopy(PARAMS)


@pytest.fixture
def fake_stage() -> type[FakeStage]:
    return FakeStage
