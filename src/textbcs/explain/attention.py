"""The stage `gradcam`: where UNet and UNet + SVLI look, stage by stage, on the test slices.

The two networks are rows of the ablation, equal but for the interaction. Reads their weights, the test
slices, prompts and embeddings; writes `results/gradcam/`: `slices.csv` (a row per tumour slice,
network and stage), `summary.csv` (patient means with intervals, their paired difference, and how much
of a heat map survives random weights) and `maps.safetensors` with `cases.csv`, the heat maps of the
cases that the figure shows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.predict import load
from textbcs.evaluation.statistics import mean_interval, patient_means
from textbcs.explain import saliency
from textbcs.io import InputError, records, write_csv, write_tensors
from textbcs.models.variants import BASE, configuration
from textbcs.prompts.table import read_prompts
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from textbcs.models.contract import Segmenter
    from textbcs.models.prompttable import PromptTable
    from textbcs.receipt import Stage

FOLDER = Path("results/gradcam")
MEASURES = ("pointing_hit", "energy_inside", "lift", "randomised_correlation")
_BATCH = 8


def gradcam(stage: "Stage") -> None:
    """Write the heat maps' facts.

    Params read: `gradcam`, `evaluation`, `training.device`, `slices`, `methods.textbcs.network`,
    the two variants.
    """
    import pandas as pd

    rules = stage.params["gradcam"]
    shard = tumour_only(read_slices(stage, "test"))
    prompts = read_prompts(stage.input("data/prompts/test.csv")).set_index("slice_id")
    texts = prompts.loc[shard.table["slice_id"], "text"].tolist()
    stage.seed = int(rules["seed"])
    heats, rows = {}, []
    for label, name in (("unet", rules["without"]), ("svli", rules["with"])):
        _check(stage.params, name, svli=label == "svli")
        model, table = load(stage, name, str(stage.params["seeds"][0]), "probe")
        found, probability = heat_of(stage, model, table, shard, texts)
        heats[label] = found
        random = _randomised(stage, name, model, table)
        blind, _ = heat_of(stage, random, table, shard, texts)
        rows += slice_rows(shard, label, found, blind, probability, stage.params)
    facts = pd.DataFrame(rows)
    cases = chosen_cases(facts, shard)
    write_csv(stage.output(FOLDER / "slices.csv"), facts)
    write_csv(
        stage.output(FOLDER / "summary.csv"),
        summary(facts, stage.params["evaluation"]["bootstrap"]),
    )
    write_csv(stage.output(FOLDER / "cases.csv"), cases)
    places = cases["row"].to_numpy()
    write_tensors(
        stage.output(FOLDER / "maps.safetensors"),
        {label: heat[places].astype(np.float16) for label, heat in heats.items()},
    )


def tumour_only(shard: Shard) -> Shard:
    """The tumour slices of a shard."""
    places = np.flatnonzero(shard.table["kind"] == "tumour")
    table = shard.table.iloc[places].reset_index(drop=True)
    return Shard(table, shard.images[places], shard.masks[places], shard.native_masks)


def heat_of(
    stage: "Stage", model: "Segmenter", table: "PromptTable", shard: Shard, texts: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Heat (n, 5, H, W) and probability (n, H, W) of every slice of the shard."""
    import torch

    from textbcs.explain.gradcam import heat_maps
    from textbcs.models.inference import network_input

    model.eval()
    device = table.tokens.device
    prompts = table.rows(list(texts))
    image = torch.from_numpy(shard.images).to(device)
    channels = int(stage.params["slices"]["channels"])
    threshold = float(stage.params["evaluation"]["threshold"])
    heats: list[Tensor] = []
    found: list[Tensor] = []
    starts = range(0, len(texts), _BATCH)
    for start in stage.progress(starts, total=len(starts), desc="heat maps"):
        part = slice(start, start + _BATCH)
        heat, probability = heat_maps(
            model,
            network_input(image[part], channels, channels_last=False),
            table.batch(prompts[part]),
            threshold,
        )
        heats.append(heat.cpu())
        found.append(probability.cpu())
    return torch.cat(heats).numpy(), torch.cat(found).numpy()


def _check(params: Mapping[str, Any], name: str, svli: bool) -> None:
    """The two networks must be what their labels say."""
    network = configuration(params, name)["network"]
    if network["svli"] is not svli or network["evidential"]:
        raise InputError(
            f"params.yaml: gradcam.{'with' if svli else 'without'} = {name!r}: allowed: a variant of "
            f"{BASE} {'with' if svli else 'without'} svli and without evidential"
        )


