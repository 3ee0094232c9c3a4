"""Run one DVC stage as a Snakemake job: `run_stage.py ADDRESS LOG`.

Everything that the stage and DVC print goes to LOG; if the stage fails, its one error line is also
printed here, where Snakemake's user sees it. A kill of Snakemake takes the job with it: this process
dies with Snakemake, DVC with this process, the stage with DVC (src/textbcs/stage/process.py).
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from locks import forced_addresses, share_jobs_lock

from textbcs.stage.process import PARENT, die_with_parent
from textbcs.stage.slurm_jobs import BY_SNAKEMAKE


def main(address: str, log: str) -> int:
    """Run the stage `address`; return its exit code."""
    die_with_parent()
    lock = share_jobs_lock()
    # On Ctrl-C the whole group gets the signal: let DVC end in order, then pass its code on.
    signal.signal(signal.SIGINT, lambda *_: None)
    code = reproduce(address, Path(log), lock)
    if code:
        print(f"{address}: {error_line(Path(log))}", file=sys.stderr, flush=True)
    return code


def reproduce(address: str, log: Path, lock: int) -> int:
    """Let DVC run one stage, or find that it need not; the log keeps what both print.

    `--single-item`: what the stage depends on is Snakemake's business. Without `-q`, which would
    hide DVC's error messages.
    """
    os.environ["TEXTBCS_PYTHON"] = sys.executable
    os.environ[BY_SNAKEMAKE] = "1"
    os.environ["SHELL"] = (
        "/bin/sh"  # DVC starts stages with the user's shell; any would do, one is enough
    )
    parent = os.getpid()

    def before_dvc() -> None:
        os.environ[PARENT] = str(parent)
        die_with_parent()
        os.environ[PARENT] = str(os.getpid())  # the stage's parent will be DVC

    dvc = str(Path(__file__).resolve().with_name("dvc_job.py"))
    force = ["--force"] if address in forced_addresses() else []
    command = [sys.executable, dvc, "--wait-for-lock", "repro", *force, "--single-item", address]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        code = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=(lock,),
            preexec_fn=before_dvc,
        ).wait()
    return code if code >= 0 else 128 - code


def error_line(log: Path) -> str:
    """The line of a log that says why the stage failed: its own last one, else DVC's."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    failures = [number for number, line in enumerate(lines) if "failed to reproduce" in line]
    # DVC's report follows the stage's own; what it names as the cause is only our launcher.
    if failures and "failed to run: exec workflow/stage" in " ".join(lines[failures[-1] :]):
        lines = lines[: failures[-1]]
    return lines[-1] if lines else "ended without a word; it was killed, or the disk is full"


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
