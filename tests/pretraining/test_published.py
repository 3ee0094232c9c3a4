"""Published weights: the right bytes or none, nothing is run while reading, names and shapes fit."""

import dataclasses
import importlib
import pickle
import re

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_swinunet import build as build_swinunet
from test_swinunet import published as published_swin
from test_transunet import build as build_transunet
from test_transunet import published as published_vit

from textbcs.base.io import NONE, InputError, sha256_file
from textbcs.models.common import registry
from textbcs.pretraining import published

NAME = "imagenet1k_swin_tiny"
SWIN = {"model": "swinunet"}


@pytest.fixture
def swin_file(tmp_path):
    """A file like the published one, of width 8 and windows of 2, and its hash."""
    path = tmp_path / "swin.pth"
    torch.save({"model": published_swin(8, 2, 2), "epoch": 299}, path)
    return path, sha256_file(path)


@pytest.fixture
def verified(monkeypatch):
    """Make the hash of a source known."""

    def know(name: str, sha256: str) -> None:
        table = published.sources()
        table[name] = dataclasses.replace(table[name], sha256=sha256)
        monkeypatch.setattr(published, "sources", lambda: table)

    return know


def test_every_source_is_complete_and_used_by_the_method_it_names():
    table = published.sources()
    assert {"imagenet21k_r50_vit_b16", NAME, "clip_vit_b16"} <= set(table)
    for source in table.values():
        assert source.url.startswith("https://")
        assert source.url.endswith(source.file)
        assert source.revision in source.url
        assert source.licence in ("Apache-2.0", "MIT")
        for value in (source.sha256, source.reported_sha256):
            assert value is None or re.fullmatch("[0-9a-f]{64}", value)
    for method in ("transunet", "swinunet"):
        module = importlib.import_module(f"textbcs.models.{method}.weights")
        assert table[module.SOURCE].used_by == method


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth", ".bin"])
def test_each_format_gives_the_same_tensors_in_float32(tmp_path, suffix):
    tensors = {"a/kernel": torch.arange(6.0).reshape(2, 3).half(), "step": torch.tensor([7])}
    path = tmp_path / f"weights{suffix}"
    if suffix == ".npz":
        np.savez(path, **{name: value.numpy() for name, value in tensors.items()})
    elif suffix == ".safetensors":
        save_file(tensors, path)
    else:
        torch.save(tensors, path)
    found = published.load_pinned(NAME, path, sha256_file(path))
    assert torch.equal(found["a/kernel"], torch.arange(6.0).reshape(2, 3))
    assert found["a/kernel"].dtype == torch.float32
    assert torch.equal(found["step"], tensors["step"])


def test_an_unverified_file_is_refused_until_its_hash_is_stated(swin_file):
    path, found = swin_file
    with pytest.raises(InputError, match="not verified") as error:
        published.load_pinned(NAME, path)
    message = str(error.value)
    assert found in message
    assert str(published.sources()[NAME].reported_sha256) in message
    assert "methods.swinunet.initial.sha256" in message
    assert "\n" not in message
    assert "norm.weight" in published.load_pinned(NAME, path, found.upper())


def test_a_verified_hash_needs_no_statement_and_admits_no_other(swin_file, verified):
    path, found = swin_file
    verified(NAME, found)
    assert "norm.weight" in published.load_pinned(NAME, path)
    with pytest.raises(InputError, match="initial.sha256 says 0000"):
        published.load_pinned(NAME, path, "0" * 64)
    verified(NAME, "1" * 64)
    with pytest.raises(InputError, match="published.yaml says 1111"):
        published.load_pinned(NAME, path, found)


def test_one_changed_byte_is_refused(swin_file):
    path, found = swin_file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="initial.sha256 says"):
        published.load_pinned(NAME, path, found)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("suffix", [".npz", ".pth", ".bin", ".safetensors"])