def _randomised(stage: "Stage", name: str, model: "Segmenter", table: "PromptTable") -> "Segmenter":
    """The same network with weights that never saw a slice (Adebayo et al. 2018)."""
    import torch

    from textbcs.models.registry import build

    torch.manual_seed(int(stage.params["gradcam"]["seed"]))
    fresh = build(
        configuration(stage.params, name)["network"],
        channels=stage.params["slices"]["channels"],
        image_size=stage.params["slices"]["size"],
        text_dim=table.dimension,
    )
    return fresh.to(next(model.parameters()).device)


def slice_rows(
    shard: Shard,
    label: str,
    heat: NDArray[np.float32],
    blind: NDArray[np.float32],
    probability: NDArray[np.float32],
    params: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One row per slice and stage.

    Args:
        shard: n tumour slices.
        label: of the network.
        heat: (n, 5, H, W) of the trained network.
        blind: likewise, of the one with random weights.
        probability: (n, H, W), for the slice's Dice.
        params: `gradcam.tolerance_mm` and `evaluation.threshold`.
    """
    from textbcs.evaluation import metrics

    rows = []
    for place, facts in enumerate(records(shard.table)):
        mask = shard.masks[place]
        tolerance = params["gradcam"]["tolerance_mm"] / float(facts["spacing_row_mm"])
        found = metrics.count(probability[place] > params["evaluation"]["threshold"], mask)
        for number in range(heat.shape[1]):
            energy = saliency.energy_inside(heat[place, number], mask)
            rows.append(
                {
                    "slice_id": facts["slice_id"],
                    "patient": facts["patient"],
                    "network": label,
                    "stage": number + 1,
                    "dice": metrics.dice(found),
                    "pointing_hit": saliency.pointing_hit(heat[place, number], mask, tolerance),
                    "energy_inside": energy,
                    "lift": saliency.lift(energy, mask),
                    "randomised_correlation": saliency.rank_correlation(
                        heat[place, number], blind[place, number]
                    ),
                }
            )
    return rows


def summary(facts: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> "pd.DataFrame":
    """Patient means of each network and stage with intervals, and SVLI minus UNet, paired by slice.

    A slice whose heat map is zero has no localisation; `slices` counts those that have one (in a
    difference: in both networks).
    """
    import pandas as pd

    rows = []
    for number, own in facts.groupby("stage", sort=True):
        tables = {label: part.set_index("slice_id") for label, part in own.groupby("network")}
        for measure in MEASURES:
            values = {label: part[["patient", measure]] for label, part in tables.items()}
            gap = values["svli"][["patient"]].assign(
                **{measure: values["svli"][measure] - values["unet"][measure]}
            )
            for label, table in (*values.items(), ("svli - unet", gap)):
                known = table.dropna()
                row = {"stage": number, "measure": measure, "network": label, "slices": len(known)}
                if len(known):
                    found = mean_interval(patient_means(known, measure), **bootstrap)
                    row |= {"mean": found.mean, "low": found.low, "high": found.high}
                    row |= {"patients": found.patients}
                rows.append(row)
    return pd.DataFrame(rows)


def chosen_cases(facts: "pd.DataFrame", shard: Shard) -> "pd.DataFrame":
    """The figure's two cases, by rule: UNet's median Dice, and the slice with the most lesion parts.

    Returns:
        `rule`, `slice_id` and `row`, its place among the tumour slices.
    """
    import pandas as pd
    from scipy.ndimage import label

    dice = facts[(facts["network"] == "unet") & (facts["stage"] == 1)].reset_index(drop=True)
    order = dice.sort_values(["dice", "slice_id"], kind="stable")
    median = str(order["slice_id"].iloc[(len(order) - 1) // 2])
    parts = [int(label(mask)[1]) for mask in shard.masks]
    ids = shard.table["slice_id"].astype(str).tolist()
    several = max(
        (place for place in range(len(ids)) if ids[place] != median or len(ids) == 1),
        key=lambda place: (parts[place], -place),
    )
    chosen = [("median Dice of UNet", median), ("most lesion parts", ids[several])]
    return pd.DataFrame(
        [{"rule": rule, "slice_id": name, "row": ids.index(name)} for rule, name in chosen]
    )
