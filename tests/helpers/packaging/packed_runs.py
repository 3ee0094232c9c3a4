"""A working folder in which networks were trained, asked and scored: all that packing a run reads."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from packages import DIMENSION, FIRST, NETWORKS, SIZE, TOKENS, detector, texts_of, weights
from volumes import all_patients, detection, leak, means, points

from textbcs.base.io import sha256_file, write_bytes, write_csv, write_json, write_tensors
from textbcs.cohort.listing import PATIENT_COLUMNS, SERIES_COLUMNS
from textbcs.dataset.slice_store import COLUMNS as SLICE_COLUMNS
from textbcs.dataset.volume_store import COLUMNS as VOLUME_COLUMNS
from textbcs.dataset.volume_store import Volume, write_patients, write_volume
from textbcs.stage.receipt import Stage
from textbcs.volumes.coded_maps import write_maps

DEPTH = 3
PLUS = "textbcs_plus"
METHODS = ("unet", "textbcs", FIRST, PLUS)
SPLIT = {"anna": "train", "bert": "train", "carl": "val", "dora": "val", "emil": "test"}
PARAMS: dict[str, Any] = {
    "cohort": {
        "kind": "phantom", "collection": "", "source": "phantom", "licence": "Apache-2.0", "doi": "",
        "sides": "patient", "spacing_tolerance": 0.05, "exclude": ["fritz"],
    },
    "slices": {
        "phase": "post1", "size": SIZE, "channels": 3, "clip_percentiles": [0.1, 99.9], "seed": 3,
    },
    "prompts": {
        "source": "derive", "table": "presets/none",
        "irregular_below_solidity": 0.9, "ellipse_above_eccentricity": 0.75,
    },
    "volumes": {
        "methods": {"image": ["unet"], "text": ["textbcs"]},
        "variants": {"image": [FIRST], "text": [PLUS]},
        "first_pass": FIRST,
        "minimum_lesion_mm3": 100.0,
    },
    "seeds": [1],
    "evaluation": {
        "bootstrap": {"resamples": 99, "seed": 1}, "nsd_tolerances_mm": [1.0, 2.5],
    },
    "methods": {name: {"network": NETWORKS[name]} for name in ("unet", "textbcs")},
    "variants": {
        PLUS: {"network": {"evidential": False, "deep_supervision": True}},
        FIRST: {"network": {"svli": False, "evidential": False, "deep_supervision": True}},
    },
}  # fmt: skip


def finish_runs(stage: Stage) -> None:
    """Write everything, and receipts of stages that wrote it."""
    for method in METHODS:
        write_bytes(f"results/runs/{method}-s1/model.safetensors", weights(method))
    _write_text()
    _write_tables()
    _write_volumes(stage)
    _write_scores()
    write_receipts()


def _write_text() -> None:
    texts = texts_of(reads_text=True)
    draw = np.random.default_rng(1)
    tokens = draw.normal(size=(len(texts), TOKENS, DIMENSION)).astype(np.float32)
    mask = np.ones((len(texts), TOKENS), np.uint8)
    table = pd.DataFrame({"row": range(len(texts)), "text": texts, "prompt": texts})
    write_csv("data/text/grammar/prompts.csv", table)
    write_tensors("data/text/grammar/embeddings.safetensors", {"tokens": tokens, "mask": mask})
    facts = {"encoder": "minilm", "origin": "pinned", "file": "model.safetensors"}
    write_json("data/text/learn/encoder.json", {**facts, "sha256": "a" * 64})


def _write_tables() -> None:
    write_json(
        "data/prompts/thresholds.json",
        {"case_small_up_to_mm3": 500.0, "case_medium_up_to_mm3": 2000.0},
    )
    names = list(SPLIT)
    write_csv("data/splits/split.csv", pd.DataFrame(SPLIT.items(), columns=["patient", "split"]))
    people = pd.DataFrame({"patient": names}, columns=list(PATIENT_COLUMNS))
    people["manufacturer"] = ["GE", "SIEMENS", "PHILIPS", "PHILIPS", "PHILIPS"]
    people["field_strength_t"] = ["1.5", "3", "7", "7", "7"]
    write_csv("data/cohort/patients.csv", people)
    series = pd.DataFrame({"patient": names}, columns=list(SERIES_COLUMNS))
    series["source"], series["licence"], series["doi"] = "phantom", "CC BY-NC 4.0", "10.7937/x"
    write_csv("data/cohort/series.csv", series)
    slices = pd.DataFrame({"patient": ["anna", "bert"]}, columns=list(SLICE_COLUMNS))
    slices["native_spacing_row_mm"], slices["native_spacing_col_mm"] = [0.5, 2.0], [1.0, 1.5]
    slices["mask_source"] = "expert"
    write_csv("data/slices/train/slices.csv", slices)


def mask_of(patient: str) -> np.ndarray:
    """A patient's lesion."""
    mask = np.zeros((DEPTH, SIZE, SIZE), bool)
    mask[1:, 8 : 12 + len(patient), 6:14] = True
    return mask


