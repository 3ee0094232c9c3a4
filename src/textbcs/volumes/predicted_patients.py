"""A trained network asked about every slice of validation and test patients, one patient at a time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import records
from textbcs.dataset.volume_store import PROMPTS, SPLITS, read_patients, read_volume
from textbcs.prediction.network import load
from textbcs.volumes.coded_maps import write_maps
from textbcs.volumes.prediction import predict_volume, vacuity
from textbcs.volumes.prompt_sources import (
    NONE,
    WITH_VACUITY,
    Texts,
    asked_texts,
    read_case_prompts,
    read_slice_prompts,
)

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.stage.receipt import Stage

Maps = dict[str, NDArray[np.float32]]


def predict_patients(stage: "Stage", name: str, seed: str) -> None:
    """Predict with the network `name` that was trained with `seed`; prompts are read where it reads text.

    Params read: `slices`, `training.device`, the `network` of the method or variant.

    Raises:
        InputError: an input is missing or damaged.
    """
    stage.seed = int(seed)
    model, table = load(stage, name, seed, "grammar")
    cases: dict[tuple[str, str], dict[str, str]] = {}
    by_slice: dict[str, str] = {}
    if model.reads_text:
        cases = read_case_prompts(stage.input(PROMPTS))
        by_slice = read_slice_prompts(stage.input("data/prompts/test.csv"))
    channels = stage.params["slices"]["channels"]
    for split in SPLITS:
        for facts in stage.progress(records(read_patients(stage, split)), desc=split):
            patient, slices = facts["patient"], facts["slices"]
            texts: dict[str, Texts] = {NONE: [""] * slices}
            if model.reads_text:
                texts = asked_texts(split, patient, slices, cases, by_slice)
            image = read_volume(stage, split, facts).image
            maps, unsure = ask(model, table, image, texts, channels, WITH_VACUITY[split])
            write_maps(stage, f"{name}-s{seed}", split, patient, maps, unsure)


def ask(
    model: "Segmenter",
    table: "PromptTable",
    image: NDArray[np.float16],
    texts: Mapping[str, Texts],
    channels: int,
    with_vacuity: tuple[str, ...] = (),
) -> tuple[Maps, Maps]:
    """What a network says of a volume under each source of prompts; equal texts are asked once.

    Args:
        model: the trained network.
        table: embeddings that hold every text, on the network's device.
        image: (z, S, S) in [0, 1].
        texts: z prompts by source, as `predict_volume` takes them.
        channels: of the image that the network takes.
        with_vacuity: sources whose vacuity is wanted, of a head with evidence.

    Returns:
        Foreground probability and vacuity (z, S, S) by source.
    """
    known: dict[tuple[str | None, ...], str] = {}
    maps: Maps = {}
    unsure: Maps = {}
    # First those whose vacuity is wanted, which are then not asked twice.
    for source in sorted(texts, key=lambda source: source not in with_vacuity):
        same = known.setdefault(tuple(texts[source]), source)
        if same != source:
            maps[source] = maps[same]
            if source in with_vacuity and same in unsure:
                unsure[source] = unsure[same]
            continue
        found = predict_volume(model, table, image, texts[source], channels)
        maps[source] = found.probability
        if source in with_vacuity and found.evidence is not None:
            unsure[source] = vacuity(found.evidence)
    return maps, unsure
