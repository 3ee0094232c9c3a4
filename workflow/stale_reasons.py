"""Why stages run, in a few words, and what Snakemake prints of them.

Snakemake's own reason is the list of all files that another job has written, hundreds of paths in a line. A
start knows better: DVC has said what changed. `snakemake -n` prints a table of stages, how many jobs each has
and why; with --verbose or --printshellcmds it prints every job as Snakemake does.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

if TYPE_CHECKING:
    from stale import Pipeline

NEVER = "never run with these parameters"
FORCED = "asked for on the command line"
UNKNOWN = "unknown while another run is going on"
_NAMED = 2  # things that a reason names before it counts
_CODE = ("src/", "workflow/")


def few_words(changes: Sequence[Any]) -> tuple[str, ...]:
    """What DVC calls changed in one stage, each in a few words.

    Args:
        changes: of the stage, as `dvc status --json` has them.
    """
    found: list[str] = []
    for change in changes:
        if not isinstance(change, Mapping):
            found.append({"changed command": "its command changed"}.get(change, str(change)))
            continue
        for section, entries in change.items():
            for path, state in entries.items():
                found += _words(section, path, state)
    return tuple(dict.fromkeys(found))


def _words(section: str, path: str, state: Any) -> list[str]:
    if isinstance(state, Mapping):  # of a file of parameters
        return [f"parameter {key}" for key in state]
    if section == "changed outs":
        missing = state in ("deleted", "not in cache")
        return [f"{path} is {'missing' if missing else 'not what it wrote'}"]
    what = "code" if path.startswith(_CODE) else "input"
    return [f"{what} {path}" + (" is missing" if state == "deleted" else "")]


def reason_of(address: str, pipeline: "Pipeline", forced: Collection[str] = ()) -> str:
    """Why one job runs."""
    return reasons_of([address], pipeline, forced)


def reasons_of(addresses: Iterable[str], pipeline: "Pipeline", forced: Collection[str] = ()) -> str:
    """Why the jobs of a stage run: what most of them have in common first, the rest as a number."""
    own: Counter[str] = Counter()
    above: Counter[str] = Counter()
    for address in addresses:
        if pipeline.stale is None:
            return UNKNOWN
        if address in forced:
            own[FORCED] += 1
        elif address in pipeline.stale:
            own.update(pipeline.reasons.get(address, ()))
        else:
            facts = pipeline.stages[address]
            above.update({_stage(name) for name in facts.upstream & pipeline.affected})
    parts = [_listed(own)] if own else []
    if above:
        parts.append(f"after {_listed(above)}")
    return "; ".join(parts)


def table(counts: Mapping[str, int], reason: Callable[[str], str]) -> str:
    """The table of a dry run.

    Args:
        counts: jobs of each stage, in the order in which they are shown.
        reason: gives the few words for a stage.
    """
    rows = [(name, str(count), reason(name)) for name, count in counts.items()]
    rows = [("stage", "jobs", "why"), *rows, ("total", str(sum(counts.values())), "")]
    first, second = (max(len(row[place]) for row in rows) for place in (0, 1))
    lines = [f"{row[0]:{first}}  {row[1]:>{second}}  {row[2]}".rstrip() for row in rows]
    return "\n".join(lines)


class FewWords(logging.Filter):
    """Puts the few words in the place of Snakemake's reasons."""

    def __init__(
        self, pipeline: "Pipeline", dry: Callable[[], bool], forced: Collection[str]
    ) -> None:
        super().__init__()
        self._pipeline, self._dry, self._forced = pipeline, dry, forced
        self._names = {_stage(address) for address in pipeline.stages}
        self._shown = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a message is printed; changes it before."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:
            address = str(getattr(record, "rule_msg", "") or "")
            if address in self._pipeline.stages:
                record.reason = reason_of(address, self._pipeline, self._forced)
            return not self._dry()
        if not self._dry():
            return True
        if event == LogEvent.RUN_INFO:
            stats: Mapping[str, int] = getattr(record, "stats", {})
            counts = {name: count for name, count in stats.items() if name in self._names}
            record.msg = table(counts, self._reason)
            shown, self._shown = self._shown, True
            return not shown  # Snakemake prints it before the jobs and after them
        return not str(record.msg).startswith("Reasons:")

    def _reason(self, stage: str) -> str:
        known = self._pipeline
        members = (name for name in known.affected if _stage(name) == stage)
        return reasons_of(sorted(members), known, self._forced)


def shorten(
    pipeline: "Pipeline", dry: Callable[[], bool], whole: bool, forced: Collection[str]
) -> None:
    """Let Snakemake's messages be short.

    Args:
        pipeline: what DVC said.
        dry: says whether the invocation only shows what would run; asked when something is printed.
        whole: whether a person asked for everything.
        forced: addresses of the stages that run whatever DVC says.
    """
    if not whole:
        logger.addFilter(FewWords(pipeline, dry, forced))


def _stage(address: str) -> str:
    return address.partition("@")[0]


def _listed(found: Counter[str]) -> str:
    names = [name for name, _ in sorted(found.items(), key=lambda item: (-item[1], item[0]))]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
