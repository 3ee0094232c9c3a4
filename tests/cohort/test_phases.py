"""Descriptions to phases: single names, deviating patients, and the real collection as a whole."""

from pathlib import Path

import pandas as pd
import pytest

from textbcs.base.io import InputError
from textbcs.cohort.phases import Candidate, choose_described, choose_phases, phase_of


@pytest.mark.parametrize(
    ("description", "phase"),
    [
        ("ax dyn pre", "pre"),
        ("ax 3d dyn pre", "pre"),
        ("ax 3d pre", "pre"),
        ("t1_fl3d_tra_dynVIEWS_spair_ pre", "pre"),
        ("ax 3d dyn", "dynamic"),
        ("ax 3d dyn MP", "dynamic"),
        ("ax dynamic", "dynamic"),
        ("Ax Vibrant MultiPhase", "dynamic"),
        ("ax dyn", "dynamic"),
        ("ax dyn 1st pass", "post1"),
        ("ax dyn 1st pas", "post1"),
        ("Ph1/ax 3d dyn", "post1"),
        ("Ph2/Ax Vibrant MultiPhase", "post2"),
        ("Ph4/ax dynamic", "post4"),
        ("1st ax dyn", "post1"),
        ("3rd ax dyn", "post3"),
        ("ax 3d dyn 2nd pass", "post2"),
        ("t1_fl3d_tra_dynVIEWS_spair 1st pass", "post1"),
        ("t1_fl3d_tra_dynVIEWS_spair_4th pass", "post4"),
        ("  AX   DYN  1st  PASS ", "post1"),
        # T1 series: 'pre' and '+c' are no phases of the dynamic study
        ("ax t1 pre", ""),
        ("ax t1", ""),
        ("ax t1 +c", ""),
        ("ax 3d t1 bilateral", ""),
        ("Ax 3D T1 NON FS", ""),
        ("AX IDEAL Breast", ""),
        ("Segmentation", ""),
        ("", ""),
    ],
)
def test_a_name_is_a_phase(description: str, phase: str) -> None:
    assert phase_of(description) == phase


def choose(*series: tuple[int, str], instances: int = 24) -> tuple[dict[int, str], str]:
    made = [Candidate(f"1.{number}", name, number, instances) for number, name in series]
    chosen, reason = choose_phases(reversed(made))
    return {int(uid[2:]): phase for uid, phase in chosen.items()}, reason


def test_two_unnumbered_series_before_named_ones() -> None:
    """Breast_MRI_065 of the collection."""
    chosen, reason = choose(
        (600, "ax dynamic"), (700, "ax dynamic"), (702, "Ph2/ax dynamic"), (703, "Ph3/ax dynamic")
    )
    assert (chosen, reason) == ({600: "pre", 700: "post1", 702: "post2", 703: "post3"}, "")


def test_unnumbered_series_only() -> None:
    """Breast_MRI_120."""
    chosen, reason = choose(*[(number, "ax dyn") for number in (7, 8, 11, 13, 15)])
    assert chosen == {7: "pre", 8: "post1", 11: "post2", 13: "post3", 15: "post4"}
    assert reason == ""


def test_named_pre_and_unnumbered_rest() -> None:
    """Breast_MRI_596."""
    chosen, _ = choose((6, "ax dyn pre"), *[(number, "ax dyn") for number in (7, 8, 11, 13)])
    assert chosen == {6: "pre", 7: "post1", 8: "post2", 11: "post3", 13: "post4"}


def test_unnumbered_series_leave_named_phases_alone() -> None:
    chosen, reason = choose(
        (6, "ax dyn"), (7, "ax dyn"), (8, "Ph2/ax dyn"), (9, "ax dyn"), (10, "Ph4/ax dyn")
    )
    assert chosen == {6: "pre", 7: "post1", 8: "post2", 9: "post3", 10: "post4"}
    assert reason == ""


def test_no_first_pass_excludes() -> None:
    """Breast_MRI_700."""
    _, reason = choose((5, "ax dyn pre"), (9, "ax dyn 2nd pass"), (12, "ax dyn 3rd pass"))
    assert reason == "no first post-contrast series"


def test_the_lowest_series_number_breaks_ties() -> None:
    chosen, reason = choose(
        (3, "ax dyn pre"), (9, "ax dyn 1st pass"), (5, "ax dyn 1st pass"), (2, "ax t1 pre")
    )
    assert (chosen, reason) == ({3: "pre", 5: "post1"}, "")


