"""Names that are almost right: the one hint that helps, and one line for many."""

import pytest

from textbcs.intake.spelling import hint, nearest, pattern_of, plain, short, unknown_names

KNOWN = ("007", "010", "Breast_MRI_001", "Breast_MRI_012", "p-5")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("7", "did a spreadsheet take the leading zeros away: '007'?"),
        ("10", "did a spreadsheet take the leading zeros away: '010'?"),
        ("Breast_MRI_12", "did a spreadsheet take the leading zeros away: 'Breast_MRI_012'?"),
        ("breast_mri_001", "did you mean 'Breast_MRI_001'?"),
        ("Brest_MRI_001", "did you mean 'Breast_MRI_001'?"),
        ("P-5", "did you mean 'p-5'?"),
        ("2024-05-01", "did a spreadsheet turn it into a date? Enter it as text"),
        ("1.23E+15", "did a spreadsheet shorten a long number? Enter it as text"),
        ("something else", ""),
        ("", ""),
    ],
)
def test_a_hint_says_what_is_meant(name: str, words: str) -> None:
    assert hint(name, KNOWN) == words


def test_nothing_is_near_in_an_empty_list() -> None:
    assert nearest("a", ()) == ""
    assert hint("a", ()) == ""


def test_one_cause_of_many_is_one_line() -> None:
    known = [f"{n:03d}" for n in range(100)]
    assert unknown_names(map(str, [*range(100), 0, 1]), known) == {
        "0": "'0' and 99 more are not in the cohort; "
        "did a spreadsheet take the leading zeros away: '000'?"
    }
    strangers = unknown_names([f"stranger {n}" for n in range(500)], known)
    assert strangers == {"stranger 0": "'stranger 0' and 499 more are not in the cohort"}


def test_different_spellings_are_a_line_each() -> None:
    assert unknown_names(["Brest_MRI_001", "brest_mri_012", "x", "7"], KNOWN) == {
        "Brest_MRI_001": "'Brest_MRI_001' is not in the cohort; did you mean 'Breast_MRI_001'?",
        "brest_mri_012": "'brest_mri_012' is not in the cohort; did you mean 'Breast_MRI_012'?",
        "x": "'x' is not in the cohort",
        "7": "'7' is not in the cohort; did a spreadsheet take the leading zeros away: '007'?",
    }


@pytest.mark.parametrize(
    ("names", "pattern", "count"),
    [
        (["P1_mask", "P2_mask", "P12_mask", "P3"], "{}_mask", 3),
        (["seg-p1", "seg-P2", "other"], "seg-{}", 2),
        (["P1_mask_1", "P1_mask_2", "P2_mask_1"], "{}_mask_1", 2),
        (["P1x", "xP2", "PP12"], "", 0),  # letters follow: another name
        (["P1", "P2"], "", 0),
        (["sub-P1/anat/sub-P1_roi", "sub-p2/anat/sub-p2_roi"], "sub-{}/anat/sub-{}_roi", 2),
        ([], "", 0),
    ],
)
def test_the_pattern_of_file_names(names: list[str], pattern: str, count: int) -> None:
    assert pattern_of(names, ["P1", "P2", "P12", "P3"]) == (pattern, count)


def test_somebodys_words_are_shown_short() -> None:
    assert short("a\nb") == r"'a\nb'"
    assert len(short("x" * 100)) == 42


def test_somebodys_words_are_one_line_without_quotes() -> None:
    assert plain("left-posterior") == "left-posterior"
    assert plain("a\nb\x85c\u2028d") == "a b c d"
    assert plain("x" * 100_000) == "x" * 57 + "..."
    assert plain(4) == "4"
