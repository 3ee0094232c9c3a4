"""What receipts cost: CPU time inside receipt code against that of the stages."""

from dataclasses import dataclass

from textbcs.base.io import InputError
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.findings import counted
from textbcs.stage.run_information import FOLDER


@dataclass(frozen=True)
class Cost:
    """CPU seconds inside receipt code and of the whole stages, over `stages` stages."""

    stages: int
    receipt_seconds: float
    stage_seconds: float

    @property
    def share(self) -> float:
        """Receipt code's share of the stages' CPU time, in [0, 1]."""
        return self.receipt_seconds / self.stage_seconds if self.stage_seconds else 0.0

    def text(self) -> str:
        """One line for people."""
        return (
            f"receipts took {self.receipt_seconds:.2f} s of {self.stage_seconds:.1f} s CPU time of "
            f"{counted(self.stages, 'stage')} ({100 * self.share:.2f} %)"
        )


def receipt_cost() -> Cost | None:
    """The cost over all stages that have run here; None where none is known."""
    seconds = []
    for path in sorted(FOLDER.glob("*.json")):
        try:
            facts = read_record(path)
            seconds.append((float(facts["receipt_cpu_seconds"]), float(facts["cpu_seconds"])))
        except (InputError, KeyError, TypeError, ValueError, OverflowError):
            continue  # run information is worth no error
    if not seconds:
        return None
    return Cost(len(seconds), sum(one for one, _ in seconds), sum(whole for _, whole in seconds))
