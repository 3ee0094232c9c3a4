"""A split on the device, and every way in which its files may not fit."""

import pandas as pd
import pytest
import torch

from textbcs import io
from textbcs.io import InputError
from textbcs.models.prompttable import PromptTable
from textbcs.training.data import read_split

CPU = torch.device("cpu")


@pytest.fixture
def table(dataset) -> PromptTable:
    return PromptTable.read("data/text/learn.csv", "data/text/learn.safetensors")


def read(fake_stage, params, table, name="val"):
    return read_split(fake_stage(params), name, table, CPU)


def test_prompts_are_joined_by_slice_and_not_by_place(fake_stage, params, table):
    before = read(fake_stage, params, table)
    prompts = pd.read_csv("data/prompts/val.csv")
    io.write_csv("data/prompts/val.csv", prompts[::-1])
    after = read(fake_stage, params, table)
    assert torch.equal(before.prompt, after.prompt)
    texts = pd.read_csv("data/text/learn.csv")["text"]
    sides = pd.read_csv("data/slices/val/slices.csv")["side"]
    for row, side in enumerate(sides):
        other = {"left": "right", "right": "left"}[side]
        assert texts[int(after.prompt[row])].startswith(f"location {side};")
        assert texts[int(after.mirrored[row])].startswith(f"location {other};")
    assert (len(after), after.size, after.image.dtype) == (6, 32, torch.float16)


def test_a_slice_without_prompt_is_one_line(fake_stage, params, table):
    io.write_csv("data/prompts/val.csv", pd.read_csv("data/prompts/val.csv")[1:])
    with pytest.raises(InputError, match=r"data/prompts/val\.csv: slice val000 has no prompt"):
        read(fake_stage, params, table)


def test_a_prompt_without_embedding_is_one_line(fake_stage, params, table):
    prompts = pd.read_csv("data/prompts/val.csv")
    prompts.loc[0, "text"] = "location left; shape round; size large; number two"
    io.write_csv("data/prompts/val.csv", prompts)
    with pytest.raises(InputError, match=r"size large.* has no embedding"):
        read(fake_stage, params, table)


def test_an_empty_split_is_one_line(fake_stage, params, table):
    slices = pd.read_csv("data/slices/val/slices.csv")
    arrays = io.read_tensors("data/slices/val/slices.safetensors")
    io.write_csv("data/slices/val/slices.csv", slices[:0])
    io.write_tensors(
        "data/slices/val/slices.safetensors", {name: a[:0] for name, a in arrays.items()}
    )
    with pytest.raises(InputError, match="holds no slice"):
        read(fake_stage, params, table)


def test_embeddings_that_do_not_fit_their_table_are_one_line(dataset):
    arrays = io.read_tensors("data/text/learn.safetensors")
    io.write_tensors("data/text/learn.safetensors", {n: a[:1] for n, a in arrays.items()})
    with pytest.raises(InputError, match=r"learn\.safetensors: does not fit"):
        PromptTable.read("data/text/learn.csv", "data/text/learn.safetensors")
    arrays["mask"][0] = 0
    io.write_tensors("data/text/learn.safetensors", arrays)
    with pytest.raises(InputError, match="a prompt has no token"):
        PromptTable.read("data/text/learn.csv", "data/text/learn.safetensors")


def test_table_gives_rows_and_batches(table):
    texts = pd.read_csv("data/text/learn.csv")["text"].tolist()
    assert table.rows(texts[::-1]).tolist() == [1, 0]
    assert torch.equal(table.batch(torch.tensor([1, 1])).tokens[0], table.tokens[1])
    assert table.dimension == 12
