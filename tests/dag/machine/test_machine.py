"""The checkout and its machine: clocks, names of folders, left-overs, links, a home that is not there."""

import os
import shutil
import sys
import time
from pathlib import Path

import pytest
from checkout import Checkout, copy

pytestmark = pytest.mark.dag

UNET = ["predict@unet-1", "table1", "train@unet-1"]
ALL = [
    "cohort", "phantom", "predict@textbcs-1", "predict@unet-1", "slices", "table1", "train@textbcs-1",
    "train@unet-1",
]  # fmt: skip


def change_unet(checkout: Checkout) -> None:
    """Give one method another learning rate."""
    checkout.set_param("methods.unet.grid", [[1.0e-3, 4]])


def date(folder: Path, hours: float) -> None:
    """Move the times of all that lies in a folder."""
    at = time.time() + hours * 3600
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (at, at))


@pytest.mark.parametrize("folders", [("results", "reports"), ("data",)], ids=["outputs", "inputs"])
def test_files_that_are_dated_ahead(toy: Checkout, folders: tuple[str, ...]) -> None:
    for name in folders:
        date(toy.root / name, hours=1)
    change_unet(toy)
    assert toy.ran() == UNET
    assert toy.is_clean()


def test_a_clock_that_was_set_back_by_years(toy: Checkout) -> None:
    date(toy.root, hours=24 * 365 * 3)
    toy.set_param("phantom.seed", 1234)
    assert toy.ran() == ["cohort", "phantom"]
    assert toy.is_clean()


def test_any_name_of_the_checkouts_folder(toy_origin: Checkout, tmp_path: Path) -> None:
    checkout = copy(toy_origin, tmp_path / 'it\'s "mein Ordner" & a{b}c $HOME 100% #1')
    change_unet(checkout)
    assert checkout.ran() == UNET
    assert "Nothing to be done" in checkout.snakemake().stderr


def test_left_overs_of_editors_and_desktops_make_nothing_stale(toy: Checkout) -> None:
    for folder in ("data/slices/train", "results/predictions/unet-s1", "data/cohort"):
        for name in (".x.swp", "slices.csv~", ".DS_Store", "Thumbs.db", ".nfs0001", "._slices.csv"):
            (toy.root / folder / name).write_text("left")
        (toy.root / folder / ".ipynb_checkpoints").mkdir()
        (toy.root / folder / ".ipynb_checkpoints/x.csv").write_text("left")
    assert toy.ran() == []


def one_line(checkout: Checkout, *arguments: str, **extra: str) -> str:
    """The error of a start that is refused; nothing has run."""
    shutil.rmtree(checkout.root / "logs", ignore_errors=True)
    done = checkout.snakemake(*arguments, ok=False, **extra)
    lines = [line for line in done.stderr.splitlines() if not line.startswith("Using ")]
    assert done.returncode != 0
    assert len(lines) == 1, done.stderr
    assert checkout.logs() == ""
    return lines[0]


def test_what_is_missing_or_linked_is_said_and_then_mended(toy: Checkout, tmp_path: Path) -> None:
    change_unet(toy)
    (toy.root / "data").rename(tmp_path / "disk")
    (toy.root / "data").symlink_to(tmp_path / "disk")
    assert one_line(toy).startswith("error: data: is a link, and DVC writes no output through one")
    (toy.root / "data").unlink()
    (tmp_path / "disk").rename(toy.root / "data")
    (toy.root / ".git").rename(tmp_path / "git")
    assert "git init && git add -A" in one_line(toy)
    (tmp_path / "git").rename(toy.root / ".git")
    (toy.root / "workflow/stage").chmod(0o644)
    assert "chmod +x workflow/stage" in one_line(toy)
    (toy.root / "workflow/stage").chmod(0o755)
    assert toy.ran() == UNET


def test_without_a_home_and_a_name(toy: Checkout, tmp_path: Path) -> None:
    """As in a container that is started with a user's number; its home is a file, so nothing can be made."""
    (tmp_path / "home").touch()
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import pwd\n\ndef nobody(uid):\n    raise KeyError(f'getpwuid(): uid not found: {uid}')\n\n"
        "pwd.getpwuid = nobody\n"
    )
    change_unet(toy)
    extra = {
        "HOME": str(tmp_path / "home"),
        "XDG_CACHE_HOME": str(tmp_path / "home/cache"),
        "PYTHONPATH": str(tmp_path / "site"),
    }
    assert toy.ran(**extra) == UNET


