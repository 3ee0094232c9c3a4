"""What Snakemake and DVC cost beside the stages in a finished tree of few and of many stages, in one run.

For each preset a stand-in (engines.py): a repository with the project's working files, whose stages only
write a line into each of their files, all of them finished. Then, in turns, in CPU seconds of all processes:

- dry_run: `snakemake -n`, nothing to do;
- no_op: `snakemake --cores 1`, nothing to do;
- job: what a job costs beside its stage, by DVC and the launcher (`workflow/run_stage.py`), run again;
- run: the same in a whole run: `snakemake` made to run all stages `pretrain` again, less a no_op, per job.

    python benchmarks/tree_size.py [--presets tiny duke] [--rounds 3] [--keep FOLDER]

Ends with code 1 where a job costs 2 CPU seconds or more, or anything grows faster than the number of stages.
Writes `benchmarks/results/tree_size.json`.
"""

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engines import cost, stand_in
from pipeline import processor

from textbcs.base.io import write_json

ROOT = Path(__file__).resolve().parent.parent
FORCED = "pretrain"
MOST_OF_A_JOB = 2.0
FINISH = """
from dvc.repo import Repo, lock_repo
from dvc.stage.serialize import to_single_stage_lockfile
from patches import dump

with Repo(".") as repo, lock_repo(repo):
    stages = [stage for stage in repo.index.stages if stage.cmd]
    for stage in stages:
        stage.save()
        stage.commit()
    entries = {stage.addressing: to_single_stage_lockfile(stage) for stage in stages}
    with open("dvc.lock", "w") as file:
        dump({"schema": "2.0", "stages": entries}, file)
"""


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--presets", nargs="*", default=["tiny", "duke"])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument(
        "--keep", type=Path, help="where the trees are made, stay and are used again"
    )
    options = parser.parse_args()
    with ExitStack() as stack:
        made = options.keep or Path(stack.enter_context(TemporaryDirectory(prefix="textbcs-")))
        trees = {name: made.resolve() / name for name in options.presets}
        stages = {name: finished(tree, name) for name, tree in trees.items()}
        found = measured(trees, options.rounds)
    rows = [{"preset": name, "stages": stages[name], **found[name]} for name in trees]
    faults = complaints(rows)
    for row in rows:
        print(row)
    state = {"processor": processor(), "load_average": os.getloadavg()[0], "rounds": options.rounds}
    report = {"machine": state, "trees": rows, "faults": faults}
    write_json(ROOT / "benchmarks/results/tree_size.json", report)
    sys.exit("\n".join(faults) if faults else 0)


def finished(tree: Path, preset: str) -> int:
    """Make a finished stand-in with the parameters of a preset; returns its number of stages."""
    if (tree / "dvc.lock").is_file():
        return len(list((tree / "workflow/written").iterdir()))
    tree.mkdir(parents=True)
    count = stand_in(ROOT, tree, preset)
    for words in (tree / "workflow/written").iterdir():
        for name in words.read_text().splitlines():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(f"{words.name}\n")
    path = {**os.environ, "PYTHONPATH": f"{tree}/workflow:{tree}/src"}
    subprocess.run([sys.executable, "-c", FINISH], cwd=tree, env=path, check=True)
    subprocess.run([sys.executable, "-m", "snakemake", "--cores", "1", "-q"], cwd=tree, check=True)
    return count


def measured(trees: dict[str, Path], rounds: int) -> dict[str, dict[str, float]]:
    """The median costs in each tree, in CPU seconds."""
    found: dict[str, dict[str, list[float]]] = {name: {} for name in trees}
    for _ in range(rounds):
        for name, tree in trees.items():
            for what, seconds in one_round(tree).items():
                found[name].setdefault(what, []).append(seconds)
    return {
        name: {what: round(statistics.median(seconds), 2) for what, seconds in costs.items()}
        for name, costs in found.items()
    }


def one_round(tree: Path) -> dict[str, float]:
    """Each cost once."""
    dry = cost(("snakemake", "-n"), tree)[0]
    idle = cost(("snakemake", "--cores", "1"), tree)[0]
    jobs = sorted((tree / "results/receipts").glob(f"{FORCED}@*.json"))
    again = ("snakemake", "--cores", "1", "--until", FORCED, "--forcerun", FORCED)
    run = cost(again, tree, finished=False)[0]
    # The start has noted which stages are forced: a job by itself runs its stage again, too.
    job = cost(("run_stage", jobs[0].stem, "logs/job.log"), tree, finished=False)[0]
    return {"dry_run": dry, "no_op": idle, "job": job, "run": (run - idle) / len(jobs)}


def complaints(rows: list[dict[str, Any]]) -> list[str]:
    """What is not as it has to be."""
    few, many = rows[0], rows[-1]
    allowed = many["stages"] / few["stages"]
    grown = [
        f"{what}: {many[what]} CPU s with {many['stages']} stages, {few[what]} with {few['stages']}"
        for what in ("dry_run", "no_op", "job", "run")
        if many[what] > few[what] * allowed
    ]
    dear = [
        f"{what}: {row[what]} CPU s a job with {row['stages']} stages"
        for row in rows
        for what in ("job", "run")
        if row[what] >= MOST_OF_A_JOB
    ]
    return grown + dear


if __name__ == "__main__":
    main()
