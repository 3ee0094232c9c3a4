"""Receipts against their schema: all that the project writes conform, and a malformed one is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fabricated_lock import write_lock
from jsonschema import Draft202012Validator

from textbcs.base.io import InputError, canonical_json
from textbcs.lineage.audit.verify import verify
from textbcs.lineage.records.form import SCHEMA, Form, check_form

ROOT = Path(__file__).resolve().parents[3]
RECEIPT = "results/receipts/train@unet-1.json"


def test_the_schema_is_a_schema_and_allows_nothing_more_than_a_receipt_has() -> None:
    schema = json.loads((ROOT / SCHEMA).read_text())
    Draft202012Validator.check_schema(schema)
    assert schema["additionalProperties"] is False
    assert all(
        "description" in one or "items" in one or "$ref" in one
        for one in schema["properties"].values()
    )


def test_every_receipt_of_a_finished_tree_conforms(tree: Path) -> None:
    """Against the plain validator too: the audit judges shared entries once only."""
    validator, form = Draft202012Validator(json.loads((ROOT / SCHEMA).read_text())), Form()
    receipts = sorted(Path("results/receipts").glob("*.json"))
    assert len(receipts) > 10
    for path in receipts:
        validator.validate(json.loads(path.read_text()))
        check_form(path.read_bytes(), form)


def test_every_receipt_of_this_checkout_conforms() -> None:
    receipts = sorted((ROOT / "results/receipts").glob("*.json"))
    if not receipts:
        pytest.skip("nothing has run in this checkout")
    form = Form()
    for path in receipts:
        check_form(path.read_bytes(), form)


def put(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(facts: dict[str, Any]) -> None:
        facts[key] = value

    return change


def put_in(section: str, key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(facts: dict[str, Any]) -> None:
        facts[section][-1][key] = value

    return change


def without(key: str) -> Callable[[dict[str, Any]], None]:
    return lambda facts: facts.pop(key)


FAULTS: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no device": (without("device"), "device is missing"),
    "no code": (without("code"), "code is missing"),
    "no seeds": (without("seeds"), "seeds is missing"),
    "a time": (put("started", "2026-01-01"), "started = '2026-01-01': unknown key"),
    "version": (put("version", 4), "version = 4"),
    "seed as text": (put("seed", "1"), "seed = '1'"),
    "negative seed": (put("seed", -1), "seed = -1"),
    "seed in the list": (put("seeds", {"run": "1"}), "seeds.run = '1'"),
    "a device of no class": (put("device", "gpu"), "device = 'gpu'"),
    "no argv": (put("argv", []), "argv = []"),
    "inputs by path": (put("inputs", {"data/a.csv": "0"}), "inputs = {'data/a.csv': '0'}"),
    "outputs as text": (put("outputs", "model"), "outputs = 'model'"),
    "code as list": (put("code", ["a.py"]), "code = ['a.py']"),
    "short hash": (put_in("inputs", "sha256", "abc"), "sha256 = 'abc'"),
    "hash in capitals": (put_in("outputs", "sha256", "A" * 64), "sha256 = 'AAAA"),
    "md5 of a module": (put("code", {"src/a.py": "0" * 32}), "code.src/a.py = '0000"),
    "absolute path": (put_in("inputs", "path", "/etc/x.csv"), "path = '/etc/x.csv'"),
    "path outside": (put_in("outputs", "path", "../x.csv"), "path = '../x.csv'"),
    "size as text": (put_in("outputs", "bytes", "12"), "bytes = '12'"),
    "no size": (lambda facts: facts["outputs"][0].pop("bytes"), "bytes is missing"),
    "a maker of no form": (put_in("inputs", "stage", "Train One"), "stage = 'Train One'"),
    "an output's maker": (put_in("outputs", "stage", "train"), "stage = 'train': unknown key"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_malformed_receipt_is_named(tree: Path, fault: str) -> None:
    """Whoever malformed it also wrote the lock: the form alone tells."""
    change, words = FAULTS[fault]
    facts = json.loads(Path(RECEIPT).read_text())
    change(facts)
    Path(RECEIPT).write_text(canonical_json(facts))
    write_lock()
    report = verify()
    assert [(one.kind, one.node, one.path) for one in report.findings] == [
        ("TAMPERED", "train@unet-1", RECEIPT)
    ]
    assert str(SCHEMA) in report.findings[0].detail
    assert words in report.findings[0].detail


@pytest.mark.parametrize(("content", "words"), [(b"[]", "found list"), (b"{", "no JSON")])
def test_what_is_no_receipt_at_all(tree: Path, content: bytes, words: str) -> None:
    Path(RECEIPT).write_bytes(content)
    report = verify()
    assert [(one.kind, one.path) for one in report.findings] == [("TAMPERED", RECEIPT)]
    assert words in report.findings[0].detail


def test_an_older_version_has_no_code(tree: Path) -> None:
    facts = json.loads(Path(RECEIPT).read_text())
    for key in ("code", "seeds", "environment", "definition", "loaded"):
        del facts[key]
    check_form(json.dumps({**facts, "version": 1}).encode(), Form())
    with pytest.raises(InputError, match="is missing"):
        check_form(json.dumps(facts).encode(), Form())


def test_an_entry_that_was_valid_in_one_receipt_is_not_so_elsewhere(tree: Path) -> None:
    """An input may have a maker, an output may not: what is remembered is remembered by its place."""
    facts, form = json.loads(Path(RECEIPT).read_text()), Form()
    assert form.fault(facts) is None
    moved = {**facts, "outputs": facts["inputs"]}
    assert "unknown key" in str(form.fault(moved))
    assert form.fault(facts) is None
