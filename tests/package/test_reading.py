"""A package read: what it gives is what was packed, and a bad one is one line before anything is built."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from packages import (
    DIMENSION,
    NETWORKS,
    SIZE,
    detector,
    network_of,
    tiny_files,
    tiny_package,
)
from safetensors.numpy import save

from textbcs.base.io import InputError, sha256_file
from textbcs.dataset.prompt_grammar import every_prompt
from textbcs.models.common.contract import TextBatch
from textbcs.package.package_files import json_bytes, sealed
from textbcs.package.reading import read_package
from textbcs.package.writing import write_folder, write_zip
from textbcs.volumes.operating_point import OperatingPoint

PROMPT = "location left; shape round; size small; number one"
Edit = Callable[[dict[str, Any], dict[str, bytes]], None]


def rewritten(folder: Path, edit: Edit, method: str = "textbcs_plus") -> Path:
    """A package whose settings and files were changed before it was sealed: every sha256 is right."""
    settings, files = tiny_files(method)
    edit(settings, files)
    write_folder(folder, sealed(settings, files))
    return folder


def refused(path: Path) -> str:
    """The one line of a package that is not read."""
    with pytest.raises(InputError) as caught:
        read_package(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_package_is_what_was_packed(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "p"))
    assert package.name == "textbcs_plus-s1"
    assert package.sha256 == sha256_file(tmp_path / "p/package.json")
    assert package.point == package.first_point == OperatingPoint(0.5, 100.0, 0.7)
    assert package.thresholds_mm3 == (500.0, 2000.0)
    assert (package.sides, package.channels, package.minimum_lesion_mm3) == ("patient", 3, 100.0)
    assert package.slices["size"] == SIZE
    assert package.temperature == 1.5
    assert package.reads_text
    assert not package.has_evidence
    assert package.detector is not None
    assert package.detector.to_json() == {
        **detector(),
        "slots": package.detector.to_json()["slots"],
    }
    assert package.training["patients"]["train"] == 9


@pytest.mark.parametrize("method", ["textbcs_plus", "textbcs", "unet"])
@pytest.mark.parametrize("zipped", [False, True])
def test_the_network_answers_as_before_it_was_packed(
    tmp_path: Path, method: str, zipped: bool
) -> None:
    path = tiny_package(tmp_path / "p", method)
    if zipped:
        path = tmp_path / "p.zip"
        write_zip(path, "some_name", sealed(*tiny_files(method)))
    package = read_package(path)
    model, table = package.network()
    text = PROMPT if package.reads_text else ""
    assert set(table.texts) >= {"", *([p.text for p in every_prompt(True)] if text else [])}
    image = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    batch = table.batch(table.rows([text, ""]))
    with torch.inference_mode():
        found, expected = model(image, batch), network_of(method)(image, batch)
    assert torch.equal(found.probability, expected.probability)
    assert found.probability.std() > 1e-3
    assert package.has_evidence == (found.evidence is not None) == (method == "textbcs")


def test_the_first_pass_is_a_network_of_its_own_or_the_same(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "p"))
    model, table = package.first_network()
    assert not model.reads_text
    assert table.dimension == DIMENSION
    alone = read_package(tiny_package(tmp_path / "u", "unet"))
    (first, _), (own, _) = alone.first_network(), alone.network()
    assert all(map(torch.equal, first.state_dict().values(), own.state_dict().values()))
    assert alone.first_point == alone.point
    assert alone.detector is None


def test_building_draws_nothing_from_the_callers_generator(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "p"))
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    package.network()
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("name", sorted(tiny_files()[1]))
def test_one_changed_byte_is_noticed(tmp_path: Path, name: str) -> None:
    path = tiny_package(tmp_path / "p") / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert f"{name} is not the file that was packed" in refused(tmp_path / "p")
    path.write_bytes(content + b"x")
    assert f"{name} is larger than it may be" in refused(tmp_path / "p")
    path.unlink()
    assert f"{name} is missing" in refused(tmp_path / "p")


def test_a_file_changed_after_reading_is_noticed_before_it_is_used(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "p"))
    content = bytearray((tmp_path / "p/model.safetensors").read_bytes())
    content[-1] ^= 1
    (tmp_path / "p/model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"model\.safetensors is not the file"):
        package.network()


def test_a_newer_format_asks_for_a_newer_textbcs(tmp_path: Path) -> None:
    path = tiny_package(tmp_path / "p") / "package.json"
    path.write_bytes(json_bytes(json.loads(path.read_text()) | {"version": 2, "new": True}))
    assert "install a newer textbcs" in refused(tmp_path / "p")


def put(*keys: str, value: Any) -> Edit:
    """Set a setting."""

    def edit(settings: dict[str, Any], _: dict[str, bytes]) -> None:
        *path, last = keys
        for key in path:
            settings = settings[key]
        settings[last] = value

    return edit


FAULTS: dict[str, tuple[Edit, str]] = {
    "unknown key": (put("code", value="import os"), "code"),
    "another network": (put("network", value={"model": "os"}), "network"),
    "path as a model": (put("network", "model", value="../evil"), "network"),
    "gigantic": (put("network", "width", value=10**9), "network.width"),
    "wide beyond what its heads share": (put("network", "heads", value=3), "heads = 3"),
    "foreign setting": (put("network", "shell", value="rm"), "network.shell"),
    "temperature": (put("temperature", value=0), "temperature"),
    "threshold": (put("point", "threshold", value=1.5), "point.threshold"),
    "size": (put("slices", "size", value=33), "slices.size"),
    "percentiles": (put("slices", "clip_percentiles", value=[99, 1]), "clip_percentiles"),
    "another grammar": (put("prompts", "vocabulary", "size", value=["huge"]), "vocabulary"),
    "no first pass": (put("first_pass", value=None), "first_pass"),
    "first pass that reads text": (
        put("first_pass", "network", value=NETWORKS["textbcs"]),
        "first_pass.network",
    ),
    "run as a path": (put("run", value="../../x"), "run"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_settings_that_no_package_has(tmp_path: Path, name: str) -> None:
    edit, told = FAULTS[name]
    assert told in refused(rewritten(tmp_path / "p", edit))


@pytest.mark.parametrize(
    "name", ["../outside", "/etc/passwd", "receipts/../../x", "a/b/c", ".hidden"]
)
def test_no_listed_name_leads_elsewhere(tmp_path: Path, name: str) -> None:
    path = tiny_package(tmp_path / "p") / "package.json"
    settings = json.loads(path.read_text())
    settings["files"][name] = {"bytes": 1, "sha256": "0" * 64}
    path.write_bytes(json_bytes(settings))
    assert "files" in refused(tmp_path / "p")


def other_weights(_: dict[str, Any], files: dict[str, bytes]) -> None:
    files["model.safetensors"] = files["first_pass.safetensors"]


def one_more(_: dict[str, Any], files: dict[str, bytes]) -> None:
    state = {name: value.numpy() for name, value in network_of("textbcs_plus").state_dict().items()}
    files["model.safetensors"] = save(state | {"extra": np.zeros(1, np.float32)})


def wrong_shape(_: dict[str, Any], files: dict[str, bytes]) -> None:
    state = {name: value.numpy() for name, value in network_of("textbcs_plus").state_dict().items()}
    files["model.safetensors"] = save(state | {"head.bias": np.zeros(2, np.float32)})


def no_numbers(_: dict[str, Any], files: dict[str, bytes]) -> None:
    state = {name: value.numpy() for name, value in network_of("textbcs_plus").state_dict().items()}
    files["model.safetensors"] = save(state | {"head.bias": np.full(1, np.nan, np.float32)})


def no_tensors(_: dict[str, Any], files: dict[str, bytes]) -> None:
    files["model.safetensors"] = b"\x80\x04\x95 a pickle"


def fewer_prompts(_: dict[str, Any], files: dict[str, bytes]) -> None:
    files["prompts.csv"] = b"row,text\n0,\n"


def no_table(_: dict[str, Any], files: dict[str, bytes]) -> None:
    files["prompts.csv"] = b"a,b\n1,2\n"


def unfit_width(settings: dict[str, Any], _: dict[str, bytes]) -> None:
    settings["network"] = settings["network"] | {"width": 4096, "heads": 4096}


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (other_weights, "a larger network than the weights"),
        (one_more, "(extra is missing or unknown)"),
        (wrong_shape, "weights of another network"),
        (no_numbers, "no numbers"),
        (no_tensors, "model.safetensors"),
        (fewer_prompts, "does not fit prompts.csv"),
        (no_table, "no table of embedded prompts"),
        (unfit_width, "a larger network than the weights"),
        (put("text_dimension", value=13), "other than 13 numbers"),
    ],
)
def test_files_that_do_not_fit_one_another(tmp_path: Path, edit: Edit, told: str) -> None:
    package = read_package(rewritten(tmp_path / "p", edit))
    with pytest.raises(InputError) as caught:
        package.network()
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": 2},
        {"slots": {"colour": {}}},
        {"slots": {"location": detector()["slots"]["location"] | {"means": [0.5]}}},
        {"slots": {"location": detector()["slots"]["location"] | {"scales": [0.0, 1.0]}}},
    ],
)
def test_a_detector_that_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    def edit(_: dict[str, Any], files: dict[str, bytes]) -> None:
        files["detector.json"] = json_bytes(detector() | change)

    assert "detector.json" in refused(rewritten(tmp_path / "p", edit))


def test_a_device_that_is_not_here(tmp_path: Path) -> None:
    package = read_package(tiny_package(tmp_path / "p"))
    with pytest.raises(InputError, match="allowed: cpu, cuda"):
        package.network("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(InputError, match="no CUDA device here; use cpu"):
            package.network("cuda")


def test_text_batches_of_a_package_are_those_of_the_contract(tmp_path: Path) -> None:
    _, table = read_package(tiny_package(tmp_path / "p")).network()
    batch = table.batch(table.rows([PROMPT]))
    assert isinstance(batch, TextBatch)
    assert batch.tokens.shape == (1, 4, DIMENSION)
    assert batch.mask.dtype == torch.bool
