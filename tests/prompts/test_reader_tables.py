"""Readers' rows joined with the slices: one cause is one problem, and the nearest name is given."""

from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.prompts.reader_tables import Row, join, read_rows, read_table, read_words


def zeros(patients: int) -> list[dict]:
    """Two tumour slices of patients 000, 001, ..."""
    return [
        {
            "slice_id": f"{n:03d}-{z}",
            "patient": f"{n:03d}",
            "instance_number": z,
            "kind": "tumour",
            "side": "left",
        }
        for n in range(patients)
        for z in (3, 4)
    ]


def joined(lines: list[tuple[str, str]], patients: int, whole: bool = False) -> list[str]:
    """The problems of a table of right prompts."""
    prompt = Prompt("left", "round", "small", "one")
    rows = [Row(n, patient, place, prompt) for n, (patient, place) in enumerate(lines, start=2)]
    return [str(problem) for problem in join(rows, zeros(patients), False, whole).problems]


def test_a_hundred_lost_zeros_are_one_problem() -> None:
    lines = [(str(n), str(z)) for n in range(100) for z in (3, 4)]
    assert joined(lines, 100) == [
        "row 2: patient '0' and 99 more are not in the cohort; "
        "did a spreadsheet take the leading zeros away: '000'?",
        "patient 000 and 99 more patients have no row",
    ]


def test_a_misspelt_patient_is_named_with_the_nearest() -> None:
    lines = [("000", "3"), ("000", "4"), ("0001", "3"), ("001", "4")]
    assert joined(lines, 2) == [
        "row 4: patient '0001' is not in the cohort; did you mean '001'?",
        "patient 001 slice 3 has no row",
    ]


def test_two_reports_of_one_patient_are_named() -> None:
    assert joined([("000", ""), ("000", "")], 1, whole=True) == [
        "row 3: patient '000' slice '' is in row 2 already; keep one"
    ]


def test_slices_are_numbers_however_a_spreadsheet_writes_them(tmp_path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("patient_id;slice\n000;3.0\n000;4,0\n000;007\n000;10\n")
    rows, problems = read_rows(
        read_table(path, [("patient_id", "slice")]), lambda _: Prompt("left", "round", "small", "1")
    )
    assert [row.slice for row in rows] == ["3", "4", "7", "10"]
    assert len(problems) == 4  # "1" is no word of the grammar
    assert read_words(dict(zip(VOCABULARY, ("left", "round", "small", "2,0"), strict=True))) == (
        Prompt("left", "round", "small", "two")
    )
