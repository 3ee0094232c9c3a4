"""The words of the validation and the test patients' prompts examined, right ones and wrong ones.

`results/prompt_features/<run>/` holds `features.csv`, a row for each patient, prompt (`true`,
`wrong_<slot>`) and word that was examined, and for each test patient the maps of her whole volume with a
wrong word, `test/<patient>.safetensors`, which tell what an error costs. The wrong side is not among them:
`results/volumes` has it.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import read_json, records, write_csv, write_tensors
from textbcs.dataset.prompt_grammar import VOCABULARY
from textbcs.dataset.split_table import TEST
from textbcs.dataset.volume_store import (
    PROMPTS,
    SPLITS,
    Volume,
    read_patients,
    read_volume,
    voxel_mm3,
)
from textbcs.prediction.network import load
from textbcs.prompt_check.counterfactuals import WRONG, asked_prompts
from textbcs.prompt_check.detector import KEYS
from textbcs.prompt_check.examination import first_pass, prompt_features
from textbcs.prompt_check.features import FirstPass
from textbcs.prompt_check.files import features_file, maps_file
from textbcs.volumes.coded_maps import encode, file_of, read_codes
from textbcs.volumes.prediction import predict_volume
from textbcs.volumes.prompt_sources import AUTOMATIC, NONE, PATIENT, read_case_prompts

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.stage.receipt import Stage

# The other side is the source `wrong_side` of results/volumes.
PREDICTED = tuple(WRONG + slot for slot in VOCABULARY if slot != "location")


def examine_patients(stage: "Stage", name: str, seed: str) -> None:
    """Ask the network `name` that was trained with `seed`, and write features and maps.

    Params read: `volumes.first_pass`, `volumes.seed`, `seeds`, `cohort.sides`, `slices`,
    `training.device`, the `network` of the method or variant.

    Raises:
        InputError: an input is missing or damaged.
    """
    import pandas as pd

    stage.seed = int(seed)
    model, table = load(stage, name, seed, "grammar")
    prompts = read_case_prompts(stage.input(PROMPTS))
    fitted = read_json(stage.input("data/prompts/thresholds.json"))
    limits = (float(fitted["case_small_up_to_mm3"]), float(fitted["case_medium_up_to_mm3"]))
    rows: list[dict[str, Any]] = []
    for split in SPLITS:
        for facts in stage.progress(records(read_patients(stage, split)), desc=split):
            own = prompts.get((split, facts["patient"]), {})
            text = own.get(PATIENT, "")
            volume = read_volume(stage, split, facts)
            if split == TEST:
                _write_maps(stage, model, table, volume, text, f"{name}-s{seed}")
            if text:
                first = _first_pass(stage, split, facts, own.get(AUTOMATIC, ""), limits)
                found = _features(stage, model, table, volume, text, first)
                rows += [{"split": split, **row} for row in found]
    names = sorted({key for row in rows for key in row} - set(KEYS))
    write_csv(
        stage.output(features_file(f"{name}-s{seed}")),
        pd.DataFrame(rows, columns=[*KEYS, *names]),
    )


def _first_pass(
    stage: "Stage", split: str, facts: dict[str, Any], automatic: str, limits: tuple[float, float]
) -> FirstPass:
    """What the first pass found in a patient's volume."""
    run = f"{stage.params['volumes']['first_pass']}-s{stage.params['seeds'][0]}"
    return first_pass(
        read_codes(stage.input(file_of(run, split, facts["patient"])))[NONE],
        automatic,
        voxel_mm3=voxel_mm3(facts),
        midline_column=facts["midline_col"],
        sides=stage.params["cohort"]["sides"],
        thresholds_mm3=limits,
    )


def _features(
    stage: "Stage",
    model: "Segmenter",
    table: "PromptTable",
    volume: Volume,
    text: str,
    first: FirstPass,
) -> list[dict[str, Any]]:
    """A patient's rows of features.csv, but for the split."""
    patient = volume.facts["patient"]
    asked = asked_prompts(text, patient, stage.params["volumes"]["seed"])
    channels = stage.params["slices"]["channels"]
    found = prompt_features(model, table, volume.image, asked, first, channels)
    return [
        {"patient": patient, "asked": name, "slot": slot, **features}
        for name, own in found.items()
        for slot, features in own.items()
    ]


def _write_maps(
    stage: "Stage",
    model: "Segmenter",
    table: "PromptTable",
    volume: Volume,
    text: str,
    run: str,
) -> None:
    """Predict a test patient's volume with a wrong word in each slot; none without a prompt."""
    patient, image = volume.facts["patient"], volume.image
    asked = asked_prompts(text, patient, stage.params["volumes"]["seed"]) if text else {}
    tensors: dict[str, NDArray[Any]] = {"shape": np.array(image.shape, dtype=np.int64)}
    for name in PREDICTED:
        if name in asked:
            texts = [asked[name][0].text] * len(image)
            found = predict_volume(model, table, image, texts, stage.params["slices"]["channels"])
            tensors[f"probability/{name}"] = encode(found.probability)
    write_tensors(stage.output(maps_file(run, patient)), tensors)
