"""Prompts of cases from a table of reports: sizes by hand, and whose report is read."""

import math
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import PromptError
from textbcs.prompts.radiology_reports import read_report
from textbcs.prompts.report_cases import read_case_report, report_case_prompts

SPHERE = math.pi / 6 * 20**3
MASS = "An irregular mass of {} in the left breast."


@pytest.mark.parametrize(
    ("written", "volume"),
    [
        ("20 mm", SPHERE),
        ("2.0 cm", SPHERE),
        ("20 x 10 mm", math.pi / 6 * 20 * 10 * 10),
        ("1.0 x 2.0 cm", math.pi / 6 * 20 * 10 * 10),
        ("20 x 15 x 10 mm", math.pi / 6 * 20 * 15 * 10),
    ],
)
def test_a_size_is_the_volume_of_its_ellipsoid(written: str, volume: float) -> None:
    """At a tertile still the smaller class, and above it the larger."""
    text = MASS.format(written)
    for limits, word in (
        ((volume + 0.01, volume + 1), "small"),
        ((volume - 0.01, volume + 0.01), "medium"),
        ((volume - 1, volume - 0.01), "large"),
    ):
        assert read_case_report(text, limits).size == word


def test_of_several_lesions_the_largest_counts_and_sizes_do_not_add_up() -> None:
    text = MASS.format("18 mm") + " Another round mass of 20 mm and a third, oval mass of 9 mm."
    assert read_case_report(text, (SPHERE - 1, SPHERE)).size == "medium"
    assert read_case_report(text, (SPHERE - 1, SPHERE - 0.1)).size == "large"
    assert read_case_report(text, (SPHERE, SPHERE + 1)).size == "small"


def test_a_word_counts_where_nothing_is_measured() -> None:
    assert read_case_report("A medium-sized round mass on the left.", (1, 2)).size == "medium"
    measured = "A large round mass of 2 mm on the left."
    assert read_case_report(measured, (10, 20)).size == "small"


def test_all_else_is_read_as_for_a_slice() -> None:
    text = "In the right breast three oval masses, up to 12 mm. No mass on the left."
    case, whole = read_case_report(text, (1, 1e6)), read_report(text, (1, 1e6))
    assert case == whole
    with pytest.raises(PromptError, match="no shape is stated, no size is stated"):
        read_case_report("A mass in the left breast.", (1, 2))


def test_whose_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(
        "Patient,Report\n"
        'a,"FINDINGS:\nLEFT BREAST: Round mass, 9 mm.\nRIGHT BREAST: No mass."\n'
        'b,"Round mass, left, 9 mm; oval mass, right, 9 mm."\n'
        "c,No suspicious enhancement.\n"
        'd,"An irregular mass, right, 3 cm."\n'
    )
    found = report_case_prompts(path, ["d", "a", "b", "c", "e"], (1000, 10000))
    assert found == {
        "d": "location right; shape irregular; size large; number one",
        "a": "location left; shape round; size small; number one",
        "b": "",  # both breasts: no word is guessed
        "c": "",
        "e": "",  # no report
    }
    assert list(found) == ["d", "a", "b", "c", "e"]


def test_a_readers_table_with_slices(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text(
        "patient_id,slice,report\n"
        'a,7,"An oval mass, right, 3 cm."\n'
        'a,,"A round mass, right, 3 cm."\n'
        'b,7,"An oval mass, right, 3 cm."\n'
    )
    found = report_case_prompts(path, ["a", "b"], (1, 2))
    assert found == {"a": "location right; shape round; size large; number one", "b": ""}


def test_faulty_tables_are_one_line(tmp_path: Path) -> None:
    path = tmp_path / "reports.csv"
    path.write_text("patient,report\na,x\nb,x\na,y\n")
    with pytest.raises(InputError, match=r"reports\.csv: row 4: patient 'a' has two reports"):
        report_case_prompts(path, ["a"], (1, 2))
    path.write_text("name,report\na,x\n")
    with pytest.raises(InputError, match="has no column 'patient' or 'patient_id'"):
        report_case_prompts(path, ["a"], (1, 2))
    path.write_text("patient,text\na,x\n")
    with pytest.raises(InputError, match="has no column 'report'"):
        report_case_prompts(path, ["a"], (1, 2))
