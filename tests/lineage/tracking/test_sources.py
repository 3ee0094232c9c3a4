"""Sources: what belongs to a receipt, and nothing that no receipt vouches for."""

import json
import os
from pathlib import Path

import pytest
from finished import HISTORY, Tree, runinfo

from textbcs.lineage.tracking.sources import Source, find_sources


def source(address: str) -> Source:
    sources, faults = find_sources()
    assert not faults
    return next(one for one in sources if one.receipt.address == address)


def test_a_source_a_receipt_with_the_outputs_that_are_shown(finished: Tree) -> None:
    sources, faults = find_sources()
    assert not faults
    shown = {one.receipt.address: [item.path for item in one.files] for one in sources}
    assert shown == {
        "cohort": [],
        "slices": [],
        "train@unet-1": ["results/runs/unet-s1/history.csv"],
        "train@textbcs-1": ["results/runs/textbcs-s1/history.csv"],
        "search@unet": ["results/search/unet/choice.json", "results/search/unet/grid.csv"],
        "predict@unet-1": ["results/evaluation/unet-s1/slices.csv"],
        "score": [],
        "report": ["reports/figures/overview.png"],
    }


@pytest.mark.parametrize("content", [None, HISTORY.replace("1.5", "0.5")])
def test_what_is_not_as_its_receipt_says_is_left_out(finished: Tree, content: str | None) -> None:
    before = source("train@unet-1")
    path = Path("results/runs/unet-s1/history.csv")
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    after = source("train@unet-1")
    assert (before.left_out, after.left_out) == ((), (path.as_posix(),))
    assert after.files == ()
    assert after.key != before.key
    path.write_text(HISTORY)
    assert source("train@unet-1").key == before.key


def test_a_key_changes_with_the_receipt_and_the_run_information_and_with_nothing_else(
    finished: Tree,
) -> None:
    keys = {one.receipt.address: one.key for one in find_sources()[0]}
    assert len(set(keys.values())) == len(keys)
    Path("results/runs/unet-s1/model.safetensors").write_text("not shown")
    assert {one.receipt.address: one.key for one in find_sources()[0]} == keys
    path, facts = runinfo("train@unet-1")
    path.write_text(json.dumps(facts | {"commit": "another"}))
    finished.train("textbcs", HISTORY.replace("1.5", "1.25"))
    changed = {
        one.receipt.address for one in find_sources()[0] if keys[one.receipt.address] != one.key
    }
    assert changed == {"train@unet-1", "train@textbcs-1"}


def test_run_information_of_another_receipt_is_none(finished: Tree) -> None:
    path, facts = runinfo("train@unet-1")
    assert source("train@unet-1").runinfo == facts
    path.write_text(json.dumps(facts | {"receipt": "0" * 64}))
    assert source("train@unet-1").runinfo == {}
    path.write_text("{")
    assert source("train@unet-1").runinfo == {}
    path.unlink()
    assert source("train@unet-1").runinfo == {}


def test_the_cohort_is_that_of_the_chain_of_hashes(finished: Tree) -> None:
    kinds = {one.receipt.address: one.cohort for one in find_sources()[0]}
    assert kinds.pop("search@unet") is None  # reads nothing
    assert set(kinds.values()) == {"phantom"}
    finished.cohort("duke")  # what was trained before rests on another cohort now
    kinds = {one.receipt.address: one.cohort for one in find_sources()[0]}
    assert (kinds["slices"], kinds["train@unet-1"], kinds["report"]) == ("duke", None, None)
    finished.train("unet")
    assert source("train@unet-1").cohort == "duke"


def test_a_damaged_receipt_is_a_fault_and_hides_no_other(finished: Tree) -> None:
    Path("results/receipts/slices.json").write_text("{")
    sources, faults = find_sources()
    assert len(sources) == 7
    assert [fault.split(":")[0] for fault in faults] == ["results/receipts/slices.json"]


def test_rows_are_shown_beside_the_maps_that_they_were_made_from_and_beside_no_others(
    finished: Tree,
) -> None:
    rows = "results/evaluation/unet-s1/slices.csv"
    assert [item.path for item in source("predict@unet-1").files] == [rows]
    finished.leave(
        "predict@unet-1",
        {"results/predictions/unet-s1/probability.safetensors": "other maps"},
        ("results/runs/unet-s1/model.safetensors",),
    )
    assert source("predict@unet-1").files == ()


DAMAGED = {
    "nested": b"[" * 200_000 + b"]" * 200_000,
    "a number that is none": b'{"receipt": NaN}',
    "half a character": b'{"receipt": "\\ud800"}',
    "a key twice": b'{"receipt": "1", "receipt": "2"}',
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_records_that_are_none_are_faults_and_end_nothing(finished: Tree, damage: str) -> None:
    path, _ = runinfo("train@unet-1")
    path.write_bytes(DAMAGED[damage])
    assert source("train@unet-1").runinfo == {}
    Path("results/receipts/slices.json").write_bytes(DAMAGED[damage])
    sources, faults = find_sources()
    assert len(sources) == 7
    assert [fault.split(":")[0] for fault in faults] == ["results/receipts/slices.json"]


def test_nobody_waits_for_a_pipe(finished: Tree) -> None:
    path, _ = runinfo("train@unet-1")
    receipt, picture = Path("results/receipts/slices.json"), Path("reports/figures/overview.png")
    facts = json.loads(Path("results/receipts/report.json").read_text())
    for one in facts["outputs"]:
        one["bytes"] = 0  # as a pipe has
    Path("results/receipts/report.json").write_text(json.dumps(facts))
    for one in (path, receipt, picture):
        one.unlink()
        os.mkfifo(one)
    sources, faults = find_sources()
    by_address = {one.receipt.address: one for one in sources}
    assert by_address["train@unet-1"].runinfo == {}
    assert by_address["report"].left_out == (picture.as_posix(),)
    assert [fault.split(":")[0] for fault in faults] == [receipt.as_posix()]
