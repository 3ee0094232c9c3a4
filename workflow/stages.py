"""DVC's stages as Snakemake rules: one rule a stage of dvc.yaml, wildcards where it has a matrix.

Names, inputs and outputs come from here, that is, from dvc.yaml; `resources.py` adds what DVC does not know.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from reported import REPORTED
from snakemake.io import ancient, directory, report
from snakemake.ioflags import update
from stale import Pipeline

from textbcs.base.io import InputError
from textbcs.settings.params import read_yaml
from textbcs.stage.definition import lines

TRIGGER = ".snakemake/textbcs/stale"
_REFERENCE = re.compile(r"\$\{([\w.\[\]]+)\}")


@dataclass(frozen=True)
class StageRule:
    """What a Snakemake rule needs to know about a stage of dvc.yaml.

    Attributes:
        name: the stage's name, without matrix values.
        outputs: its outs; matrix values are wildcards that match only the values there are.
        log: log file with the same wildcards.
        addresses: DVC's address for each tuple of wildcard values.
        wildcards: their names, in the order of those tuples.
    """

    name: str
    outputs: list[str]
    log: str
    addresses: Mapping[tuple[str, ...], str]
    wildcards: tuple[str, ...]
    pipeline: Pipeline

    def address(self, wildcards: Mapping[str, str]) -> str:
        """DVC's address of the job with these wildcard values, such as `train@unet-1`."""
        return self.addresses[tuple(wildcards[name] for name in self.wildcards)]

    def inputs(self, wildcards: Mapping[str, str]) -> list[str]:
        """What the job waits for: files that other stages make.

        Whether a stage has to run is DVC's decision. Inputs of a stage that is neither stale nor
        below a stale one are `ancient`, so file times have no say; a stale one has an input that
        is newer than everything. Code and parameters are no inputs: DVC compares their content.
        """
        address = self.address(wildcards)
        facts = self.pipeline.stages[address]
        above = [self.pipeline.stages[name] for name in sorted(facts.upstream)]
        made = [file(out) for maker in above for out in maker.outs if facts.reads(out)]
        if address not in self.pipeline.affected:
            return [ancient(path) for path in made]
        return [*made, TRIGGER] if address in (self.pipeline.stale or ()) else made


class Stages:
    """All stages of dvc.yaml as rules."""

    def __init__(self, pipeline: Pipeline, definition: Path = Path("dvc.yaml")) -> None:
        self.pipeline = pipeline
        self._templates = read_yaml(definition)["stages"]

    def all(self) -> Iterator[StageRule]:
        """A rule for each stage, in the order of dvc.yaml."""
        for name in dict.fromkeys(address.partition("@")[0] for address in self.pipeline.stages):
            yield self._rule(name)

    def final(self) -> list[str]:
        """What the whole pipeline is for: outs of the stages on which no other depends."""
        ends = self.pipeline.ends
        stages = [address for address in self.pipeline.stages if address in ends]
        return [file(out) for out in self.pipeline.outs(stages)]

    def _rule(self, name: str) -> StageRule:
        members = [address for address in self.pipeline.stages if address.partition("@")[0] == name]
        facts = self.pipeline.stages[members[0]]
        uncached = [out in facts.uncached for out in facts.outs]
        if members == [name]:
            outs = [output(*pair) for pair in zip(facts.outs, uncached, strict=True)]
            return StageRule(name, outs, f"logs/{name}.log", {(): name}, (), self.pipeline)
        templates = list(lines(self._templates[name], "outs"))
        values = {address: self._values(templates, address) for address in members}
        wildcards = tuple(values[members[0]])
        choices = {key: sorted({found[key] for found in values.values()}) for key in wildcards}
        patterns = [
            _substitute(text, lambda key: _constrained(key, choices[key])) for text in templates
        ]
        outs = [output(*pair) for pair in zip(patterns, uncached, strict=True)]
        log = f"logs/{name}/" + "-".join(f"{{{key}}}" for key in wildcards) + ".log"
        addresses = {tuple(found.values()): address for address, found in values.items()}
        return StageRule(name, outs, log, addresses, wildcards, self.pipeline)

    def _values(self, templates: Iterable[str], address: str) -> dict[str, str]:
        """The values that DVC has put into a stage's outs, by the name of their place."""
        seen: set[str] = set()

        def group(key: str) -> str:
            if key in seen:
                return f"(?P={key})"
            seen.add(key)
            return f"(?P<{key}>.+)"

        pattern = "\0".join(_substitute(text, group, re.escape) for text in templates)
        match = re.fullmatch(pattern, "\0".join(self.pipeline.stages[address].outs))
        if match is None:
            raise InputError(f"dvc.yaml: the outs of {address} do not follow from their templates")
        return match.groupdict()


def file(path: str) -> str:
    """An out as Snakemake has to see it: by convention a path without a suffix is a folder."""
    return path if PurePosixPath(path).suffix else directory(path)


def output(path: str, uncached: bool) -> str:
    """An out of a rule. Snakemake deletes outputs before a job, and DVC restores from its cache those
    that need no new run; a file that is not in the cache has to stay in place (`update`). What is for
    people to read gets into `snakemake --report`."""
    flagged = file(path)
    if uncached and flagged is path:
        flagged = update(flagged)
    shown = REPORTED.get(path)
    if shown is None:
        return flagged
    marked: str = report(
        flagged, caption=shown.caption, category=shown.category, labels=shown.labels
    )
    return marked


def _substitute(
    template: str, place: Callable[[str], str], literal: Callable[[str], str] = lambda text: text
) -> str:
    """Replace each `${item.name}` of a DVC template; texts between them pass through `literal`."""
    parts = _REFERENCE.split(template)
    return "".join(
        place(re.sub(r"\W", "_", part.removeprefix("item."))) if number % 2 else literal(part)
        for number, part in enumerate(parts)
    )


def _constrained(key: str, values: Iterable[str]) -> str:
    return f"{{{key},{'|'.join(re.escape(value) for value in values)}}}"
