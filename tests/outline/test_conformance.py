"""SEG objects and reports under the tools of others: dciodvfy (dicom3tools) and dcmtk.

`.ci/run` installs both; without them these tests are skipped.
"""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from oriented_series import AXIAL, GE, SIEMENS, Made, made, made_enhanced

from textbcs.outline.segment_description import Algorithm
from textbcs.outline.segmentation_object import fractional_segmentation, segmentation
from textbcs.outline.source_study import encoded, read_sources
from textbcs.outline.structured_report import LesionMeasurements, structured_report

ABOUT = Algorithm("textbcs_plus", "0.1.0", "5e" * 32, "Herd links, größer; number two", "report")
KINDS = ("binary", "fractional", "empty", "report", "empty_report")
# Errors of dciodvfy that are none, as (pattern, why by the standard). So far there are none.
ALLOWED: tuple[tuple[str, str], ...] = ()


def needs(program: str, package: str) -> pytest.MarkDecorator:
    reason = f"no {program}: apt-get install {package}"
    return pytest.mark.skipif(shutil.which(program) is None, reason=reason)


needs_dciodvfy = needs("dciodvfy", "dicom3tools")
needs_dcmtk = needs("dcm2json", "dcmtk")


@pytest.fixture(scope="module", params=["siemens", "ge_oblique", "enhanced"])
def objects(request, tmp_path_factory) -> dict[str, Path]:
    """One file of each kind."""
    folder = tmp_path_factory.mktemp("objects")
    if request.param == "enhanced":
        return written(folder, made_enhanced(folder / "images", falling=False))
    return written(folder, made(folder / "images", AXIAL[request.param], (5, 9, 7)))


def written(folder: Path, series: Made) -> dict[str, Path]:
    sources, grid = read_sources(series.grid), series.grid
    probability = np.where(series.mask, 0.9, 0.1).astype("f4")
    binary = segmentation(sources, series.mask, grid, ABOUT, "both")
    empty = segmentation(sources, series.mask & False, grid, replace(ABOUT, prompt=""))
    measured = LesionMeasurements(1.25, 21.5, 18.25, "both")
    found = {
        "binary": binary,
        "fractional": fractional_segmentation(sources, probability, grid, ABOUT),
        "empty": empty,
        "report": structured_report(sources, binary, measured, ABOUT),
        "empty_report": structured_report(
            sources, empty, LesionMeasurements(0, None, None), replace(ABOUT, prompt="")
        ),
    }
    paths = {kind: folder / f"{kind}.dcm" for kind in KINDS}
    for kind, path in paths.items():
        path.write_bytes(encoded(found[kind]))
    return paths


def said(*command: str) -> tuple[int, str]:
    """Exit code and everything that a program said."""
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    ended = subprocess.run(command, capture_output=True, env=environment, timeout=60)
    return ended.returncode, (ended.stdout + ended.stderr).decode("utf-8", "replace")


def errors(path: Path) -> list[str]:
    """What dciodvfy calls an error, but for what is allowed."""
    _, text = said("dciodvfy", str(path))
    lines = [line for line in text.splitlines() if line.startswith("Error")]
    return [one for one in lines if not any(re.search(pattern, one) for pattern, _ in ALLOWED)]


@needs_dciodvfy
@pytest.mark.parametrize("kind", KINDS)
def test_dciodvfy_finds_no_error(objects, kind) -> None:
    assert errors(objects[kind]) == []
    _, text = said("dciodvfy", str(objects[kind]))
    # Elements that the object's definition does not have would be private additions to it.
    assert "not present in standard DICOM IOD" not in text
    named = "EnhancedSR" if "report" in kind else "Segmentation"
    assert named in text.splitlines(), text


def without_a_type_of_algorithm(dataset: pydicom.Dataset) -> None:
    del dataset.SegmentSequence[0].SegmentAlgorithmType


def without_a_number_of_the_segment(dataset: pydicom.Dataset) -> None:
    del dataset.PerFrameFunctionalGroupsSequence[0].SegmentIdentificationSequence


def with_an_unknown_kind(dataset: pydicom.Dataset) -> None:
    dataset.SegmentationType = "VAGUE"


def with_a_text_that_is_too_long(dataset: pydicom.Dataset) -> None:
    dataset.ContentDescription = "x" * 65


def with_an_element_of_another_object(dataset: pydicom.Dataset) -> None:
    dataset.EchoTime = "2"


@needs_dciodvfy
@pytest.mark.filterwarnings("ignore:.*maximum length:UserWarning")
@pytest.mark.parametrize(
    "damage",
    [
        without_a_type_of_algorithm,
        without_a_number_of_the_segment,
        with_an_unknown_kind,
        with_a_text_that_is_too_long,
    ],
)
def test_dciodvfy_sees_a_damaged_object(tmp_path, damage) -> None:
    path = written(tmp_path, made(tmp_path / "images", SIEMENS))["binary"]
    found = pydicom.dcmread(path)
    damage(found)
    found.save_as(path)
    assert errors(path) != []


@needs_dciodvfy
def test_dciodvfy_sees_an_element_too_many(tmp_path) -> None:
    path = written(tmp_path, made(tmp_path / "images", SIEMENS))["binary"]
    found = pydicom.dcmread(path)
    with_an_element_of_another_object(found)
    found.save_as(path)
    assert "not present in standard DICOM IOD" in said("dciodvfy", str(path))[1]


@needs_dcmtk
@pytest.mark.parametrize("kind", KINDS)
def test_dcmtk_reads_them(objects, kind) -> None:
    """dcmdump without a word of complaint, and dcm2json with the values that were written."""
    code, text = said("dcmdump", "--verbose", str(objects[kind]))
    complaints = [line for line in text.splitlines() if line.startswith(("E:", "W:", "F:"))]
    assert (code, complaints) == (0, [])
    code, text = said("dcm2json", str(objects[kind]))
    assert code == 0
    stated = json.loads(text)
    found = pydicom.dcmread(objects[kind])
    assert stated["00080018"]["Value"] == [found.SOPInstanceUID]
    assert stated["00080005"]["Value"] == ["ISO_IR 192"]
    if "report" in kind:
        return
    assert len(stated["52009230"]["Value"]) == found.NumberOfFrames
    (segment,) = stated["00620002"]["Value"]
    prompt = "no prompt" if kind == "empty" else "prompt (report): Herd links, größer; number two"
    assert segment["00620006"]["Value"] == [f"{prompt}; package {'5e' * 32}"]


@needs_dcmtk
@pytest.mark.parametrize("kind", ["report", "empty_report"])
def test_dcmtk_renders_the_report(objects, kind) -> None:
    """dsrdump checks the tree against the rules of an Enhanced SR."""
    code, text = said("dsrdump", "--quiet", str(objects[kind]))
    assert code == 0, text
    assert ('"1.25" (ml' in text) == (kind == "report")
    code, _ = said("dsrdump", "--quiet", str(objects["binary"]))
    assert code != 0


@needs_dcmtk
def test_dcmtk_sees_a_cut_file(tmp_path) -> None:
    path = written(tmp_path, made(tmp_path / "images", GE))["binary"]
    path.write_bytes(path.read_bytes()[:-20])
    code, text = said("dcmdump", str(path))
    assert code != 0, text
