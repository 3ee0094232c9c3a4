"""What an audit costs: `audit verify` against `sha256sum`, `--quick`, receipts, replay, and how it grows.

    python benchmarks/audit.py [--repeats 5] [--deep]

Run it in a finished tree (`snakemake --cores all`). Hashing reads warm files; the audit's own time, checks
and the start of Python included, stands beside the time of its hashing alone. The audit makes md5 too, for
what DVC wrote down. How it grows with the number of stages is measured on made trees (tests/helpers/lineage),
in CPU time. `--deep` also runs every stage again that trains nothing, and sets that beside the run's own CPU
time. Writes `benchmarks/results/audit.json`.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import chdir
from pathlib import Path
from statistics import median
from typing import Any

from textbcs.base import io
from textbcs.lineage.audit.cost import receipt_cost
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.records.hashing import hash_files
from textbcs.lineage.records.tree import wanted_files

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/audit.json"
SEEDS = (2, 16, 40)  # of the made trees: two trainings and two predictions each


def main() -> None:
    """Time both, alternately, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--deep", action="store_true")
    options = parser.parse_args()
    graph = load_graph()
    wanted, params = wanted_files(graph), graph.params
    files = [path for path in wanted if Path(path).is_file()]
    size = sum(Path(path).stat().st_size for path in files)
    times: dict[str, list[float]] = {"hashing": [], "sha256sum": [], "sha256sum_parallel": []}
    for _ in range(options.repeats):
        times["sha256sum"].append(sha256sum(files, 1))
        times["hashing"].append(hashing(wanted))
        times["sha256sum_parallel"].append(sha256sum(files, os.cpu_count() or 1))
    seconds = {name: median(values) for name, values in times.items()}
    whole, quick = (costs(options.repeats, *words) for words in ((), ("--quick",)))
    cost = receipt_cost()
    result = {
        "tree": {"cohort": params["cohort"]["kind"], "stages": sum(1 for _ in graph.active())},
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "files": len(files),
        "megabytes": round(size / 1e6, 1),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "speed_relative_to_sha256sum": round(seconds["sha256sum"] / seconds["hashing"], 2),
        "speed_relative_to_parallel_sha256sum": round(
            seconds["sha256sum_parallel"] / seconds["hashing"], 2
        ),
        "audit_verify": whole,
        "audit_verify_quick": quick,
        "audit_verify_in_times_of_sha256sum": round(whole["seconds"] / seconds["sha256sum"], 2),
        "receipt_share_of_stage_cpu": round(cost.share, 4) if cost else None,
        "verify_by_number_of_stages": growth(),
    }
    if options.deep:
        result["replay"] = replayed(cost.stage_seconds if cost else 0.0)
    io.write_json(RESULT, result)
    print(io.canonical_json(result))


def costs(repeats: int, *options: str) -> dict[str, float]:
    """Medians of `textbcs audit verify`, the start of Python included; its exit code has to be 0."""
    times = [audited("verify", *options)[:2] for _ in range(repeats)]
    wall, cpu = (median(column) for column in zip(*times, strict=True))
    return {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2)}


def audited(*words: str) -> tuple[float, float, str]:
    """Seconds and CPU seconds of `textbcs audit`, those of its processes among them, and what it prints."""
    wall, cpu = time.perf_counter(), children_seconds()
    command = [sys.executable, "-m", "textbcs.cli", "audit", *words, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - wall, children_seconds() - cpu, done.stdout


def children_seconds() -> float:
    """CPU time of all processes that have ended and were started from here."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def replayed(run_seconds: float) -> dict[str, Any]:
    """What it costs to run every stage again that trains nothing."""
    wall, cpu, said = audited("replay")
    outcomes = Counter(one["outcome"] for one in json.loads(said)["stages"])
    return {
        "outcomes": dict(outcomes),
        "seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "run_cpu_seconds": round(run_seconds, 1),
        "share_of_run": round(cpu / run_seconds, 3) if run_seconds else None,
    }


def growth() -> dict[str, float]:
    """Number of stages -> CPU seconds of `audit verify` on a made tree with as many."""
    sys.path.append(str(ROOT / "tests/helpers/lineage"))
    from fabricated import build
    from fabricated_stages import Recipe

    found = {}
    for seeds in SEEDS:
        recipe = Recipe()
        recipe.params["seeds"] = list(range(1, seeds + 1))
        with tempfile.TemporaryDirectory(prefix="textbcs-") as folder:
            tree = build(Path(folder) / "tree", recipe)
            with chdir(tree):
                audited("verify")  # warm
                times = [audited("verify")[1] for _ in range(3)]
                found[str(sum(1 for _ in load_graph().active()))] = round(median(times), 2)
    return found


def hashing(wanted: dict[str, tuple[str, ...]]) -> float:
    """Seconds of the audit's hashing."""
    start = time.perf_counter()
    hash_files(wanted)
    return time.perf_counter() - start


def sha256sum(files: list[str], processes: int) -> float:
    """Seconds of `sha256sum` over the files, in as many processes at a time."""
    given = "\0".join(files).encode()
    count = max(1, -(-len(files) // (4 * processes))) if processes > 1 else 100_000
    command = ["xargs", "-0", "-P", str(processes), "-n", str(count), "sha256sum"]
    start = time.perf_counter()
    subprocess.run(command, input=given, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
