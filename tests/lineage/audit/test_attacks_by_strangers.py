"""Attacks 401 to 418: what lies among results and belongs to nobody."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from audited import named
from fabricated_lock import commit

from textbcs.base.io import write_text
from textbcs.lineage.audit.verify import verify


def link(path: str, target: str) -> None:
    Path(path).symlink_to(target)


def moved(path: str) -> None:
    """A folder of results lies elsewhere, and a link to it in its place."""
    shutil.move(path, "../elsewhere")
    link(path, "../../elsewhere" if "/" in path else "../elsewhere")


STRANGERS: dict[str, tuple[Callable[[], object], str]] = {
    "401 link": (lambda: link("results/runs/best.txt", "/etc/hostname"), "results/runs/best.txt"),
    "402 .gitignore": (lambda: write_text("results/runs/.gitignore", "*\n"), "results/runs/.gitignore"),
    "403 beside the tables": (lambda: write_text("reports/tables2/a.csv", "a\n"), "reports/tables2"),
    "404 pipe": (lambda: os.mkfifo("results/runs/pipe"), "results/runs/pipe"),
    "405 link to nothing": (lambda: link("data/slices/train/x", "nowhere"), "data/slices/train/x"),
    "406 image": (lambda: write_text("data/raw/P1/9/x.dcm", "x"), "data/raw"),
    "407 run information": (lambda: write_text("results/runinfo/notes.txt", "x"),
                            "results/runinfo/notes.txt"),
    "408 of no stage": (lambda: write_text("results/runinfo/other.json", "{}"),
                        "results/runinfo/other.json"),
    "409 empty folder": (lambda: Path("results/runs/old").mkdir(), "results/runs/old"),
    "410 linked folder": (lambda: moved("data/masks"), "data/masks"),
    "411 hidden": (lambda: write_text("results/.x.csv", "x"), "results/.x.csv"),
    "412 notes": (lambda: write_text("results/notes.md", "x"), "results/notes.md"),
    "413 all results": (lambda: moved("results"), "results"),
    "414 a linked folder of several stages": (lambda: moved("results/predictions"), "results/predictions"),
}  # fmt: skip


@pytest.mark.parametrize("attack", STRANGERS)
def test_what_belongs_to_nobody_is_named(attack: str, tree: Path) -> None:
    leave, path = STRANGERS[attack]
    leave()
    report = verify()
    assert {one.kind for one in report.findings} == {"ORPHAN"}
    assert path in {one.path for one in report.findings}


def test_what_dvc_writes_is_no_stranger(tree: Path) -> None:
    write_text("results/runs/unet-s1/.gitignore", "/model.safetensors\n")
    write_text("data/splits/.gitignore", "/split.csv\n")
    assert verify().findings == []


def test_a_link_into_dvcs_cache_is_no_stranger(tree: Path) -> None:
    """With `cache.type symlink` an output is a link to its object."""
    import hashlib

    path = Path("results/runs/unet-s1/model.safetensors")
    digest = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    path.unlink()
    path.symlink_to(Path(".dvc/cache/files/md5").absolute() / digest[:2] / digest[2:])
    assert verify().findings == []


def test_what_commands_write_into_reports_is_no_stranger(tree: Path) -> None:
    for name in ("trace/table1.html", "earlier/x/tables/a.csv", "prompts_template/a.csv"):
        write_text(f"reports/{name}", "x")
    assert verify().findings == []


def test_two_strangers_are_two_findings(tree: Path) -> None:
    write_text("results/a/1.csv", "x")
    write_text("results/a/2.csv", "x")
    write_text("results/b.csv", "x")
    report = verify()
    assert named(report) == [("ORPHAN", ""), ("ORPHAN", "")]
    assert [one.path for one in report.findings] == ["results/a", "results/b.csv"]


def test_415_to_417_names_that_dvcignore_lists(tree: Path) -> None:
    """An editor's backup and a desktop's file are told; a mark of Snakemake is nothing, if it is empty."""
    for name in ("results/.snakemake_timestamp", "results/runs/.snakemake_timestamp"):
        write_text(name, "")
    assert not any(".dvcignore" in text for text in verify().remarks)
    write_text("results/runs/.snakemake_timestamp", "weights")
    write_text("reports/tables/table5.csv~", "x")
    write_text("results/.vscode/a.csv", "x")
    report = verify()
    assert report.findings == []
    (told,) = [text for text in report.remarks if ".dvcignore" in text]
    for name in (
        "reports/tables/table5.csv~",
        "results/.vscode",
        "results/runs/.snakemake_timestamp",
    ):
        assert name in told


def test_418_a_list_that_was_committed_to_hide_a_table(tree: Path) -> None:
    with Path(".dvcignore").open("a") as file:
        file.write("table77.*\n")
    commit("hide a table")
    write_text("reports/tables/table77.csv", "x")
    (found,) = verify().findings
    assert (found.kind, found.path) == ("ORPHAN", "reports/tables/table77.csv")