def map_of(patient: str, source: str) -> np.ndarray:
    """What the networks say: unsure, and less often right than they believe."""
    draw = np.random.default_rng([ord(patient[0]), len(source)])
    odds = draw.normal(0, 2, (DEPTH, SIZE, SIZE)) + np.where(mask_of(patient), 0.5, -0.5)
    return (1 / (1 + np.exp(-odds))).astype(np.float32)


def sources_of(method: str) -> tuple[str, ...]:
    """What a validation volume is asked with."""
    return ("patient", "automatic") if NETWORKS[method].get("svli") else ("none",)


def _write_volumes(stage: Stage) -> None:
    rows = []
    for patient in [name for name, split in SPLIT.items() if split == "val"]:
        facts: dict[str, Any] = dict.fromkeys(VOLUME_COLUMNS, 1.0)
        facts |= {"patient": patient, "series_uid": "1", "slices": DEPTH, "size": SIZE}
        facts |= {"native_rows": SIZE, "native_cols": SIZE, "mask_source": "expert"}
        facts |= {"spacing_slice_mm": 2.0 if patient == "carl" else 4.0}
        mask = mask_of(patient)
        write_volume(stage, "val", Volume(facts, np.zeros(mask.shape, np.float16), mask, mask))
        rows.append(facts)
        for method in METHODS:
            maps = {source: map_of(patient, source) for source in sources_of(method)}
            write_maps(stage, f"{method}-s1", "val", patient, maps)
    write_patients(stage, "val", rows)


def _write_scores() -> None:
    patients = all_patients()
    write_csv("results/volume_scores/points.csv", points(patients))
    write_csv("results/volume_scores/means.csv", means(patients))
    write_csv("results/prompt_leak/leak.csv", leak())
    for method in (PLUS, "textbcs"):
        folder = f"results/prompt_check/{method}-s1"
        write_json(f"{folder}/detector.json", detector())
        write_csv(f"{folder}/detection.csv", detection()[0])
    kinds = ["tumour", "tumour", "negative", "tumour", "tumour"]
    dice = [0.5, 0.7, np.nan, 0.8, 0.4]
    people = ["emil", "emil", "emil", "gerd", "hans"]
    slices = pd.DataFrame({"patient": people, "kind": kinds, "dice": dice})
    for method in METHODS:
        write_csv(f"results/evaluation/{method}-s1/slices.csv", slices)


# Stage -> what it reads and what it writes, as patterns below the working folder.
STAGES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cohort": ((), ("data/cohort/*.csv",)),
    "slices": (("data/cohort/*.csv",), ("data/splits/*", "data/slices/*/*")),
    "prompts": (("data/slices/*/*",), ("data/prompts/*",)),
    "text": (("data/prompts/*",), ("data/text/*/*",)),
    "train@unet-1": (("data/slices/*/*",), ("results/runs/unet-s1/*",)),
    "train@textbcs-1": (("data/slices/*/*", "data/text/*/*"), ("results/runs/textbcs-s1/*",)),
    f"train_use@{FIRST}-1": (("data/slices/*/*",), (f"results/runs/{FIRST}-s1/*",)),
    f"train_use@{PLUS}-1": (("data/slices/*/*", "data/text/*/*"), (f"results/runs/{PLUS}-s1/*",)),
    "volumes": (("data/cohort/*.csv",), ("data/volumes/val/*",)),
    **{
        f"volumes_{kind}@{name}-1": (
            (f"results/runs/{name}-s1/*", "data/volumes/val/*"),
            (f"results/volumes/{name}-s1/val/*",),
        )
        for kind, name in (("image", "unet"), ("first", FIRST), ("text", "textbcs"), ("use", PLUS))
    },
    "score": ((), ("results/evaluation/*/*",)),
    "volume_score": (("results/volumes/*/*/*",), ("results/volume_scores/*",)),
    "prompt_check": (("results/volumes/*/*/*",), ("results/prompt_check/*/*",)),
    "prompt_leak": (("data/slices/*/*",), ("results/prompt_leak/*",)),
}


def write_receipts() -> None:
    """A receipt of every stage, of the files as they are now."""
    for stage, (read, written) in STAGES.items():
        receipt = {
            "stage": stage, "seed": 1,
            "params": {"cohort.exclude": ["fritz"], "cohort.archive": "/home/me/mri", "seed": 1},
            "inputs": [{**one, "stage": None} for one in _listed(read)],
            "outputs": _listed(written),
        }  # fmt: skip
        write_json(f"results/receipts/{stage}.json", receipt)


def _listed(patterns: tuple[str, ...]) -> list[dict[str, Any]]:
    paths = sorted({path for one in patterns for path in Path().glob(one)})
    return [
        {"path": path.as_posix(), "sha256": sha256_file(path), "bytes": path.stat().st_size}
        for path in paths
    ]
