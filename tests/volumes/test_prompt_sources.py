"""Which source asks which slice with what."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from network_inputs import LEFT, RIGHT, shard, write_split

from textbcs.base.io import InputError, write_csv
from textbcs.dataset.volume_store import PROMPTS
from textbcs.stage.receipt import Stage
from textbcs.volumes.prompt_sources import asked_texts, read_case_prompts, read_slice_prompts

CASES = {
    ("test", "a"): {"patient": LEFT, "automatic": "", "wrong_side": RIGHT, "report": LEFT},
    ("val", "v"): {"patient": RIGHT, "automatic": LEFT, "wrong_side": LEFT},
}


def test_every_source_of_a_test_patient() -> None:
    by_slice = {"a-z001": RIGHT, "b-z002": LEFT, "a-z003": LEFT}
    assert asked_texts("test", "a", 3, CASES, by_slice) == {
        "patient": [LEFT] * 3,
        "slice": [None, RIGHT, None],
        "automatic": [""] * 3,
        "empty": [""] * 3,
        "wrong_side": [RIGHT] * 3,
    }


def test_validation_is_asked_with_what_an_operating_point_needs() -> None:
    assert asked_texts("val", "v", 2, CASES, {}) == {
        "patient": [RIGHT] * 2,
        "automatic": [LEFT] * 2,
    }


def test_without_sides_there_is_no_wrong_one() -> None:
    cases = {("test", "a"): {"patient": LEFT, "automatic": ""}}
    assert "wrong_side" not in asked_texts("test", "a", 2, cases, {})


def test_a_patient_without_prompts_is_named() -> None:
    with pytest.raises(InputError, match="patient x of test has no prompt of source patient"):
        asked_texts("test", "x", 2, CASES, {})
    with pytest.raises(InputError, match="patient x of test has no prompt of source automatic"):
        asked_texts("test", "x", 2, {("test", "x"): {"patient": LEFT}}, {})


def test_the_table_of_cases(tmp_path: Path) -> None:
    rows = [(*key, source, text) for key, of in CASES.items() for source, text in of.items()]
    table = pd.DataFrame(rows, columns=["split", "patient", "source", "text"])
    write_csv(tmp_path / "prompts.csv", table)
    assert read_case_prompts(tmp_path / "prompts.csv") == CASES
    with pytest.raises(InputError, match="missing"):
        read_case_prompts(tmp_path / PROMPTS)


def test_borrowed_prompts_are_no_slices_own(stage_in: Callable[..., Stage]) -> None:
    write_split(stage_in({}), "test", shard())
    path = Path("data/prompts/test.csv")
    table = pd.read_csv(path, keep_default_na=False)
    table.loc[table["slice_id"] == "b-9", "borrowed_from"] = "b-1"
    write_csv(path, table)
    assert read_slice_prompts(path) == {"a-1": LEFT, "a-2": LEFT, "b-1": RIGHT}
