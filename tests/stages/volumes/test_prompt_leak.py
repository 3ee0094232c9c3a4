"""The stage on two lesions: whose prompts are asked, of which slices, and what stops it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base import io
from textbcs.base.io import InputError, read_csv
from textbcs.dataset.prompt_table import COLUMNS as PROMPTS
from textbcs.dataset.slice_store import COLUMNS, Shard, write_shard
from textbcs.stage.receipt import Stage
from textbcs.stages.volumes.prompt_leak import run as prompt_leak

SIZE, PATIENTS = 8, {"train": 12, "val": 4, "test": 6}
OPPOSITE = {"left": "right", "right": "left"}


def text(side: str) -> str:
    return f"location {side}; shape round; size small; number one"


def side_of(patient: str) -> str:
    return ("left", "right")[int(patient[-2:]) % 2]


def split_slices(stage: Stage, split: str) -> list[str]:
    """Two tumour slices and a tumour-free one of every patient, with their prompts."""
    rows, masks, prompts = [], [], []
    names = [f"{split}{number:02}" for number in range(PATIENTS[split])]
    for name in names:
        for z, kind in enumerate(("tumour", "tumour", "negative")):
            mask = np.zeros((SIZE, SIZE), np.uint8)
            left = 5 if side_of(name) == "left" else 1
            mask[2:4, left : left + 2] = kind == "tumour"
            facts = dict.fromkeys(COLUMNS, 1) | {"slice_id": f"{name}-{z}", "row": len(rows)}
            rows.append(facts | {"patient": name, "kind": kind, "midline_col": 3.5})
            masks.append(mask)
            said = text(side_of(name))
            words = ["round", "small", "one", said, "mask", ""]
            prompts.append([f"{name}-{z}", name, side_of(name), *words])
    images = np.zeros((len(masks), SIZE, SIZE), np.float16)
    write_shard(stage, split, Shard(pd.DataFrame(rows), images, np.stack(masks)))
    io.write_csv(
        stage.output(f"data/prompts/{split}.csv"), pd.DataFrame(prompts, columns=list(PROMPTS))
    )
    return names


@pytest.fixture
def stage(stage_in: Callable[..., Stage]) -> Stage:
    """Automatic prompts find nothing in one test patient, and reports name the other side."""
    params = {
        "prompts": {"source": "derive"},
        "slices": {"minimum_component_mm2": 1.0},
        "evaluation": {"bootstrap": {"resamples": 200, "seed": 1}},
    }
    stage = stage_in(params, name="prompt_leak")
    names = {split: split_slices(stage, split) for split in PATIENTS}
    cases = [[split, name, text(side_of(name))] for split in names for name in names[split]]
    found = []
    for split in ("val", "test"):
        for name in names[split]:
            found.append([split, name, "patient", text(side_of(name))])
            found.append(
                [split, name, "automatic", "" if name == "test00" else text(side_of(name))]
            )
            found.append([split, name, "report", text(OPPOSITE[side_of(name)])])
    columns = ["split", "patient", "text"]
    io.write_csv(stage.output("data/prompts/patients.csv"), pd.DataFrame(cases, columns=columns))
    columns.insert(2, "source")
    io.write_csv(stage.output("data/volumes/prompts.csv"), pd.DataFrame(found, columns=columns))
    return stage


def leak() -> pd.DataFrame:
    return read_csv("results/prompt_leak/leak.csv").set_index(["source", "attribute"])


def test_each_source_against_the_same_slices(stage: Stage) -> None:
    prompt_leak(stage)
    table = leak()
    assert list(table.index.unique("source")) == ["slice", "patient", "automatic", "report"]
    assert set(table["slices"]) == {12}
    assert set(table["patients"]) == {6}
    assert set(table["information_slices"]) == {20}
    prior = table["prior_dice"].unstack()["all"]
    assert prior[["slice", "patient", "report"]].tolist() == [1, 1, 0]
    # Without words both squares are drawn where the threshold is 0: 2 * 4 / (8 + 4).
    assert prior["automatic"] == pytest.approx((5 + 2 / 3) / 6)
    bits = table["mutual_information_bits"].unstack()["location"]
    assert bits[["slice", "patient", "report"]].tolist() == pytest.approx([1, 1, 1], abs=0.05)
    assert bits["automatic"] < bits["patient"] + 0.05
    facts = read_csv("results/prompt_leak/facts.csv").set_index(["source", "attribute", "fact"])
    assert facts.loc[("slice", "location", "side"), "of_entropy_bits"] == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(("source", "name"), [("table", "table"), ("report", "report_slice")])
def test_what_people_wrote_has_another_name(stage: Stage, source: str, name: str) -> None:
    stage.params["prompts"]["source"] = source
    prompt_leak(stage)
    assert name in leak().index.unique("source")
    assert "slice" not in leak().index.unique("source")


def test_bytes_are_a_function_of_the_inputs(stage: Stage) -> None:
    prompt_leak(stage)
    first = [path.read_bytes() for path in sorted(Path("results/prompt_leak").iterdir())]
    prompt_leak(stage)
    assert [path.read_bytes() for path in sorted(Path("results/prompt_leak").iterdir())] == first


def test_faults_are_one_line(stage: Stage) -> None:
    path = Path("data/prompts/patients.csv")
    whole = path.read_text()
    path.write_text(whole.replace("train,train03,location right", "train,train03,place right"))
    with pytest.raises(InputError, match=r"patients\.csv row 5: 'place' stands where 'location'"):
        prompt_leak(stage)
    path.write_text(whole)
    path = Path("data/prompts/val.csv")
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputError, match=r"val\.csv: slice val03-2 has no prompt"):
        prompt_leak(stage)


def test_a_case_without_a_prompt_is_asked_with_none(stage: Stage) -> None:
    """Her lesions are too small for a case: as where the first pass finds nothing."""
    path = Path("data/prompts/patients.csv")
    path.write_text("".join(line for line in path.open() if "test00" not in line))
    prompt_leak(stage)
    prior = leak()["prior_dice"].unstack()["all"]
    assert prior["patient"] == prior["automatic"] < prior["slice"]
