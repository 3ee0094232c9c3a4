"""Results travel: what is pushed to a remote and pulled into a fresh clone is complete, without raw DICOM."""

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from checkout import Checkout, clone, copy
from own_environments import S3_DVC, S3_SERVER, programs

pytestmark = pytest.mark.dag

RAW = ("data/raw/", "data/phantom/archive/")
OUTSIDE = "data/archive/clinical.csv"
# Any account will do for moto; what the developer is logged in to stays out of the tests.
ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture(scope="module")
def pushed(tiny_origin: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A finished checkout whose results lie in a remote, a local folder. Do not change it.

    With a file from outside, as a cohort's workbook would be: nothing makes it, `dvc add` keeps it.
    """
    base = tmp_path_factory.mktemp("remote")
    checkout = copy(tiny_origin, base / "pushed")
    outside = checkout.root / OUTSIDE
    outside.parent.mkdir()
    outside.write_text("patient,manufacturer\n1,2\n")
    checkout.dvc("add", OUTSIDE)
    checkout.git("add", f"{OUTSIDE}.dvc")
    checkout.dvc("remote", "add", "-d", "storage", str(base / "storage"))
    checkout.git("commit", "-qam", "a remote")
    checkout.dvc("push", "--run-cache")
    return checkout


@pytest.fixture
def pulled(pushed: Checkout, tmp_path: Path) -> Checkout:
    """A fresh clone that has pulled."""
    other = clone(pushed, tmp_path / "pulled")
    other.dvc("pull", "--run-cache")
    return other


def versioned(checkout: Checkout) -> dict[str, str]:
    """Hashes of all outputs but raw DICOM, which DVC does not keep."""
    return {path: digest for path, digest in checkout.hashes().items() if not path.startswith(RAW)}


def audit(checkout: Checkout) -> dict[str, Any]:
    """What `textbcs audit verify` finds."""
    command = [sys.executable, "-m", "textbcs.cli", "audit", "verify", "--json"]
    done = checkout.run(*command, ok=False, PYTHONPATH=str(checkout.root / "src"))
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def assert_complete(checkout: Checkout) -> None:
    """Both engines see nothing to do, the audit nothing to say but that raw files are elsewhere."""
    assert "Nothing to be done" in checkout.snakemake("-n").stdout
    assert "up to date" in checkout.dvc("status")
    assert "Running stage" not in checkout.dvc("repro", "--dry")
    report = audit(checkout)
    assert report["findings"] == []
    assert report["receipt_cost"] is None
    assert any("data/raw are not here" in text for text in report["remarks"])
    assert not any((checkout.root / folder).exists() for folder in RAW)


def test_a_pulled_clone_is_complete_and_clean(pushed: Checkout, pulled: Checkout) -> None:
    assert versioned(pulled) == versioned(pushed)
    assert OUTSIDE in versioned(pulled)
    assert_complete(pulled)
    assert pulled.is_clean()
    assert pulled.git("status", "--short") == ""


def test_a_stage_that_needs_raw_dicom_again_gets_it(pushed: Checkout, pulled: Checkout) -> None:
    pulled.set_param("slices.negatives_per_patient", 3)
    assert pulled.ran("data/slices/test") == ["slices"]
    raw = {path: digest for path, digest in pushed.hashes().items() if path.startswith("data/raw/")}
    restored = {path: digest for path, digest in pulled.hashes().items() if path in raw}
    assert restored
    assert restored.items() <= raw.items()


def test_a_clone_without_pull_says_what_to_do(pushed: Checkout, tmp_path: Path) -> None:
    """Tables and figures came with git: the audit must not take them for a run."""
    other = clone(pushed, tmp_path / "bare")
    kinds = {one["kind"] for one in audit(other)["findings"]}
    assert kinds == {"MISSING"}


def test_a_setting_that_somebody_has_committed_needs_no_training(
    pushed: Checkout, tmp_path: Path
) -> None:
    """`pull` brings the run cache of all, but files of the present commit only; `fetch` brings the rest."""
    target = "results/runs/unet-s1"
    weights = f"{target}/model.safetensors"
    elsewhere = copy(pushed, tmp_path / "elsewhere")
    elsewhere.set_param("methods.unet.grid", [[1.0e-3, 4]])
    assert elsewhere.ran(target) == ["search@unet", "train@unet-1"]
    elsewhere.git("commit", "-qam", "another learning rate")
    elsewhere.dvc("push", "--run-cache")
    trained = elsewhere.hashes()[weights]

    other = clone(elsewhere, tmp_path / "other")
    other.git("reset", "-q", "--hard", "HEAD~")
    other.dvc("pull", "--run-cache")
    other.dvc("fetch", "--all-commits")
    assert other.hashes()[weights] != trained
    other.set_param("methods.unet.grid", [[1.0e-3, 4]])
    assert other.ran(target) == []
    assert other.hashes()[weights] == trained


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """A DVC that speaks S3, and the address of a local server with a bucket `bucket`."""
    server, dvc = programs(*S3_SERVER) / "moto_server", programs(*S3_DVC) / "dvc"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    with (tmp_path / "moto.log").open("wb") as log:
        process = subprocess.Popen(
            [server, "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
        try:
            create_bucket(address, process)
            yield str(dvc), address
        finally:
            process.terminate()
            process.wait(timeout=20)


def create_bucket(address: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Create the bucket as soon as the server answers."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(OSError):
            request = urllib.request.Request(f"{address}/bucket", method="PUT")
            assert urllib.request.urlopen(request, timeout=10).status == 200
            return
        time.sleep(0.2)
    raise AssertionError(f"no server at {address} within {seconds} s")


def test_s3(tiny: Checkout, bucket: tuple[str, str], tmp_path: Path) -> None:
    """The same against S3, with a DVC in an environment of its own that moves the files."""
    dvc, address = bucket
    tiny.dvc("remote", "add", "-d", "lab", "s3://bucket/textbcs")
    tiny.dvc("remote", "modify", "lab", "endpointurl", address)
    tiny.git("commit", "-qam", "a remote")
    tiny.run(dvc, "push", "--run-cache", **ACCOUNT)
    other = clone(tiny, tmp_path / "other")
    other.run(dvc, "pull", "--run-cache", **ACCOUNT)
    assert versioned(other) == versioned(tiny)
    assert_complete(other)
