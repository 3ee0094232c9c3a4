"""The stage `pretrain`: what it writes, learns and refuses, and that it resumes bit for bit."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import SIZE

from textbcs.base import io, kernels
from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.models.common.contrastive import encoder_weights
from textbcs.stages.training.pretrain import run as pretrain
from textbcs.training.setup import set_up

SETTINGS = {
    "epochs": 3,
    "batch_size": 6,
    "optimizer": "adam",
    "learning_rate": 3.0e-3,
    "weight_decay": 1.0e-6,
    "schedule": "onecycle",
    "seed": 3,
}
RESNET = {"width": 4, "blocks": [1, 1, 1, 1]}
VIT = {"width": 24, "depth": 1, "head_width": 12, "patch": 8, "freeze_encoder": True}
METHODS = {
    "clip": (VIT, {}),
    "convirt": (RESNET, {"embedding": 16, "temperature": 0.1, "image_weight": 0.75}),
    "gloria": (RESNET, {"embedding": 16, "temperatures": [4.0, 5.0, 10.0]}),
    "mgca": (VIT, {"embedding": 16, "hidden": 32, "prototypes": 5}),
}
KILLED = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from small_training import FakeStage
from textbcs.stages.training.pretrain import run as pretrain

class Dies(FakeStage):
    def log(self, message):
        if message.startswith("epoch 2"):
            os.kill(os.getpid(), signal.SIGKILL)

pretrain(Dies(json.loads(sys.argv[2])), "mgca")
"""


@pytest.fixture
def params(params) -> dict:
    """The small training's, with the four methods that pre-train."""
    for method, (network, settings) in METHODS.items():
        params["methods"][method] = {
            "network": {"model": method, **network},
            "initial": {"weights": "none", "pretraining": {**SETTINGS, **settings}},
            "loss": {"focal_weight": 10.0, "focal_gamma": 2.0},
            "training": {},
            "grid": [[5.0e-3, 4]],
        }
    return params


def written(method: str) -> tuple[bytes, bytes]:
    folder = Path(f"results/pretrained/{method}")
    return (folder / "encoder.safetensors").read_bytes(), (folder / "history.csv").read_bytes()


