"""A clone of HEAD with other parameters, run up to some files."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def clone_of_head(clone: Path, cache: Path | None = None) -> None:
    """Clone HEAD; an existing clone stays as it is.

    Args:
        clone: the folder.
        cache: of a finished run, whose results are taken where nothing changed.
    """
    if not (clone / ".git").exists():
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    if cache:
        command = ["dvc", "cache", "dir", "--local", str(cache.resolve())]
        subprocess.run([sys.executable, "-m", *command], cwd=clone, check=True)


def change_parameters(clone: Path, changes: Mapping[str, Any]) -> None:
    """Merge values into the clone's params.yaml, sections into sections."""
    yaml, path = YAML(), clone / "params.yaml"
    params = yaml.load(path)
    merge(params, changes)
    yaml.dump(params, path)


def merge(values: Any, changes: Mapping[str, Any]) -> None:
    """Put changes into a mapping; what is a mapping in both is merged."""
    for key, value in changes.items():
        if isinstance(value, Mapping) and isinstance(values.get(key), Mapping):
            merge(values[key], value)
        else:
            values[key] = value


def run_targets(clone: Path, targets: Sequence[str], cores: str) -> None:
    """Make some files of the clone with the clone's own code; exit with Snakemake's words if it fails."""
    command = [sys.executable, "-m", "snakemake", "--cores", cores, *targets]
    # The environment may hold another checkout's package; the clone's own code is what runs.
    own = {**os.environ, "PYTHONPATH": str(clone / "src"), "TEXTBCS_TRACKING": "off"}
    done = subprocess.run(command, cwd=clone, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
