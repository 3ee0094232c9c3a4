"""A table's four forms say the same; what the page reads of it is checked."""

from pathlib import Path

import pandas as pd
import pytest

from textbcs.base.io import InputError, read_csv, write_json
from textbcs.reporting.common.printed_tables import read_table, write_table


def test_four_forms_of_one_table(stage_in) -> None:
    rows = [{"name": "a", "value": 1.25, "hidden": 7}, {"name": "b|c", "value": None, "hidden": 8}]
    headers = {"name": "Name", "value": "Value %"}
    write_table(stage_in({}, "tables"), "one", "Title", headers, rows, ["Its own."], ["Shared."])
    assert read_csv("reports/tables/one.csv")["hidden"].tolist() == [7, 8]
    markdown, latex = (Path(f"reports/tables/one.{end}").read_text() for end in ("md", "tex"))
    for text in (markdown, latex):
        assert text.index("1.25") < text.index("Its own.") < text.index("Shared.")
    found = read_table(Path("results/tables/tables/one.json"))
    assert (found.title, found.columns) == ("Title", ["name", "value"])
    assert found.headers == ["Name", "Value %"]
    assert found.rows == [["a", "1.25"], ["b|c", "–"]]
    assert found.notes == ["Its own."]
    assert found.column("value") == ["1.25", "–"]


def test_a_table_without_rows_keeps_its_columns_and_values_may_be_others(stage_in) -> None:
    stage = stage_in({})
    write_table(stage, "none", "Title", {"a": "A", "b": "B"}, [])
    assert Path("reports/tables/none.csv").read_text() == "a,b\n"
    write_table(stage, "long", "T", {"a": "A"}, [{"a": "x"}], values=pd.DataFrame({"z": [1, 2]}))
    assert Path("reports/tables/long.csv").read_text() == "z\n1\n2\n"


def test_damaged_data_of_a_table_are_one_line(tmp_path) -> None:
    write_json(tmp_path / "a.json", {"title": "A"})
    with pytest.raises(InputError, match=r"a\.json: not the data of a table"):
        read_table(tmp_path / "a.json")
    whole = {"title": "A", "columns": ["a"], "headers": ["A"], "rows": [["1", "2"]], "notes": []}
    write_json(tmp_path / "a.json", whole)
    with pytest.raises(InputError, match=r"a\.json: a row has more or fewer cells"):
        read_table(tmp_path / "a.json")
