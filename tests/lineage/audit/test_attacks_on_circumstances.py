"""Attacks 801 to 816: a receipt that lies of its device, kernels, environment, loaded code or inputs.

Each is sealed by the forger; what else is recorded speaks against it.
"""

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fabricated_lock import commit, write_lock
from sealed import RECEIPTS, change_receipt, change_runinfo, write

from textbcs.base import kernels
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.records.imports import loaded_with

TRAINING = "train@unet-1"
Facts = dict[str, Any]

LIES: dict[str, tuple[str, Callable[[Facts], object], str]] = {
    "801 a kernel setting removed": (
        "score", lambda facts: facts["kernels"].pop("MKL_CBWR"), "MKL_CBWR",
    ),
    "802 a kernel setting changed": (
        "split", lambda facts: facts["kernels"].update(ATEN_CPU_CAPABILITY="avx512"), "ATEN_CPU_CAPABILITY",
    ),
    "803 no kernels": ("masks", lambda facts: facts.pop("kernels"), "ATEN_CPU_CAPABILITY"),
    "804 a machine with kernels of its own": (
        "table1", lambda facts: facts.update(device="cpu aarch64, its own"), "the kernels were bound",
    ),
    "805 a device that no stage writes": (
        "flow", lambda facts: facts.update(device="cpu aarch64"), "which no stage writes",
    ),
    "806 a card that nobody asked for": (
        TRAINING, lambda facts: facts.update(device="cuda"), "do not ask for a GPU",
    ),
    "807 the card hidden": (
        "train@unet-2", lambda facts: facts["params"].update({"training.device": "cuda"}), "ask for a GPU",
    ),
}  # fmt: skip


def change_receipts(changes: dict[str, Callable[[Facts], object]]) -> None:
    """As `sealed.change_receipt`, of several stages at once."""
    for address, change in changes.items():
        facts = json.loads((RECEIPTS / f"{address}.json").read_text())
        change(facts)
        write(RECEIPTS / f"{address}.json", facts)
    write_lock()
    commit("sealed")


def test_801_to_807_receipts_that_lie_of_their_machine(tree: Path) -> None:
    change_receipts({address: change for address, change, _ in LIES.values()})
    faults = {one.node: one.detail for one in verify().findings if one.kind == "CONTRADICTION"}
    for address, _, words in LIES.values():
        assert words in faults[address]


def test_808_a_device_that_the_machine_was_not(tree: Path) -> None:
    x86 = {"instructions": ["avx2", "fma"], "vendor": "GenuineIntel", "processor": "an Intel"}
    arm = {"device": "cpu aarch64, its own", "kernels": kernels.THREADS}
    change_receipts(
        {
            "flow": lambda facts: facts.update(arm),
            "score": lambda facts: facts.update(device=f"cpu {kernels.NAME}"),
            "split": lambda facts: facts.update(device="cuda"),
        }
    )
    change_runinfo("flow", host=x86)
    change_runinfo("score", host=x86 | {"instructions": []})
    change_runinfo("split", host=x86, card=None)
    report = verify()
    found = {one.node: one.detail for one in report.findings if one.kind == "RUN-INFORMATION"}
    assert found.keys() == {"flow", "score", "split"}
    assert "its machine was an Intel with avx2, fma, its receipt says 'cpu aarch64" in found["flow"]
    assert "none of AVX2 and FMA" in found["score"]
    assert "without a GPU" in found["split"]
    assert "stages ran on several classes of CPU: flow on cpu aarch64, its own" in report.remarks


def test_809_an_environment_that_is_in_no_commit(tree: Path) -> None:
    change_receipt(
        "score", lambda facts: facts["environment"].update({"requirements.lock": "0" * 64})
    )
    (found,) = verify().findings
    assert (found.kind, found.node, found.path) == ("UNKNOWN-CODE", "score", "requirements.lock")


def test_an_environment_of_an_earlier_commit_is_told_and_no_fault(tree: Path) -> None:
    Path("requirements.lock").write_text("# what is installed now\n")
    commit("another environment")
    report = verify()
    assert report.is_clean
    assert any("17 stages ran under another requirements.lock" in text for text in report.remarks)


