"""The search takes the best of its points on validation, and the training takes its choice."""

from pathlib import Path

import pandas as pd
import pytest
from small_training import write_start

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.stages.train.train import choice
from textbcs.stages.train.train import run as train
from textbcs.stages.training import search as module
from textbcs.stages.training.search import best
from textbcs.stages.training.search import run as search

GRID = [[1.0e-6, 4], [1.0e-2, 4], [1.0e-2, 16]]


def test_the_best_point_is_chosen_and_trained(dataset, params, fake_stage):
    params["methods"]["unet"]["grid"] = GRID
    params["search"]["epochs"] = 3
    stage = fake_stage(params)
    search(stage, "unet")
    grid = pd.read_csv("results/search/unet/grid.csv")
    assert grid[["learning_rate", "batch_size"]].to_numpy().tolist() == GRID
    chosen = io.read_json("results/search/unet/choice.json")
    winner = grid.iloc[grid["validation_dice"].idxmax()]
    assert chosen["validation_dice"] == winner["validation_dice"] > grid["validation_dice"].min()
    assert (chosen["learning_rate"], chosen["batch_size"]) == (
        winner["learning_rate"],
        winner["batch_size"],
    )
    assert stage.seed == 7
    assert not list(Path(".cache/resume").glob("*"))
    params["training"]["schedule"] = "constant"
    train(fake_stage(params), "unet", 3)
    history = pd.read_csv("results/runs/unet-s3/history.csv")
    assert set(history["learning_rate"]) == {chosen["learning_rate"]}


def test_search_and_training_read_no_test_slice(dataset, params, fake_stage):
    params["methods"]["unet"]["grid"] = GRID[:2]
    for verb, items in ((search, ()), (train, (3,))):
        stage = fake_stage(params)
        verb(stage, "unet", *items)
        assert stage.inputs
        assert not [path for path in stage.inputs if "test" in path or "probe" in path]


def test_one_point_needs_no_training(dataset, params, fake_stage, monkeypatch):
    monkeypatch.setattr(module, "_trained", None)
    search(fake_stage(params), "unet")
    chosen = io.read_json("results/search/unet/choice.json")
    assert chosen == {"method": "unet", "points": 1, "learning_rate": 5.0e-3, "batch_size": 4}


def test_the_first_of_equals_wins():
    rows = [{"point": 0, "validation_dice": 0.5}, {"point": 1, "validation_dice": 0.5}]
    assert best(rows)["point"] == 0
    assert best([*rows, {"point": 2, "validation_dice": 0.6}])["point"] == 2


def test_interrupted_search_gives_the_same_choice(dataset, params, fake_stage):
    class Stops(fake_stage):
        def log(self, message):
            super().log(message)
            if message.startswith("learning rate 0.01, batch size 4"):
                raise KeyboardInterrupt

    params["methods"]["unet"]["grid"] = GRID
    search(fake_stage(params), "unet")
    files = [Path(f"results/search/unet/{name}") for name in ("choice.json", "grid.csv")]
    whole = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    with pytest.raises(KeyboardInterrupt):
        search(Stops(params), "unet")
    stage = fake_stage(params)
    search(stage, "unet")
    assert sum(line.startswith("continues after epoch 2") for line in stage.lines) == 2
    assert [path.read_bytes() for path in files] == whole


def test_a_choice_without_values_is_one_line(tmp_path):
    io.write_json(tmp_path / "choice.json", {"learning_rate": "fast"})
    with pytest.raises(InputError, match="no choice of a search"):
        choice(tmp_path / "choice.json")


def test_training_starts_from_initial_weights(dataset, params, fake_stage):
    import torch

    from textbcs.training.setup import set_up

    start = torch.full((4, 4, 1, 1), 0.25)
    write_start("unet")
    io.write_tensors(
        "results/pretrained/unet/encoder.safetensors", {"head.weight": start[:1].numpy()}
    )
    run = set_up(fake_stage(params), "unet").run(3, learning_rate=1e-3, batch_size=4)
    state = run.model.state_dict()
    assert torch.equal(state["head.weight"], start[:1])
    params["training"]["foreground_prior"] = 0.02
    given = {"head.weight": start[:1].numpy()}
    io.write_tensors("results/pretrained/unet/encoder.safetensors", given)
    run = set_up(fake_stage(params), "unet").run(3, learning_rate=1e-3, batch_size=4)
    assert run.model.head.bias.sigmoid().item() == pytest.approx(0.02)
    assert torch.equal(run.model.head.weight, start[:1])
    io.write_tensors("results/pretrained/unet/encoder.safetensors", {"foot.weight": start.numpy()})
    with pytest.raises(InputError, match=r"initial weights: foot\.weight"):
        set_up(fake_stage(params), "unet").run(3)
