"""The flow table: counts by brute force, and sums that always add up."""

from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.dataset.split_table import SPLITS
from textbcs.intake.left_out import COLUMNS as FILES
from textbcs.reporting.tables.flow_of_patients import (
    EXCLUDED,
    IN,
    NO_SLICE,
    OUT,
    flow_table,
    imbalance,
)
from textbcs.stages.data.flow import run as write_flow

REASONS = ["lesions in both breasts", "lesion too small"]

# One patient: why the cohort excludes her, mask source, why her mask is unusable, split, what happens
# to each of her tumour slices ("" is kept), and her tumour-free slices.
patients = st.tuples(
    st.sampled_from(["", "", "", "no pre-contrast series", "phases differ"]),
    st.sampled_from(["expert", "reviewed", "ai", ""]),
    st.sampled_from(["", "", "", "the mask is empty"]),
    st.sampled_from(SPLITS),
    st.lists(st.sampled_from(["", "", *REASONS]), min_size=1, max_size=6),
    st.integers(0, 2),
)


def tables(cohort: list[tuple]):
    """The tables that the stages would write for a cohort."""
    people, masks, split, left_out = [], [], [], []
    slices: dict[str, list[dict[str, str]]] = {name: [] for name in SPLITS}
    for number, (excluded, source, fault, name, fates, free) in enumerate(cohort):
        patient = f"p{number:03d}"
        people.append({"patient": patient, "excluded": excluded or None})
        if excluded:
            continue
        fault = fault if source else "no source has a mask"
        count = 0 if fault else len(fates)
        masks.append(
            {"patient": patient, "source": source or None, "slices": count, "reason": fault or None}
        )
        if fault:
            continue
        split.append({"patient": patient, "split": name})
        for fate in fates:
            row = {"patient": patient}
            if fate:
                left_out.append(row | {"reason": fate})
            else:
                slices[name].append(row | {"kind": "tumour"})
        if "" in fates and name == "test":
            slices[name] += [{"patient": patient, "kind": "negative"}] * free
    return (
        pd.DataFrame(people, columns=["patient", "excluded"]),
        pd.DataFrame(masks, columns=["patient", "source", "slices", "reason"]),
        pd.DataFrame(split, columns=["patient", "split"]),
        {name: pd.DataFrame(own, columns=["patient", "kind"]) for name, own in slices.items()},
        pd.DataFrame(left_out, columns=["patient", "reason"]),
    )


@given(st.lists(patients, max_size=40))
def test_counts_add_up_and_are_those_of_the_cohort(cohort: list[tuple]) -> None:
    table = flow_table(*tables(cohort))
    assert imbalance(table) == ""
    assert table["patients"].iloc[0] == len(cohort)
    excluded = table[table["outcome"] == EXCLUDED]
    found = Counter()
    for row in excluded.itertuples():
        found[row.step, row.reason] += 0 if pd.isna(row.patients) else row.patients
        if row.step == "slices" and row.reason != NO_SLICE:
            found["slice", row.reason] += row.tumour_slices
    expected, kept = Counter(), Counter()
    for reason, source, fault, name, fates, free in cohort:
        fault = fault if source else "no source has a mask"
        if reason:
            expected["cohort", reason] += 1
        elif fault:
            expected["masks", fault] += 1
        else:
            expected.update(("slice", fate) for fate in fates if fate)
            expected["slices", NO_SLICE] += "" not in fates
            kept["patients", name, source] += "" in fates
            kept["tumour_slices", name, source] += fates.count("")
            kept["tumour_free_slices", name, source] += (
                free if name == "test" and "" in fates else 0
            )
    assert +found == +expected
    out = table[table["outcome"] == OUT]
    for row in out.to_dict("records"):
        for column in ("patients", "tumour_slices", "tumour_free_slices"):
            assert row[column] == kept[column, row["split"], row["mask_source"]]
    assert out["patients"].sum() == sum(n for key, n in kept.items() if key[0] == "patients")


@given(st.lists(patients, min_size=8, max_size=30), st.randoms())
def test_a_lost_slice_or_patient_is_noticed(cohort: list[tuple], random) -> None:
    people, masks, split, slices, left_out = tables(cohort)
    tumour = [name for name in SPLITS if (slices[name]["kind"] == "tumour").any()]
    if not tumour:
        return
    name = random.choice(tumour)
    lost = slices[name].index[slices[name]["kind"] == "tumour"][0]
    fewer = slices | {name: slices[name].drop(index=lost)}
    assert "tumour slices in" in imbalance(flow_table(people, masks, split, fewer, left_out))
    more = pd.concat([people, pd.DataFrame([{"patient": "q", "excluded": None}])])
    assert "patients in" in imbalance(flow_table(more, masks, split, slices, left_out))


def test_the_stage_writes_it_and_refuses_tables_of_two_runs(stage_in) -> None:
    cohort = [
        ("", "expert", "", "train", ["", "", REASONS[0]], 0),
        ("", "ai", "", "train", [""], 0),
        ("", "expert", "", "val", ["", REASONS[1]], 0),
        ("", "expert", "", "test", ["", ""], 2),
        ("", "reviewed", "", "test", [REASONS[1]], 0),
        ("no pre-contrast series", "expert", "", "test", [""], 0),
        ("", "", "", "test", [""], 0),
    ]
    stage = stage_in({})
    people, masks, split, slices, left_out = tables(cohort)
    write_csv("data/cohort/patients.csv", people)
    files = [("a", "text", "", "no", "no DICOM file"), ("b", "DICOM image MR", "1.2", "yes", "")]
    write_csv("data/cohort/intake.csv", pd.DataFrame(files, columns=list(FILES)))
    write_csv("data/masks/masks.csv", masks)
    write_csv("data/splits/split.csv", split)
    write_csv("data/slices/excluded.csv", left_out)
    for name in SPLITS:
        write_csv(f"data/slices/{name}/slices.csv", slices[name])
    write_flow(stage)
    table = read_csv("reports/tables/flow.csv")
    out = table[table["outcome"] == OUT].set_index(["split", "mask_source"])
    assert out.loc[("test", "expert"), "tumour_free_slices"] == 2
    assert out.loc[("test", "reviewed"), "patients"] == 0
    assert table[table["outcome"] == IN]["tumour_slices"].sum() == 9
    text = Path("reports/tables/flow.md").read_text()
    assert text.startswith("**Flow: 7 patients in, 4 out with 6 tumour slices and 2 tumour-free")
    assert "| masks | excluded |  |  | no source has a mask | 1 |  |  |" in text
    write_csv("data/slices/excluded.csv", left_out.iloc[1:])
    with pytest.raises(InputError, match="not of one run: 9 tumour slices in, 2 excluded, 6 out"):
        write_flow(stage)


def test_files_that_were_not_used_stand_before_the_patients() -> None:
    cohort = [("", "expert", "", name, [""], 0) for name in SPLITS]
    plain = flow_table(*tables(cohort))
    unused = [("text", "no DICOM file", 7), ("link", "link that leads nowhere", 1)]
    table = flow_table(*tables(cohort), unused)
    assert list(table["reason"])[:2] == ["text: no DICOM file", "link: link that leads nowhere"]
    assert list(table["files"].dropna()) == [7, 1]
    assert imbalance(table) == ""
    pd.testing.assert_frame_equal(
        table.iloc[2:].drop(columns="files").reset_index(drop=True), plain
    )
    assert "files" not in plain
