from collections import Counter

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.dataset.split_table import SPLITS
from textbcs.slices.splitting import draw_split
from textbcs.stages.data.split import run as make_split

STRATIFY = ["manufacturer", "multifocal"]


def cohort(counts: dict[tuple[str, str], int]) -> pd.DataFrame:
    rows = [stratum for stratum, count in counts.items() for _ in range(count)]
    table = pd.DataFrame(rows, columns=STRATIFY)
    table.insert(0, "patient", [f"Breast_MRI_{number:03d}" for number in range(1, len(rows) + 1)])
    return table


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["GE", "SIEMENS"]), st.sampled_from(["0", "1"])),
        st.integers(1, 120),
        min_size=1,
    ).filter(lambda counts: sum(counts.values()) >= 10),
    st.integers(0, 2**31),
)
def test_each_patient_once_and_the_ratio_kept(
    counts: dict[tuple[str, str], int], seed: int
) -> None:
    patients = cohort(counts)
    table = draw_split(patients, [7, 1, 2], STRATIFY, seed)
    assert table["patient"].tolist() == patients["patient"].tolist()
    assert set(table["split"]) == set(SPLITS)
    total = Counter(table["split"])
    for name, weight in zip(SPLITS, [7, 1, 2], strict=True):
        assert abs(total[name] - len(table) * weight / 10) < 1
        for _, stratum in table.groupby("stratum"):
            # A stratum begins and ends inside the dealing, so it may be off by one at each end.
            assert abs((stratum["split"] == name).sum() - len(stratum) * weight / 10) < 2


def test_the_seed_can_send_a_lone_patient_anywhere() -> None:
    """A stratum of one patient used to be in the same split with every seed."""
    patients = cohort({("GE", "0"): 20, ("GE", "1"): 2, ("SIEMENS", "0"): 1})
    found = {"Breast_MRI_021": Counter(), "Breast_MRI_023": Counter()}
    for seed in range(300):
        table = draw_split(patients, [7, 1, 2], STRATIFY, seed).set_index("patient")
        for name, splits in found.items():
            splits[table.loc[name, "split"]] += 1
    for splits in found.values():
        for name, weight in zip(SPLITS, [7, 1, 2], strict=True):
            assert abs(splits[name] / 300 - weight / 10) < 0.09, splits


def test_922_patients_give_the_papers_numbers() -> None:
    table = draw_split(cohort({("GE", "0"): 628, ("SIEMENS", "0"): 294}), [7, 1, 2], STRATIFY, 0)
    assert dict(Counter(table["split"])) == {"train": 645, "val": 92, "test": 185}


def test_the_seed_decides_and_row_order_does_not() -> None:
    patients = cohort({("GE", "0"): 40, ("SIEMENS", "1"): 30})
    first = draw_split(patients, [7, 1, 2], STRATIFY, 1)
    assert first.equals(draw_split(patients.sample(frac=1, random_state=3), [7, 1, 2], STRATIFY, 1))
    assert not first.equals(draw_split(patients, [7, 1, 2], STRATIFY, 2))


@pytest.mark.parametrize("alias", ["Breast_MRI_001", "breast_mri_001 "])
def test_a_patient_twice_is_refused_also_under_an_alias(alias: str) -> None:
    patients = cohort({("GE", "0"): 12})
    patients.loc[5, "patient"] = alias
    with pytest.raises(InputError, match="occurs twice"):
        draw_split(patients, [7, 1, 2], STRATIFY, 1)


def test_too_few_patients_are_an_error_that_names_the_empty_split() -> None:
    with pytest.raises(InputError, match="2 eligible patients leave val empty"):
        draw_split(cohort({("GE", "0"): 2}), [7, 1, 2], STRATIFY, 1)


@given(st.sets(st.integers(1, 60), max_size=45), st.integers(0, 99))
def test_train_only_patients_are_in_train_and_move_nobody_else(weak: set[int], seed: int) -> None:
    patients = cohort({("GE", "0"): 40, ("SIEMENS", "1"): 20})
    names = {f"Breast_MRI_{number:03d}" for number in weak}
    table = draw_split(patients, [7, 1, 2], STRATIFY, seed, names).set_index("patient")
    assert set(table.loc[sorted(names), "split"]) <= {"train"}
    strong = patients[~patients["patient"].isin(names)]
    alone = draw_split(strong, [7, 1, 2], STRATIFY, seed).set_index("patient")
    pd.testing.assert_frame_equal(table.loc[alone.index], alone)
    assert len(table) == len(patients)


def test_the_stage_tests_nobody_on_a_weak_mask(stage_in) -> None:
    """Weak masks to train, unusable ones to no split, excluded patients likewise."""
    patients = cohort({("GE", "0"): 30, ("SIEMENS", "1"): 10}).assign(excluded="")
    patients.loc[0, "excluded"] = "no pre-contrast series"
    masks = patients[["patient"]].iloc[1:].assign(source="expert", reason="")
    masks.loc[5:14, "source"] = "ai"
    masks.loc[15:19, "source"] = "box"
    masks.loc[39, "reason"] = "the mask is empty"
    write_csv("data/cohort/patients.csv", patients)
    write_csv("data/masks/masks.csv", masks)
    options = {"seed": 3, "ratio": [7, 1, 2], "stratify": STRATIFY}
    make_split(stage_in({"split": options, "masks": {"train_only": ["ai", "box"]}}))
    table = read_csv("data/splits/split.csv")
    assert len(table) == 38
    joined = table.merge(masks, on="patient")
    assert set(joined.loc[joined["source"] != "expert", "split"]) == {"train"}
    strong = joined[joined["source"] == "expert"]["split"].value_counts()
    assert strong.to_dict() == {"train": 16, "test": 5, "val": 2}


def test_an_empty_split_names_what_was_left_out_before(stage_in) -> None:
    patients = cohort({("GE", "0"): 12}).assign(excluded="")
    patients.loc[:1, "excluded"] = "no pre-contrast series"
    masks = patients[["patient"]].iloc[2:].assign(source="expert", reason="no source has a mask")
    write_csv("data/cohort/patients.csv", patients)
    write_csv("data/masks/masks.csv", masks)
    options = {"seed": 3, "ratio": [7, 1, 2], "stratify": STRATIFY}
    words = r"0 eligible patients .*10 x no source has a mask, 2 x no pre-contrast series"
    with pytest.raises(InputError, match=words):
        make_split(stage_in({"split": options, "masks": {"train_only": []}}))