def test_code_in_a_file_is_not_run(tmp_path, suffix):
    path, witness = tmp_path / f"weights{suffix}", tmp_path / "witness"
    if suffix == ".npz":
        np.savez(path, a=np.array([Trap(witness)], dtype=object))
    elif suffix == ".pth":
        torch.save({"model": {"a": Trap(witness)}}, path)
    else:
        path.write_bytes(pickle.dumps({"a": Trap(witness)}, protocol=2))
    with pytest.raises(InputError, match="not a readable file of tensors") as error:
        published.load_pinned(NAME, path, sha256_file(path))
    assert "\n" not in str(error.value)
    assert not witness.exists()


def test_missing_files_unknown_names_and_formats_are_one_line(tmp_path):
    with pytest.raises(InputError, match=r"file is missing; fetch https://github"):
        published.load_pinned(NAME, tmp_path / "none.pth")
    with pytest.raises(InputError, match="not in published.yaml"):
        published.load_pinned("resnet", tmp_path / "none.pth")
    other = tmp_path / "weights.h5"
    other.write_bytes(b"x")
    with pytest.raises(InputError, match="unknown format"):
        published.load_pinned(NAME, other, sha256_file(other))


@pytest.mark.parametrize("none", ["none", NONE, ""])
def test_without_weights_a_training_starts_at_random(none):
    assert published.published_initial_weights(SWIN, build_swinunet(), none) == {}


def test_swin_weights_reach_the_network(swin_file, tmp_path):
    path, found = swin_file
    network = build_swinunet()
    weights = published.published_initial_weights(SWIN, network, path, found)
    result = network.load_state_dict(weights, strict=False)
    assert not result.unexpected_keys
    assert all(
        key.startswith(("expand.", "join.", "up_norm.", "last_expand.", "head."))
        for key in result.missing_keys
    )
    expected = published_swin(8, 2, 2)["layers.3.blocks.1.mlp.fc1.weight"]
    assert torch.equal(network.down[3][1].mlp_in.weight, expected)
    assert list(weights) == sorted(weights)
    save_file(weights, tmp_path / "initial.safetensors")  # refuses tensors that share memory


def test_vit_weights_reach_the_network_and_survive_safetensors(tmp_path):
    path = tmp_path / "R50+ViT-B_16.npz"
    np.savez(path, **{name: value.numpy() for name, value in published_vit(8, 6).items()})
    network = build_transunet(64)
    weights = published.published_initial_weights(
        {"model": "transunet"}, network, path, sha256_file(path)
    )
    save_file(weights, tmp_path / "initial.safetensors")
    result = network.load_state_dict(weights, strict=False)
    assert all(key.startswith(("widen.", "up.", "head.")) for key in result.missing_keys)
    kernel = published_vit(8, 6)["conv_root/kernel"]
    assert torch.equal(network.resnet.root.weight, kernel.permute(3, 2, 0, 1))


def test_weights_that_do_not_fit_are_one_line(tmp_path, swin_file):
    path, found = swin_file
    with pytest.raises(InputError, match=r"is \(8, 3, 4, 4\) there and \(16, 3, 4, 4\) here"):
        published.published_initial_weights(SWIN, build_swinunet(width=16), path, found)
    damaged = {**published_swin(8, 2, 2), "norm.bias": torch.full((64,), torch.nan)}
    torch.save(damaged, tmp_path / "nan.pth")
    with pytest.raises(InputError, match="norm.bias is not finite"):
        published.published_initial_weights(
            SWIN, build_swinunet(), tmp_path / "nan.pth", sha256_file(tmp_path / "nan.pth")
        )
    with pytest.raises(InputError, match="it is not imagenet21k_r50_vit_b16"):
        published.published_initial_weights({"model": "transunet"}, build_transunet(), path, found)


def test_a_method_without_published_weights_says_so(swin_file):
    path, found = swin_file
    network = registry.build({"model": "unet", "width": 4}, channels=3, image_size=32, text_dim=1)
    with pytest.raises(
        InputError, match=r"methods.unet.initial.weights: there are no published weights"
    ):
        published.published_initial_weights({"model": "unet"}, network, path, found)
