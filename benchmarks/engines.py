"""What the engines cost beside the stages, in checkouts that take turns on one machine.

Each checkout gets a stand-in: a repository with its working files, whose stages only write a line into each
of their files. A whole run there costs what Snakemake, DVC and the launcher cost (hashing large files, which
DVC does as well, is not in it). Then, in turns, what both cost where there is nothing to do:
`snakemake --cores 2`, `snakemake -n` and `dvc status`, the median of several. With `--finished` the same in
the checkouts themselves, in which both engines must have nothing to do.

    python benchmarks/engines.py BEFORE AFTER [--rounds 5] [--finished]

Prints one line of JSON for each checkout, and writes nothing.
"""

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from textbcs.base.io import canonical_json
from textbcs.settings.presets import preset_text

# A stage that takes no time: the files that it has to write stand in a file named after its arguments.
LAUNCHER = """#!/bin/sh
while read -r name; do mkdir -p "${name%/*}"; echo "$*" > "$name"; done < "workflow/written/$*"
"""
IDLE = {
    "snakemake": ("snakemake", "--cores", "2"),
    "dry_run": ("snakemake", "-n"),
    "status": ("dvc", "status"),
}
DONE = re.compile("Nothing to be done|up to date")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("checkouts", nargs="+", type=Path, metavar="CHECKOUT")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured idle")
    parser.add_argument("--finished", action="store_true", help="measure the checkouts idle, too")
    options = parser.parse_args()
    checkouts = [path.resolve() for path in options.checkouts]
    with ExitStack() as stack:
        copies = [
            Path(stack.enter_context(TemporaryDirectory(prefix="textbcs-"))) for _ in checkouts
        ]
        rows = [whole_run(*pair) for pair in zip(checkouts, copies, strict=True)]
        for row, costs in zip(rows, idle(copies, options.rounds), strict=True):
            row["idle"] = costs
    if options.finished:
        for row, costs in zip(rows, idle(checkouts, options.rounds), strict=True):
            row["idle_finished"] = costs
    for row in rows:
        print(canonical_json(row))


def whole_run(checkout: Path, copy: Path) -> dict[str, object]:
    """Make the stand-in of a checkout; what its whole run costs, in seconds."""
    jobs = stand_in(checkout, copy)
    cpu, wall = cost(IDLE["snakemake"], copy, finished=False)
    return {
        "checkout": str(checkout),
        "jobs": jobs,
        "lock_lines": (copy / "dvc.lock").read_text().count("\n"),
        "cpu_s": round(cpu, 1),
        "wall_s": round(wall, 1),
        "cpu_s_per_job": round(cpu / jobs, 2),
    }


def idle(folders: list[Path], rounds: int) -> list[dict[str, float]]:
    """CPU and wall seconds of each command where there is nothing to do, for each folder."""
    found: list[dict[str, list[float]]] = [{} for _ in folders]
    for turn in range(rounds + 1):
        for name, command in IDLE.items():
            for folder, costs in zip(folders, found, strict=True):
                cpu, wall = cost(command, folder)
                if turn:  # the first warms up the disk's cache
                    costs.setdefault(f"{name}_cpu_s", []).append(cpu)
                    costs.setdefault(f"{name}_wall_s", []).append(wall)
    return [{name: round(statistics.median(v), 2) for name, v in costs.items()} for costs in found]


def cost(command: tuple[str, ...], folder: Path, finished: bool = True) -> tuple[float, float]:
    """CPU seconds of a command with its child processes, and wall seconds.

    Args:
        finished: whether it must find nothing to do.
    """
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={
            **os.environ,
            "PYTHONPATH": f"{folder}/src:{folder}/workflow",
            "TEXTBCS_TRACKING": "off",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = done.stdout + done.stderr
    if done.returncode or (finished and not DONE.search(told)):
        sys.exit(
            f"error: {folder}: {' '.join(command)}: not finished, or it fails:\n{told[-2000:]}"
        )
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def stand_in(checkout: Path, copy: Path, preset: str = "") -> int:
    """Make a repository with the working files of a checkout and other stages; returns how many.

    Args:
        preset: whose parameters it has; "" for those of the checkout.
    """
    listing = ["git", "ls-files", "-co", "--exclude-standard", "-z"]
    names = subprocess.run(listing, cwd=checkout, capture_output=True, text=True, check=True)
    for name in filter(None, names.stdout.split("\0")):
        if (checkout / name).is_file() and name != "dvc.lock":
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((checkout / name).read_bytes())
    if preset:
        (copy / "params.yaml").write_text(preset_text(preset, copy / "presets"))
    subprocess.run(["git", "init", "-q"], cwd=copy, check=True)
    launcher = copy / "workflow/stage"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)
    written = files_of_stages(copy)
    for words, files in written.items():
        path = copy / "workflow/written" / words
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(f"{file}\n" for file in files))
    return len(written)


def files_of_stages(copy: Path) -> Mapping[str, list[str]]:
    """The files that each stage has to write, by the words behind `workflow/stage`.

    A folder gets the files that other stages read in it. What is read and no stage makes is put there.
    """
    from dvc.repo import Repo

    with Repo(str(copy)) as repo:
        stages = [stage for stage in repo.index.stages if stage.cmd]
        outs = {stage.cmd.split("workflow/stage ")[1]: _paths(stage.outs) for stage in stages}
        read = sorted({path for stage in stages for path in _paths(stage.deps)})
    made = [out for names in outs.values() for out in names]
    for path in read:
        if not (copy / path).exists() and not any(_touch(path, out) for out in made):
            place = copy / _file(path)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
    return {
        words: [f for out in names for f in _inside(out, read)] for words, names in outs.items()
    }


def _paths(entries: list[object]) -> list[str]:
    from dvc.dependency import ParamsDependency

    return [str(one.def_path) for one in entries if not isinstance(one, ParamsDependency)]  # type: ignore[attr-defined]


def _touch(path: str, out: str) -> bool:
    """Whether a path is an out, lies in one, or holds one."""
    return f"{path}/".startswith(f"{out}/") or out.startswith(f"{path}/")


def _inside(out: str, read: list[str]) -> list[str]:
    """The files of an out: itself, or those of its files that are read, or one."""
    if PurePosixPath(out).suffix:
        return [out]
    return [_file(path) for path in read if path.startswith(f"{out}/")] or [_file(out)]


def _file(path: str) -> str:
    """A file, or one in a folder: by convention a path without a suffix is a folder."""
    return path if PurePosixPath(path).suffix else f"{path}/content.txt"


if __name__ == "__main__":
    main()
