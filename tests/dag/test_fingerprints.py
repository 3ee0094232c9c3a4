"""The bytes of the tiny pipeline, held against those of the machine where they were written down.

`tests/fingerprints.json` has the sha256 of every array, row and table, by stage, and the CPUs on which
they were seen. On a CPU of that list another byte is a fault. On a new one it is said loudly and passes:
whoever sees it reports the CPU and the stage. A change that means to move numbers renews the file in a
commit of its own, with the reason:

    TEXTBCS_FINGERPRINTS=renew pytest tests/dag/test_fingerprints.py

On a new CPU with the same bytes that command adds the CPU to the list.
"""

import os
import platform
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from checkout import SOURCE, Checkout
from wheel import install_wheel

from textbcs.base import io, kernels
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import define_all, read_stages

pytestmark = pytest.mark.dag

FILE = SOURCE / "tests/fingerprints.json"
# Weights, arrays, rows and tables. Not receipts, packages, which hold some, pages and tables as they are
# printed: there are the hashes of the code, or words.
KINDS = (".safetensors", ".csv", ".json", ".gz")
LEFT_OUT = ("results/receipts/", "results/packages/", "results/runinfo/", "results/tables/")


def cpu() -> str:
    """Vendor, family, model, stepping and name: what libraries choose their kernels by, and people read."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.machine()
    found = dict(line.split(":", 1) for line in reversed(lines) if ":" in line)
    facts = {name.strip(): value.strip() for name, value in found.items()}
    parts = [facts.get(name, "?") for name in ("vendor_id", "cpu family", "model", "stepping")]
    return f"{' '.join(parts)} {facts.get('model name', '?')}"


def files_of(checkout: Checkout) -> dict[str, dict[str, str]]:
    """The sha256 of each stage's files, the stages in the pipeline's order."""
    hashes = checkout.hashes()
    stages: dict[str, dict[str, str]] = {}
    params, pipeline = read_yaml(checkout.root / "params.yaml"), str(checkout.root / "dvc.yaml")
    for definition in define_all(params, read_stages(pipeline)).values():
        for path, digest in sorted(hashes.items()):
            kept = path.endswith(KINDS) and not path.startswith(LEFT_OUT)
            if kept and definition.may_write(path):
                stages.setdefault(definition.address, {})[path] = digest
    return stages


def difference(expected: dict[str, Any], found: dict[str, Any]) -> str:
    """The first stage with other bytes and how many have some; "" where all are equal."""
    order = [*found, *(stage for stage in expected if stage not in found)]
    changed = [stage for stage in order if expected.get(stage) != found.get(stage)]
    if not changed:
        return ""
    first = changed[0]
    before, after = expected.get(first, {}), found.get(first, {})
    paths = sorted(p for p in {**before, **after} if before.get(p) != after.get(p))
    return (
        f"the first stage with other bytes is {first} ({', '.join(paths[:3])}); "
        f"{len(changed)} of {len(order)} stages differ"
    )


def test_the_tiny_pipeline_gives_the_bytes_that_were_written_down(tiny_origin: Checkout) -> None:
    found = files_of(tiny_origin)
    assert len(found) > 30
    build = f"torch {torch.__version__}, {kernels.label()}"
    nothing: dict[str, Any] = {"build": build, "cpus": [], "stages": {}}
    recorded = io.read_json(FILE) if FILE.is_file() else nothing
    differs = difference(recorded["stages"], found)
    if os.environ.get("TEXTBCS_FINGERPRINTS") == "renew":
        seen = [] if differs else recorded["cpus"]
        facts = {"build": build, "cpus": sorted({*seen, cpu()}), "stages": found}
        io.write_json(FILE, facts)
        pytest.skip(f"{FILE} was renewed")
    if not differs:
        return
    if cpu() in recorded["cpus"] and recorded["build"] == build:
        pytest.fail(f"{differs}; was a change meant to move numbers? This file says how to renew")
    warnings.warn(
        f"OTHER BYTES ON A NEW MACHINE ({cpu()}; {build}): {differs}. Please report this line",
        stacklevel=1,
    )


def test_the_first_stage_that_differs_is_named() -> None:
    before = {"text": {"a": "1"}, "train@unet-1": {"w": "1", "h": "2"}, "table1": {"t": "1"}}
    after = {"text": {"a": "1"}, "train@unet-1": {"w": "9", "h": "2"}, "table1": {"t": "9"}}
    assert difference(before, before) == ""
    assert difference(before, after) == (
        "the first stage with other bytes is train@unet-1 (w); 2 of 3 stages differ"
    )
    gone = {stage: files for stage, files in before.items() if stage != "table1"}
    assert "table1 (t); 1 of 3" in difference(before, gone)


def test_a_working_copy_that_the_wheel_makes_ends_with_the_same_bytes(
    tiny_origin: Checkout, tmp_path: Path
) -> None:
    site = str(install_wheel(tmp_path / "wheel"))
    textbcs = (sys.executable, "-m", "textbcs.cli")
    Checkout(tmp_path, tiny_origin.home).run(*textbcs, "init", "demo", PYTHONPATH=site)
    demo = Checkout(tmp_path / "demo", tiny_origin.home)
    demo.run(*textbcs, "use", "tiny", PYTHONPATH=site)
    demo.snakemake("--cores", "2", PYTHONPATH=site)
    assert len(demo.hashes()) > len(files_of(tiny_origin))
    assert demo.hashes() == tiny_origin.hashes()
    said = demo.run(*textbcs, "audit", "verify", PYTHONPATH=site).stdout
    assert "\nclean by hashes: " in said
