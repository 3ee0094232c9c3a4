"""What a job of Slurm costs beyond its stage: a run on this machine and one over Slurm, one after the other.

Starts a Slurm of two nodes on loopback (slurm-wlm and munge, as root), copies a finished checkout twice,
and runs the same stages again in both: all of them, or those that are named.

    python benchmarks/slurm.py FINISHED [--stages train@unet-1 score] [--target FILE] [--cores 2]

Writes benchmarks/results/slurm.json: seconds of both runs and their ratio, CPU seconds of a job beyond its
stage (median and most), seconds between the end of what a job waits for and its start (median), whether the
bytes are the same.
"""

import argparse
import json
import re
import statistics
import sys
import time
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests/helpers"))

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
    parser.add_argument("--stages", nargs="+", default=[])
    parser.add_argument("--target", nargs="*", default=[])
    parser.add_argument("--cores", default="2")
    arguments = parser.parse_args()
    if why_not():
        sys.exit(f"error: {why_not()}")
    again = ["--forcerun", *arguments.stages] if arguments.stages else ["--forceall"]
    with TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "slurm").mkdir()
        (folder / "home").mkdir()
        origin = Checkout(arguments.finished.resolve(), folder / "home")
        local, remote = copy(origin, folder / "local"), copy(origin, folder / "remote")
        words = [*arguments.target, *again]
        seconds = {"local": timed(local, "--cores", arguments.cores, *words)}
        with SlurmCluster(folder / "slurm").running() as cluster:
            profile = remote.root / "profiles/slurm"
            text = (
                (profile / "lab.example.yaml").read_text().replace("training: 720", "training: 60")
            )
            (profile / "lab.yaml").write_text(text)
            name = ("--workflow-profile", "profiles/slurm")
            seconds["slurm"] = timed(remote, *name, *words, **cluster.environment)
        facts = {
            "stages": again,
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
    """What jobs cost beyond their stages, and how long they waited after what they needed."""
    beyond, lags = [], []
    upstream = makers(checkout)
    for log in sorted((checkout.root / "logs/slurm").glob("*.log")):
        told = re.search(r"^(\S+): ([\d.]+) CPU s in all$", log.read_text(), re.MULTILINE)
        if told is None:
            continue
        own = information(checkout, told[1])
        beyond.append(float(told[2]) - float(str(own["cpu_seconds"])))
        ends = [moment(information(checkout, name)["ended"]) for name in upstream[told[1]]]
        if ends and max(ends) <= moment(own["started"]):
            lags.append(moment(own["started"]) - max(ends))
    return {
        "jobs": len(beyond),
        "cpu_seconds_beyond_the_stage": {
            "median": round(statistics.median(beyond), 2), "most": round(max(beyond), 2),
        },
        "seconds_from_end_to_start": round(statistics.median(lags), 1) if lags else None,
    }  # fmt: skip


def makers(checkout: Checkout) -> dict[str, list[str]]:
    """The stages whose outputs each stage reads, by address."""
    program = (
        "import json; from stale import ask_dvc; "
        "print(json.dumps({a: sorted(f.upstream) for a, f in ask_dvc(False).stages.items()}))"
    )
    path = f"{checkout.root / 'workflow'}:{checkout.root / 'src'}"
    found: dict[str, list[str]] = json.loads(
        checkout.run(sys.executable, "-c", program, PYTHONPATH=path).stdout.splitlines()[-1]
    )
    return found


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