def test_a_repeated_unnumbered_series_is_left_alone_where_post1_has_a_name() -> None:
    chosen, _ = choose((600, "ax 3d dyn"), (601, "Ph1/ax 3d dyn"), (700, "ax 3d dyn"))
    assert chosen == {600: "pre", 601: "post1"}


def test_reasons() -> None:
    assert choose((5, "ax dyn 1st pass"))[1] == "no pre-contrast series"
    assert choose((9, "ax dyn pre"), (5, "ax dyn 1st pass"))[1].startswith("phases do not follow")
    one = Candidate("1", "ax dyn pre", 1, 24)
    two = Candidate("2", "ax dyn 1st pass", 2, 23)
    assert choose_phases([one, two])[1] == "phases differ in their number of slices"
    assert choose_phases([])[1] == "no pre-contrast series"


def test_the_real_collection(duke_tables: Path) -> None:
    """IDC's list of the collection: 922 patients; 917 have one named pre and one named post1."""
    table = pd.read_csv(duke_tables / "duke_idc_v25_series.csv.gz")
    images = table[table["Modality"] == "MR"]
    excluded, phases = {}, []
    for patient, own in images.groupby("PatientID"):
        chosen, reason = choose_phases(
            Candidate(row.SeriesInstanceUID, row.SeriesDescription, int(row.SeriesNumber), row.n)
            for row in own.rename(columns={"instanceCount": "n"}).itertuples()
        )
        assert len(set(chosen.values())) == len(chosen)
        phases += list(chosen.values())
        if reason:
            excluded[patient] = reason
    assert excluded == {"Breast_MRI_700": "no first post-contrast series"}
    assert images["PatientID"].nunique() == 922
    assert phases.count("pre") == 922
    assert phases.count("post1") == 921
    # facts of the collection, counted independently of this code
    assert phases.count("post2") == 922
    without = {"103", "120", "164", "253", "258", "282", "596", "728", "801", "893"}
    assert phases.count("post3") == 922 - len(without) + 2  # 120 and 596 have them without a name
    assert set(images["SeriesDescription"].map(phase_of).unique()) >= {"pre", "post4", "dynamic"}


def test_mama_mias_pre_series_are_ours(duke_tables: Path) -> None:
    """291 series that MAMA-MIA's authors took as the pre-contrast phase of the same patients."""
    table = pd.read_csv(duke_tables / "duke_idc_v25_series.csv.gz")
    theirs = pd.read_excel(
        duke_tables / "mama_mia_clinical_and_imaging_info.xlsx", sheet_name="dataset_info"
    )
    theirs = theirs[theirs["dataset"] == "DUKE"]
    images = table[table["Modality"] == "MR"].rename(columns={"instanceCount": "n"})
    of_patient = dict(list(images.groupby("PatientID")))
    wrong = []
    for row in theirs.itertuples():
        own = of_patient[row.patient_id.replace("DUKE_", "Breast_MRI_")]
        chosen, _ = choose_phases(
            Candidate(one.SeriesInstanceUID, one.SeriesDescription, int(one.SeriesNumber), one.n)
            for one in own.itertuples()
        )
        if chosen.get(row.tcia_series_uid) != "pre":
            wrong.append(row.patient_id)
    assert len(theirs) == 291
    assert wrong == []


def described(*series: tuple[int, str]) -> tuple[dict[int, str], str]:
    made = [Candidate(f"1.{number}", name, number, 24) for number, name in series]
    chosen, reason = choose_described(reversed(made), {"pre": "native", "post1": "min 1$"})
    return {int(uid[2:]): phase for uid, phase in chosen.items()}, reason


def test_own_names() -> None:
    chosen, reason = described((9, "DYN Native"), (5, "dyn min 1"), (7, "dyn min 1"), (6, "ax dyn"))
    assert (chosen, reason) == ({9: "pre", 5: "post1"}, "")
    assert described((9, "native"), (5, "dyn min 10"))[1] == (
        "no series matches cohort.descriptions.post1; there are 'dyn min 10', 'native'"
    )
    assert described((5, "native"), (4, "dyn min 1"), (4, "min 1"))[0] == {5: "pre", 4: "post1"}
    with pytest.raises(InputError, match="post1 and pre both match the series 'native min 1'"):
        described((9, "native min 1"))
