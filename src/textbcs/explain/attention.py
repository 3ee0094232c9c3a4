"""The stage `gradcam`: where the ablation's UNet and UNet + SVLI look, stage by stage, on the test slices.

The two networks are rows of the ablation, equal but for the interaction; neither is Table 1's UNet. Reads
their weights of the first seed, the test slices, prompts and embeddings; writes `results/gradcam/`:
`slices.csv` (a row per tumour slice, network and stage), `summary.csv` (patient means with intervals, their
paired difference, how many maps are dead, and how much of a map survives random weights) and
`maps.safetensors` with `cases.csv`, the heat maps of the cases that the figure shows.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.choice import by_dice, middle
from textbcs.evaluation.predict import load
from textbcs.evaluation.statistics import mean_interval, patient_means
from textbcs.explain import saliency
from textbcs.io import InputError, records, write_csv, write_tensors
from textbcs.models.variants import BASE, configuration
from textbcs.prompts.table import texts_of
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.explain.gradcam import Explained
    from textbcs.models.contract import Segmenter
    from textbcs.models.prompttable import PromptTable
    from textbcs.receipt import Stage

FOLDER = Path("results/gradcam")
LOCALISED = ("pointing_hit", "energy_inside", "lift")
PAIRED = "svli - unet"
RANDOMISED = "randomised_correlation"
MEASURES = (*LOCALISED, RANDOMISED)
_BATCH = 8
Maps = list[NDArray[np.float32]]  # one a stage, each (n, h, w)


def gradcam(stage: "Stage") -> None:
    """Write the heat maps' facts.

    Params read: `gradcam`, `seeds`, `evaluation`, `training.device`, `slices`, `methods.textbcs.network`,
    the two variants.
    """
    import pandas as pd

    rules, seed = stage.params["gradcam"], int(stage.params["seeds"][0])
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


def explained(
    stage: "Stage", model: "Segmenter", table: "PromptTable", shard: Shard, texts: Sequence[str]
) -> "Iterator[Explained]":
    """Heat maps and probabilities of the shard's slices, a batch at a time."""
    import torch

    from textbcs.explain.gradcam import heat_maps
    from textbcs.models.inference import network_input

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


def signed_maps(parts: "Iterable[Explained]") -> Maps:
    """Each stage's maps before the cut at zero, of all slices, at the stage's own size."""
    stages = zip(*(part.signed for part in parts), strict=True)
    return [np.concatenate([one.cpu().numpy() for one in stage]) for stage in stages]


def survival(own: Maps, blind: Maps) -> NDArray[np.float64]:
    """Rank correlation (n, stages) of each slice's maps with those of random weights.

    Before the cut at zero, which leaves nothing of many maps: an empty map has no correlation.
    """
    return np.array(
        [
            [saliency.rank_correlation(a, b) for a, b in zip(first, second, strict=True)]
            for first, second in zip(own, blind, strict=True)
        ]
    ).T


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

    from textbcs.models.registry import build

    for draw in range(int(stage.params["gradcam"]["draws"])):
        torch.manual_seed(int(stage.params["gradcam"]["seed"]) + draw)
        fresh = build(
            configuration(stage.params, name)["network"],
            channels=stage.params["slices"]["channels"],
            image_size=stage.params["slices"]["size"],
            text_dim=table.dimension,
        )
        yield fresh.to(next(model.parameters()).device)


