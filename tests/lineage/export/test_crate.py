"""The exported crate: complete, self-consistent, and accepted by the public validator."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fabricated import flip
from fabricated_stages import PATIENTS, slice_ids, uid
from own_environments import VALIDATOR, programs

from textbcs.base.io import InputError, sha256_file
from textbcs.cli import main
from textbcs.lineage.export.crate import export
from textbcs.lineage.export.entities import METADATA
from textbcs.lineage.records.graph import load_graph

VALIDATE = Path(__file__).resolve().parents[2] / "helpers/lineage/crate_validator.py"
Entities = dict[str, dict[str, Any]]


def exported(folder: str = "crate", limit: int = 0) -> Entities:
    """Export the tree and read the entities back, by identifier."""
    export(load_graph(), Path(folder), limit)
    graph = json.loads((Path(folder) / METADATA).read_text())["@graph"]
    entities = {entity["@id"]: entity for entity in graph}
    assert len(entities) == len(graph)
    return entities


def many(value: Any) -> list[Any]:
    """A property's values: JSON-LD writes one as itself."""
    return [] if value is None else value if isinstance(value, list) else [value]


def of_kind(entities: Entities, kind: str) -> list[dict[str, Any]]:
    """Entities of a type."""
    return [one for one in entities.values() if kind in many(one["@type"])]


def test_every_reference_leads_somewhere(tree: Path) -> None:
    entities = exported()
    outside = ("https://bioschemas.org/", "https://snakemake", "https://w3id.org/ro/crate/1.1")
    for entity in entities.values():
        for value in entity.values():
            for one in many(value):
                if isinstance(one, dict) and not one["@id"].startswith(outside):
                    assert one["@id"] in entities, (entity["@id"], one["@id"])


def test_every_receipt_is_an_action_with_its_files_and_parameters(tree: Path) -> None:
    entities, receipts = exported(), load_graph().receipts
    for address, receipt in receipts.items():
        action = entities[f"#action-{address}"]
        objects = [entities[one["@id"]] for one in many(action["object"])]
        hashes = {one["sha256"] for one in objects if "sha256" in one}
        assert hashes == {item.sha256 for item in receipt.inputs}
        values = {one["name"]: one["value"] for one in objects if one["@type"] == "PropertyValue"}
        assert values == {key: str(value) for key, value in receipt.params.items()}
        results = [entities[one["@id"]]["sha256"] for one in many(action["result"])]
        assert sorted(results) == sorted(item.sha256 for item in receipt.outputs)
        assert action["startTime"] <= action["endTime"]
    assert (
        len(of_kind(entities, "ControlAction"))
        == len(receipts)
        == len(of_kind(entities, "HowToStep"))
    )
    assert len(of_kind(entities, "CreateAction")) == len(receipts) + 1


def test_files_in_the_crate_are_what_it_says(tree: Path) -> None:
    entities = exported()
    files = [one for one in of_kind(entities, "File") if not one["@id"].startswith("ni:")]
    assert {one["@id"] for one in files} >= {"dvc.yaml", "params.yaml", "reports/tables/table1.csv"}
    for one in files:
        path = Path("crate") / one["@id"]
        assert sha256_file(path) == one["sha256"]
        assert path.stat().st_size == int(one["contentSize"])
    parts = {one["@id"] for one in many(entities["./"]["hasPart"])}
    assert {one["@id"] for one in files} <= parts


def test_large_files_are_named_by_their_hash(tree: Path) -> None:
    entities = exported(limit=300)
    named = [one for one in entities.values() if one["@id"].startswith("ni:///sha-256;")]
    assert any(one["name"].endswith("model.safetensors") for one in named)
    assert not (Path("crate") / "results/runs/unet-s1/model.safetensors").exists()
    assert all(int(one["contentSize"]) > 300 for one in named)


def test_dicom_is_named_by_oid_with_licence_and_collection(tree: Path) -> None:
    entities = exported()
    for patient, split in PATIENTS.items():
        series = entities[f"urn:oid:{uid(patient)}"]
        assert series["identifier"] == series["@id"]
        assert series["license"] == "CC BY-NC 4.0"
        instances = {one["@id"] for one in many(series["hasPart"])}
        own = [one for one in slice_ids(split) if one.startswith(patient)]
        assert instances == {f"urn:oid:{uid(patient, int(one[-1]))}" for one in own}
        study = entities[series["isPartOf"]["@id"]]
        assert study["@id"] == f"urn:oid:{uid('study', patient)}"
        assert entities[study["isPartOf"]["@id"]]["@id"] == "https://doi.org/10.7937/TCIA.e3sv-re93"


def test_two_exports_are_equal(tree: Path) -> None:
    exported("one")
    exported("two")
    assert (Path("one") / METADATA).read_bytes() == (Path("two") / METADATA).read_bytes()


def test_a_tampered_tree_is_not_exported(tree: Path) -> None:
    flip("results/runs/unet-s1/model.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors: is not what its receipt says"):
        exported()
    assert not Path("crate").exists()
    assert not list(Path().glob(".crate*"))


def test_an_export_that_fails_leaves_nothing(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    Path("crate").mkdir()  # an empty folder is as good as a new one
    with monkeypatch.context() as broken:
        broken.setattr("textbcs.lineage.export.crate.write_json", full)
        with pytest.raises(InputError, match="crate: the crate cannot be written: No space"):
            exported()
    assert not list(Path().glob(".crate*"))
    assert list(Path("crate").iterdir()) == []
    assert exported()
    assert Path("crate").stat().st_mode == Path("reports").stat().st_mode


def test_a_folder_in_use_is_refused(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "export", "crate"]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(
        r"crate/ro-crate-metadata.json: \d+ files, of which 0 are only named by their hash; .*\n",
        said,
    )
    assert main(["audit", "export", "crate"]) == 2
    assert "crate: is not empty" in capsys.readouterr().err


def test_a_place_that_takes_no_folder_is_named_as_it_was_given(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("a_file").write_text("")
    assert main(["audit", "export", "a_file/crate"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: a_file/crate: the crate cannot be written: ")
    assert said.count("\n") == 1


def _validate(folder: Path) -> list[str]:
    """Identifiers of the required checks of the public validator that fail."""
    python = programs(*VALIDATOR) / "python"
    done = subprocess.run(
        [python, "-I", VALIDATE, folder], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_public_validator_accepts_it(tree: Path) -> None:
    exported(limit=300)
    assert _validate(tree / "crate") == []


def test_the_public_validator_would_see_a_fault(tree: Path) -> None:
    exported()
    path = Path("crate") / METADATA
    crate = json.loads(path.read_text())
    for entity in crate["@graph"]:
        if entity["@type"] == "HowToStep":
            del entity["workExample"]
    path.write_text(json.dumps(crate))
    assert "provenance-run-crate-0.5_4.2" in _validate(tree / "crate")