def with_loaded_code() -> None:
    """Sources of what surrounds a stage, and receipts that name them, as real ones do."""
    sources = {
        "src/textbcs/__init__.py": "from textbcs.base import kernels\n",
        "src/textbcs/base/kernels.py": "import os\n",
        "src/textbcs/stages/__init__.py": "from textbcs.stage.receipt import Stage\n",
        "src/textbcs/stage/receipt.py": "import json\n\ndef late():\n    import textbcs.base.rare\n",
        "src/textbcs/base/rare.py": "",
        "workflow/own_code.py": "import sys\n",
    }
    for path, text in sources.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)
    loaded = {
        path: hashlib.sha256(text.encode()).hexdigest()
        for path, text in sources.items()
        if not path.endswith("rare.py")
    }
    for path in RECEIPTS.glob("*.json"):
        write(path, json.loads(path.read_text()) | {"loaded": loaded})
    write_lock()
    commit("with what surrounds a stage")
    at_head()


def at_head() -> str:
    """Let run information say that all ran at the last commit; its name."""
    asked = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    for path in RECEIPTS.glob("*.json"):
        change_runinfo(path.stem, commit=asked.stdout.strip())
    return asked.stdout.strip()


AROUND = ("workflow/own_code.py", "src/textbcs/stage/receipt.py", "src/textbcs/base/kernels.py")


def test_810_and_811_loaded_modules_that_are_not_named(tree: Path) -> None:
    """The other stages name all of them, and are clean."""
    with_loaded_code()
    stages = ("score", "split", "flow")
    changes: dict[str, Callable[[Facts], object]] = {
        stage: lambda facts, path=path: facts["loaded"].pop(path)
        for stage, path in zip(stages, AROUND, strict=True)
    }
    change_receipts(changes | {"table1": lambda facts: facts.update(loaded={})})
    found = {one.node: one for one in verify().findings if one.kind != "LEDGER"}
    assert {one.kind for one in found.values()} == {"CONTRADICTION"}
    assert found.keys() == {*stages, "table1"}
    for stage, path in zip(stages, AROUND, strict=True):
        assert found[stage].detail == f"it does not name modules that it loaded: {path}"


def test_812_a_declared_input_is_not_named(tree: Path) -> None:
    """What a stage must read depends on its parameters, so it is told, and replay judges it."""

    def quiet(facts: Facts) -> None:
        facts["inputs"] = [one for one in facts["inputs"] if "prompts" not in one["path"]]

    change_receipt(TRAINING, quiet)
    told = f"receipts name nothing of an input that dvc.yaml declares: {TRAINING} data/prompts/train.csv"
    assert told in verify().remarks


def test_what_is_loaded_with_a_module(tmp_path: Path) -> None:
    there = {
        "src/textbcs/__init__.py",
        "src/textbcs/a/__init__.py",
        "src/textbcs/a/b.py",
        "src/textbcs/c.py",
    }
    path = tmp_path / "x.py"
    path.write_text(
        "import textbcs.a.b\nfrom textbcs import c\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import textbcs.d\n"
    )
    assert set(loaded_with(str(path), there.__contains__)) == there
    path.write_text("def broken(:\n")
    assert loaded_with(str(path), there.__contains__) == []


def test_813_to_815_what_starts_stages_was_changed_and_committed(tree: Path) -> None:
    """The stages are right, and other code than theirs lies here: that is told."""
    with_loaded_code()
    started = {"workflow/stage": "#!/bin/sh\n", "workflow/run_stage.py": "# runs a stage\n"}
    for path, text in started.items():
        Path(path).write_text(text)
    commit("starters")
    at_head()
    assert not any("than lies here" in text for text in verify().remarks)
    for path in (*started, "src/textbcs/stage/receipt.py"):
        with Path(path).open("a") as file:
            file.write("# changed\n")
    commit("changed")
    remarks = verify().remarks
    assert (
        "stages were started by another version than lies here of workflow/stage (17 stages), "
        "workflow/run_stage.py (17 stages)"
    ) in remarks
    around = "run by other code around the stage than lies here: 17 stages, by src/textbcs/stage/receipt.py"
    assert around in remarks


def test_816_code_around_a_stage_that_its_commit_does_not_hold(tree: Path) -> None:
    with_loaded_code()
    head = at_head()
    Path("src/textbcs/stage/receipt.py").write_text("# another\n")
    commit("another")
    digest = hashlib.sha256(b"# another\n").hexdigest()
    path = "src/textbcs/stage/receipt.py"
    change_receipt("score", lambda facts: facts["loaded"].update({path: digest}))
    change_runinfo("score", commit=head)
    details = [one.detail for one in verify().findings if one.kind == "RUN-INFORMATION"]
    assert any(f"does not hold the code that ran: {path}" in text for text in details)