def slice_rows(
    shard: Shard,
    heat: NDArray[np.float32],
    correlations: NDArray[np.float64],
    probability: NDArray[np.float32],
    params: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """One row per slice and stage of a network.

    Args:
        shard: n tumour slices.
        heat: (n, 5, H, W) of the trained network.
        correlations: (draws, n, 5) with random weights.
        probability: (n, H, W), for the slice's Dice.
        params: `gradcam.tolerance_mm` and `evaluation.threshold`.

    Returns:
        Rows with `has_heat`, 0 for a map that is zero everywhere, the measures of `MEASURES`, of which
        the correlation is the mean of the draws that have one, and each draw's own.
    """
    from textbcs.evaluation import metrics

    rows = []
    for place, facts in enumerate(records(shard.table)):
        mask = shard.masks[place]
        tolerance = params["gradcam"]["tolerance_mm"] / float(facts["spacing_row_mm"])
        found = metrics.count(probability[place] > params["evaluation"]["threshold"], mask)
        for number in range(heat.shape[1]):
            one, drawn = heat[place, number], correlations[:, place, number]
            energy = saliency.energy_inside(one, mask)
            known = drawn[~np.isnan(drawn)]
            row = {
                "slice_id": facts["slice_id"],
                "patient": facts["patient"],
                "stage": number + 1,
                "dice": metrics.dice(found),
                "has_heat": int(saliency.has_heat(one)),
                "pointing_hit": saliency.pointing_hit(one, mask, tolerance),
                "energy_inside": energy,
                "lift": saliency.lift(energy, mask),
                RANDOMISED: float(known.mean()) if len(known) else float("nan"),
            }
            rows.append(row | {f"draw_{n}": float(value) for n, value in enumerate(drawn, start=1)})
    return rows


def summary(facts: "pd.DataFrame", bootstrap: Mapping[str, Any]) -> "pd.DataFrame":
    """Patient means of each network and stage with intervals, and SVLI minus UNet, paired by slice.

    Returns:
        `seed`; `slices`, those with a value (in a difference: in both networks), and `missing`, those
        without; `dead_maps`, the slices whose heat map is zero everywhere (in a difference: of one
        network at least), which count as a miss without energy; `mean`, `low`, `high`, `patients`. For
        the localisation the same without dead maps, `..._with_heat`, as a check of what they do; for
        the correlation `draw_least` and `draw_greatest`, the means of single sets of random weights.
    """
    import pandas as pd

    rows = []
    for number, own in facts.groupby("stage", sort=True):
        tables = {label: part.set_index("slice_id") for label, part in own.groupby("network")}
        tables[PAIRED] = _paired(tables["svli"], tables["unet"])
        for measure in MEASURES:
            for label in ("svli", "unet", PAIRED):
                table = tables[label]
                row: dict[str, Any] = {"stage": number, "measure": measure, "network": label}
                row |= {"seed": int(own["seed"].iloc[0])}
                row |= _mean(table, measure, bootstrap)
                row |= {"missing": len(table) - row["slices"]}
                row |= {"dead_maps": int((table["has_heat"] == 0).sum())}
                if measure in LOCALISED:
                    hot = _mean(table[table["has_heat"] == 1], measure, bootstrap)
                    row |= {f"{key}_with_heat": value for key, value in hot.items()}
                else:
                    row |= _draws(table)
                rows.append(row)
    return pd.DataFrame(rows)


def _paired(svli: "pd.DataFrame", unet: "pd.DataFrame") -> "pd.DataFrame":
    """What SVLI adds on each slice; there is heat where both networks have some."""
    columns = [*MEASURES, *_draw_columns(svli)]
    gap = svli[columns] - unet[columns]
    both = svli["has_heat"] * unet["has_heat"]
    return gap.assign(patient=svli["patient"], has_heat=both)


def _mean(table: "pd.DataFrame", column: str, bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    """Slices with a value, and the mean of the patients' means with its limits; NaN where none has."""
    known = table[["patient", column]].dropna()
    if not len(known):
        nothing = dict.fromkeys(("mean", "low", "high"), float("nan"))
        return {"slices": 0, **nothing, "patients": 0}
    found = mean_interval(patient_means(known, column), **bootstrap)
    row = {"slices": len(known), "mean": found.mean, "low": found.low, "high": found.high}
    return row | {"patients": found.patients}


def _draw_columns(table: "pd.DataFrame") -> list[str]:
    return [name for name in map(str, table.columns) if name.startswith("draw_")]


def _draws(table: "pd.DataFrame") -> dict[str, float]:
    """The least and the greatest mean of a single set of random weights."""
    means = [
        float(values.mean())
        for values in (patient_means(table, name) for name in _draw_columns(table))
        if len(values)
    ]
    nothing = float("nan")
    return {
        "draw_least": min(means, default=nothing),
        "draw_greatest": max(means, default=nothing),
    }


def chosen_cases(facts: "pd.DataFrame", shard: Shard) -> "pd.DataFrame":
    """The figure's two cases, by rule: UNet's median Dice, and the slice with the most lesion parts.

    Returns:
        `rule`, `slice_id` and `row`, its place among the tumour slices.
    """
    import pandas as pd
    from scipy.ndimage import label

    dice = facts[(facts["network"] == "unet") & (facts["stage"] == 1)].reset_index(drop=True)
    median = str(dice["slice_id"].iloc[middle(by_dice(dice))])
    parts = [int(label(mask)[1]) for mask in shard.masks]
    ids = shard.table["slice_id"].astype(str).tolist()
    several = max(
        (place for place in range(len(ids)) if ids[place] != median or len(ids) == 1),
        key=lambda place: (parts[place], -place),
    )
    chosen = [("median Dice of the ablation's UNet", median), ("most lesion parts", ids[several])]
    return pd.DataFrame(
        [{"rule": rule, "slice_id": name, "row": ids.index(name)} for rule, name in chosen]
    )
