"""The five tables of whole volumes from made-up results."""

from pathlib import Path

import pytest
import volumes

from textbcs.base.io import InputError, read_csv, write_csv
from textbcs.base.variants import examined_methods
from textbcs.reporting.common.printed_tables import read_table
from textbcs.stages.volumes.volume_tables import run as write_tables

NAMES = ("volumes", "volume_differences", "prompt_check", "prompt_leak", "prompt_agreement")


@pytest.fixture
def written(stage_in) -> Path:
    stage = stage_in(volumes.PARAMS, "volume_tables")
    volumes.write_scores()
    write_tables(stage)
    return Path("reports/tables")


def test_each_table_has_four_forms_that_hold_the_same_rows(written: Path) -> None:
    for name in NAMES:
        table = read_csv(written / f"{name}.csv")
        data = read_table(Path(f"results/tables/volume_tables/{name}.json"))
        count = len(data.rows)
        # A pair's measures stand in one printed row and in a row each of the CSV.
        assert len(table) == count * (2 if name == "volume_differences" else 1) > 0
        markdown, latex = ((written / f"{name}.{end}").read_text() for end in ("md", "tex"))
        assert markdown.count("\n| ") == count + 2  # with headings and their rule
        assert latex.count(r" \\") == count + 1
        assert len(data.columns) <= 13  # as wide as the widest of the others that fits a page
        assert "nan" not in markdown
        assert "phantom" in markdown or "prompt" in markdown


def test_what_is_printed_are_columns_of_the_csv(written: Path) -> None:
    """The page links a cell to its origin by the column's name."""
    table = read_csv(written / "volumes.csv")
    data = read_table(Path("results/tables/volume_tables/volumes.json"))
    assert set(data.columns) <= set(table.columns)
    assert table.columns[:3].tolist() == ["method", "source", "seed"]


def test_a_network_without_a_detectors_auroc_is_one_line(stage_in) -> None:
    stage = stage_in(volumes.PARAMS, "volume_tables")
    volumes.write_scores()
    path = "results/prompt_check/textbcs-s1/detection.csv"
    write_csv(path, read_csv(path).iloc[:1])
    with pytest.raises(InputError, match="no row for the slot 'shape'; run the stage prompt_check"):
        write_tables(stage)


def test_without_networks_for_use_the_paper_alone_is_checked() -> None:
    chosen = {"methods": {"image": ["unet"], "text": ["lvit"]}, "variants": {"text": []}}
    assert examined_methods({"volumes": chosen}) == []
    chosen["methods"]["text"] = ["lvit", "textbcs"]
    assert examined_methods({"volumes": chosen}) == ["textbcs"]
