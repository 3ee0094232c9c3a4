"""The audit on the real pipeline: silent when nothing is wrong, and what the fabricated tree cannot show."""

import json
import random
import re
import shutil
from contextlib import chdir, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkout import Checkout
from pydicom import dcmread
from sealed import agree, relock

from textbcs.base.io import (
    read_csv,
    read_json,
    read_tensors,
    write_tensors,
)
from textbcs.cli import main
from textbcs.stage.trainings import TRAINS

pytestmark = pytest.mark.dag


FIGURE, OTHER_FIGURE = (
    f"reports/figures/{name}.png" for name in ("free_response", "volume_agreement")
)


def audit(checkout: Checkout, *arguments: str) -> dict[str, Any]:
    """What `textbcs audit ... --json` says in a checkout; stages that run again run the checkout's code."""
    said = StringIO()
    with chdir(checkout.root), redirect_stdout(said):
        code = main(["audit", *arguments, "--json"])
    assert code in (0, 1), said.getvalue()
    found: dict[str, Any] = json.loads(said.getvalue())
    return found


def named(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Class and node of each finding."""
    return [(one["kind"], one["node"]) for one in report["findings"]]


# Two thirds of the time of all on the tiny phantom; `benchmarks/audit.py --deep` runs all stages again.
LEFT_TO_THE_BENCHMARK = {"text", "text_probe", "complexity", "figures"}


def test_a_finished_run_is_clean_to_the_last_digit(tiny: Checkout) -> None:
    """One stage of each kind is run again by `test_one_stage_of_each_kind_writes_the_same`."""
    report = audit(tiny, "verify", "--deep", "--stages", "1", "--seed", "1")
    assert named(report) == []
    assert not any("not predicted again" in text for text in report["remarks"])
    cells = next(text for text in report["remarks"] if text.startswith("cells computed again"))
    assert all(f"table{number} " in cells for number in (1, 2, 3, 4))
    assert not any("bit for bit" in text for text in report["remarks"])
    cost = report["receipt_cost"]
    assert cost["receipt_seconds"] < 0.03 * cost["stage_seconds"]


def test_one_stage_of_each_kind_writes_the_same(tiny: Checkout) -> None:
    kinds: dict[str, str] = {}
    for path in sorted((tiny.root / "results/receipts").glob("*.json")):
        kinds.setdefault(path.stem.partition("@")[0], path.stem)
    # Of the trainings one is run again: the others differ in nothing but what they train.
    trains = [name for name in kinds if TRAINS.fullmatch(name)]
    assert trains
    chosen = kinds.keys() - LEFT_TO_THE_BENCHMARK - {"volume_figures"} - set(trains) | {"train"}
    assert len(chosen) > 30
    found = audit(tiny, "replay", *(kinds[name] for name in sorted(chosen)))
    assert {one["address"]: (one["outcome"], one["detail"]) for one in found["stages"]} == {
        kinds[name]: ("equal", "") for name in chosen
    }


def _digit(text: str) -> str:
    """A text with one digit of its numbers changed."""
    place = re.search(r"(?<=\d\.)\d(?=\d)", text)
    assert place
    return f"{text[: place.start()]}{(int(place[0]) + 5) % 10}{text[place.end() :]}"


# Attack -> stage, the file that is forged.
FORGED = {
    "110 a digit in Markdown": ("table1", "reports/tables/table1.md"),
    "111 a digit in LaTeX": ("tables", "reports/tables/table2.tex"),
    "112 a digit in the page": ("report", "reports/index.html"),
    "113 a figure of other data": ("volume_figures", FIGURE),
}


def test_what_is_sealed_and_invented_is_not_written_again(tiny: Checkout) -> None:
    """Attacks 110 to 113, and maps of no network: hashes agree; running and predicting again tell."""
    forged = {path: address for address, path in FORGED.values()}
    with chdir(tiny.root):
        for path in forged:
            file = Path(path)
            if path == FIGURE:
                shutil.copy2(OTHER_FIGURE, file)
            else:
                file.write_text(_digit(file.read_text()))
        receipts = {
            one.stem: one.as_posix()
            for one in Path("results/receipts").glob("*.json")
            if forged.keys() & {item["path"] for item in read_json(one)["inputs"]}
            or one.stem in forged.values()
        }
        agree(*receipts)
        relock(*forged, *receipts.values())
    tiny.git("commit", "-qam", "sealed")
    assert named(audit(tiny, "verify")) == []
    found = audit(tiny, "replay", *forged.values())
    assert {one["path"]: (one["address"], one["outcome"]) for one in found["stages"]} == {
        path: (address, "different") for path, address in forged.items()
    }

    maps = "results/predictions/unet-s1/maps.safetensors"
    with chdir(tiny.root):
        tensors = read_tensors(maps)
        tensors["probability"] = np.roll(tensors["probability"], 3, axis=2) + np.float16(0.1)
        write_tensors(maps, tensors)
        agree("predict@unet-1")
    tiny.dvc("commit", "-f", "predict@unet-1")
    deep = audit(tiny, "verify", "--deep", "--stages", "1", "--seed", "1")
    assert [name for name in named(deep) if name[0] == "TAMPERED"] == [
        ("TAMPERED", "predict@unet-1")
    ]


def test_dvc_commit_forges_the_lock(tiny: Checkout) -> None:
    tiny.set_param("training.weight_decay", 0.02)
    assert {kind for kind, _ in named(audit(tiny, "verify"))} == {"STALE"}
    tiny.dvc("commit", "-f", "train@unet-1")
    found = named(audit(tiny, "verify"))
    assert {kind for kind, _ in found} == {"FORGED-LOCK", "STALE"}
    assert [node for kind, node in found if kind == "FORGED-LOCK"] == ["train@unet-1"]
    assert "train@unet-1" not in {node for kind, node in found if kind == "STALE"}


def test_any_cell_ends_at_instances_that_were_downloaded(tiny: Checkout) -> None:
    """The UIDs against the DICOM files themselves."""
    files = (tiny.root / "data/raw").rglob("*.dcm")
    here = {str(dcmread(file, specific_tags=["SOPInstanceUID"]).SOPInstanceUID) for file in files}
    names = ("table?.csv", "claims.csv", "text_worth.csv", "volumes.csv", "prompt_check.csv")
    tables = sorted(path for name in names for path in (tiny.root / "reports/tables").glob(name))
    every = [
        (path.name, row, column)
        for path in tables
        for table in [read_csv(path)]
        for row in range(len(table))
        for column in table.columns
    ]
    for name, row, column in random.Random(5).sample(every, 8):
        table = f"reports/tables/{name}"
        trace = audit(tiny, "trace", table, "--row", f"#{row + 1}", "--col", column)
        reached = {sop for one in trace["dicom"] for sop in one["sop_uids"]}
        assert reached, (name, row, column)
        assert reached <= here
