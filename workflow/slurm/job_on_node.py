"""A job of Slurm: `job_on_node.py ADDRESS LOG SUBMISSION` runs one stage on a node, and says how it ended.

A job that nobody waits for any more does nothing: its engine was killed, and a later start has taken over.
"""

import json
import resource
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from locks import RUN_LOCK, forget_earlier_try
from run_stage import error_line
from run_stage import main as run_stage

from textbcs.base.io import write_bytes
from textbcs.stage.slurm_jobs import read_record
from textbcs.stage.stage_lock import is_held


def main(address: str, log: str, submission: str) -> int:
    """Run the stage if it is still wanted; return its exit code."""
    record = read_record(address)
    if record is None or record.submission != submission:
        print(f"{address}: a later start has taken over; nothing is done", file=sys.stderr)
        return 0
    forget_earlier_try(address)
    crosses = is_held(RUN_LOCK)  # the machine of the engine holds it for as long as that lives
    code = run_stage(address, log)
    facts = {
        "code": code,
        "line": error_line(Path(log)) if code else "",
        "node": socket.gethostname(),
        "locks": crosses,
    }
    print(f"{address}: {cpu_seconds():.1f} CPU s in all", flush=True)
    write_bytes(record.end, json.dumps(facts).encode())
    return code


def cpu_seconds() -> float:
    """CPU time of this job so far: the stage, DVC, and this program."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(one)[:2]) for one in who)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
