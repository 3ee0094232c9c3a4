"""REPLAY: stages once more from their recorded inputs; every output against the receipt, byte by byte."""

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from textbcs.base import kernels
from textbcs.base.io import InputError, sha256_file
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.findings import Finding, some, visible
from textbcs.lineage.records.graph import Receipt, difference
from textbcs.lineage.records.tree import RUNINFO, Tree, modules_of
from textbcs.lineage.replay.difference import first_difference
from textbcs.lineage.replay.scratch import scratch, workshop
from textbcs.lineage.replay.selection import Choice, chosen, fresh_seed
from textbcs.settings.params import flatten, select
from textbcs.stage.process import PARENT
from textbcs.stage.trainings import TRAINS

_LAUNCHER = Path("workflow/stage")
_DRIVER = Path("/proc/driver/nvidia/version")


@dataclass(frozen=True)
class Replay:
    """What came of running a stage again.

    Attributes:
        address: the stage.
        outcome: `equal`, `different` or `not replayable`.
        detail: where the first difference is, or why it was not run; the empty string where all is equal.
        path: the output that differs first.
        outputs: how many were compared.
    """

    address: str
    outcome: str
    detail: str = ""
    path: str = ""
    outputs: int = 0


@dataclass(frozen=True)
class Replayed:
    """What came of running several stages again.

    Attributes:
        replays: a stage each.
        seed: of the draw.
        left: trainings that were not drawn.
    """

    replays: Sequence[Replay]
    seed: int
    left: int = 0

    @property
    def equal(self) -> int:
        """How many stages wrote the same again."""
        return sum(one.outcome == "equal" for one in self.replays)

    def left_out(self) -> list[str]:
        """What was not run again, and why, a line each."""
        lines = [f"{self.left} trainings were not run again (--trainings N)"] if self.left else []
        reasons: dict[str, list[str]] = {}
        for one in self.replays:
            if one.outcome == "not replayable":
                reasons.setdefault(one.detail, []).append(one.address)
        return lines + [f"{some(names)}: not run again, {why}" for why, names in reasons.items()]


def run_again(tree: Tree, choice: Choice) -> Replayed:
    """Run the stages of a choice again.

    Raises:
        InputError: no stage has one of the names.
    """
    seed = fresh_seed() if choice.seed is None else choice.seed
    receipts = chosen(tree.graph, choice, seed)
    trainings = {one.address for one in tree.graph.active() if TRAINS.fullmatch(one.stage)}
    left = 0 if choice.names else len(trainings - {one.address for one in receipts})
    return Replayed(list(replay(tree, receipts)), seed, left)


def replay(tree: Tree, receipts: Sequence[Receipt]) -> Iterator[Replay]:
    """Run stages again, one after the other, each from the inputs that its receipt names.

    Args:
        tree: the hashed tree; nothing in it is changed.
        receipts: of the stages.
    """
    from tqdm import tqdm

    with workshop() as shop:
        for receipt in tqdm(receipts, desc="run again", disable=None, leave=False):
            reason = _obstacle(tree, receipt)
            try:
                yield (
                    Replay(receipt.address, "not replayable", reason)
                    if reason
                    else _again(shop, tree, receipt)
                )
            except (InputError, OSError) as error:
                yield Replay(receipt.address, "not replayable", visible(str(error)))


def as_findings(replays: Iterable[Replay]) -> Iterator[Finding]:
    """A fault for each stage that has written something else."""
    for one in replays:
        if one.outcome == "different":
            yield Finding("REPLAY", one.address, one.path, one.detail, (one.path,))


def _obstacle(tree: Tree, receipt: Receipt) -> str:
    """Why a stage cannot be run as it ran; the empty string where it can."""
    definition = tree.graph.definitions[receipt.address]
    if not _LAUNCHER.is_file():
        return f"there is no {_LAUNCHER} here"
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


def _again(shop: Path, tree: Tree, receipt: Receipt) -> Replay:
    """Run a stage in a scratch folder and compare what it has written.

    Raises:
        InputError: the stage fails.
    """
    with scratch(shop, tree, receipt) as root:
        done = subprocess.run(
            ["/bin/sh", str(_LAUNCHER), *receipt.argv],
            cwd=root,
            env=_environment(receipt),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        if done.returncode:
            lines = done.stdout.decode(errors="replace").strip().splitlines() or ["without a word"]
            raise InputError(f"it ends with {done.returncode}: {lines[-1]}")
        for item in receipt.outputs:
            after = root / item.path
            if not after.is_file():
                detail = "was not written when it was run again"
                return Replay(receipt.address, "different", detail, item.path)
            if sha256_file(after) != item.sha256:
                same = tree.sha256(item.path) == item.sha256
                detail = first_difference(Path(item.path), after) if same else "other bytes"
                return Replay(receipt.address, "different", detail, item.path)
        others = _unnamed(root, tree, receipt)
        if others:
            return Replay(receipt.address, "different", "its receipt does not name it", others[0])
    return Replay(receipt.address, "equal", outputs=len(receipt.outputs))


def _unnamed(root: Path, tree: Tree, receipt: Receipt) -> list[str]:
    """Files that the stage has written where its outputs lie, and that its receipt does not name."""
    named = {item.path for item in receipt.outputs} | {receipt.path}
    found: list[str] = []
    for out in tree.graph.definitions[receipt.address].outputs:
        place = root / out
        files = place.rglob("*") if place.is_dir() else [place]
        found += [path.relative_to(root).as_posix() for path in files if path.is_file()]
    read = {item.path for item in receipt.inputs}
    return sorted(set(found) - named - read)


def _environment(receipt: Receipt) -> dict[str, str]:
    """Of the user's environment what starts programs; a stage that ran on the CPU sees no card."""
    apart = ("PYTHON", "TEXTBCS_", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(apart)}
    kept |= {"TEXTBCS_PYTHON": sys.executable, PARENT: str(os.getpid())}
    return kept if receipt.device.startswith("cuda") else kept | {"CUDA_VISIBLE_DEVICES": ""}
