"""Two experiments that DVC itself has saved: which cells differ, and why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from fabricated import edit_yaml, run
from fabricated_lock import commit, write_lock
from fabricated_stages import Recipe

from textbcs.base import kernels
from textbcs.base.io import write_text
from textbcs.lineage.comparison.diff import diff
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import Makers, define_all

DVC = Path(sys.executable).with_name("dvc")
OTHER = {"predict@unet-1": 3}  # other maps than before, so other scores


@pytest.mark.skipif(not DVC.is_file(), reason="DVC is not installed beside this Python")
def test_two_experiments_of_dvc(
    tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("DVC_SITE_CACHE_DIR", "DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "test")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "test@example.org")
    write_text(".dvc/config", "[core]\n    analytics = false\n    check_update = false\n")
    write_text(".dvc/.gitignore", "/cache\n/tmp\n")
    commit("DVC")
    experiment("width", Recipe(weights={"train@unet-1": 1, **OTHER}), width=16)
    experiment("device", Recipe(devices={"predict@unet-1": "cuda"}, weights=OTHER))

    changes, remarks = diff("HEAD", "width")
    assert {(one.row, one.column) for one in changes} == {
        ("unet", "dice_slice_mean"),
        ("unet", "dice_patient_mean"),
    }
    assert changes[0].causes[0].stage == "train@unet-1"
    assert changes[0].causes[0].reasons == ("parameters methods.unet.width: 4 -> 16",)
    assert remarks == []
    changes, _ = diff("HEAD", "device")
    assert changes[0].causes[0].reasons == (f"device {kernels.device()} -> cuda",)
    assert diff("width", "width") == ([], [])
    assert diff("width", "device")[0] == []  # the same cells, though from other weights
    changes, _ = diff("width")
    assert changes[0].causes[0].reasons == ("parameters methods.unet.width: 16 -> 4",)


def experiment(name: str, recipe: Recipe, width: int | None = None) -> None:
    """Change, run and save; then the workspace is as before, as after `dvc exp run --temp`."""
    rerun(recipe, width)
    subprocess.run([DVC, "exp", "save", "--quiet", "--name", name], check=True)
    subprocess.run(["git", "reset", "--quiet", "--hard", "HEAD"], check=True)
    rerun(Recipe())


def rerun(recipe: Recipe, width: int | None = None) -> None:
    """Run every stage, as the engines would."""
    if width:
        edit_yaml("params.yaml", lambda params: params["methods"]["unet"].update(width=width))
    recipe.params = dict(read_yaml("params.yaml"))
    definitions = define_all(recipe.params)
    for definition in definitions.values():
        run(definition, recipe, Makers(definitions))
    write_lock()
