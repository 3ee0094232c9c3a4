"""The stage on a small cohort: every slice of validation and test, in several processes the same bytes."""

from functools import partial
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import pytest
from cohort_fixtures import finished, params, workplace  # noqa: F401
from cohort_stage import make_stage

from textbcs.base.io import InputError, records, write_csv
from textbcs.dataset.slice_store import read_shard
from textbcs.dataset.volume_store import read_patients, read_volume
from textbcs.stage import pool
from textbcs.stages.data import slices
from textbcs.stages.volumes import volumes

NAMES = [f"Breast_MRI_{number:03d}" for number in range(1, 7)]


@pytest.fixture
def split(workplace: Path, params: dict[str, Any]) -> dict[str, Any]:  # noqa: F811
    """Two patients a split; no lesion is too small for a slice."""
    params["slices"] |= {"minimum_lesion_mm2": 10.0, "minimum_component_mm2": 5.0}
    write_csv(
        "data/splits/split.csv",
        pd.DataFrame({"patient": NAMES, "split": ["train", "val", "test"] * 2}),
    )
    return params


def content() -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(Path("data/volumes").rglob("*")) if p.is_file()}


def test_every_slice_is_kept_as_the_split_has_it(split: dict[str, Any]) -> None:
    stage = make_stage(split)
    slices.run(stage)
    volumes.run(stage)
    assert len(content()) == 6
    for part, names in (("val", NAMES[1::3]), ("test", NAMES[2::3])):
        table = read_patients(stage, part)
        assert table["patient"].tolist() == names
        shard = read_shard(
            f"data/slices/{part}/slices.csv", f"data/slices/{part}/slices.safetensors"
        )
        found = {f["patient"]: read_volume(stage, part, f) for f in records(table)}
        for place, row in enumerate(records(shard.table)):
            own, z = found[row["patient"]], row["z_index"]
            assert own.image[z].tobytes() == shard.images[place].tobytes()
            assert np.array_equal(own.mask[z], shard.masks[place] > 0)
            if part == "test":
                assert np.array_equal(own.native_mask[z], shard.native_masks[row["slice_id"]])
        for name, own in found.items():
            assert len(own.image) == 10
            whole = np.asarray(nibabel.load(f"data/masks/{name}.nii.gz").dataobj)
            assert own.native_mask.sum() == np.count_nonzero(whole)


def test_processes_change_no_byte(split: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    volumes.run(make_stage(split))
    first = content()
    monkeypatch.setenv("TEXTBCS_JOBS", "2")
    monkeypatch.setattr(volumes, "each", partial(pool.each, patience_s=0))
    volumes.run(make_stage(split))
    assert content() == first


def test_a_split_without_patients_is_refused(split: dict[str, Any]) -> None:
    table = pd.DataFrame({"patient": NAMES, "split": ["train", "test"] * 3})
    write_csv("data/splits/split.csv", table)
    with pytest.raises(InputError, match="no patient in val"):
        volumes.run(make_stage(split))
