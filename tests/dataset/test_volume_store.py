"""Volumes go to disk and come back; what does not fit its table is refused."""

from collections.abc import Callable

import numpy as np
import pytest

from textbcs.base.io import InputError, read_tensors, records, write_tensors
from textbcs.dataset import volume_store
from textbcs.dataset.volume_store import (
    COLUMNS,
    Volume,
    native_spacing_of,
    read_patients,
    read_volume,
    spacing_of,
    voxel_mm3,
    write_patients,
    write_volume,
)
from textbcs.stage.receipt import Stage


def volume(patient: str = "007", slices: int = 3) -> Volume:
    rng = np.random.default_rng(slices)
    facts = dict.fromkeys(COLUMNS, "x") | {"patient": patient, "slices": slices, "size": 5}
    facts |= {"midline_col": 2.5, "spacing_slice_mm": 2.0, "spacing_mm": 1.5}
    facts |= {"native_rows": 7, "native_cols": 6}
    facts |= {"native_spacing_row_mm": 0.5, "native_spacing_col_mm": 0.75}
    image = rng.uniform(size=(slices, 5, 5)).astype(np.float16)
    return Volume(facts, image, rng.random((slices, 5, 5)) > 0.5, rng.random((slices, 7, 6)) > 0.5)


def test_volumes_come_back(stage_in: Callable[..., Stage]) -> None:
    stage, own = stage_in({}), [volume(), volume("P2", 4)]
    for one in own:
        write_volume(stage, "val", one)
    write_patients(stage, "val", [one.facts for one in own])
    table = read_patients(stage, "val")
    assert table.columns.tolist() == list(COLUMNS)
    for one, facts in zip(own, records(table), strict=True):
        found = read_volume(stage, "val", facts)
        assert found.facts == one.facts
        for name in ("image", "mask", "native_mask"):
            there, back = getattr(one, name), getattr(found, name)
            assert back.dtype == there.dtype
            assert np.array_equal(back, there)


def test_spacings_are_of_slices_rows_and_columns() -> None:
    facts = volume().facts
    assert spacing_of(facts) == (2.0, 1.5, 1.5)
    assert native_spacing_of(facts) == (2.0, 0.5, 0.75)
    assert voxel_mm3(facts) == 4.5


@pytest.mark.parametrize(("name", "more"), [("slices", 1), ("size", 1), ("native_rows", 40)])
def test_another_shape_than_the_tables_is_refused(
    name: str, more: int, stage_in: Callable[..., Stage]
) -> None:
    stage, own = stage_in({}), volume()
    write_volume(stage, "test", own)
    with pytest.raises(InputError, match=r"test/007.safetensors: .*patients.csv"):
        read_volume(stage, "test", own.facts | {name: own.facts[name] + more})


def test_a_missing_tensor_is_refused(stage_in: Callable[..., Stage]) -> None:
    stage, own = stage_in({}), volume()
    write_volume(stage, "test", own)
    path = volume_store.VOLUMES / "test" / "007.safetensors"
    tensors = read_tensors(path)
    write_tensors(path, {"image": tensors["image"], "mask": tensors["mask"]})
    with pytest.raises(InputError, match="run the stage volumes again"):
        read_volume(stage, "test", own.facts)
