from pathlib import Path

import pandas as pd
import pytest

from textbcs.io import InputError, write_csv
from textbcs.prompts.derive import Lesions
from textbcs.prompts.table import prompt_table, read_prompts

RULES = {"irregular_below_solidity": 0.85, "ellipse_above_eccentricity": 0.75}
LESIONS = Lesions(area_mm2=15, number=1, solidity=0.95, eccentricity=0.2)


def row(patient: str, z: int, kind: str = "tumour", side: str = "left") -> dict:
    return {
        "slice_id": f"{patient}-z{z:03d}",
        "patient": patient,
        "z_index": z,
        "kind": kind,
        "side": side,
    }


def table() -> pd.DataFrame:
    rows = [
        (row("a", 3), LESIONS),
        (row("a", 4), Lesions(25, 2, 0.5, 0.9)),
        (row("a", 9, "negative", ""), None),
        (row("b", 1, side="right"), LESIONS),
        (row("b", 20, "negative", ""), None),
    ]
    return prompt_table(rows, (10, 20), RULES)


def test_tumour_free_slices_borrow_from_the_patients_nearest_tumour_slice() -> None:
    found = table().set_index("slice_id")
    assert found.loc["a-z003", "text"] == "location left; shape round; size medium; number one"
    assert found.loc["a-z004", "text"] == "location left; shape irregular; size large; number two"
    assert found.loc["a-z009", "text"] == found.loc["a-z004", "text"]
    assert found.loc["a-z009", "borrowed_from"] == "a-z004"
    assert found.loc["b-z020", "location"] == "right"
    assert found.loc["a-z003", "borrowed_from"] == ""


def test_a_tumour_free_slice_of_a_patient_without_tumour_slices_is_an_error() -> None:
    with pytest.raises(InputError, match="no tumour slice to borrow"):
        prompt_table([(row("a", 3), LESIONS), (row("c", 1, "negative"), None)], (10, 20), RULES)


def test_a_table_round_trips(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", table())
    assert read_prompts(tmp_path / "p.csv")["text"].tolist() == table()["text"].tolist()


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("location", "rigth", r"row 3: location 'rigth' is no known word; did you mean 'right'"),
        ("text", "location left; shape cube; size large; number two", "row 3: shape 'cube'"),
        ("location", "right", "row 3: text .* contradicts its columns"),
        ("slice_id", "a-z003", "row 3: slice a-z003 occurs twice"),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, column: str, value: str, words: str) -> None:
    bad = table()
    bad.loc[1, column] = value
    write_csv(tmp_path / "p.csv", bad)
    with pytest.raises(InputError, match=words) as caught:
        read_prompts(tmp_path / "p.csv")
    assert str(caught.value).startswith(str(tmp_path / "p.csv"))
    assert "\n" not in str(caught.value)
