"""Reports of another cohort are put aside and brought back, by content."""

import re
from pathlib import Path

import pytest

from textbcs import cli
from textbcs.commands.reports_aside import ASIDE, RECORD, folder_of, put_aside
from textbcs.settings.presets import preset_text, read_preset

PHANTOM, OWN = read_preset("phantom"), read_preset("own")
DEFINITION = """\
stages:
  flow:
    cmd: exec workflow/stage flow
    outs: [{reports/tables/flow.csv: {cache: false}}, results/tables/flow]
  report:
    cmd: x
    outs: [{reports/index.html: {cache: false}}]
"""
LOCK = """\
schema: '2.0'
stages:
  phantom:
    cmd: x
  cohort:
    cmd: exec workflow/stage cohort
    deps:
    - path: presets/none
      hash: md5
    params:
      params.yaml:
        cohort:
          kind: phantom
          archive: data/phantom/archive
          collection: ''
          source: phantom
          licence: Apache-2.0
  download:
    params:
      params.yaml:
        cohort:
          kind: nifti
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "presets").symlink_to(Path("presets").resolve())
    monkeypatch.chdir(tmp_path)
    Path("dvc.yaml").write_text(DEFINITION)
    Path("params.yaml").write_text(preset_text("phantom"))
    for name in ("tables/flow.csv", "index.html", "notes.txt"):
        path = Path("reports", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"phantom's {name}")
    Path("dvc.lock").write_text(LOCK)
    return tmp_path


def content() -> dict[str, str]:
    files = [path for path in Path("reports").rglob("*") if path.is_file()]
    return {path.relative_to("reports").as_posix(): path.read_text() for path in files}


def test_another_cohort_finds_no_report_and_the_first_one_gets_its_own_back(project: Path) -> None:
    before = content()
    assert put_aside(PHANTOM) == []
    assert content() == before
    told = put_aside(OWN)
    assert len(told) == 1
    assert "cohort 'phantom': moved to reports/earlier/phantom-" in told[0]
    assert {path for path in content() if not path.startswith("earlier/")} == {
        "notes.txt",  # a person's
        "cohort.md",
    }
    assert not Path("reports/tables").exists()
    # A partial run of the own cohort, then another start of it: its table stays.
    Path("reports/tables").mkdir()
    Path("reports/tables/flow.csv").write_text("own")
    assert put_aside(OWN) == []
    told = put_aside(PHANTOM)
    assert [bool(re.search("moved|brought back", line)) for line in told] == [True, True]
    assert {path: text for path, text in content().items() if path in before} == before
    put_aside(OWN)
    assert content()["tables/flow.csv"] == "own"
    assert "index.html" not in content()


def test_a_smaller_phantom_is_the_same_cohort(project: Path) -> None:
    assert put_aside(read_preset("tiny")) == []


def test_two_folders_of_one_name_are_two_cohorts(project: Path) -> None:
    put_aside(OWN)
    other = {**OWN, "cohort": {**OWN["cohort"], "archive": "data/own/other"}}
    Path("reports/index.html").write_text("first")
    put_aside(other)
    assert "index.html" not in content()
    assert len(list(ASIDE.iterdir())) == 2


def test_the_record_decides_over_the_lock(project: Path) -> None:
    """As after `git checkout reports`: the phantom's reports are back, the lock is of the own cohort."""
    put_aside(OWN)
    record = RECORD.read_text()
    assert "- archive: data/own/dicom\n" in record
    put_aside(PHANTOM)
    Path("dvc.lock").write_text(LOCK.replace("source: phantom", "source: other"))
    assert put_aside(PHANTOM) == []
    assert put_aside(OWN) != []
    assert RECORD.read_text() == record


def test_nothing_is_done_where_nothing_is_known(project: Path) -> None:
    Path("dvc.lock").unlink()
    before = content()
    assert put_aside(OWN) == []
    RECORD.write_text("- kind: phantom\n")
    assert put_aside(OWN) == []
    RECORD.unlink()
    assert content() == before


def test_use_puts_aside_but_not_in_a_dry_run(project: Path, capsys) -> None:
    before = content()
    assert cli.main(["use", "own", "--dry-run"]) == 0
    assert content() == before
    assert cli.main(["use", "own"]) == 0
    assert "moved to reports/earlier/phantom-" in capsys.readouterr().out
    assert "index.html" not in content()


def test_the_committed_reports_are_the_phantoms() -> None:
    text = Path("reports/cohort.md").read_text()
    listed = dict(re.findall(r"^- (\w+): ?(.*)$", text, re.MULTILINE))
    assert listed == {"kind": "phantom", "collection": "", "archive": "", "source": "phantom"}


def test_a_source_of_any_characters_names_a_folder() -> None:
    cohort = {"kind": "nifti", "collection": "", "archive": "a", "source": "../ä b"}
    assert re.fullmatch(r"reports/earlier/b-[0-9a-f]{8}", folder_of(cohort).as_posix())
