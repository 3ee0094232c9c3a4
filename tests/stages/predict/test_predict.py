"""The stage with small untrained networks: what it keeps, and that `score` needs nothing else."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from network_inputs import (
    NETWORKS,
    PARAMS,
    TEXTS,
    mirrored,
    shard,
    write_split,
    write_text,
    write_weights,
)

from textbcs.base.io import read_csv, read_tensors, write_tensors
from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics.slice_scores import score
from textbcs.evaluation.statistics.runs import TRIVIAL
from textbcs.prediction import network
from textbcs.prediction.answers import Answers, pack, write_answers
from textbcs.prediction.maps import Prediction
from textbcs.stage.receipt import Stage
from textbcs.stages.evaluation import score as score_stage
from textbcs.stages.predict import predict as predict_stage

RULES = {
    "threshold": 0.5,
    "nsd_tolerances_mm": [1.0, 2.5],
    "lesions": {"minimum_covered": 0.1},
    "calibration": {"bins": 15, "band_mm": 2.0, "dropout_passes": 3, "dropout_seed": 5},
}
OWN: dict[str, Any] = PARAMS | {
    "evaluation": RULES,
    "seeds": [1],
    "tables": {"table1": list(NETWORKS), "variants": [], "for_use": []},
    "replicates": {"methods": [], "seeds": []},
    "robustness": {"methods": ["textbcs"]},
}


@pytest.fixture
def predicted(
    stage_in: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Stage, dict[str, list[Prediction]]]]:
    """Both networks' maps, and the very predictions that they were made from, in their order."""
    stage = stage_in(OWN)
    write_split(stage, "test", shard())
    write_split(stage, "val", shard(7))
    write_text("probe", mirrored())
    write_text("learn", mirrored())
    write_weights()
    known: dict[str, list[Prediction]] = {}
    for name in NETWORKS:
        kept = known.setdefault(name, [])

        def keep(*arguments: Any, kept: list[Prediction] = kept) -> Prediction:
            kept.append(network.predict(*arguments))
            return kept[-1]

        monkeypatch.setattr(predict_stage, "predict", keep)
        predict_stage.run(stage, name, "1")
    score_stage._shard.cache_clear()  # of another test's folder
    yield stage, known
    score_stage._shard.cache_clear()


def maps(name: str, file: str) -> dict[str, np.ndarray]:
    return read_tensors(f"results/predictions/{name}-s1/{file}.safetensors")


def test_the_probabilities_are_kept_in_full_precision(
    predicted: tuple[Stage, dict[str, list[Prediction]]],
) -> None:
    _, known = predicted
    true, swapped, _ = known["textbcs"]
    exact = maps("textbcs", "probability")
    assert exact["probability"].dtype == np.float32
    assert np.array_equal(exact["probability"], true.probability)
    assert np.array_equal(exact["probability_swapped"], swapped.probability)
    assert not np.array_equal(true.probability, swapped.probability)
    assert set(maps("unet", "probability")) == {"probability"}
    for name in NETWORKS:
        stored = maps(name, "maps")["probability"]
        assert np.array_equal(stored, maps(name, "probability")["probability"].astype(np.float16))


def test_validation_is_kept_for_a_head_that_gets_a_temperature(
    predicted: tuple[Stage, dict[str, list[Prediction]]],
) -> None:
    _, known = predicted
    assert np.array_equal(maps("unet", "validation")["probability"], known["unet"][-1].probability)
    assert maps("textbcs", "validation") == {}


def test_scores_are_those_of_the_prediction_in_memory(
    predicted: tuple[Stage, dict[str, list[Prediction]]],
) -> None:
    stage, known = predicted
    write_other_inputs(stage)
    score_stage.run(stage)
    for name, (true, *others) in known.items():
        swapped = others[0] if name == "textbcs" else None
        wanted = score(shard(), true, swapped, RULES, 4.0)
        wanted.to_csv("wanted.csv", index=False)
        found = read_csv(f"results/evaluation/{name}-s1/slices.csv")
        pd.testing.assert_frame_equal(found, read_csv("wanted.csv"), check_exact=True)
    prompts = read_csv("results/evaluation/textbcs-s1/prompts.csv")
    assert prompts["dice"].tolist()[:3] == [1, 1, 1]


def write_other_inputs(stage: Stage) -> None:
    """The rows that no network made, and right answers to one probe."""
    own: Shard = shard()
    for name in TRIVIAL:
        empty = {"probability": np.zeros(own.masks.shape, np.float32)}
        write_tensors(f"results/predictions/{name}-s0/probability.safetensors", empty)
    rows = own.table[["slice_id", "patient", "kind"]].assign(
        probe="true", prompt=list(TEXTS), answer=range(4)
    )
    packed = np.stack([pack(mask) for mask in own.masks > 0])
    shape = own.masks.shape[1:]
    answers = Answers(rows, packed, np.arange(4, dtype=np.int64), np.full(4, np.nan), shape)
    write_answers(stage, "textbcs-s1", answers)


@pytest.mark.parametrize(
    "work",
    [
        "import textbcs.stages.evaluation.score",
        "import textbcs.stages.evaluation.calibrate",
        "import textbcs.stages.__main__",
    ],
)
def test_what_scores_or_fits_imports_no_network(work: str) -> None:
    """So that a new metric costs no start of torch, and needs no GPU."""
    command = f"{work}\nimport sys\nassert 'torch' not in sys.modules\n"
    subprocess.run([sys.executable, "-c", command], check=True)


def test_scoring_imports_no_network(predicted: tuple[Stage, object]) -> None:
    """The same while it works: whole stage, in a process of its own."""
    write_other_inputs(predicted[0])
    command = (
        "import json, sys\n"
        "from textbcs.stage.definition import Definition\n"
        "from textbcs.stage.receipt import Stage\n"
        "from textbcs.stages.evaluation.score import run\n"
        "own = ('data', 'results')\n"
        "run(Stage(Definition('score', (), own, own), json.loads(sys.argv[1]), ['score']))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", command, json.dumps(OWN)], check=True)
