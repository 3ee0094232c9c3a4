"""A finished run packed: what stands in the package is what the pipeline found, and no patient is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packages import FIRST, network_of
from packed_runs import METHODS, PARAMS, PLUS, SPLIT, finish_runs, map_of, mask_of, write_receipts

from textbcs.base.io import InputError, existing, sha256_bytes, sha256_file
from textbcs.evaluation.uncertainty.calibration import fit_temperature
from textbcs.package.packing import Run, pack
from textbcs.package.reading import Package, read_package
from textbcs.package.writing import write_folder
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import Stage
from textbcs.stages.volumes import package as stage_module

VALIDATION = [name for name, split in SPLIT.items() if split == "val"]


@pytest.fixture
def finished(stage_in: Callable[..., Stage]) -> Stage:
    """The stage in a working folder where everything has run."""
    stage = stage_in(PARAMS)
    finish_runs(stage)
    return stage


def receipts() -> list[str]:
    return sorted(path.as_posix() for path in Path("results/receipts").glob("*.json"))


def packed(method: str = PLUS) -> dict[str, bytes]:
    return pack(Run(method, 1), PARAMS, lambda path: existing(path), receipts())


def opened(method: str = PLUS) -> Package:
    write_folder(Path("p"), packed(method))
    return read_package(Path("p"))


def test_a_package_of_a_run_is_read(finished: Stage) -> None:
    package = opened()
    assert package.name == f"{PLUS}-s1"
    assert package.point.smallest_mm3 == package.first_point.smallest_mm3 == 200.0
    assert package.thresholds_mm3 == (500.0, 2000.0)
    assert package.series == {"spacing_tolerance": 0.05, "descriptions": None}
    assert package.detector is not None
    model, table = package.network()
    state = network_of(PLUS).state_dict()
    assert all((value == state[name]).all() for name, value in model.state_dict().items())
    assert package.settings["weights"] == sum(one.numel() for one in model.parameters())
    assert len(table.texts) == 1 + 2 * 3 * 3 * 11
    assert not package.first_network()[0].reads_text


def test_what_it_was_trained_on_is_of_training_patients(finished: Stage) -> None:
    found = opened().training
    assert found["manufacturers"] == ["GE", "SIEMENS"]
    assert found["field_strength_t"] == [1.5, 3.0]
    assert found["patients"] == {"train": 2, "val": 2, "test": 1}
    assert found["spacing_mm"] == {"row": [0.5, 2.0], "column": [1.0, 1.5], "slice": [2.0, 4.0]}
    assert found["slices"] == [3, 3]
    assert found["cohort"]["licence"] == "CC BY-NC 4.0"
    assert found["mask_sources"] == ["expert"]


@pytest.mark.parametrize("method", METHODS)
def test_every_kind_of_run_can_be_packed(finished: Stage, method: str) -> None:
    package = opened(method)
    reads = method in ("textbcs", PLUS)
    assert package.reads_text == reads
    assert (package.detector is not None) == reads
    assert package.has_evidence == (method == "textbcs")
    assert (package.temperature == 1.0) == (method == "textbcs")
    assert package.network()[1].texts[0] == ""
    assert (len(package.network()[1].texts) == 1) == (not reads)


def test_the_temperature_is_that_of_the_unsure_voxels(finished: Stage) -> None:
    odds, truth = [], []
    for patient in VALIDATION:
        for source in ("patient", "automatic"):
            codes = np.floor(map_of(patient, source) * 256)
            unsure = (codes >= 1) & (codes <= 254)
            p = (codes[unsure] + 0.5) / 256
            odds.append(np.log(p / (1 - p)))
            truth.append(mask_of(patient)[unsure])
    expected = fit_temperature(np.concatenate(odds), np.concatenate(truth))
    assert opened().temperature == pytest.approx(expected, rel=1e-4)
    assert expected > 1.2


def test_the_chain_holds_what_is_behind_this_run_alone(finished: Stage) -> None:
    names = {path.stem for path in Path("p/receipts").glob("*")} if opened() else set()
    assert {f"train_use@{PLUS}-1", f"train_use@{FIRST}-1", "cohort", "slices", "text"} <= names
    assert {f"volumes_use@{PLUS}-1", f"volumes_first@{FIRST}-1", "volume_score"} <= names
    assert not {name for name in names if "unet" in name or "textbcs-1" in name}
    unet = set(packed("unet"))
    assert "receipts/train@unet-1.json" in unet
    assert not [name for name in unet if PLUS in name]


def test_receipts_name_no_patient_and_no_folder_of_the_machine(finished: Stage) -> None:
    files = packed()
    whole = b"".join(content for name, content in files.items() if not name.endswith("safetensors"))
    for word in (*SPLIT, "fritz", "/home/me"):
        assert word.encode() not in whole
    receipt = json.loads(files["receipts/volumes.json"])
    assert receipt["receipt"] == sha256_file("results/receipts/volumes.json")
    assert receipt["params"]["cohort.exclude"] == ["withheld"]
    # Whoever has the file finds it by its content.
    digest = sha256_file("data/volumes/val/carl.safetensors")
    assert f"data/volumes/val/{digest[:12]}.safetensors" in {
        item["path"] for item in receipt["outputs"] if item["sha256"] == digest
    }


def test_the_card_says_scores_leak_and_limits(finished: Stage) -> None:
    card = packed()["README.md"].decode()
    front, body = card.split("\n---\n", 1)
    assert "license: cc-by-nc-4.0" in front
    assert "not a medical device" in body
    assert "synthetic" in body
    means = pd.read_csv("results/volume_scores/means.csv")
    own = means[(means["method"] == PLUS) & (means["metric"] == "dice")].set_index("source")
    for source in ("patient", "automatic", "wrong_side"):
        value, low = 100 * own.loc[source, "mean"], 100 * own.loc[source, "low"]
        assert f"{value:.1f} ({low:.1f} to " in body
    assert "| each tumour slice's own | 30.0 (20.0 to 40.0) |" in body  # of leak.csv
    assert "| location | 0.97 (0.50 to 0.99) |" in body  # of detection.csv
    # Patients' means 0.6, 0.8 and 0.4.
    assert "4 tumour slices of 3 test patients, each with its own prompt, Dice is 60.0 (" in body
    assert "CC BY-NC 4.0" in packed()["licence.txt"].decode()


def test_a_card_without_text_has_no_prompts(finished: Stage) -> None:
    body = packed("unet")["README.md"].decode()
    assert "The network reads none." in body
    assert "## Wrong prompts" not in body


def test_a_card_of_an_unknown_licence_names_it(finished: Stage) -> None:
    path = Path("data/cohort/series.csv")
    path.write_text(path.read_text().replace("CC BY-NC 4.0", "our ethics board's"))
    write_receipts()
    assert "license: other\nlicense_name: our-ethics-board's" in packed()["README.md"].decode()


def test_bytes_are_a_function_of_the_run(finished: Stage) -> None:
    assert packed() == packed()


def test_the_stage_and_the_function_give_the_same_bytes(finished: Stage) -> None:
    everything = ("data", "results")
    definition = Definition("package@x", (), (*everything, *receipts()), everything)
    stage_module.run(Stage(definition, PARAMS, []), PLUS, "1")
    folder = Path(f"results/packages/{PLUS}-s1")
    files = packed()
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*.*")} == set(files)
    assert all((folder / name).read_bytes() == content for name, content in files.items())
    assert read_package(folder).sha256 == sha256_bytes(files["package.json"])


def refused(method: str = PLUS) -> str:
    with pytest.raises(InputError) as caught:
        packed(method)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_faults_are_one_line(finished: Stage) -> None:
    table = Path("results/volume_scores/points.csv")
    whole = table.read_text()
    table.write_text("\n".join(line for line in whole.splitlines() if not line.startswith(PLUS)))
    assert "no operating point of textbcs_plus-s1; the stage volume_score" in refused()
    table.write_text(whole + "unet,9,0.5,200.0,0.7\n")
    assert "is not what its stage has written" in refused()
    table.write_text(whole)
    Path("results/receipts/text.json").write_text("{}")
    assert "text.json: no receipt of a stage" in refused()
    write_receipts()
    Path(f"results/runs/{PLUS}-s1/model.safetensors").unlink()
    assert "file is missing; run the stage that makes it" in refused()
    Path("results/volumes/unet-s1/val/carl.safetensors").write_bytes(b"")
    assert "carl.safetensors" in refused("unet")


def test_maps_of_another_volume_are_refused(finished: Stage) -> None:
    from textbcs.volumes.coded_maps import write_maps

    other: dict[str, Any] = {"none": np.zeros((2, 4, 4), np.float32)}
    write_maps(finished, "unet-s1", "val", "carl", other)
    assert "is of another volume" in refused("unet")
