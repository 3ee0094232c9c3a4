"""Which of a patient's visits is taken, and which segmentations belong to it."""

from typing import Any

import pytest
from cohort_stage import COHORT, made_series

from textbcs.base.io import InputError
from textbcs.cohort.listing import choose_cohort

EARLY = {"study_uid": "1.5", "frame_of_reference": "5.1", "study_date": "20190102"}
LATE = {"study_uid": "1.2", "frame_of_reference": "2.1", "study_date": "20210102"}


def visit(prefix: str, facts: dict[str, Any]) -> list:
    """Both phases and a mask of a visit, and a survey that is no phase."""
    return [
        made_series(f"{prefix}.1", "native", **facts),
        made_series(f"{prefix}.2", "min 1", series_number=2, **facts),
        made_series(f"{prefix}.3", "survey", series_number=3, **facts),
        made_series(f"{prefix}.4", "drawn", modality="SEG", series_number=4, **facts),
    ]


def chosen(found: list, **cohort: Any) -> tuple[dict[str, str], str]:
    """{series UID: phase} of P1, and why she is excluded."""
    listing = choose_cohort(found, COHORT | cohort)
    table = listing.series[listing.series["phase"] != ""]
    phases = dict(zip(table["series_uid"], table["phase"], strict=True))
    return phases, listing.patients["excluded"].iloc[0]


@pytest.mark.parametrize(("rule", "prefix"), [("first", "7"), ("last", "8")])
def test_a_visit_is_taken_whole(rule: str, prefix: str) -> None:
    """Neither the SeriesNumber, which is lowest in the late one, nor the order of UIDs decides."""
    late = [made_series("8.0", "min 1", series_number=0, **LATE)]
    found = visit("8", LATE)[:1] + late + visit("8", LATE)[2:] + visit("7", EARLY)
    phases, reason = chosen(found, visit=rule)
    post = "8.0" if prefix == "8" else "7.2"
    assert reason == ""
    assert phases == {f"{prefix}.1": "pre", post: "post1", f"{prefix}.4": "mask"}


def test_what_is_left_out_is_said() -> None:
    left_out = choose_cohort(visit("8", LATE) + visit("7", EARLY), COHORT).left_out
    other = "of another visit than the one that is taken"
    assert left_out == dict.fromkeys(["8.1", "8.2", "8.3", "8.4"], other) | {
        "7.3": "is no phase of the study"
    }


def test_a_time_orders_the_visits_of_a_day() -> None:
    day = {"study_date": "20190102"}
    found = visit("8", LATE | day | {"study_time": "093000.5"})
    found += visit("7", EARLY | day | {"study_time": "101500"})
    assert chosen(found)[0]["8.1"] == "pre"
    assert chosen(found, visit="last")[0]["7.1"] == "pre"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"study_date": ""}, {}),
        ({"study_date": "unknown"}, {}),
        ({"study_date": "20190102"}, {"study_date": "20190102"}),
        (
            {"study_date": "20190102", "study_time": "10"},
            {"study_date": "20190102", "study_time": ""},
        ),
    ],
)
def test_visits_without_an_order_exclude(one: dict[str, str], other: dict[str, str]) -> None:
    _, reason = chosen(visit("7", EARLY | one) + visit("8", LATE | other))
    assert reason.startswith("several visits without a StudyDate")


def test_sessions_are_ordered_by_their_numbers() -> None:
    nothing = {"study_date": "", "frame_of_reference": ""}
    found = visit("7", EARLY | nothing | {"visit": "ses-2"})
    found += visit("8", LATE | nothing | {"visit": "ses-10"})
    assert chosen(found)[0]["7.1"] == "pre"
    assert chosen(found, visit="last")[0]["8.1"] == "pre"


def test_several_visits_can_be_an_error() -> None:
    found = visit("7", EARLY) + visit("8", LATE)
    with pytest.raises(InputError, match=r"P1 has 2 visits with all phases"):
        choose_cohort(found, COHORT | {"visit": "error"})
    assert chosen(found, visit="error", exclude=["P1"])[1] == "excluded by cohort.exclude"
    assert chosen(visit("7", EARLY), visit="error")[1] == ""


