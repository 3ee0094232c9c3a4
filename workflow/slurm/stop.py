"""`kill PID` of Snakemake: the first lets those jobs of Slurm end that run, the second cancels all."""

from typing import Any

from textbcs.stage.slurm_jobs import FOLDER

WISH = FOLDER / "stop"


def stop_wish() -> int:
    """How often Snakemake was told to end."""
    try:
        return WISH.stat().st_size
    except OSError:
        return 0


def tell_jobs_of_a_kill() -> None:
    """Let the processes that wait for jobs know when Snakemake is told to end.

    Snakemake's scheduler waits for them, and knows no word for `now`. `tests/cluster` fails where the method
    has another name.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    WISH.unlink(missing_ok=True)
    exit_gracefully = JobScheduler.exit_gracefully

    def told(self: Any, *signal: Any) -> None:
        with WISH.open("a") as file:
            file.write(".")
        exit_gracefully(self, *signal)

    JobScheduler.exit_gracefully = told  # type: ignore[method-assign]
