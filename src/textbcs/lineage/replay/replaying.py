"""REPLAY: stages once more from their recorded inputs; every output against the receipt, byte by byte."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from threading import BoundedSemaphore

from textbcs.base import kernels
from textbcs.base.io import InputError
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.findings import Finding, some, visible
from textbcs.lineage.records.graph import Receipt, difference
from textbcs.lineage.records.tree import RUNINFO, Tree, modules_of
from textbcs.lineage.replay.comparing import Replay, compared
from textbcs.lineage.replay.running import LAUNCHER, Runner, runner
from textbcs.lineage.replay.scratch import CODE, scratch, workshop
from textbcs.lineage.replay.selection import Choice, chosen, fresh_seed
from textbcs.settings.params import flatten, select
from textbcs.stage.trainings import TRAINS

_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Replayed:
    """What came of running several stages again.

    Attributes:
        replays: a stage each.
        seed: of the draw.
        left: trainings that were not drawn.
        undrawn: other stages that were not drawn.
    """

    replays: Sequence[Replay]
    seed: int
    left: int = 0
    undrawn: int = 0

    @property
    def equal(self) -> int:
        """How many stages wrote the same again."""
        return sum(one.outcome == "equal" for one in self.replays)

    def left_out(self) -> list[str]:
        """What was not run again, and why, a line each."""
        lines = [f"{self.left} trainings were not run again (--trainings N)"] if self.left else []
        if self.undrawn:
            lines.append(f"{self.undrawn} stages that train nothing were not drawn to run again")
        reasons: dict[str, list[str]] = {}
        for one in self.replays:
            if one.outcome == "not replayable":
                reasons.setdefault(one.detail, []).append(one.address)
        return lines + [f"{some(names)}: not run again, {why}" for why, names in reasons.items()]


def run_again(
    tree: Tree, choice: Choice, tell: Callable[[Replay], object] = lambda _: None
) -> Replayed:
    """Run the stages of a choice again.

    Args:
        tree: the hashed tree; nothing in it is changed.
        choice: which stages.
        tell: is called with each outcome as soon as it is known.

    Raises:
        InputError: no stage has one of the names.
    """
    seed = fresh_seed() if choice.seed is None else choice.seed
    receipts = chosen(tree.graph, choice, seed)
    taken = {one.address for one in receipts}
    rest = [one for one in tree.graph.active() if not choice.names and one.address not in taken]
    left = sum(TRAINS.fullmatch(one.stage) is not None for one in rest)
    found: dict[str, Replay] = {}
    for one in replay(tree, receipts):
        tell(one)
        found[one.address] = one
    return Replayed([found[one.address] for one in receipts], seed, left, len(rest) - left)


def replay(tree: Tree, receipts: Sequence[Receipt]) -> Iterator[Replay]:
    """Run stages again, each from the inputs that its receipt names; outcomes come as they are known.

    Args:
        tree: the hashed tree; nothing in it is changed.
        receipts: of the stages.
    """
    from tqdm import tqdm

    reasons = {one.address: _obstacle(tree, one) for one in receipts}
    able = [one for one in receipts if not reasons[one.address]]
    with tqdm(total=len(able), desc="run again", unit="stage", disable=None, leave=False) as bar:
        for address, reason in reasons.items():
            if reason:
                yield Replay(address, "not replayable", reason)
        for one in _run(tree, able) if able else ():
            bar.update()
            yield one


def _run(tree: Tree, receipts: Sequence[Receipt]) -> Iterator[Replay]:
    """What comes of stages that nothing keeps from running."""
    with workshop() as shop, ThreadPoolExecutor(2) as pool:
        try:
            with runner(shop / CODE, receipts) as run:
                turns = BoundedSemaphore(run.at_once)
                jobs = [pool.submit(_again, shop, tree, one, run, turns) for one in receipts]
                for job in as_completed(jobs):
                    yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _again(
    shop: Path, tree: Tree, receipt: Receipt, run: Runner, turns: BoundedSemaphore
) -> Replay:
    """Run a stage; a fork can say that all is equal, but only a process of its own that it is not."""
    with turns:
        if run.can_fork(receipt):
            found = _once(shop, tree, receipt, run.fork)
            if found.outcome == "equal":
                return found
        return _once(shop, tree, receipt, run.alone)


def _once(shop: Path, tree: Tree, receipt: Receipt, run: Callable[[Path, Receipt], None]) -> Replay:
    """Run a stage in a scratch folder and compare what it has written."""
    try:
        with scratch(shop, tree, receipt) as root:
            run(root, receipt)
            return compared(root, tree, receipt)
    except (InputError, OSError) as error:
        return Replay(receipt.address, "not replayable", visible(str(error)))


def as_findings(replays: Iterable[Replay]) -> Iterator[Finding]:
    """A fault for each stage that has written something else."""
    for one in replays:
        if one.outcome == "different":
            yield Finding("REPLAY", one.address, one.path, one.detail, (one.path,))


def _obstacle(tree: Tree, receipt: Receipt) -> str:
    """Why a stage cannot be run as it ran; the empty string where it can."""
    definition = tree.graph.definitions[receipt.address]
    if not LAUNCHER.is_file():
        return f"there is no {LAUNCHER} here"
    code = {path: tree.sha256(path) for path in modules_of(tree, definition)}
    if dict(receipt.code) != code:
        return f"it ran other code than lies here{_commit_of(receipt)}"
    if receipt.definition and not receipt.ran_as(definition):
        return "dvc.yaml defines it otherwise now"
    if difference(receipt.params, flatten(select(tree.graph.params, definition.keys))):
        return "it ran with other parameters than params.yaml has now"
    changed = [one.path for one in receipt.inputs if tree.sha256(one.path) != one.sha256]
    if changed:
        return f"its input {changed[0]} is not here as its receipt says; dvc pull, or dvc checkout"
    if receipt.device.startswith("cuda"):
        return (
            ""
            if _DRIVER.exists()
            else f"it ran on {receipt.device}, and this machine has no such card"
        )
    if receipt.device != kernels.device():
        return f"it ran on {receipt.device}, this machine is {kernels.device()}"
    return ""


def _commit_of(receipt: Receipt) -> str:
    try:
        commit = read_record(RUNINFO / f"{receipt.address}.json")["commit"]
    except (InputError, KeyError, TypeError):
        return ""
    return f"; git checkout {visible(str(commit))}" if commit else ""