def telling_images(name: str, count: int) -> None:
    """Slices that show what their prompt says: the side, and one or two lesions."""
    rng = np.random.default_rng(len(name))
    images = rng.uniform(0, 0.1, (count, SIZE, SIZE))
    rows, columns = np.mgrid[:SIZE, :SIZE]
    texts = []
    for index in range(count):
        side, number = ("right", "left")[index % 2], ("one", "two")[index // 2 % 2]
        for place in range(1 + (number == "two")):
            centre = SIZE // 4 + (side == "left") * SIZE // 2
            images[index][(rows - 8 - 14 * place) ** 2 + (columns - centre) ** 2 < 20] += 0.8
        texts.append(f"location {side}; shape round; size small; number {number}")
    masks = np.zeros((count, SIZE, SIZE), np.uint8)
    table = io.read_csv(f"data/slices/{name}/slices.csv").iloc[[0] * count].copy()
    table["row"] = range(count)
    table["slice_id"] = [f"{name}{index:03d}" for index in range(count)]
    io.write_csv(f"data/slices/{name}/slices.csv", table)
    tensors = {"image": images.astype(np.float16), "mask": masks}
    io.write_tensors(f"data/slices/{name}/slices.safetensors", tensors)
    prompts = pd.DataFrame({"slice_id": table["slice_id"].to_numpy(), "text": texts})
    io.write_csv(f"data/prompts/{name}.csv", prompts)


@pytest.fixture
def telling(dataset) -> None:
    """Replaces the data set by one whose images tell their prompts."""
    for name, count in (("train", 24), ("val", 8)):
        telling_images(name, count)
    texts = sorted(set(io.read_csv("data/prompts/train.csv")["text"]))
    rng = np.random.default_rng(5)
    words = {word: rng.normal(size=12) for text in texts for word in text.replace(";", "").split()}
    tokens = np.array([[words[w] for w in t.replace(";", "").split()] for t in texts], np.float32)
    io.write_csv(
        "data/text/learn/prompts.csv", pd.DataFrame({"row": range(len(texts)), "text": texts})
    )
    mask = np.ones(tokens.shape[:2], np.uint8)
    io.write_tensors("data/text/learn/embeddings.safetensors", {"tokens": tokens, "mask": mask})


@pytest.mark.parametrize("method", METHODS)
def test_writes_the_encoder_by_the_networks_names_and_a_history(
    dataset, params, fake_stage, method
):
    stage = fake_stage(params)
    pretrain(stage, method)
    base = f"results/pretrained/{method}"
    assert stage.outputs == {f"{base}/encoder.safetensors", f"{base}/history.csv"}
    assert (stage.seed, stage.device) == (3, kernels.device())
    assert not any("test" in path for path in stage.inputs)
    history = pd.read_csv(f"{base}/history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history.columns[:3].tolist() == ["epoch", "learning_rate", "loss"]
    assert np.isfinite(history.to_numpy()).all()
    torch.manual_seed(5)
    fresh = registry.build(
        params["methods"][method]["network"], channels=3, image_size=SIZE, text_dim=12
    )
    before = fresh.state_dict()
    after = (
        set_up(fake_stage(params), method)
        .run(5, batch_size=4, learning_rate=0.0)
        .model.state_dict()
    )
    laid = io.read_tensors(f"{base}/encoder.safetensors")
    assert set(laid) == set(encoder_weights(before))
    for name, value in after.items():
        expected = torch.from_numpy(laid[name]) if name in laid else before[name]
        assert torch.equal(value, expected), name
    assert any(not np.array_equal(laid[name], before[name].numpy()) for name in laid)
    assert not list(Path(".cache/resume").glob("*"))


def test_a_method_without_one_gets_empty_files_and_no_torch(dataset, params):
    code = (
        "import json, sys; sys.path.insert(0, sys.argv[1]);"
        "from small_training import FakeStage; from textbcs.stages.training.pretrain import run as pretrain;"
        "pretrain(FakeStage(json.loads(sys.argv[2])), 'unet');"
        "assert 'torch' not in sys.modules"
    )
    here = str(Path(__file__).parents[2] / "helpers")
    subprocess.run([sys.executable, "-c", code, here, io.canonical_json(params)], check=True)
    assert io.read_tensors("results/pretrained/unet/encoder.safetensors") == {}
    assert len(pd.read_csv("results/pretrained/unet/history.csv")) == 0


def test_an_encoder_of_another_width_is_refused_in_one_line(dataset, params, fake_stage):
    params["methods"]["convirt"]["initial"]["pretraining"]["epochs"] = 1
    pretrain(fake_stage(params), "convirt")
    params["methods"]["convirt"]["network"]["width"] = 8
    with pytest.raises(InputError, match="run the stage pretrain again"):
        set_up(fake_stage(params), "convirt").run(5)


def test_published_weights_are_the_start_of_both(dataset, params, fake_stage, monkeypatch):
    """A learning rate of zero: what was read is what is written."""

    def published(config, network, path, sha256):
        assert (path, sha256) == ("some.npz", "ab")
        names = [name for name in network.state_dict() if name.endswith("weight")]
        return {name: torch.full_like(network.state_dict()[name], 0.5) for name in names}

    stub = SimpleNamespace(published_initial_weights=published)
    monkeypatch.setitem(sys.modules, "textbcs.pretraining.published", stub)
    for method in ("unet", "clip"):
        params["methods"][method]["initial"] |= {"weights": "some.npz", "sha256": "ab"}
    still = {"learning_rate": 0.0, "schedule": "constant", "epochs": 1}
    params["methods"]["clip"]["initial"]["pretraining"] |= still
    for method in ("unet", "clip"):
        pretrain(fake_stage(params), method)
        arrays = io.read_tensors(f"results/pretrained/{method}/encoder.safetensors")
        read = [name for name in arrays if name.endswith("weight")]
        assert read
        assert all((arrays[name] == 0.5).all() for name in read)
    assert "encoder.class_token" in arrays
    assert "head.head.weight" in arrays


def test_a_block_for_a_method_without_a_contrastive_model_is_refused(dataset, params, fake_stage):
    params["methods"]["unet"]["initial"]["pretraining"] = SETTINGS
    with pytest.raises(
        InputError, match="unet.initial.pretraining: this method has no pre-training"
    ):
        pretrain(fake_stage(params), "unet")


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_values_same_bytes_and_another_seed_other_bytes(
    dataset, params, fake_stage, precision
):
    params["training"]["precision"] = precision
    params["methods"]["gloria"]["initial"]["pretraining"]["epochs"] = 1
    pretrain(fake_stage(params), "gloria")
    first = written("gloria")
    torch.rand(7)  # nothing that ran before may matter
    pretrain(fake_stage(params), "gloria")
    assert written("gloria") == first
    params["methods"]["gloria"]["initial"]["pretraining"]["seed"] = 4
    pretrain(fake_stage(params), "gloria")
    assert written("gloria")[0] != first[0]


def test_killed_and_continued_is_bitwise_uninterrupted(dataset, params, fake_stage):
    pretrain(fake_stage(params), "mgca")
    whole = written("mgca")
    Path("results/pretrained/mgca/encoder.safetensors").unlink()
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(Path(__file__).parents[2] / "helpers"),
        io.canonical_json(params),
    ]
    killed = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert killed.returncode == -9
    stage = fake_stage(params)
    pretrain(stage, "mgca")
    assert stage.lines[0].startswith("continues after epoch 1")
    assert written("mgca") == whole


def test_nonfinite_loss_stops_with_the_batch(dataset, params, fake_stage):
    params["methods"]["convirt"]["initial"]["pretraining"] |= {
        "optimizer": "sgd",
        "schedule": "constant",
        "learning_rate": 1.0e30,
    }
    with pytest.raises(InputError, match=r"no finite number at epoch \d+, step \d+"):
        pretrain(fake_stage(params), "convirt")
    assert not Path("results/pretrained/convirt/encoder.safetensors").exists()


@pytest.mark.parametrize("method", METHODS)
def test_learns_to_find_the_prompt_and_keeps_the_epoch_of_least_validation_loss(
    telling, params, fake_stage, method
):
    settings = params["methods"][method]["initial"]["pretraining"]
    settings |= {"epochs": 20, "batch_size": 8, "learning_rate": 1.0e-2}
    if method == "clip":
        settings["learning_rate"] = 3.0e-3
    params["training"]["flip_probability"] = 0.0
    pretrain(fake_stage(params), method)
    history = pd.read_csv(f"results/pretrained/{method}/history.csv")
    best = history.loc[history["validation_loss"].idxmin()]
    assert best["validation_chance"] == pytest.approx(0.25)
    assert best["validation_top1"] > 0.5
    assert best["validation_loss"] < history["validation_loss"][0]
