"""The list of trainings: attacks 504 to 508, by whoever throws runs away until one is good."""

import json
import multiprocessing
import shutil
from pathlib import Path

import pytest
from audited import named
from fabricated import run
from fabricated_lock import write_lock
from fabricated_stages import Recipe

from textbcs.lineage.audit.verify import verify
from textbcs.lineage.seal.trainings import read_trainings
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define_all
from textbcs.stage.trainings import LIST, note


def lines() -> list[str]:
    return LIST.read_text().splitlines(keepends=True)


def test_every_training_is_told_once(tree: Path) -> None:
    found = read_trainings()
    assert found is not None
    assert found.fault == ""
    assert found.ended == {
        f"train@{run}": 1 for run in ("unet-1", "unet-2", "textbcs-1", "textbcs-2")
    }
    report = verify()
    assert report.findings == []
    text = "trainings here: 4 begun, 4 ended (train textbcs 2, train unet 2); head "
    assert text + found.heads[-1] in report.remarks


def test_504_the_best_of_three_is_told_to_be_so(tree: Path) -> None:
    definitions = define_all(read_yaml("params.yaml"))
    for number in (1, 2):
        run(
            definitions["train@unet-1"],
            Recipe(weights={"train@unet-1": number}),
            Makers(definitions),
        )
    for address in ("train@unet-1", "predict@unet-1", "score", "table1"):
        run(definitions[address], Recipe(), Makers(definitions))
    write_lock()
    report = verify()
    assert report.findings == []
    assert any("(train textbcs 2, train unet 5)" in text for text in report.remarks)


@pytest.mark.parametrize("taken", [0, 3, 6])
def test_505_a_line_that_is_taken_out_leaves_a_gap(taken: int, tree: Path) -> None:
    kept = lines()
    del kept[taken]
    LIST.write_text("".join(kept))
    assert ("LEDGER", "") in named(verify())


def test_506_lines_that_are_taken_off_the_end(tree: Path) -> None:
    """The chain holds, but a training that is in use is not told, and a printed head is gone."""
    head = read_trainings().heads[-1]  # type: ignore[union-attr]
    LIST.write_text("".join(lines()[:-1]))
    report = verify(head=head)
    assert [one.kind for one in report.findings] == ["LEDGER", "LEDGER"]
    assert {one.node for one in report.findings} == {"", "train@textbcs-2"}


def test_507_an_edited_line(tree: Path) -> None:
    LIST.write_text(LIST.read_text().replace('"started"', '"failed"', 1))
    found = next(one for one in verify().findings if one.path == str(LIST))
    assert found.kind == "LEDGER"
    assert "line 2: does not follow from the line before it" in found.detail


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff\n", b"{}\n", b"5\n"])
def test_508_a_list_that_is_none(content: bytes, tree: Path) -> None:
    LIST.write_bytes(content)
    assert ("LEDGER", "") in named(verify())


def test_a_list_grows_and_keeps_its_heads(tree: Path) -> None:
    head = read_trainings().heads[-1]  # type: ignore[union-attr]
    note("train@unet-1", "started")
    assert verify(head=head).findings == []


def test_509_a_list_that_is_gone(tree: Path) -> None:
    LIST.unlink()
    (found,) = verify().findings
    assert (found.kind, found.path) == ("LEDGER", str(LIST))
    assert found.detail == "there is none, and 4 trainings ran here"


def test_without_a_list_the_summary_says_what_is_not_known(tree: Path) -> None:
    """As after a pull, which brings neither the list nor run information."""
    LIST.unlink()
    shutil.rmtree("results/runinfo")
    report = verify()
    assert report.findings == []
    assert "how often each method was trained" in report.judged.left_out


def _write(number: int) -> None:
    note(f"train@unet-{number}", "ended", "0" * 64)


def test_trainings_that_end_at_once_make_one_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with multiprocessing.get_context("fork").Pool(4) as pool:
        pool.map(_write, range(40))
    found = read_trainings()
    assert found is not None
    assert (len(found.entries), found.fault) == (40, "")
    assert [json.loads(line)["number"] for line in lines()] == list(range(1, 41))


@pytest.mark.parametrize(
    ("cut", "words"), [(40, "cut off while it was written; delete it"), (1, "no line break")]
)
def test_510_half_a_line_says_what_to_do(cut: int, words: str, tree: Path) -> None:
    count = len(lines())
    LIST.write_bytes(LIST.read_bytes()[:-cut])
    details = [one.detail for one in verify().findings if one.path == str(LIST)]
    assert len(details) == 1
    assert details[0].startswith(f"line {count}: ")
    assert words in details[0]
