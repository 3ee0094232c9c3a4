"""workflow/stage: which interpreter and which settings a stage gets, whoever starts it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, os, sys
keys = ("OMP_NUM_THREADS", "MKL_CBWR", "PYTHONHASHSEED", "LC_ALL", "TZ")
print(json.dumps({"python": sys.executable, "argv": sys.argv[1:], **{k: os.environ[k] for k in keys}}))
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with the real launcher and a package that says how it was started."""
    package = tmp_path / "src/textbcs"
    own = ("stage/__init__.py", "stage/shadows.py")  # which the package asks first
    for name in ("__init__.py", "base/__init__.py", "base/kernels.py", *own):  # which bind kernels
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(f"src/textbcs/{name}", package / name)
    (package / "stages").mkdir()
    (package / "stages/__init__.py").touch()
    (package / "stages/__main__.py").write_text(PROBE)
    (tmp_path / "workflow").mkdir()
    for name in ("stage", "own_code.py"):
        shutil.copy(f"workflow/{name}", tmp_path / "workflow" / name)
    return tmp_path


def said(checkout: Path, *command: str, **environment: str) -> dict[str, object]:
    found = subprocess.run(
        command,
        cwd=checkout,
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    answer: dict[str, object] = json.loads(found.stdout)
    return answer


def as_dvc_does(checkout: Path) -> tuple[str, ...]:
    """A Python process that starts the launcher through a shell, as DVC starts a command."""
    code = f"import subprocess; subprocess.run('exec {checkout}/workflow/stage train unet 1', shell=True)"
    return sys.executable, "-c", code


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc on this system")
def test_under_plain_dvc_it_is_the_interpreter_that_runs_dvc(checkout: Path) -> None:
    answer = said(checkout, *as_dvc_does(checkout))
    assert answer["python"] == sys.executable
    assert answer["argv"] == ["train", "unet", "1"]


def test_under_snakemake_it_is_the_named_one(checkout: Path) -> None:
    other = checkout / "other-python"
    other.symlink_to(sys.executable)
    answer = said(checkout, "workflow/stage", "split", TEXTBCS_PYTHON=str(other))
    assert answer["python"] == str(other)


@pytest.mark.parametrize("place", ["environment", "checkout"])
def test_by_hand_it_is_the_activated_or_the_checkouts_own(checkout: Path, place: str) -> None:
    folder = checkout / (".venv" if place == "checkout" else "elsewhere")
    (folder / "bin").mkdir(parents=True)
    (folder / "bin/python").symlink_to(sys.executable)
    active = {"VIRTUAL_ENV": str(folder)} if place == "environment" else {}
    answer = said(checkout, "/bin/sh", "-c", "workflow/stage split; true", **active)
    assert answer["python"] == str(folder / "bin/python")


def test_the_users_environment_changes_nothing(checkout: Path) -> None:
    loud = {
        "OMP_NUM_THREADS": "8",
        "MKL_CBWR": "AUTO",
        "PYTHONHASHSEED": "7",
        "LC_ALL": "tr_TR.UTF-8",
        "TZ": "Asia/Tokyo",
    }
    quiet = said(checkout, *as_dvc_does(checkout))
    assert said(checkout, *as_dvc_does(checkout), **loud) == quiet
    assert (quiet["OMP_NUM_THREADS"], quiet["PYTHONHASHSEED"]) == ("1", "0")
