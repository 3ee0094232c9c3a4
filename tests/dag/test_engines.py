"""Two engines, one truth: what one has done, the other need not do, and both agree on what is stale."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import Checkout

pytestmark = pytest.mark.dag

Clones = Callable[[Checkout], Checkout]


def change_unet(checkout: Checkout) -> None:
    """Give one method another learning rate."""
    checkout.set_param("methods.unet.grid", [[1.0e-3, 4]])


UNET = ["predict@unet-1", "table1", "train@unet-1"]


def test_dvc_first_then_snakemake_has_nothing_to_do(
    fresh_toy: Checkout, toy_origin: Checkout
) -> None:
    assert len(fresh_toy.ran_by_dvc()) == 8
    assert fresh_toy.hashes() == toy_origin.hashes()
    assert fresh_toy.is_clean()


def test_snakemake_first_then_dvc_has_nothing_to_do(toy: Checkout) -> None:
    assert toy.is_clean()


def test_pull_into_a_fresh_clone_leaves_nothing_to_do(
    toy: Checkout, clones_of: Clones, tmp_path: Path
) -> None:
    toy.dvc("remote", "add", "-d", "storage", str(tmp_path / "remote"))
    toy.git("commit", "-qam", "remote")
    toy.dvc("push", "--run-cache")
    other = clones_of(toy)
    other.dvc("pull", "--run-cache")
    assert other.is_clean()
    assert other.hashes() == toy.hashes()


@pytest.mark.parametrize("engine", ["snakemake", "dvc"])
def test_one_learning_rate_runs_that_method_and_what_depends_on_it(
    toy: Checkout, engine: str
) -> None:
    change_unet(toy)
    assert (toy.ran() if engine == "snakemake" else toy.ran_by_dvc()) == UNET
    assert toy.is_clean()


def test_matrix_grown_shrunk_and_grown_back(toy: Checkout) -> None:
    def run_seeds(*seeds: int) -> list[str]:
        toy.set_param("seeds", list(seeds))
        return toy.ran()

    new = ["predict@textbcs-3", "predict@unet-3", "table1", "train@textbcs-3", "train@unet-3"]
    assert run_seeds(1, 3) == new
    assert run_seeds(1) == ["table1"]
    assert run_seeds(1, 3) == ["table1"], "trainings come back from the cache"
    assert toy.is_clean()


LEFT = {f"results/{folder}/unet-s3" for folder in ("runs", "predictions")}


def unet_of_seed_3(checkout: Checkout) -> set[str]:
    """The folders of UNet's second seed that are there."""
    return {name for name in LEFT if (checkout.root / name).exists()}


def test_a_run_removes_what_the_parameters_no_longer_ask_for(toy: Checkout) -> None:
    toy.set_param("seeds", [1, 3])
    toy.snakemake()
    kept = toy.root / "results/runs/notes.txt"
    kept.write_text("a person's")
    toy.set_param("seeds", [1])
    assert "removed what" not in toy.snakemake("-n").stderr
    assert unet_of_seed_3(toy) == LEFT, "a dry run removes nothing"
    assert toy.snakemake().stderr.count("removed what no stage writes with these parameters: ") == 1
    assert unet_of_seed_3(toy) == set()
    assert not (toy.root / "results/receipts/train@unet-3.json").exists()
    assert kept.read_text() == "a person's"
    assert toy.is_clean()


def test_dvc_beside_leftovers_leaves_nothing_to_do(toy: Checkout) -> None:
    toy.set_param("seeds", [1, 3])
    toy.snakemake()
    toy.set_param("seeds", [1])
    assert toy.ran_by_dvc() == ["table1"]
    assert unet_of_seed_3(toy) == LEFT
    assert toy.ran_by_dvc() == []
    assert toy.is_clean(), "with the left-overs, as DVC has seen them"
    change_unet(toy)
    assert toy.ran() == UNET
    assert unet_of_seed_3(toy) == set()
    assert toy.is_clean()


def test_older_revision_checked_out(toy: Checkout) -> None:
    before = toy.hashes()
    change_unet(toy)
    toy.snakemake()
    toy.git("commit", "-qam", "another learning rate")
    toy.git("checkout", "-q", "HEAD~")
    toy.dvc("checkout")
    assert toy.hashes() == before
    assert toy.is_clean()


def test_older_revision_without_dvc_checkout_comes_from_the_cache(toy: Checkout) -> None:
    before = toy.hashes()
    change_unet(toy)
    toy.snakemake()
    toy.git("commit", "-qam", "another learning rate")
    toy.git("checkout", "-q", "HEAD~")
    assert "train@unet-1" not in toy.ran()
    assert toy.hashes() == before
    assert toy.is_clean()


def test_early_cutoff(toy: Checkout) -> None:
    """The cohort comes out with the same bytes, so nothing below it runs."""
    toy.set_param("phantom.seed", 1234)
    assert toy.ran() == ["cohort", "phantom"]
    assert toy.is_clean()


def test_file_times_have_no_say(toy: Checkout) -> None:
    for path in (toy.root / "data").rglob("*.csv"):
        path.touch()
    assert toy.ran() == []


def test_changed_content_with_an_old_time_is_found(toy: Checkout) -> None:
    model = toy.root / "results/runs/unet-s1/model.safetensors"
    before = model.read_bytes()
    times = model.stat()
    model.write_bytes(before[::-1])
    os.utime(model, ns=(times.st_atime_ns, times.st_mtime_ns - 10**12))
    assert toy.ran() == [], "the cache has the stage's real output"
    assert model.read_bytes() == before


def test_a_single_target(fresh_toy: Checkout) -> None:
    ran = fresh_toy.ran("results/runs/unet-s1/model.safetensors")
    assert ran == ["cohort", "phantom", "slices", "train@unet-1"]


def test_failing_stage_prints_its_line_and_its_log(fresh_toy: Checkout) -> None:
    done = fresh_toy.snakemake(ok=False, TOY_FAIL="slices")
    assert done.returncode == 1
    assert "slices: error: toy.csv: a column is missing; regenerate it" in done.stderr
    assert "logs/slices.log" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_is_a_table_with_reasons(toy: Checkout) -> None:
    change_unet(toy)
    told = toy.snakemake("-n").stdout
    rows = [line.split(maxsplit=2) for line in told[told.index("stage ") :].splitlines()[1:5]]
    assert rows == [
        ["train", "1", "parameter methods.unet"],
        ["predict", "1", "after train"],
        ["table1", "1", "after predict"],
        ["total", "3"],
    ]
    assert max(map(len, told.splitlines())) < 160
    assert "Job 0: " in toy.snakemake("-n", "--printshellcmds").stdout