def test_a_full_disk_is_one_line(toy: Checkout, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/sitecustomize.py").write_text(
        "import errno, fcntl, os\n\ndef full(*_):\n"
        "    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'run.lock')\n\nos.pwrite = full\n"
    )
    line = one_line(toy, PYTHONPATH=str(tmp_path / "site"))
    assert line == "error: run.lock: No space left on device"
    assert toy.ran() == []


def test_forced_stages_run_although_their_results_are_known(toy: Checkout) -> None:
    before = toy.hashes()
    assert toy.ran("--forcerun", "train") == ["train@textbcs-1", "train@unet-1"]
    assert toy.ran("--forceall") == ALL
    assert toy.hashes() == before
    assert toy.is_clean(), "nothing is forced any more"


def test_values_from_the_command_line_are_refused(toy: Checkout) -> None:
    assert one_line(toy, "--config", "seeds=1").startswith("error: snakemake --config: the values")


@pytest.mark.parametrize("part", ["--until train", "--omit-from predict"])
def test_a_run_for_a_part_does_not_say_that_the_reports_are_made(toy: Checkout, part: str) -> None:
    change_unet(toy)
    assert "done: " not in toy.snakemake(*part.split()).stderr
    assert "done: reports/tables/table1.csv" in toy.snakemake().stderr


HONOURED = (
    "--max-threads", "2", "--set-threads", "slices=1", "--resources", "gpu=2", "--set-resources",
    "train:mem_mb=10", "--prioritize", "slices", "--keep-going", "--retries", "1", "--keep-incomplete",
    "--show-failed-logs", "--no-hooks", "--notemp", "--drop-metadata", "--skip-script-cleanup",
    "--latency-wait", "1", "--max-inventory-time", "1", "--max-checksum-file-size", "10",
    "--scheduler", "greedy", "--scheduler-greediness", "0.5", "--strict-dag-evaluation", "functions",
    "--allow-ambiguity", "--force-use-threads", "--printshellcmds", "--nocolor", "--verbose",
    "--debug-dag", "--rerun-incomplete", "--nolock", "--local-cores", "1",
    "--default-resources", "mem_mb=100", "--set-resource-scopes", "gpu=local", "--wait-for-files",
    "dvc.yaml", "--wait-for-files-file", "list", "--queue-input-wait-time", "1",
    "--wait-for-free-local-storage", "1s", "--max-jobs-per-timespan", "50/1s",
    "--max-status-checks-per-second", "5", "--seconds-between-status-checks", "1",
    "--scheduler-subsample", "5", "--scheduler-greedy-greediness", "0.5",
    "--scheduler-greedy-omit-prioritize-by-temp-and-input", "--groups", "train=g",
    "--group-components", "g=2", "--preemptible-rules", "train", "--preemptible-retries", "1",
    "--jobname", "j.{jobid}.sh", "--jobscript", "list", "--envvars", "HOME", "--precommand", "true",
    "--container-image", "x", "--quiet", "rules", "--notebook-listen", "localhost:1",
    "--local-storage-prefix", "here", "--remote-job-local-storage-prefix", "there",
    "--conda-frontend", "conda", "--conda-cleanup-pkgs", "cache", "--runtime-source-cache-path",
    "logs/sources", "--unneeded-temp-files", "data/cohort/series.csv", "--persistence-backend", "db",
)  # fmt: skip


def test_options_that_are_honoured_change_no_byte(
    fresh_toy: Checkout, toy_origin: Checkout
) -> None:
    (fresh_toy.root / "list").write_text("dvc.yaml\n")
    assert fresh_toy.ran(*HONOURED) == ALL
    assert fresh_toy.hashes() == toy_origin.hashes()
    assert fresh_toy.is_clean()


def test_the_audit_is_clean_after_clocks_and_left_overs(tiny: Checkout) -> None:
    """In the real pipeline: nothing is trained again, and every file is what its receipt says."""
    for name in ("data", "results", "reports"):
        date(tiny.root / name, hours=1)
    for folder in (
        "src/textbcs/training",
        "results/runs/unet-s1",
        "data/slices",
        "results/receipts",
    ):
        for name in (".x.py.swp", "._x.py", ".DS_Store", "x.py~"):
            (tiny.root / folder / name).write_text("left")
    tiny.set_param("evaluation.lesions.minimum_covered", 0.3)
    ran = tiny.ran()
    assert "score" in ran
    assert not {address for address in ran if address.startswith(("train", "search", "predict"))}
    tiny.git("commit", "-qam", "another share")
    command = [sys.executable, "-m", "textbcs.cli", "audit", "verify"]
    assert tiny.run(*command, PYTHONPATH=str(tiny.root / "src")).returncode == 0
