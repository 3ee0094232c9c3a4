"""A split on the device, and every way in which its files may not fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import write_start

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import every_prompt
from textbcs.models.common.prompt_embeddings import PromptTable
from textbcs.training.data import kept_patients, read_learning_splits, read_split, wordings

CPU = torch.device("cpu")


@pytest.fixture
def table(dataset) -> PromptTable:
    return PromptTable.read("data/text/learn/prompts.csv", "data/text/learn/embeddings.safetensors")


def read(fake_stage, params, table, name="val"):
    return read_split(fake_stage(params), name, table, CPU)


def test_prompts_are_joined_by_slice_and_not_by_place(fake_stage, params, table):
    before = read(fake_stage, params, table)
    prompts = pd.read_csv("data/prompts/val.csv")
    io.write_csv("data/prompts/val.csv", prompts[::-1])
    after = read(fake_stage, params, table)
    assert torch.equal(before.prompt, after.prompt)
    texts = pd.read_csv("data/text/learn/prompts.csv")["text"]
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
    arrays = io.read_tensors("data/text/learn/embeddings.safetensors")
    io.write_tensors(
        "data/text/learn/embeddings.safetensors", {n: a[:1] for n, a in arrays.items()}
    )
    with pytest.raises(InputError, match=r"embeddings\.safetensors: does not fit"):
        PromptTable.read("data/text/learn/prompts.csv", "data/text/learn/embeddings.safetensors")
    arrays["mask"][0] = 0
    io.write_tensors("data/text/learn/embeddings.safetensors", arrays)
    with pytest.raises(InputError, match="a prompt has no token"):
        PromptTable.read("data/text/learn/prompts.csv", "data/text/learn/embeddings.safetensors")


def test_table_gives_rows_and_batches(table):
    texts = pd.read_csv("data/text/learn/prompts.csv")["text"].tolist()
    assert table.rows(texts[::-1]).tolist() == [1, 0]
    assert torch.equal(table.batch(torch.tensor([1, 1])).tokens[0], table.tokens[1])
    assert table.dimension == 12


def test_an_empty_cell_is_the_empty_prompt(tmp_path):
    io.write_csv(tmp_path / "t.csv", pd.DataFrame({"row": [0, 1], "text": ["a", ""]}))
    arrays = {"tokens": torch.rand(2, 3, 4).numpy(), "mask": torch.ones(2, 3).byte().numpy()}
    io.write_tensors(tmp_path / "t.safetensors", arrays)
    table = PromptTable.read(tmp_path / "t.csv", tmp_path / "t.safetensors")
    assert table.texts == table.meanings == ("a", "")
    assert table.rows([""]).tolist() == [1]


def test_a_wording_has_the_attributes_of_its_prompt(fake_stage, params, dataset):
    texts = pd.read_csv("data/text/learn/prompts.csv")
    arrays = io.read_tensors("data/text/learn/embeddings.safetensors")
    other = pd.DataFrame({"row": [2, 3], "text": ["sinister", "dexter"]})
    both = pd.concat([texts, other], ignore_index=True)
    both["prompt"] = texts["text"].tolist() * 2
    io.write_csv("data/text/learn/prompts.csv", both[["row", "text", "prompt"]])
    twice = {name: torch.cat([torch.from_numpy(a)] * 2).numpy() for name, a in arrays.items()}
    io.write_tensors("data/text/learn/embeddings.safetensors", twice)
    table = PromptTable.read(
        "data/text/learn/prompts.csv", "data/text/learn/embeddings.safetensors"
    )
    split = read(fake_stage, params, table)
    assert split.attributes.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0]] * 2
    assert split.wordings is not None
    assert split.wordings.tolist() == [[0, 2], [1, 3], [0, 2], [1, 3]]
    # What validates and what a slice's prompt is stays the prompt itself.
    assert set(split.prompt.tolist()) <= {0, 1}


def test_wordings_are_none_without_any_and_repeat_where_a_prompt_has_fewer():
    tokens, mask = torch.zeros(4, 1, 1), torch.ones(4, 1).bool()
    assert wordings(PromptTable(list("abcd"), tokens, mask)) is None
    found = wordings(PromptTable(list("abcd"), tokens, mask, list("aaad")))
    assert found is not None
    assert found.tolist() == [[0, 1, 2]] * 3 + [[3, 3, 3]]


def two_slices_a_patient(name: str) -> pd.DataFrame:
    table = pd.read_csv(f"data/slices/{name}/slices.csv")
    table["patient"] = [f"P{place // 2:02d}" for place in range(len(table))]
    io.write_csv(f"data/slices/{name}/slices.csv", table)
    return table


def fractions_of(fake_stage, params, fraction: float, seed: int = 43):
    settings = {**params["training"], "fraction": fraction, "fraction_seed": seed}
    return read_learning_splits(fake_stage(params), CPU, settings)


def test_a_fraction_keeps_whole_patients_and_validates_on_all(fake_stage, params, dataset):
    patients = two_slices_a_patient("train").set_index("slice_id")["patient"].to_dict()
    two_slices_a_patient("val")
    everything = fractions_of(fake_stage, params, 1.0)
    smaller: set[str] = set()
    for fraction, count in ((0.1, 1), (0.25, 3), (0.5, 5), (1.0, 9)):
        train, val = fractions_of(fake_stage, params, fraction)
        kept = {patients[slice_id] for slice_id in train.slice_ids}
        assert (len(kept), len(val)) == (count, 6)
        assert [s for s, p in patients.items() if p in kept] == list(train.slice_ids)
        assert smaller <= kept
        smaller = kept
        places = [everything[0].slice_ids.index(slice_id) for slice_id in train.slice_ids]
        for field in ("image", "mask", "prompt", "mirrored"):
            assert torch.equal(getattr(train, field), getattr(everything[0], field)[places])
    other = {patients[s] for s in fractions_of(fake_stage, params, 0.5, seed=44)[0].slice_ids}
    assert other != {patients[s] for s in fractions_of(fake_stage, params, 0.5)[0].slice_ids}


def test_numbers_of_patients_are_rounded_up_but_not_by_rounding_errors():
    names = [f"P{number:03d}" for number in range(110)]
    assert len(kept_patients(names * 3, 0.1, 1)) == 11
    assert len(kept_patients(names, 0.101, 1)) == 12
    assert kept_patients(["a"], 0.01, 1) == ["a"]
    assert sorted(kept_patients(names[::-1], 1.0, 1)) == names


def test_a_variant_may_train_on_a_fraction(fake_stage, params, dataset):
    from textbcs.training.setup import set_up

    write_start("textbcs")
    params["variants"] = {"half": {"training": {"fraction": 0.5}}}
    half, whole = (set_up(fake_stage(params), name) for name in ("half", "textbcs"))
    assert (len(half.train), len(whole.train)) == (9, 17)
    assert (len(half.val), half.settings["epochs"]) == (6, 3)


@pytest.fixture
def for_use(dataset) -> None:
    """What a method for use reads besides: the grammar, the cases' prompts and tumour-free slices."""
    texts = ["", *(prompt.text for prompt in every_prompt(True))]
    table = pd.DataFrame({"row": range(len(texts)), "text": texts, "prompt": texts})
    io.write_csv("data/text/grammar/prompts.csv", table)
    tokens = np.zeros((len(texts), 4, 12), np.float32)
    mask = np.ones((len(texts), 4), np.uint8)
    io.write_tensors("data/text/grammar/embeddings.safetensors", {"tokens": tokens, "mask": mask})
    train = two_slices_a_patient("train")
    cases = pd.DataFrame({"patient": sorted(set(train["patient"])), "text": texts[5]})
    io.write_csv("data/prompts/train_patients.csv", cases)
    Path("data/slices/train_free").mkdir()
    free = train.iloc[:4].assign(slice_id=[f"f{place}" for place in range(4)], kind="negative")
    io.write_csv("data/slices/train_free/slices.csv", free)
    shape = io.read_tensors(Path("data/slices/train/slices.safetensors"))["image"].shape[1:]
    image = np.full((4, *shape), 0.25, np.float16)
    arrays = {"image": image, "mask": np.zeros(image.shape, np.uint8)}
    io.write_tensors("data/slices/train_free/slices.safetensors", arrays)


