"""The real pipeline on the tiny preset: what the toy cannot show."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import SOURCE, Checkout
from ruamel.yaml import YAML

pytestmark = pytest.mark.dag

RAW = ("data/raw/", "data/phantom/archive/")


def versioned(checkout: Checkout) -> dict[str, str]:
    """Hashes of all outputs but raw DICOM, which DVC does not keep."""
    return {path: digest for path, digest in checkout.hashes().items() if not path.startswith(RAW)}


def locked_stages(checkout: Checkout) -> dict[str, dict[str, list[dict[str, str]]]]:
    """The stages as DVC wrote them down."""
    stages = YAML(typ="safe").load(checkout.root / "dvc.lock")["stages"]
    assert isinstance(stages, dict)
    return stages


def test_every_stage_ran_once_and_nothing_is_left_to_do(tiny: Checkout) -> None:
    logs = re.findall(r"Running stage '([^']+)'", tiny.logs())
    assert sorted(logs) == sorted(locked_stages(tiny))
    assert tiny.is_clean()


def test_each_dvc_stage_is_exactly_one_job_with_the_same_outs(tiny: Checkout) -> None:
    """DVC's lock file against Snakemake's own table of jobs."""
    rows = [line.split("\t") for line in tiny.snakemake("--detailed-summary").stdout.splitlines()]
    column = {name: number for number, name in enumerate(rows[0])}
    jobs: dict[str, set[str]] = {}
    for row in rows[1:]:
        command = row[column["shellcmd"]]
        match = re.fullmatch(r"exec (\S+) workflow/run_stage\.py (\S+) (logs/\S+\.log)", command)
        assert match, f"more than the call of one stage: {command}"
        jobs.setdefault(match[2], set()).add(row[column["output_file"]])
    outs = {
        address: {out["path"] for out in stage["outs"]}
        for address, stage in locked_stages(tiny).items()
    }
    assert jobs == outs


def test_a_folder_is_an_out_without_suffix(tiny: Checkout) -> None:
    """Rules tell folders from files by that: see `stages.file`."""
    for stage in locked_stages(tiny).values():
        for out in stage["outs"]:
            assert out["md5"].endswith(".dir") == (Path(out["path"]).suffix == ""), out["path"]


def test_rules_add_no_command() -> None:
    """Every rule's shell is the one line of the Snakefile."""
    files = [SOURCE / "Snakefile", *sorted((SOURCE / "workflow/rules").glob("*.smk"))]
    text = "\n".join(path.read_text() for path in files)
    assert set(re.findall(r"shell:\s+(.+)", text)) == {"RUN_STAGE"}
    assert not re.search(r"^\s*(run|script|notebook|wrapper):", text, re.MULTILINE)
    assert text.count("rule:") == text.count("RUN_STAGE") - 1


def test_one_learning_rate_runs_that_method_and_what_depends_on_it(tiny: Checkout) -> None:
    tiny.set_param("methods.unet.training", {"learning_rate": 1.0e-3})
    before = versioned(tiny)
    assert tiny.ran() == ["evaluate@unet-1", "report", "table1", "train@unet-1"]
    changed = {path for path, digest in versioned(tiny).items() if before[path] != digest}
    assert "results/runs/unet-s1/model.safetensors" in changed
    assert not any("textbcs" in path for path in changed)
    assert tiny.is_clean()


def test_pull_then_restore_raw_dicom(
    tiny: Checkout, clones_of: Callable[[Checkout], Checkout], tmp_path: Path
) -> None:
    """A pulled clone has nothing to do; a stage that needs raw DICOM again gets it by itself."""
    tiny.dvc("remote", "add", "-d", "storage", str(tmp_path / "remote"))
    tiny.git("commit", "-qam", "remote")
    tiny.dvc("push", "--run-cache")
    other = clones_of(tiny)
    other.dvc("pull", "--run-cache")
    assert versioned(other) == versioned(tiny)
    assert other.is_clean()
    assert not (other.root / "data/raw").exists()

    other.set_param("slices.negatives_per_patient", 3)
    assert other.ran("data/slices/test") == ["slices"]
    raw = {path: digest for path, digest in tiny.hashes().items() if path.startswith("data/raw/")}
    restored = {path: digest for path, digest in other.hashes().items() if path in raw}
    assert restored
    assert restored.items() <= raw.items()


def test_cores_locale_time_zone_and_hash_seed_change_no_byte(
    tiny_origin: Checkout, clones_of: Callable[[Checkout], Checkout]
) -> None:
    other = clones_of(tiny_origin)
    other.git("checkout", "-q", "HEAD~")
    other.snakemake(
        "--cores",
        "1",
        LC_ALL="tr_TR.UTF-8",
        TZ="Pacific/Auckland",
        PYTHONHASHSEED="7",
        OMP_NUM_THREADS="2",
    )
    assert other.hashes() == tiny_origin.hashes()
