"""profiles/slurm: every rule resolves. Nothing is submitted."""

import argparse
import sys

import pytest
from checkout import SOURCE, Checkout
from ruamel.yaml import YAML

pytestmark = pytest.mark.dag


def profile(name: str) -> dict[str, object]:
    settings = YAML(typ="safe").load(SOURCE / "profiles" / name / "config.yaml")
    assert isinstance(settings, dict)
    return settings


def test_the_cluster_keeps_the_settings_that_dvc_needs() -> None:
    """A profile given by name replaces the default one, so it has to repeat them."""
    default, slurm = profile("default"), profile("slurm")
    for key in ("rerun-triggers", "rerun-incomplete", "nolock", "keep-going"):
        assert slurm[key] == default[key]


def test_dry_run(toy: Checkout) -> None:
    """Every rule resolves, and says by what it runs; nothing is submitted."""
    profile = toy.root / "profiles/slurm"
    (profile / "lab.yaml").write_text((profile / "lab.example.yaml").read_text())
    asked = ("-n", "-p", "--forceall", "--workflow-profile", "profiles/slurm")
    output = toy.snakemake(*asked).stdout
    for kind, address in (
        ("patients", "slices"),
        ("training", "train@unet-1"),
    ):
        assert f" workflow/slurm/submit_stage.py {kind} 0 {address} " in output
    for address in ("cohort", "table1", "predict@unet-1"):  # the toy's predict runs no network
        assert f" workflow/run_stage.py {address} " in output
    assert "submit_stage.py" not in toy.snakemake("-n", "-p", "--forceall").stdout


def test_the_plugin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(SOURCE)
    said = engine_error("slurm")
    assert "without a plugin" in said


def engine_error(executor: str) -> str:
    """What the check of Snakemake's options says of an executor."""
    sys.path.insert(0, str(SOURCE / "workflow"))
    import engine_options

    with pytest.raises(engine_options.InputError) as caught:
        engine_options.check_options(argparse.Namespace(executor=executor))
    return str(caught.value)
