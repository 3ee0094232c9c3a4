"""The loop learns, reproduces, resumes after a kill, stops early and refuses nonsense."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from small_training import write_split, write_start

from textbcs.base import io, kernels
from textbcs.base.io import InputError
from textbcs.models.common import registry
from textbcs.stages.train.train import run as train
from textbcs.training.augmentation import augmented

METHODS = ("unet", "textbcs")
KILLED = """
import json, os, signal, sys
sys.path.insert(0, sys.argv[1])
from small_training import FakeStage
from textbcs.training.augmentation import augmented
from textbcs.stages.train.train import run as train

class Dies(FakeStage):
    def log(self, message):
        if message.startswith("epoch 2"):
            os.kill(os.getpid(), signal.SIGKILL)

train(Dies(json.loads(sys.argv[2])), sys.argv[3], 3)
"""


def weights(method: str, seed: int = 3) -> bytes:
    return Path(f"results/runs/{method}-s{seed}/model.safetensors").read_bytes()


@pytest.mark.parametrize("method", METHODS)
def test_writes_weights_that_the_registry_reads_and_a_history(dataset, params, fake_stage, method):
    stage = fake_stage(params)
    train(stage, method, "3")
    assert stage.outputs == {
        f"results/runs/{method}-s3/model.safetensors",
        f"results/runs/{method}-s3/history.csv",
    }
    assert (stage.seed, stage.device) == (3, kernels.device())
    assert not any("test" in path for path in stage.inputs)
    model = registry.build(
        params["methods"][method]["network"], channels=3, image_size=32, text_dim=12
    )
    registry.read_weights(model, f"results/runs/{method}-s3/model.safetensors")
    history = pd.read_csv(f"results/runs/{method}-s3/history.csv")
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history.columns[:3].tolist() == ["epoch", "learning_rate", "loss"]
    assert set(history["micro_batches"]) == {1}
    assert history["validation_dice"].between(0, 1).all()
    assert not list(Path(".cache/resume").glob("*"))


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_same_seed_same_bytes_and_another_seed_other_bytes(dataset, params, fake_stage, precision):
    params["training"] |= {"epochs": 2, "precision": precision}
    train(fake_stage(params), "textbcs", 3)
    first = weights("textbcs")
    torch.rand(7)  # nothing that ran before may matter
    train(fake_stage(params), "textbcs", 3)
    assert weights("textbcs") == first
    train(fake_stage(params), "textbcs", 4)
    assert weights("textbcs", 4) != first


def test_a_compiled_network_is_trained_as_the_plain_one(dataset, params, fake_stage, monkeypatch):
    """By the backend that traces and compiles nothing: the weights that are written are the network's."""
    train(fake_stage(params), "unet", 3)
    plain = weights("unet")
    traced = []

    def backend(graph, example):
        traced.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    params["training"]["compile"] = True
    train(fake_stage(params), "unet", 3)
    assert traced
    assert weights("unet") == plain


@pytest.mark.parametrize("schedule", ["onecycle", "plateau"])
def test_killed_and_continued_is_bitwise_uninterrupted(dataset, params, fake_stage, schedule):
    params["training"] |= {"epochs": 4, "schedule": schedule, "plateau_patience": 0}
    train(fake_stage(params), "textbcs", 3)
    whole = weights("textbcs"), Path("results/runs/textbcs-s3/history.csv").read_bytes()
    Path("results/runs/textbcs-s3/model.safetensors").unlink()
    here = str(Path(__file__).parents[1] / "helpers")
    command = [sys.executable, "-c", KILLED, here, io.canonical_json(params), "textbcs"]
    killed = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False)
    assert killed.returncode == -9
    assert not Path("results/runs/textbcs-s3/model.safetensors").exists()
    stage = fake_stage(params)
    train(stage, "textbcs", 3)
    assert stage.lines[0].startswith("continues after epoch 1")
    assert (weights("textbcs"), Path("results/runs/textbcs-s3/history.csv").read_bytes()) == whole


def test_a_changed_value_does_not_continue_a_foreign_state(dataset, params, fake_stage):
    class Stops(fake_stage):
        def log(self, message):
            super().log(message)
            if message.startswith("epoch 2"):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(Stops(params), "unet", 3)
    params["training"]["weight_decay"] = 0.5
    stage = fake_stage(params)
    train(stage, "unet", 3)
    assert not any(line.startswith("continues") for line in stage.lines)


