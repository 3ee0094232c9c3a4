"""What DVC says: which stages there are, how they depend on each other, and which are stale.

The only place that asks. One load of DVC's project answers everything, under DVC's own lock, so no
other command changes dvc.lock in between. DVC's Python API may change: requirements.lock pins it.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from locks import BusyError
from patches import files_hashed_once, parameters_read_once
from stale_reasons import NEVER, few_words

if TYPE_CHECKING:
    from dvc.repo import Repo


@dataclass(frozen=True)
class StageFacts:
    """One stage with its matrix values filled in.

    Attributes:
        outs: files and folders that it writes, in the order of dvc.yaml.
        uncached: those that git keeps instead of DVC's cache.
        deps: files and folders that it reads.
        upstream: addresses of the stages that make what it reads.
    """

    outs: tuple[str, ...]
    uncached: frozenset[str]
    deps: tuple[str, ...]
    upstream: frozenset[str]

    def reads(self, path: str) -> bool:
        """Whether an out of another stage is a dep, lies in one, or holds one."""
        return any(path == dep or _inside(path, dep) or _inside(dep, path) for dep in self.deps)


@dataclass(frozen=True)
class Pipeline:
    """The stages by address; the addresses that DVC calls stale (None: it was not asked), and why."""

    stages: dict[str, StageFacts]
    stale: frozenset[str] | None = None
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    affected: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "affected", self._affected())

    def outs(self, addresses: Iterable[str]) -> list[str]:
        """What these stages write, in their order."""
        return [out for address in addresses for out in self.stages[address].outs]

    @property
    def ends(self) -> frozenset[str]:
        """Addresses of the stages on which no other depends."""
        used = {above for facts in self.stages.values() for above in facts.upstream}
        return frozenset(self.stages) - used

    def _affected(self) -> frozenset[str]:
        """Stale stages and all that depend on them; all stages where nobody knows."""
        if self.stale is None:
            return frozenset(self.stages)
        found = set(self.stale)
        waiting = list(self.stale)
        readers: dict[str, list[str]] = {address: [] for address in self.stages}
        for address, facts in self.stages.items():
            for above in facts.upstream:
                readers[above].append(address)
        while waiting:
            fresh = [name for name in readers[waiting.pop()] if name not in found]
            found.update(fresh)
            waiting.extend(fresh)
        return frozenset(found)


def ask_dvc(status: bool) -> Pipeline:
    """Load dvc.yaml and, if `status`, compare every stage with dvc.lock and the files.

    Raises:
        BusyError: a DVC command typed by hand is at work, or dvc.yaml or dvc.lock cannot be read.
    """
    from dvc.exceptions import DvcException
    from dvc.lock import LockError

    try:
        with _locked() as repo:
            graph = repo.index.graph
            stages = [stage for stage in repo.index.stages if stage.cmd]
            addresses = {stage: stage.addressing for stage in stages}
            facts = {
                addresses[stage]: StageFacts(
                    outs=tuple(out.def_path for out in stage.outs),
                    uncached=frozenset(out.def_path for out in stage.outs if not out.use_cache),
                    deps=tuple(_paths(stage.deps)),
                    upstream=frozenset(
                        addresses[above] for above in graph[stage] if above in addresses
                    ),
                )
                for stage in stages
            }
            new = {
                name
                for stage, name in addresses.items()
                if not any(o.hash_info for o in stage.outs)
            }
            with parameters_read_once(), files_hashed_once():
                changes = repo.status() if status else {}
    except LockError as error:
        raise BusyError(
            f"another DVC command is at work in this checkout: {_one_line(error)}"
        ) from error
    except DvcException as error:
        raise BusyError(f"DVC cannot read the pipeline: {_one_line(error)}") from error
    reasons = {
        name: (NEVER,) if name in new else few_words(changes[name])
        for name in facts.keys() & changes
    }
    return Pipeline(facts, frozenset(reasons) if status else None, reasons)


@contextmanager
def _locked() -> "Iterator[Repo]":
    """DVC's project, under its lock; waits while another command holds that."""
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo

    told = False
    with Repo(".") as repo, ExitStack() as lock:
        while True:
            try:
                lock.enter_context(lock_repo(repo))  # gives up after seconds
                break
            except LockError:
                if not told:
                    print("waiting for another DVC command to end", file=sys.stderr, flush=True)
                told = True
        yield repo


def _paths(deps: Iterable[object]) -> Iterable[str]:
    from dvc.dependency import Dependency, ParamsDependency

    for dep in deps:
        if isinstance(dep, Dependency) and not isinstance(dep, ParamsDependency):
            yield dep.def_path


def _inside(path: str, folder: str) -> bool:
    return path.startswith(folder.rstrip("/") + "/")


def _one_line(error: Exception) -> str:
    causes = [str(error)]
    if error.__cause__ is not None:
        causes.append(str(error.__cause__))
    return " ".join(" ".join(causes).split())
