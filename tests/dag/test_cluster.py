"""profiles/slurm: every rule resolves. Nothing is submitted."""

import importlib.util
from pathlib import Path

import pytest
from checkout import SOURCE, Checkout
from ruamel.yaml import YAML

pytestmark = pytest.mark.dag

HAS_PLUGIN = importlib.util.find_spec("snakemake_executor_plugin_slurm") is not None


def profile(name: str) -> dict[str, object]:
    settings = YAML(typ="safe").load(SOURCE / "profiles" / name / "config.yaml")
    assert isinstance(settings, dict)
    return settings


def test_the_cluster_keeps_the_settings_that_dvc_needs() -> None:
    """A profile given by name replaces the default one, so it has to repeat them."""
    default, slurm = profile("default"), profile("slurm")
    for key in ("rerun-triggers", "rerun-incomplete", "nolock", "keep-going"):
        assert slurm[key] == default[key]


def dry_run(checkout: Checkout, *arguments: str) -> None:
    output = checkout.snakemake(
        "-n", "--forceall", "--workflow-profile", "profiles/slurm", *arguments
    ).stdout
    for rule in ("phantom", "cohort", "slices", "train", "predict", "table1"):
        assert f"\n{rule} " in output, rule


def test_dry_run_on_another_executor(toy: Checkout) -> None:
    """All of the profile's keys but the plugin's own are right."""
    path = Path(toy.root / "profiles/slurm/config.yaml")
    path.write_text(path.read_text().replace("executor: slurm", "executor: local\ncores: 1"))
    dry_run(toy)


@pytest.mark.skipif(not HAS_PLUGIN, reason="needs the extra: pip install textbcs[slurm]")
def test_dry_run_on_slurm(toy: Checkout) -> None:
    dry_run(toy)