def test_best_epoch_is_kept_and_patience_ends_the_training(dataset, params, fake_stage):
    """With a learning rate of zero nothing gets better: epoch 1 stays best."""
    params["training"] |= {"schedule": "constant", "epochs": 9}
    write_start("unet", learning_rate=0.0)
    params["training"]["early_stop_patience"] = 2
    for name in ("flip_probability", "intensity_gain", "intensity_shift"):
        params["training"][name] = 0.0
    params["methods"]["unet"]["training"] = {"epochs": 8}
    train(fake_stage(params), "unet", 3)
    history = pd.read_csv("results/runs/unet-s3/history.csv")
    best = int(history["validation_dice"].idxmax())
    assert len(history) == best + 1 + 2


def test_a_methods_own_training_values_and_the_search_win(dataset, params, fake_stage):
    params["methods"]["unet"]["training"] = {"epochs": 1, "schedule": "constant"}
    write_start("unet", learning_rate=7.0)
    train(fake_stage(params), "unet", 3)
    history = pd.read_csv("results/runs/unet-s3/history.csv")
    assert history["learning_rate"].tolist() == [7.0]


def test_nonfinite_loss_stops_with_the_batch_and_keeps_the_last_good_state(
    dataset, params, fake_stage
):
    params["training"] |= {"optimizer": "sgd", "schedule": "constant"}
    write_start("unet", learning_rate=1.0e18)
    with pytest.raises(InputError, match=r"no finite number at epoch \d+, step \d+"):
        train(fake_stage(params), "unet", 3)
    (dump,) = Path(".cache/resume").glob("*/nonfinite.json")
    found = io.read_json(dump)
    assert len(found["slices"]) == 4
    assert all(name.startswith("train") for name in found["slices"])
    assert not Path("results/runs/unet-s3/model.safetensors").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_cuda_where_there_is_none_is_one_line(dataset, params, fake_stage):
    params["training"]["device"] = "cuda"
    with pytest.raises(InputError, match=r"training\.device = 'cuda'"):
        train(fake_stage(params), "unet", 3)


def test_learns_which_side_the_text_names(dataset, params, fake_stage):
    """Two equal blobs: only the prompt tells the tumour, so UNet can at best mark both (2/3)."""
    write_split("train", 64, np.random.default_rng(6))
    write_split("val", 16, np.random.default_rng(7))
    params["training"] |= {"epochs": 12}
    for method in METHODS:
        params["methods"][method]["network"]["width"] = 8
        train(fake_stage(params), method, 3)
    best = {
        m: pd.read_csv(f"results/runs/{m}-s3/history.csv")["validation_dice"].max() for m in METHODS
    }
    assert best["textbcs"] > 0.85
    assert 0.5 < best["unet"] < 0.75


def test_out_of_memory_goes_on_in_micro_batches_with_the_same_gradient(dataset, params, fake_stage):
    """Without batch normalisation between them, parts of a batch add up to the whole gradient."""
    from textbcs.training.setup import set_up

    setup = set_up(fake_stage(params), "unet")
    gradients = []
    for limit in (99, 2):
        run = setup.run(3, learning_rate=1e-3, batch_size=4)
        run.model.eval()  # running statistics instead of the batch's
        lines: list[str] = []
        run.say = lines.append
        whole = run.model

        def small(image, text, whole=whole, limit=limit):
            if len(image) > limit:
                raise torch.OutOfMemoryError("planted")
            return whole(image, text)

        run.compiled = small
        rows = torch.arange(4)
        batch = augmented(setup.train, rows, 3, run.settings, torch.Generator().manual_seed(0))
        total, parts = run.gradients(batch)
        gradients.append(torch.cat([p.grad.flatten() for p in run.model.parameters()]))
        assert run.parts == (1 if limit == 99 else 2)
        assert bool(lines) == (limit == 2)
        assert float(total) == pytest.approx(
            float(0.5 * parts["dice"] + 0.5 * parts["bce"]), rel=1e-5
        )
    assert "2 micro-batches" in lines[0]
    # Balanced cross-entropy weighs a part's own foreground, so the sums agree in direction only.
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_a_slice_that_never_fits_is_one_line(dataset, params, fake_stage):
    from textbcs.training.setup import set_up

    run = set_up(fake_stage(params), "unet").run(3, learning_rate=1e-3, batch_size=4)
    run.say = lambda message: None

    def never(image, text):
        raise torch.OutOfMemoryError("planted")

    run.compiled = never
    batch = augmented(run.train_split, torch.arange(4), 3, run.settings, run.generator)
    with pytest.raises(InputError, match="not even one slice"):
        run.gradients(batch)
    assert run.parts == 4


def test_the_micro_batches_of_a_step_are_in_the_history(dataset, params, fake_stage, tmp_path):
    from textbcs.training.setup import set_up

    run = set_up(fake_stage(params), "unet").run(3, learning_rate=1e-3, batch_size=4)
    run.parts = 2
    with fake_stage(params).progress(total=run.steps) as bar:
        assert run.one_epoch(bar, tmp_path)["micro_batches"] == 2
