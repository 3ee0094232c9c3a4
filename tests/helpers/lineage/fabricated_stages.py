"""The stages of the fabricated tree: what each reads and writes, and how a recipe plants a fault in it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textbcs.base.io import read_tensors, sha256_bytes, write_bytes, write_csv, write_tensors
from textbcs.stage.receipt import Stage

PARAMS: dict[str, Any] = {
    "cohort": {"kind": "phantom"},
    "split": {"seed": 17},
    "training": {"epochs": 2, "device": "cpu"},
    "methods": {"unet": {"width": 4}, "textbcs": {"width": 8}},
    "seeds": [1, 2],
    "tables": {"table1": ["unet", "textbcs"]},
    "evaluation": {
        "threshold": 0.5,
        "bootstrap": {"resamples": 99, "seed": 31},
    },
}

COUNTS = ("true_positive", "false_positive", "false_negative", "true_negative")
PATIENTS = {"P1": "train", "P2": "train", "P3": "val", "P4": "test", "P5": "test"}
Edit = Callable[[pd.DataFrame], pd.DataFrame]


@dataclass
class Recipe:
    """How the tree is made; the default has no fault.

    Attributes:
        edits: path -> change of a table before its stage writes it.
        devices: address -> device class.
        seeds: address -> the seed that the stage really takes.
        weights: address -> number that its weights, or its maps, are drawn from.
        images: slice_id -> the slice whose image it gets.
        nudged: slices of whose image one pixel is changed by a unit in the last place.
        reads: stage -> further inputs.
        params: all parameters.
    """

    edits: dict[str, Edit] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    seeds: dict[str, int] = field(default_factory=dict)
    weights: dict[str, int] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    nudged: tuple[str, ...] = ()
    reads: dict[str, list[str]] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(PARAMS)))

    def table(self, stage: Stage, path: str, table: pd.DataFrame) -> None:
        """Write a table, changed where the recipe says so."""
        write_csv(stage.output(path), self.edits.get(path, lambda same: same)(table))


def slice_ids(split: str) -> list[str]:
    """Two tumour slices a patient; in test also one without tumour."""
    last = 3 if split == "test" else 2
    return [f"{p}-z{z}" for p, where in PATIENTS.items() if where == split for z in range(last)]


def uid(*parts: object) -> str:
    """A DICOM UID made from words."""
    return "2.25." + str(int(hashlib.sha256(repr(parts).encode()).hexdigest()[:24], 16))


def raw(patient: str, z: int) -> tuple[str, bytes]:
    """Path and bytes of a raw file."""
    return f"{patient}/{uid(patient)}/{uid(patient, z)}.dcm", f"dicom {patient} {z}".encode()


def write_raw() -> None:
    """The raw files, which no stage declares."""
    for patient in PATIENTS:
        for z in range(3):
            path, content = raw(patient, z)
            write_bytes(f"data/raw/{path}", content, durable=False)


def cohort(stage: Stage, recipe: Recipe) -> None:
    stage.input("data/archive/boxes.csv")
    rows = [
        {"patient": p, "study_uid": uid("study", p), "series_uid": uid(p), "phase": "post1",
         "frame_of_reference_uid": uid("frame", p), "source": "idc", "licence": "CC BY-NC 4.0",
         "doi": "10.7937/TCIA.e3sv-re93"}
        for p in PATIENTS
    ]  # fmt: skip
    recipe.table(stage, "data/cohort/series.csv", pd.DataFrame(rows))
    recipe.table(stage, "data/cohort/patients.csv", pd.DataFrame({"patient": list(PATIENTS)}))


def download(stage: Stage, recipe: Recipe) -> None:
    stage.input("data/cohort/series.csv")
    rows = [
        {"patient": p, "series_uid": uid(p), "sop_uid": uid(p, z), "instance_number": z,
         "path": raw(p, z)[0], "bytes": len(raw(p, z)[1]), "sha256": sha256_bytes(raw(p, z)[1])}
        for p in PATIENTS
        for z in range(3)
    ]  # fmt: skip
    recipe.table(stage, "data/cohort/files.csv", pd.DataFrame(rows))


def masks(stage: Stage, recipe: Recipe) -> None:
    stage.input("data/cohort/files.csv")
    for patient in PATIENTS:
        write_bytes(stage.output(f"data/masks/{patient}.nii.gz"), f"mask {patient}".encode())
    rows = [{"patient": p, "source": "expert", "origin": uid("seg", p)} for p in PATIENTS]
    recipe.table(stage, "data/masks/masks.csv", pd.DataFrame(rows))


def split(stage: Stage, recipe: Recipe) -> None:
    stage.input("data/cohort/patients.csv")
    stage.seed = stage.params["split"]["seed"]
    table = pd.DataFrame({"patient": list(PATIENTS), "split": list(PATIENTS.values())})
    recipe.table(stage, "data/splits/split.csv", table)


def slices(stage: Stage, recipe: Recipe) -> None:
    for path in ("data/splits/split.csv", "data/masks/masks.csv", "data/cohort/files.csv"):
        stage.input(path)
    for patient in PATIENTS:
        stage.input(f"data/masks/{patient}.nii.gz")
    for name in ("train", "val", "test"):
        ids = slice_ids(name)
        rows = [
            {"slice_id": one, "row": row, "patient": one[:2], "series_uid": uid(one[:2]),
             "sop_uid": uid(one[:2], int(one[-1])), "z_index": int(one[-1]),
             "kind": "negative" if one.endswith("z2") else "tumour", "mask_source": "expert"}
            for row, one in enumerate(ids)
        ]  # fmt: skip
        recipe.table(stage, f"data/slices/{name}/slices.csv", pd.DataFrame(rows))
        images = [_image(recipe.images.get(one, one), one in recipe.nudged) for one in ids]
        path = stage.output(f"data/slices/{name}/slices.safetensors")
        write_tensors(path, {"image": np.stack(images), "mask": _masks(ids)})


def _masks(slice_ids: list[str]) -> np.ndarray:
    """True masks of 4 x 4 pixels; empty without a tumour."""
    generator = np.random.default_rng(5)
    masks = [generator.random((4, 4)) > 0.6 for _ in slice_ids]
    return np.stack(
        [mask & (not one.endswith("z2")) for mask, one in zip(masks, slice_ids, strict=True)]
    ).astype(np.uint8)


def _image(slice_id: str, nudged: bool = False) -> np.ndarray:
    generator = np.random.default_rng(list(slice_id.encode()))
    image = generator.random((4, 4)).astype(np.float16)
    if nudged:
        image[0, 0] = np.nextafter(image[0, 0], np.float16(2))
    return image


def flow(stage: Stage, recipe: Recipe) -> None:
    rows: list[dict[str, Any]] = [{"step": "cohort", "outcome": "in", "patients": len(PATIENTS)}]
    for name in ("train", "val", "test"):
        own = pd.read_csv(stage.input(f"data/slices/{name}/slices.csv"))
        tumour = own[own["kind"] == "tumour"]
        counts = {"patients": own["patient"].nunique(), "tumour_slices": len(tumour)}
        free = {"tumour_free_slices": len(own) - len(tumour)}
        where = {"step": "slices", "split": name}
        rows += [
            {**where, "outcome": "in", **counts},
            {**where, "outcome": "out", **counts, **free},
        ]
    recipe.table(stage, "reports/tables/flow.csv", pd.DataFrame(rows))


def prompts(stage: Stage, recipe: Recipe) -> None:
    for name in ("train", "val", "test"):
        own = pd.read_csv(stage.input(f"data/slices/{name}/slices.csv"))
        rows = [
            {"slice_id": one, "patient": patient, "text": f"location left {patient}", "source": "mask",
             "borrowed_from": f"{patient}-z1" if kind == "negative" else ""}
            for one, patient, kind in zip(own["slice_id"], own["patient"], own["kind"], strict=True)
        ]  # fmt: skip
        recipe.table(stage, f"data/prompts/{name}.csv", pd.DataFrame(rows))


def train(stage: Stage, recipe: Recipe, method: str, seed: str) -> None:
    for path in ("slices/train/slices.csv", "slices/val/slices.csv", "prompts/train.csv"):
        stage.input(f"data/{path}")
    address = stage.definition.address
    stage.seed = recipe.seeds.get(address, int(seed))
    number = recipe.weights.get(address, int(sha256_bytes(address.encode())[:8], 16))
    weights = np.random.default_rng(number).random(64).astype(np.float32)
    path = stage.output(f"results/runs/{method}-s{seed}/model.safetensors")
    write_tensors(path, {"weight": weights})


def predict(stage: Stage, recipe: Recipe, method: str, seed: str) -> None:
    for path in (
        "slices/test/slices.csv",
        "slices/val/slices.csv",
        "prompts/test.csv",
        "prompts/val.csv",
    ):
        stage.input(f"data/{path}")
    stage.input(f"results/runs/{method}-s{seed}/model.safetensors")
    stage.seed = int(seed)
    default = int.from_bytes(f"{method}{seed}".encode(), "big")
    generator = np.random.default_rng(recipe.weights.get(stage.definition.address, default))
    folder = f"results/predictions/{method}-s{seed}"
    for name, split in (("probability", "test"), ("validation", "val")):
        maps = generator.random((len(slice_ids(split)), 4, 4)).astype(np.float32)
        write_tensors(stage.output(f"{folder}/{name}.safetensors"), {"probability": maps})
        if split == "test":
            rounded = {"probability": maps.astype(np.float16)}
            write_tensors(stage.output(f"{folder}/maps.safetensors"), rounded)


def score(stage: Stage, recipe: Recipe) -> None:
    own = pd.read_csv(stage.input("data/slices/test/slices.csv"))
    true = read_tensors(stage.input("data/slices/test/slices.safetensors"))["mask"] > 0
    for folder in _folders():
        maps = read_tensors(stage.input(f"results/predictions/{folder}/probability.safetensors"))
        found = maps["probability"] > stage.params["evaluation"]["threshold"]
        table = own[["slice_id", "patient", "kind", "mask_source"]].copy()
        pairs = ((found, true), (found, ~true), (~found, true), (~found, ~true))
        for column, (one, other) in zip(COUNTS, pairs, strict=True):
            table[column] = (one & other).sum(axis=(1, 2))
        hit, wrong = table["true_positive"], table["false_positive"] + table["false_negative"]
        table["dice"], table["iou"] = 2 * hit / (2 * hit + wrong), hit / (hit + wrong)
        recipe.table(stage, f"results/evaluation/{folder}/slices.csv", table)


def _folders() -> list[str]:
    """Every run that has been predicted."""
    return sorted(path.name for path in Path("results/predictions").iterdir())


def table1(stage: Stage, recipe: Recipe) -> None:
    rows = []
    for method in stage.params["tables"]["table1"]:
        folders = [f"results/evaluation/{method}-s{seed}" for seed in stage.params["seeds"]]
        runs = [pd.read_csv(stage.input(f"{folder}/slices.csv")) for folder in folders]
        tumour = [one[one["kind"] == "tumour"] for one in runs]
        patients = [one.groupby("patient")["dice"].mean() for one in tumour]
        rows.append(
            {"method": method, "seeds": len(runs), "tumour_slices": float(len(tumour[0])),
             "dice_slice_mean": 100 * float(np.mean([one["dice"].mean() for one in tumour])),
             "dice_patient_mean": 100 * float(np.mean([one.mean() for one in patients])),
             "paper_dice": 85.33}
        )  # fmt: skip
    recipe.table(stage, "reports/tables/table1.csv", pd.DataFrame(rows))


VERBS: dict[str, Callable[..., None]] = {
    verb.__name__: verb
    for verb in (
        cohort,
        download,
        masks,
        split,
        slices,
        flow,
        prompts,
        train,
        predict,
        score,
        table1,
    )
}
