"""Predict and score one trained method on the test split.

Reads the weights, the test slices, their prompts and the probe embeddings; writes a row per test
slice (`results/evaluation/<method>-s<seed>/slices.csv`) and the maps behind it
(`predictions.safetensors`: `probability`, `evidence` and `vacuity` of an evidential head or the
`log_odds` of another, `probability_swapped`). A network whose dropout is sampled is scored with it
switched off, as every other; what its passes say is kept beside (`sampled_log_odds` of their mean and
`sampled_mutual_information`). Nothing here selects or fits anything.
"""

from typing import TYPE_CHECKING

from textbcs.evaluation.predict import load, predict, sample
from textbcs.evaluation.scoring import maps_of, score
from textbcs.io import write_csv, write_tensors
from textbcs.prompts.grammar import mirror
from textbcs.prompts.table import texts_of
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def evaluate(stage: "Stage", method: str, seed: str) -> None:
    """Score `method` trained with `seed` on every test slice."""
    shard = read_slices(stage, "test")
    texts = texts_of(stage.input("data/prompts/test.csv"), shard.table["slice_id"])
    stage.seed = int(seed)
    model, table = load(stage, method, seed, "probe")
    true = predict(stage, model, table, shard, texts)
    swapped = None
    if model.reads_text:
        swapped = predict(stage, model, table, shard, [mirror(text) for text in texts])
    rules = stage.params["evaluation"]
    folder = f"results/evaluation/{method}-s{seed}"
    smallest_mm2 = stage.params["slices"]["minimum_component_mm2"]
    slices = score(shard, true, swapped, rules, smallest_mm2)
    write_csv(stage.output(f"{folder}/slices.csv"), slices)
    maps = maps_of(true, swapped)
    if model.sampled:
        maps |= sample(stage, model, table, shard, texts)
    write_tensors(stage.output(f"{folder}/predictions.safetensors"), maps)
