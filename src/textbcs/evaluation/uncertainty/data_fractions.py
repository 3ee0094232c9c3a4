"""Does vacuity fall as data grow? The proposed method trained on shares of the training patients.

Vacuity is the mass that no evidence claims, so more data should leave less of it; where they do not,
it says something else.
"""

from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import InputError, read_csv
from textbcs.dataset.slice_store import Shard
from textbcs.evaluation.metrics.regions import Scopes
from textbcs.evaluation.statistics.runs import EVALUATION, fraction_names
from textbcs.evaluation.uncertainty.tumour_slices import same_slices
from textbcs.prediction.files import PREDICTIONS, read_maps

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.stage.receipt import Stage

SCOPES = ("image", "region", "outside")


def fraction_rows(stage: "Stage", shard: Shard, scopes: Scopes) -> "pd.DataFrame":
    """A row per run and patient: means over her tumour slices.

    Returns:
        `method`, `fraction`, `seed`, `patient`, `dice`, and mean vacuity `vacuity_image` of the whole
        image, `vacuity_region` of the lesion and its band, `vacuity_outside` of the rest.
    """
    import pandas as pd

    shares, seeds = fraction_names(stage.params), stage.params["seeds"]
    tables = [
        _run_rows(stage, shard, scopes, f"{method}-s{seed}").assign(
            method=method, fraction=share, seed=int(seed)
        )
        for method, share in shares.items()
        for seed in seeds
    ]
    columns = ["method", "fraction", "seed", "patient", "dice", *map("vacuity_{}".format, SCOPES)]
    return pd.concat(tables, ignore_index=True)[columns]


def _run_rows(stage: "Stage", shard: Shard, scopes: Scopes, name: str) -> "pd.DataFrame":
    """One run's patients, in order."""
    folder = f"{EVALUATION}/{name}"
    slices = read_csv(stage.input(f"{folder}/slices.csv"), ["slice_id", "patient", "kind", "dice"])
    same_slices(slices, shard, folder)
    maps = read_maps(stage, name)
    if "vacuity" not in maps:
        raise InputError(
            f"{PREDICTIONS}/{name}/maps.safetensors: has no vacuity; a variant with training.fraction needs "
            "evidential: true"
        )
    tumour = np.flatnonzero(slices["kind"] == "tumour")
    table = slices.iloc[tumour][["patient", "dice"]].reset_index(drop=True)
    vacuity = maps["vacuity"][tumour].astype(np.float64)
    region = scopes.region[tumour]
    table["vacuity_image"] = vacuity.mean(axis=(1, 2))
    for scope, where in (("region", region), ("outside", ~region)):
        counts = np.maximum(where.sum(axis=(1, 2)), 1)
        table[f"vacuity_{scope}"] = (vacuity * where).sum(axis=(1, 2)) / counts
    return table.groupby("patient", sort=True).mean().reset_index()
