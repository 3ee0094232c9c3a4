"""Who is listed and excluded, with reasons that are true, and what no stranger's series can do."""

from dataclasses import replace
from typing import Any

import pytest
from cohort_stage import COHORT, made_series

from textbcs.base.io import InputError
from textbcs.cohort.listing import choose_cohort


def phases_of(patient: str, prefix: str, **facts: Any) -> list:
    """Both phases of a patient."""
    study = {"study_uid": f"{prefix}.0", "patient": patient} | facts
    return [
        made_series(f"{prefix}.1", "native", **study),
        made_series(f"{prefix}.2", "min 1", series_number=2, **study),
    ]


def reasons(found: list, **cohort: Any) -> dict[str, str]:
    """{patient: why excluded}."""
    table = choose_cohort(found, COHORT | cohort).patients
    return dict(zip(table["patient"], table["excluded"], strict=True))


def test_a_list_of_exclusions() -> None:
    found = phases_of("A", "1") + phases_of("B", "2")
    assert reasons(found, exclude=["B"]) == {"A": "", "B": "excluded by cohort.exclude"}
    with pytest.raises(InputError, match=r"cohort\.exclude names 'b', not in the archive; .*'B'"):
        reasons(found, exclude=["b"])


def test_series_of_others_cannot_stop_the_run() -> None:
    """Not even two phases that one description matches, with the patient out of the question."""
    found = [*phases_of("A", "1"), made_series("2.1", "native min 1", patient="B")]
    with pytest.raises(InputError, match="post1 and pre both match"):
        reasons(found)
    assert reasons(found, patients=["A"]) == {"A": ""}
    left_out = choose_cohort(found, COHORT | {"patients": ["A"]}).left_out
    assert left_out == {"2.1": "the patient is not in cohort.patients"}


@pytest.mark.parametrize("name", ["benign (1)", "../x", ".x", "a b", "Müller", "x" * 65])
def test_a_name_that_no_file_can_have_excludes_its_patient(name: str) -> None:
    found = reasons(phases_of("A", "1") + phases_of(name, "2"))
    assert found["A"] == ""
    assert found[name].startswith("PatientID is no plain name: use letters, digits, '.', '_'")


def test_names_that_differ_in_case_only() -> None:
    found = phases_of("p1", "1") + phases_of("P1", "2") + phases_of("P2", "3")
    words = "names of patients that differ in case only: P1, p1"
    assert reasons(found) == {"P1": words, "P2": "", "p1": words}
    assert reasons(found, exclude=["p1"])["P1"] == ""


def test_uids_that_could_be_a_path() -> None:
    assert reasons(phases_of("A", "../1"))["A"] == "a UID is not digits and dots"
    assert reasons(phases_of("A", "1", study_uid="x"))["A"] == "a UID is not digits and dots"
    parts = [made_series("1.1-1", "native"), made_series("1.1-2", "min 1")]
    assert reasons(parts) == {"P1": ""}


def test_a_modality_that_is_not_read_is_the_reason() -> None:
    pre = made_series("1.1", "native")
    ct = made_series("1.2", "min 1", modality="CT")
    assert reasons([pre, ct]) == {"P1": "post1: modality CT: only MR is read as images"}
    assert reasons([ct]) == {"P1": "post1: modality CT: only MR is read as images"}
    other = made_series("1.2", "abdomen", modality="US")
    assert reasons([other]) == {"P1": "modality US: no MR series"}
    left_out = choose_cohort([*phases_of("P1", "1"), made_series("1.9", modality="PR")], COHORT)
    assert left_out.left_out == {"1.9": "modality PR: only MR and SEG are read"}
    assert list(left_out.patients["excluded"]) == [""]
    assert set(left_out.series["modality"]) == {"MR"}


def test_who_has_reports_alone_is_no_patient() -> None:
    report = made_series("2.1", modality="SR", patient="Jane Doe")
    assert reasons([*phases_of("A", "1"), report]) == {"A": ""}


def test_what_there_is_instead() -> None:
    found = [made_series(f"1.{n}", name) for n, name in enumerate(["survey", "T1 " + "x" * 60])]
    assert reasons(found)["P1"] == (
        f"no series matches cohort.descriptions.post1; there are 'T1 {'x' * 34}...', 'survey'"
    )
    many = [made_series(f"1.{n}", f"s{n}") for n in range(7)]
    assert reasons(many)["P1"].endswith("; there are 's0', 's1', 's2', 's3' and 3 more")
    seg = made_series("1.1", "mask", modality="SEG")
    assert reasons([seg])["P1"].endswith("; there is no MR series")


def test_the_lowest_number_counts_and_the_others_are_said() -> None:
    again = made_series("1.05", "min 1", series_number=5)
    late = made_series("1.04", "min 1", series_number=9)
    listing = choose_cohort([*phases_of("P1", "1", study_uid="1.1"), again, late], COHORT)
    chosen = listing.series.set_index("series_uid")["phase"]
    assert chosen.to_dict() == {"1.1": "pre", "1.2": "post1", "1.04": "", "1.05": ""}
    words = "post1 is another series, with a lower SeriesNumber or UID"
    assert listing.left_out == {"1.05": words, "1.04": words}


def test_a_fault_of_a_series_counts_where_it_is_used() -> None:
    found = [*phases_of("A", "1"), made_series("1.7", "survey", patient="A", fault="damaged")]
    assert reasons(found) == {"A": ""}
    bad = phases_of("A", "1", fault="damaged")
    assert reasons(bad) == {"A": "pre: damaged"}
    assert reasons([bad[0], phases_of("A", "1")[1]], phases=["post1"]) == {"A": ""}


@pytest.mark.parametrize(("fact", "words"), [("study_uid", "studies"), ("modality", "modalities")])
def test_a_series_that_contradicts_itself_is_not_used(fact: str, words: str) -> None:
    pre, post = phases_of("A", "1", sop_uid="1.5")
    other = replace(pre.first, **{fact: "7" if fact == "study_uid" else "CT"})
    mixed = replace(pre, headers=(pre.first, other))
    assert reasons([mixed, post]) == {"A": f"pre: files of several {words} in one series"}


def test_a_segmentation_with_a_fault_is_no_mask() -> None:
    """Two versions of one object: nobody knows which is right."""
    seg = {"modality": "SEG", "patient": "A", "study_uid": "1.0"}
    found = phases_of("A", "1")
    found += [made_series("1.8", **seg), made_series("1.9", fault="two versions", **seg)]
    listing = choose_cohort(found, COHORT)
    masks = listing.series.query("phase == 'mask'")
    assert list(masks["series_uid"]) == ["1.8"]
    assert listing.left_out == {"1.9": "two versions"}
