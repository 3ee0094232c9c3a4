"""The view follows a run of Snakemake, and nothing that is wrong with it touches the run."""

import json
import sqlite3
from contextlib import closing

import pytest
from checkout import Checkout

pytest.importorskip("mlflow", reason="MLflow is an extra; requirements.lock has it")
pytestmark = pytest.mark.dag
DATABASE = ".cache/mlflow/mlflow.db"


def plant(checkout: Checkout, address: str) -> None:
    """A real receipt under the name of a stage; the toy's own are none, and a left-over goes."""
    facts = {
        "stage": address, "argv": [address], "params": {}, "seed": None, "device": "cpu",
        "inputs": [], "outputs": [],
    }  # fmt: skip
    folder = checkout.root / "results/receipts"
    (folder / f"{address}.json").write_text(json.dumps(facts))


def shown(checkout: Checkout) -> set[str]:
    with closing(sqlite3.connect(checkout.root / DATABASE)) as database:
        rows = database.execute("SELECT name FROM runs WHERE lifecycle_stage = 'active'").fetchall()
    return {name for (name,) in rows}


def test_a_run_is_tracked_whether_it_succeeds_or_fails(toy: Checkout) -> None:
    plant(toy, "cohort")
    toy.set_param("methods.unet.grid", [[1.0e-3, 4]])
    toy.snakemake(TEXTBCS_TRACKING="off")
    assert not (toy.root / DATABASE).exists()
    toy.set_param("methods.unet.grid", [[2.0e-3, 4]])
    toy.snakemake(TEXTBCS_TRACKING="on")
    assert shown(toy) == {"cohort"}
    plant(toy, "slices")
    toy.set_param("methods.unet.grid", [[3.0e-3, 4]])
    failed = toy.snakemake(ok=False, TEXTBCS_TRACKING="on", TOY_FAIL="train")
    assert failed.returncode == 1
    assert shown(toy) == {"cohort", "slices"}


def test_a_damaged_database_is_one_warning_and_no_fault(toy: Checkout) -> None:
    plant(toy, "cohort")
    (toy.root / DATABASE).parent.mkdir(parents=True)
    (toy.root / DATABASE).write_bytes(b"no database" * 999)
    toy.set_param("methods.unet.grid", [[1.0e-3, 4]])
    done = toy.snakemake(TEXTBCS_TRACKING="on")
    warnings = [line for line in done.stderr.splitlines() if "tracking" in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("tracking: DatabaseError: file is not a database")
    assert toy.is_clean()
