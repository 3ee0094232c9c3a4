"""The real pipeline on the tiny preset: what the toy cannot show."""

import base64
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from checkout import SOURCE, Checkout
from ruamel.yaml import YAML

pytestmark = pytest.mark.dag

CALL = r"export TEXTBCS_JOBS=\d+; exec (\S+) workflow/run_stage\.py (\S+) (logs/\S+\.log)"
# Beside the statistics: what holds a row for each of several methods.
SUMS = (
    "results/calibration/ablation.json",
    *(f"results/uncertainty/{name}.csv" for name in ("scores", "differences", "reliability")),
)
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
        match = re.fullmatch(CALL, command)
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
    text = (SOURCE / "Snakefile").read_text()
    assert set(re.findall(r"shell:\s+(.+)", text)) == {"RUN_STAGE"}
    assert not re.search(r"^\s*(run|script|notebook|wrapper):", text, re.MULTILINE)
    assert text.count("rule:") == text.count("RUN_STAGE") - 1


def test_one_learning_rate_runs_that_method_and_what_depends_on_it(tiny: Checkout) -> None:
    tiny.set_param("methods.clip.grid", [[1.0e-3, 4]])
    before = versioned(tiny)
    ran = tiny.ran()
    # The package holds the receipt of the stage that scores all methods.
    assert [address for address in ran if "@" in address] == [
        "package@textbcs_plus-1",
        "predict@clip-1",
        "search@clip",
        "train@clip-1",
    ]
    assert {"score", "statistics", "table1", "tables", "uncertainty", "report"} <= set(ran)
    assert not {"gradcam", "trivial", "text", "slices"} & set(ran)
    changed = {path for path, digest in versioned(tiny).items() if before[path] != digest}
    assert "results/runs/clip-s1/model.safetensors" in changed
    assert not any("textbcs" in path for path in changed if path.startswith("results/runs"))
    assert tiny.is_clean()


def test_one_loss_weight_runs_one_training(tiny: Checkout) -> None:
    tiny.set_param("variants.evidence_e0.loss.lambda_evidence", 0.5)
    ran = tiny.ran()
    assert [address for address in ran if "@" in address] == [
        "package@textbcs_plus-1",
        "predict_variant@evidence_e0-1",
        "train_variant@evidence_e0-1",
    ]


def test_a_changed_metric_retrains_nothing(tiny: Checkout) -> None:
    tiny.set_param("evaluation.lesions.minimum_covered", 0.2)
    ran = tiny.ran("results/statistics/means.csv")
    assert set(ran) <= {"score", "uncertainty", "statistics"}, "a network ran"
    assert "score" in ran


def test_cores_locale_time_zone_and_hash_seed_change_no_byte(
    tiny_origin: Checkout, clones_of: Callable[[Checkout], Checkout]
) -> None:
    """Two methods and three variants again, on one core, in another environment."""
    other = clones_of(tiny_origin)
    other.git("checkout", "-q", "HEAD~")
    other.reduce()
    other.set_param("tables.variants", ["ablation_none", "ablation_svli", "dropout_unet"])
    other.snakemake(
        "--cores",
        "1",
        "results/statistics/means.csv",
        "results/gradcam",
        LC_ALL="tr_TR.UTF-8",
        TZ="Pacific/Auckland",
        PYTHONHASHSEED="7",
        OMP_NUM_THREADS="2",
    )
    whole = tiny_origin.hashes()
    # What sums up all methods differs, as do receipts of stages that see the lists of them.
    alike = {
        path: digest
        for path, digest in other.hashes().items()
        if not path.startswith(("results/statistics/", "results/receipts/", "results/runinfo/"))
        and path not in SUMS
    }
    assert len(alike) > 100
    assert {path for path, digest in alike.items() if whole[path] != digest} == set()


def test_snakemakes_own_report_holds_what_people_read(tiny: Checkout, tmp_path: Path) -> None:
    """One file, made without a network, with the page and every figure and table in it."""
    target = tmp_path / "report.html"
    nowhere = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}
    tiny.snakemake("--report", str(target), "--cores", "1", **nowhere)
    text = target.read_text(encoding="utf-8")
    reports = tiny.root / "reports"
    shown = [reports / "index.html", *(reports / "figures").glob("*.png")]
    shown += [reports / "tables" / f"{name}.csv" for name in ("table1", "table4", "claims")]
    assert len(shown) > 10
    for path in shown:
        assert base64.b64encode(path.read_bytes()).decode() in text, path
    caption = "The report in one file that needs no network"  # workflow/report/page.rst
    assert caption in text
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=[\"']?https?:", text)
