"""What a kill can leave torn inside .dvc and dvc.lock is healed by the next run, in one line each."""

import json
import os

import pytest
from checkout import Checkout

pytestmark = pytest.mark.dag


@pytest.mark.parametrize(
    "content", ["", '{"write": {"/tmp/x": {"pid": 1'], ids=["empty", "truncated"]
)
def test_torn_rwlock(toy: Checkout, content: str) -> None:
    rwlock = toy.root / ".dvc/tmp/rwlock"
    rwlock.write_text(content)
    assert toy.dvc_is_stuck(), "this state is no longer a fault in DVC"
    assert "removed a torn .dvc/tmp/rwlock" in toy.snakemake().stderr
    assert toy.is_clean()


def test_reused_process_id_in_rwlock(toy: Checkout) -> None:
    """The number belongs to a living process that is no DVC: this test."""
    entry = {"pid": os.getpid(), "cmd": "dvc repro"}
    model = str(toy.root / "results/runs/unet-s1/model.safetensors")
    (toy.root / ".dvc/tmp/rwlock").write_text(json.dumps({"write": {model: entry}, "read": {}}))
    assert toy.dvc_is_stuck(), "this state is no longer a fault in DVC"
    assert "traces of killed DVC commands" in toy.snakemake().stderr
    assert toy.is_clean()


@pytest.mark.parametrize("share", [0.0, 0.5], ids=["empty", "half"])
def test_torn_dvc_lock_comes_back_from_the_last_good_copy(toy: Checkout, share: float) -> None:
    toy.snakemake()  # keeps the copy
    lockfile = toy.root / "dvc.lock"
    whole = lockfile.read_bytes()
    lockfile.write_bytes(whole[: int(len(whole) * share)] + b"  torn: {"[: int(20 * share)])
    assert toy.dvc_is_stuck(), "this state is no longer a fault in DVC"
    assert "restored a torn dvc.lock from the last good copy" in toy.snakemake().stderr
    assert lockfile.read_bytes() == whole
    assert toy.is_clean()


def test_torn_dvc_lock_without_any_copy_loses_no_work(toy: Checkout, toy_origin: Checkout) -> None:
    toy.git("checkout", "-q", "HEAD~")  # the commit before the first run
    (toy.root / ".snakemake/textbcs/dvc.lock.good").unlink(missing_ok=True)
    (toy.root / "dvc.lock").write_text("")
    # The run cache brings back every stage but those whose outs git keeps instead of the cache.
    assert toy.ran() == ["table1"]
    assert toy.hashes() == toy_origin.hashes()
