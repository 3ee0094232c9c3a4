"""Stage `gradcam`: where the ablation's UNet and UNet + SVLI look, stage by stage, on the test slices.

The two networks are rows of the ablation, equal but for the interaction; neither is Table 1's UNet. Reads
their weights of the first seed, the test slices, prompts and embeddings; writes `results/gradcam/`:
`slices.csv` (a row per tumour slice, network and stage) and `maps.safetensors` with `cases.csv`, the heat
maps of the cases that the figure shows. Their means over patients are made by the stage `statistics`.
Where no variants are trained (`tables.variants: []`, both names are the proposed method's), all are empty.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, write_csv, write_tensors
from textbcs.base.variants import BASE, configuration
from textbcs.dataset.prompt_table import texts_of
from textbcs.dataset.slice_store import Shard, read_slices
from textbcs.explain.localisation import (
    MEASURES,
    chosen_cases,
    signed_maps,
    slice_rows,
    survival,
    tumour_only,
)
from textbcs.prediction.network import load

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.explain.heat_maps import Explained
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.stage.receipt import Stage

FOLDER = Path("results/gradcam")
_BATCH = 8
NO_FACTS = ["network", "seed", "slice_id", "patient", "stage", "dice", "has_heat", *MEASURES]


def run(stage: "Stage") -> None:
    """Write the heat maps' facts.

    Params read: `gradcam`, `seeds`, `evaluation`, `training.device`, `slices`, `methods.textbcs.network`,
    `variants`.
    """
    import pandas as pd

    rules, seed = stage.params["gradcam"], int(stage.params["seeds"][0])
    if rules["without"] == rules["with"] == BASE:
        _write(
            stage, pd.DataFrame(columns=NO_FACTS), pd.DataFrame(columns=["rule", "slice_id"]), {}
        )
        stage.log("not run: tables.variants trains neither of the two networks")
        return
    shard = tumour_only(read_slices(stage, "test"))
    texts = texts_of(stage.input("data/prompts/test.csv"), shard.table["slice_id"])
    stage.seed = int(rules["seed"])
    heats, rows = {}, []
    for label, name in (("unet", rules["without"]), ("svli", rules["with"])):
        _check(stage.params, name, svli=label == "svli")
        model, table = load(stage, name, str(seed), "probe")
        parts = list(explained(stage, model, table, shard, texts))
        heats[label] = np.concatenate([part.heat.cpu().numpy() for part in parts])
        probability = np.concatenate([part.probability.cpu().numpy() for part in parts])
        own = signed_maps(parts)
        correlations = [
            survival(own, signed_maps(explained(stage, blind, table, shard, texts)))
            for blind in _randomised(stage, name, model, table)
        ]
        found = slice_rows(shard, heats[label], np.stack(correlations), probability, stage.params)
        rows += [{"network": label, "seed": seed, **row} for row in found]
    facts = pd.DataFrame(rows)
    cases = chosen_cases(facts, shard)
    places = cases["row"].to_numpy()
    maps = {label: heat[places].astype(np.float16) for label, heat in heats.items()}
    _write(stage, facts, cases, maps)


def _write(
    stage: "Stage",
    facts: "pd.DataFrame",
    cases: "pd.DataFrame",
    maps: Mapping[str, NDArray[np.float16]],
) -> None:
    write_csv(stage.output(FOLDER / "slices.csv"), facts)
    write_csv(stage.output(FOLDER / "cases.csv"), cases)
    write_tensors(stage.output(FOLDER / "maps.safetensors"), maps)


def explained(
    stage: "Stage", model: "Segmenter", table: "PromptTable", shard: Shard, texts: Sequence[str]
) -> "Iterator[Explained]":
    """Heat maps and probabilities of the shard's slices, a batch at a time."""
    import torch

    from textbcs.explain.heat_maps import heat_maps
    from textbcs.models.common.inference import network_input

    model.eval()
    prompts = table.rows(list(texts))
    image = torch.from_numpy(shard.images).to(table.tokens.device)
    channels = int(stage.params["slices"]["channels"])
    threshold = float(stage.params["evaluation"]["threshold"])
    starts = range(0, len(texts), _BATCH)
    for start in stage.progress(starts, total=len(starts), desc="heat maps"):
        part = slice(start, start + _BATCH)
        pictures = network_input(image[part], channels, channels_last=False)
        yield heat_maps(model, pictures, table.batch(prompts[part]), threshold)


def _check(params: Mapping[str, Any], name: str, svli: bool) -> None:
    """The two networks must be what their labels say."""
    network = configuration(params, name)["network"]
    if network["svli"] is not svli or network["evidential"]:
        raise InputError(
            f"params.yaml: gradcam.{'with' if svli else 'without'} = {name!r}: allowed: a variant of "
            f"{BASE} {'with' if svli else 'without'} svli and without evidential"
        )


def _randomised(
    stage: "Stage", name: str, model: "Segmenter", table: "PromptTable"
) -> "Iterator[Segmenter]":
    """The same network with weights that never saw a slice, drawn anew each time (Adebayo et al. 2018)."""
    import torch

    from textbcs.models.common.registry import build

    for draw in range(int(stage.params["gradcam"]["draws"])):
        torch.manual_seed(int(stage.params["gradcam"]["seed"]) + draw)
        fresh = build(
            configuration(stage.params, name)["network"],
            channels=stage.params["slices"]["channels"],
            image_size=stage.params["slices"]["size"],
            text_dim=table.dimension,
        )
        yield fresh.to(next(model.parameters()).device)
