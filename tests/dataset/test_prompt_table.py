from pathlib import Path

import pandas as pd
import pytest

from textbcs.base.io import InputError, write_csv
from textbcs.dataset.prompt_table import COLUMNS, read_prompts, texts_of


def table() -> pd.DataFrame:
    first = [
        "left",
        "round",
        "medium",
        "one",
        "location left; shape round; size medium; number one",
    ]
    second = [
        "left",
        "irregular",
        "large",
        "two",
        "location left; shape irregular; size large; number two",
    ]
    rows = [["a-z003", "a", *first, "mask", ""], ["a-z004", "a", *second, "mask", ""]]
    return pd.DataFrame(rows, columns=list(COLUMNS))


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


def test_texts_follow_the_slices_and_each_slice_has_one(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", table())
    first, second = table()["text"]
    assert texts_of(tmp_path / "p.csv", ["a-z004", "a-z003"]) == [second, first]
    with pytest.raises(InputError, match=r"p\.csv: slice a-z009 has no prompt"):
        texts_of(tmp_path / "p.csv", ["a-z003", "a-z009"])
