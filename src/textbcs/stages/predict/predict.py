"""Stage `predict`: what one trained network says of the test and the validation slices.

Reads the weights, the slices and their prompts with their embeddings; writes to
`results/predictions/<name>-s<seed>/`

- `maps.safetensors`: of test, as tables and figures use them: `probability`, `evidence` and `vacuity` of an
  evidential head or the `log_odds` of another, `probability_swapped`, and what passes with dropout say of a
  network whose dropout is sampled;
- `probability.safetensors`: the same probabilities in full precision, which the stage `score` measures;
- `validation.safetensors`: those of the validation slices, which the stage `calibrate` fits on. It is empty
  for an evidential head, which gets no temperature.

Nothing here selects, fits or scores anything, so a new metric runs no network.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import write_tensors
from textbcs.dataset.prompt_grammar import mirror
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import read_slices
from textbcs.prediction.encoding import exact_maps, maps_of
from textbcs.prediction.files import folder_of
from textbcs.prediction.network import load, predict, prompts_of, sample

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage", name: str, seed: str) -> None:
    """Predict with the network `name` that was trained with `seed`."""
    stage.seed = int(seed)
    folder = folder_of(name, seed)
    model, table = load(stage, name, seed, "probe")
    shard = read_slices(stage, "test")
    texts = texts_of(stage.input("data/prompts/test.csv"), shard.table["slice_id"])
    true = predict(stage, model, table, shard, texts)
    swapped = None
    if model.reads_text and shard.table["side"].notna().any():  # no side can be wrong without sides
        swapped = predict(stage, model, table, shard, [mirror(text) for text in texts])
    maps = maps_of(true, swapped)
    if model.sampled:
        maps |= sample(stage, model, table, shard, texts)
    write_tensors(stage.output(folder / "maps.safetensors"), maps)
    write_tensors(stage.output(folder / "probability.safetensors"), exact_maps(true, swapped))
    shard = read_slices(stage, "val")
    texts = texts_of(stage.input("data/prompts/val.csv"), shard.table["slice_id"])
    found = predict(stage, model, prompts_of(stage, "learn", table.tokens.device), shard, texts)
    known = exact_maps(found, None) if found.evidence is None else {}
    write_tensors(stage.output(folder / "validation.safetensors"), known)
