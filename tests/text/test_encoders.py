"""The encoders on real files: the packaged one, and a random BERT as the pickle that the hub has."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from randombert import write_random_bert

from textbcs.base.io import InputError
from textbcs.text.embedding import encoder_facts
from textbcs.text.encoders import SOURCES, embed, with_safetensors

TEXTS = [
    "location left; shape irregular; size medium; number two",
    "location right; shape irregular; size medium; number two",
    "location left; shape round; size small; number one",
]
MINILM = {"encoder": "minilm", "directory": "", "max_tokens": 16}


@pytest.fixture(scope="module")
def embedded():
    return embed(TEXTS, MINILM)


def test_minilm_loads_offline_and_has_its_published_width(embedded) -> None:
    assert embedded.tokens.shape == (3, 16, SOURCES["minilm"].dimension)
    assert embedded.tokens.dtype == np.float32
    assert (embedded.tokens[embedded.mask == 0] == 0).all()
    assert (np.diff(embedded.mask.astype(int), axis=1) <= 0).all()


def test_minilm_is_pretrained() -> None:
    # A random network would not know that "left" is nearer to "right" than to an unrelated word.
    found = embed(["left", "right", "banana"], MINILM)
    left, right, banana = (found.tokens[row][found.mask[row] > 0].mean(0) for row in range(3))

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    assert cosine(left, right) > cosine(left, banana) + 0.1


def test_one_word_changes_the_embedding_of_all_tokens_but_not_their_number(embedded) -> None:
    assert embedded.mask[0].tolist() == embedded.mask[1].tolist()
    assert np.abs(embedded.tokens[0] - embedded.tokens[1]).max() > 0.1


def test_a_text_is_embedded_alike_alone_and_among_others(embedded) -> None:
    alone = embed(TEXTS[1:2], MINILM)
    assert (alone.tokens[0] == embedded.tokens[1]).all()


def test_a_text_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"tokens, text.max_tokens is 4"):
        embed(TEXTS[:1], {**MINILM, "max_tokens": 4})


@pytest.fixture(scope="module")
def random_bert(tmp_path_factory) -> Path:
    """A small random BERT as a pickled .bin."""
    folder: Path = tmp_path_factory.mktemp("bert")
    write_random_bert(folder)
    return folder


def test_a_pickled_bert_is_converted_once_and_gives_the_same_numbers(
    random_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from transformers import AutoTokenizer, BertModel

    monkeypatch.chdir(tmp_path)
    options = {"encoder": "bioclinicalbert", "directory": str(random_bert), "max_tokens": 16}
    found = embed(TEXTS[:1], options)
    converted = with_safetensors(random_bert, "bioclinicalbert")
    assert (converted / "model.safetensors").is_file()
    assert found.tokens.shape[2] == 768
    facts = encoder_facts(options)
    pickled = (random_bert / "pytorch_model.bin").read_bytes()
    assert facts["origin"] == "local directory"
    assert facts["sha256"] == hashlib.sha256(pickled).hexdigest()
    # Independent: the library's own reading of the pickle.
    direct = BertModel.from_pretrained(random_bert).eval()
    encoded = AutoTokenizer.from_pretrained(random_bert)(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        expected = direct(**encoded).last_hidden_state[0].numpy()
    np.testing.assert_array_equal(found.tokens[0, : len(expected)], expected)


def test_a_pickle_with_code_in_it_is_refused(
    random_bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "evil"
    shutil.copytree(random_bert, folder)
    torch.save({"weight": Path("/")}, folder / "pytorch_model.bin")
    with pytest.raises(InputError, match="refused: it is damaged or holds more than tensors"):
        with_safetensors(folder, "bioclinicalbert")
    assert not list(tmp_path.glob(".cache/**/model.safetensors"))


def test_an_absent_encoder_is_one_line_and_no_other_takes_its_place(tmp_path, monkeypatch) -> None:
    import huggingface_hub

    def unreachable(*_, **__):
        raise huggingface_hub.errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    with pytest.raises(
        InputError, match="neither in the local cache nor reachable.*text.directory"
    ) as caught:
        embed(TEXTS, {"encoder": "bioclinicalbert", "directory": "", "max_tokens": 16})
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=r"has no config.json"):
        embed(TEXTS, {"encoder": "bioclinicalbert", "directory": str(tmp_path), "max_tokens": 16})