def test_a_visit_without_a_phase_does_not_count() -> None:
    found = [one for one in visit("7", EARLY) if one.first.series_uid != "7.2"]
    for rule in ("first", "last", "error"):
        phases, reason = chosen(found + visit("8", LATE), visit=rule)
        assert (phases, reason) == ({"8.1": "pre", "8.2": "post1", "8.4": "mask"}, "")


def test_phases_of_two_visits_are_never_combined() -> None:
    pre, post = visit("7", EARLY)[0], visit("8", LATE)[1]
    assert chosen([pre, post])[1] == "phases lie in different studies: none has all of them"
    moved = made_series("7.2", "min 1", **(EARLY | {"frame_of_reference": "5.2"}))
    assert chosen([pre, moved])[1].startswith("phases lie in different frames of reference")
    # Duke's names ask for rising SeriesNumbers too; that the visits differ is the reason.
    named = [
        made_series("7.1", "ax dyn pre", series_number=9, **EARLY),
        made_series("8.2", "ax dyn 1st pass", series_number=2, **LATE),
    ]
    duke = {key: value for key, value in COHORT.items() if key != "descriptions"}
    reason = choose_cohort(named, duke).patients["excluded"].iloc[0]
    assert reason == "phases lie in different studies: none has all of them"


def test_the_fault_of_a_visit_is_its_own() -> None:
    """Not that phases lie in two studies, since one has both."""
    found = [
        made_series("7.1", "ax dyn pre", series_number=9, **EARLY),
        made_series("7.2", "ax dyn 1st pass", series_number=5, **EARLY),
        made_series("8.1", "ax dyn pre", series_number=1, **LATE),
    ]
    duke = {key: value for key, value in COHORT.items() if key != "descriptions"}
    reason = choose_cohort(found, duke).patients["excluded"].iloc[0]
    assert reason == "phases do not follow SeriesNumber"


def test_a_frame_of_reference_is_a_visit() -> None:
    """The patient left the table within a study: the first frame is that of the lowest number."""
    first = EARLY | {"frame_of_reference": "9.9"}
    second = EARLY | {"frame_of_reference": "1.1"}
    found = visit("7", first)
    found += [
        made_series(f"8.{n}", name, series_number=n + 10, **second)
        for n, name in ((1, "native"), (2, "min 1"))
    ]
    found.append(made_series("8.4", "drawn", modality="SEG", series_number=20, **second))
    assert chosen(found)[0] == {"7.1": "pre", "7.2": "post1", "7.4": "mask"}
    assert chosen(found, visit="last")[0] == {"8.1": "pre", "8.2": "post1", "8.4": "mask"}


def test_a_series_without_a_frame_of_reference_joins_its_study() -> None:
    found = [
        made_series("7.1", "native", **(EARLY | {"frame_of_reference": ""})),
        made_series("7.2", "min 1", series_number=2, **EARLY),
    ]
    assert chosen(found) == ({"7.1": "pre", "7.2": "post1"}, "")


@pytest.mark.parametrize(
    ("study", "frame", "kept"),
    [
        ("1.5", "5.1", True),
        ("1.2", "2.1", False),
        ("1.77", "5.1", True),  # a tool made a study of its own
        ("1.77", "2.1", False),
        ("1.5", "6.6", True),  # the masks say that it does not fit
        ("1.2", "", False),
        ("1.77", "6.6", True),
    ],
)
def test_a_mask_belongs_to_a_visit(study: str, frame: str, kept: bool) -> None:
    mask = made_series("3.3", "m", modality="SEG", study_uid=study, frame_of_reference=frame)
    phases, _ = chosen([*visit("7", EARLY)[:3], *visit("8", LATE)[:3], mask])
    assert (phases.get("3.3") == "mask") == kept
