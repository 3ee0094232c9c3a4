"""Attacks 621 to 640: the metadata of a crate says what its receipts do not, or leaves out what each has."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from textbcs.base.io import sha256_file
from textbcs.cli import main
from textbcs.lineage.audit.received.exported import verify_export
from textbcs.lineage.export.entities import METADATA, VERDICT

Graph = list[dict[str, Any]]
TRAINING = "#action-train@unet-1"
TABLE = "reports/tables/table1.csv"


@pytest.fixture(scope="module")
def sent(clean_origin: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crate as it was exported. Do not change it."""
    import contextlib

    from fabricated import copy

    root = copy(clean_origin, tmp_path_factory.mktemp("sent") / "tree")
    with contextlib.chdir(root):
        assert main(["audit", "export", "../crate"]) == 0
    return root.parent / "crate"


@pytest.fixture
def crate(sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, far from its tree."""
    from fabricated import copy

    monkeypatch.chdir(tmp_path)
    return copy(sent, tmp_path / "crate")


def change(crate: Path, edit: Callable[[Graph], object]) -> None:
    content = json.loads((crate / METADATA).read_text())
    edit(content["@graph"])
    (crate / METADATA).write_text(json.dumps(content))


def of(graph: Graph, at: str) -> dict[str, Any]:
    return next(one for one in graph if one["@id"] == at)


def value(graph: Graph) -> None:
    one = next(one for one in graph if one["@type"] == "PropertyValue")
    one["value"] = "0.9"


def instance(graph: Graph) -> None:
    next(one for one in graph if one["@type"] == "ImageObject")["@id"] = "urn:oid:9.9.9"


def context(crate: Path) -> None:
    content = json.loads((crate / METADATA).read_text())
    content["@context"] = "https://example.org"
    (crate / METADATA).write_text(json.dumps(content))


LIES: dict[str, tuple[Callable[[Graph], object], str]] = {
    "621 parameter": (value, "value is \"0.9\""),
    "622 status": (
        lambda graph: of(graph, TRAINING).update(actionStatus="http://schema.org/FailedActionStatus"),
        f"{TRAINING}: actionStatus is",
    ),
    "623 licence": (lambda graph: of(graph, "./").update(license={"@id": "#mine"}), "./: license is"),
    "624 instance": (instance, "urn:oid:"),
    "625 author": (lambda graph: of(graph, TABLE).update(author={"@id": "#eve"}), f"{TABLE}: author is"),
    "626 an entity more": (
        lambda graph: graph.append({"@id": "#eve", "@type": "Person"}), "#eve: no receipt gives it",
    ),
    "627 parameters left out": (
        lambda graph: graph.__setitem__(
            slice(None), [one for one in graph if one["@type"] != "PropertyValue"]
        ),
        "is not there, the receipts give it",
    ),
    "628 one @id twice": (lambda graph: graph.append(dict(of(graph, TABLE))), f"have the @id {TABLE}"),
    "629 times": (
        lambda graph: of(graph, TRAINING).update(endTime="2020-01-01T00:00:00+00:00"), "before it started",
    ),
    "630 a time of one stage": (
        lambda graph: of(graph, TRAINING).update(
            startTime="2020-01-01T00:00:00+00:00", endTime="2020-01-01T00:00:00+00:00"
        ),
        "startTime is",
    ),
    "639 no day": (
        lambda graph: of(graph, "./").update(datePublished="2026-19-39"),
        "./: datePublished is",
    ),
    "631 the program": (
        lambda graph: of(graph, TRAINING).update(instrument={"@id": "#tool-score"}), "instrument is",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", LIES)
def test_metadata_that_the_receipts_do_not_give(attack: str, crate: Path) -> None:
    edit, words = LIES[attack]
    change(crate, edit)
    found = verify_export(crate).findings
    assert {(one.kind, one.path) for one in found} == {("TAMPERED", METADATA)}
    assert any(words in one.detail for one in found)


def test_632_another_context(crate: Path) -> None:
    context(crate)
    (found,) = verify_export(crate).findings
    assert '@context is "https://example.org"' in found.detail


def without(crate: Path, *names: str) -> None:
    """Take files out of a crate and of its metadata, without a trace."""

    def plain(one: Any) -> Any:
        if isinstance(one, list):
            return [plain(part) for part in one if not is_gone(part)]
        return {key: plain(part) for key, part in one.items()} if isinstance(one, dict) else one

    def is_gone(one: Any) -> bool:
        return isinstance(one, dict) and one.get("@id") in names

    change(crate, lambda graph: graph.__setitem__(slice(None), plain(graph)))
    for name in names:
        (crate / name).unlink()


def test_633_to_636_a_crate_without_what_each_has(crate: Path) -> None:
    names = ("dvc.yaml", "params.yaml", "dvc.lock", VERDICT)
    without(crate, *names)
    report = verify_export(crate)
    assert {(one.kind, one.path) for one in report.findings} == {("MISSING", one) for one in names}


def test_637_receipts_that_are_only_named(crate: Path) -> None:
    path = "results/receipts/score.json"

    def name_only(graph: Graph) -> None:
        text = json.dumps(graph).replace(f'"@id": "{path}"', '"@id": "ni:///sha-256;x"')
        graph[:] = json.loads(text)

    change(crate, name_only)
    (crate / path).unlink()
    report = verify_export(crate)
    assert ("MISSING", "score", path) in {(one.kind, one.node, one.path) for one in report.findings}


def test_638_a_lock_that_was_cut(crate: Path) -> None:
    lock = crate / "dvc.lock"
    lock.write_text(lock.read_text().split("  split:")[0])

    def agree(graph: Graph) -> None:
        facts = {"sha256": sha256_file(lock), "contentSize": str(lock.stat().st_size)}
        of(graph, "dvc.lock").update(facts)

    change(crate, agree)
    found = [one for one in verify_export(crate).findings if "has no entry for" in one.detail]
    assert [one.kind for one in found] == ["FORGED-LOCK"]


def test_files_may_be_named_only_whoever_made_the_crate_small(
    sent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules, tables of slices and the Snakefile are larger than the limit: names tell enough."""
    monkeypatch.chdir(sent.parent / "tree")
    assert main(["audit", "export", "--limit", "0.00001", str(tmp_path / "small")]) == 0
    report = verify_export(tmp_path / "small")
    assert report.findings == []
    assert any(text.startswith("DICOM series were not compared") for text in report.remarks)
    assert any(text.startswith("only named by their hash: ") for text in report.remarks)


def test_a_crate_without_times_is_clean(crate: Path) -> None:
    """After a pull there is no run information."""

    def forget(graph: Graph) -> None:
        for one in graph:
            for key in ("startTime", "endTime"):
                one.pop(key, None)

    change(crate, forget)
    assert verify_export(crate).findings == []
