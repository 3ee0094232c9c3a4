"""What a job of Slurm costs beyond its stage: a run on this machine and one over Slurm, one after the other.

Starts a Slurm of two nodes on loopback (slurm-wlm and munge, as root), copies a finished checkout twice,
and runs the same stages again in both: all of them, or those of the named outs, one after the other.

    python benchmarks/slurm.py FINISHED [--outs results/runs/unet-s1 ...] [--cores 2]

Writes benchmarks/results/slurm.json: seconds of both runs and their ratio, CPU seconds of a job beyond its
stage (median and most), seconds between the start of a job's stage and the last end of a stage before it
(median), whether the bytes are the same. The node has as many CPUs as the run on this machine has cores.
"""

import argparse
import bisect
import json
import re
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/helpers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/helpers/cluster"))

from checkout import BIN, Checkout, copy
from slurm_cluster import SlurmCluster, why_not

from textbcs.base.io import write_json

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("finished", type=Path)
    parser.add_argument("--outs", nargs="+", default=[])
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    if why_not():
        sys.exit(f"error: {why_not()}")
    if not (arguments.finished / "dvc.lock").is_file():
        parser.error(f"{arguments.finished}: no finished checkout (there is no dvc.lock)")
    runs = [[out, "--force"] for out in arguments.outs] or [["--forceall"]]
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "slurm").mkdir()
        (folder / "home").mkdir()
        origin = Checkout(arguments.finished.resolve(), folder / "home")
        local, remote = copy(origin, folder / "local"), copy(origin, folder / "remote")
        seconds = {"local": sum(timed(local, "--cores", arguments.cores, *one) for one in runs)}
        with SlurmCluster(folder / "slurm", int(arguments.cores)).running() as cluster:
            profile = remote.root / "profiles/slurm"
            text = (
                (profile / "lab.example.yaml").read_text().replace("training: 720", "training: 60")
            )
            (profile / "lab.yaml").write_text(text)
            name = ("--workflow-profile", "profiles/slurm")
            seconds["slurm"] = sum(
                timed(remote, *name, *one, **cluster.environment) for one in runs
            )
        facts = {
            "outs": arguments.outs or "all",
            "seconds": seconds,
            "ratio": round(seconds["slurm"] / seconds["local"], 2),
            "same_bytes": local.hashes() == remote.hashes(),
            **prices(remote),
        }
    write_json(ROOT / "benchmarks/results/slurm.json", facts)
    print(json.dumps(facts, indent=2, sort_keys=True))
    return 0


def timed(checkout: Checkout, *arguments: str, **environment: str) -> float:
    """Seconds that a run takes."""
    start = time.monotonic()
    checkout.run(str(BIN / "snakemake"), *arguments, **environment)
    return round(time.monotonic() - start, 1)


def prices(checkout: Checkout) -> dict[str, object]:
    """What jobs cost beyond their stages, and how long a free CPU waited for the next one."""
    beyond, waits = [], []
    stages = [path.stem for path in (checkout.root / "results/runinfo").glob("*.json")]
    ends = sorted(moment(information(checkout, name)["ended"]) for name in stages)
    for log in sorted((checkout.root / "logs/slurm").glob("*.log")):
        told = re.search(r"^(\S+): ([\d.]+) CPU s in all$", log.read_text(), re.MULTILINE)
        if told is None:
            continue
        own = information(checkout, told[1])
        beyond.append(float(told[2]) - float(str(own["cpu_seconds"])))
        started = moment(own["started"])
        earlier = bisect.bisect_right(ends, started)
        waits += [started - ends[earlier - 1]] if earlier else []
    return {
        "jobs": len(beyond),
        "cpu_seconds_beyond_the_stage": {
            "median": round(statistics.median(beyond), 2), "most": round(max(beyond), 2),
        },
        "seconds_from_end_to_start": round(statistics.median(waits), 1) if waits else None,
    }  # fmt: skip


def information(checkout: Checkout, address: str) -> dict[str, object]:
    """A stage's run information."""
    path = checkout.root / f"results/runinfo/{address}.json"
    facts: dict[str, object] = json.loads(path.read_text())
    return facts


def moment(text: object) -> float:
    """Seconds since 1970 of a time in run information."""
    return datetime.fromisoformat(str(text)).timestamp()


if __name__ == "__main__":
    sys.exit(main())