def test_a_method_for_use_reads_more_and_all_others_do_not(fake_stage, params, for_use):
    plain, _ = read_learning_splits(fake_stage(params), CPU, params["training"])
    assert plain.others is None
    settings = {**params["training"], "tumour_free": 0.5}
    more, val = read_learning_splits(fake_stage(params), CPU, settings)
    assert more.others is not None
    assert val.others is None
    assert (len(more), more.others.free, len(more.image)) == (len(plain), 4, len(plain) + 4)
    assert torch.equal(more.image[: len(plain)], plain.image)
    assert not more.mask[len(plain) :].any()
    assert {more.prompts.texts[row] for row in more.prompt[len(plain) :]} == {
        every_prompt(True)[4].text
    }
    assert (more.others.case == 5).all()


def test_tumour_free_slices_of_patients_who_are_left_out_stay_out(fake_stage, params, for_use):
    settings = {**params["training"], "tumour_free": 0.5, "fraction": 0.1}
    more, _ = read_learning_splits(fake_stage(params), CPU, settings)
    kept = set(more.slice_ids)
    table = pd.read_csv("data/slices/train/slices.csv").set_index("slice_id")["patient"]
    patients = {table[slice_id] for slice_id in kept}
    free = pd.read_csv("data/slices/train_free/slices.csv")["patient"]
    assert more.others is not None
    assert more.others.free == int(free.isin(patients).sum())


def test_a_case_without_a_prompt_is_said(fake_stage, params, for_use):
    cases = pd.read_csv("data/prompts/train_patients.csv").iloc[1:]
    io.write_csv("data/prompts/train_patients.csv", cases)
    settings = {**params["training"], "tumour_free": 0.5}
    with pytest.raises(io.InputError, match=r"train_patients\.csv: patient P00 has no prompt"):
        read_learning_splits(fake_stage(params), CPU, settings)
