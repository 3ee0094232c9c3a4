"""How fast `textbcs audit verify` hashes, against `sha256sum` over the same files, in one run.

    python benchmarks/audit.py [--repeats 5]

Run it in a finished tree (`snakemake --cores all`). Both read warm files; the audit's own time, checks
included, stands beside the time of its hashing alone. The audit makes md5 too, for what DVC wrote down.
Writes `benchmarks/results/audit.json`.
"""

import argparse
import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from textbcs.base import io
from textbcs.lineage.audit.cost import receipt_cost
from textbcs.lineage.records.graph import load_graph
from textbcs.lineage.records.hashing import hash_files
from textbcs.lineage.records.tree import wanted_files

RESULT = Path("benchmarks/results/audit.json")


def main() -> None:
    """Time both, alternately, and write the medians."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--repeats", type=int, default=5)
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
    whole, code = audited()
    quick, _ = audited("--quick")
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
        "audit_verify_seconds": round(whole, 2),
        "audit_verify_quick_seconds": round(quick, 2),
        "audit_verify_exit_code": code,
        "receipt_share_of_stage_cpu": round(cost.share, 4) if cost else None,
    }
    io.write_json(RESULT, result)
    print(io.canonical_json(result))


def audited(*options: str) -> tuple[float, int]:
    """Seconds of `textbcs audit verify`, checks and the start of Python included, and its exit code."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "textbcs.cli", "audit", "verify", "--json", *options]
    code = subprocess.run(command, capture_output=True, check=False).returncode
    return time.perf_counter() - start, code


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
