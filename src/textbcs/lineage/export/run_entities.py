"""The entities of a run: the workflow and its engine, and an action for each stage.

Profile: https://w3id.org/ro/wfrun/provenance/0.5, on RO-Crate 1.1.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from textbcs.base.io import InputError
from textbcs.lineage.export.entities import COMPLETED, WORKFLOW, Entities, Entity, distinct, to
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.graph import Graph, Receipt
from textbcs.stage.run_information import FOLDER

ENGINE_RUN = "#engine-run"
# Files of the project that a reader needs to run it again; what is absent is left out.
PROJECT = ("dvc.yaml", "dvc.lock", "params.yaml", "requirements.lock", "LICENSE", "README.md")
_SNAKEMAKE = "https://snakemake.github.io"


class Run(Entities):
    """The entities of the run of a pipeline.

    Args:
        limit: as `Entities` has it.

    Attributes:
        actions: the run's, then each stage's.
        controls: the engine's, one a stage.
        steps: of the workflow, one a stage.
        tools: a reference to each stage's code, by identifier.
        times: when stages started and ended, as far as it is known.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.actions: list[str] = []
        self.controls: list[str] = []
        self.steps: list[str] = []
        self.tools: dict[str, Entity] = {}
        self.times: list[str] = []

    def add_stage(self, graph: Graph, receipt: Receipt) -> None:
        """A stage's action, its step of the workflow, its tool, files and parameters."""
        address = receipt.address
        tool = self._tool(receipt)
        action = self._action(receipt, tool)
        step = self.add(
            f"#step-{address}",
            "HowToStep",
            name=address,
            position=str(graph.order[address] + 1),
            workExample=to(tool),
        )
        control = self.add(
            f"#control-{address}",
            "ControlAction",
            name=f"orchestrate {address}",
            instrument=to(step),
            object=to(action),
        )
        self.actions.append(action)
        self.steps.append(step)
        self.controls.append(control)

    def _action(self, receipt: Receipt, tool: str) -> str:
        """What a stage did: its files, parameters and times."""
        info = self.run_information(receipt)
        self.times += [info[name] for name in ("started", "ended") if info.get(name)]
        inputs = [self.add_item(item) for item in receipt.inputs]
        inputs += [to(one) for one in self._parameters(receipt, tool)]
        return self.add(
            f"#action-{receipt.address}",
            "CreateAction",
            name=f"stage {' '.join(receipt.argv)}",
            instrument=to(tool),
            object=inputs,
            result=[self.add_item(item) for item in receipt.outputs],
            startTime=info.get("started"),
            endTime=info.get("ended"),
            actionStatus=COMPLETED,
            description=f"Device class {receipt.device}; receipt {receipt.path}",
            subjectOf=to(self._receipt(receipt)),
        )

    def run_information(self, receipt: Receipt) -> Mapping[str, Any]:
        """Times of the run, where run information belongs to this very receipt."""
        there = self.known(receipt.path)
        try:
            facts: Mapping[str, Any] = read_record(FOLDER / f"{receipt.address}.json")
            return facts if there and facts["receipt"] == there[0] else {}
        except (InputError, KeyError, TypeError, OSError):
            return {}

    def _receipt(self, receipt: Receipt) -> str:
        there = self.known(receipt.path)
        if there is None:
            raise InputError(f"{receipt.path}: the receipt is gone; run textbcs audit verify")
        return self.add_file(receipt.path, *there)

    def _tool(self, receipt: Receipt) -> str:
        """The program behind a stage, with the modules that it ran."""
        identifier = f"#tool-{receipt.stage}"
        kind = ["File", "SoftwareSourceCode"]
        modules = []
        for path, digest in receipt.code.items():
            there = self.known(path)
            if there is not None and there[0] == digest:
                modules.append(to(self.add_file(path, *there, kind)))
        known = self.entities.get(identifier, {}).get("hasPart", [])
        parts = [*known, *(one for one in modules if one not in known)]
        self.tools[identifier] = to(identifier)
        return self.add(
            identifier, "SoftwareApplication", name=f"stage {receipt.stage}", hasPart=parts or None
        )

    def _parameters(self, receipt: Receipt, tool: str) -> Iterator[str]:
        """A value for each parameter, and the tool's formal parameter behind it."""
        formal = self.entities[tool].setdefault("input", [])
        for key, value in receipt.params.items():
            parameter = self.add(
                f"#parameter-{receipt.stage}-{key}",
                "FormalParameter",
                name=key,
                additionalType=_type(value),
                conformsTo=to("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
            )
            if to(parameter) not in formal:
                formal.append(to(parameter))
            yield self.add(
                f"#value-{receipt.address}-{key}",
                "PropertyValue",
                name=key,
                value="null" if value is None else str(value),
                exampleOfWork=to(parameter),
            )
        if not formal:
            del self.entities[tool]["input"]

    def add_workflow(self, receipts: Iterable[Receipt]) -> None:
        """The workflow, its engine, and the run as a whole; after all stages."""
        for path in (WORKFLOW, *PROJECT):
            there = self.known(path)
            if there is not None:
                self.add_file(path, *there)
        language = self.add(
            "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
            "ComputerLanguage",
            name="Snakemake",
            identifier=to(_SNAKEMAKE),
            url=to(_SNAKEMAKE),
        )
        kind = ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"]
        self.add(
            WORKFLOW,
            kind,
            name="TextBCS pipeline: Snakemake schedules the stages that dvc.yaml defines",
            programmingLanguage=to(language),
            hasPart=list(self.tools.values()),
            step=[to(one) for one in self.steps],
        )
        self.entities[WORKFLOW]["@type"] = kind  # it was a mere file when a stage named it
        run = self._whole(list(receipts))
        engine = self.add("#engine", "SoftwareApplication", name="Snakemake", url=_SNAKEMAKE)
        self.add(
            ENGINE_RUN,
            "OrganizeAction",
            name="Snakemake's run of the stages",
            instrument=to(engine),
            object=[to(one) for one in self.controls],
            result=to(run),
            **self._period(),
        )
        self.actions.insert(0, run)

    def _whole(self, receipts: list[Receipt]) -> str:
        """The run as one action: from what came from outside to the reports."""
        made = {item.path for one in receipts for item in one.outputs}
        outside = [item for one in receipts for item in one.inputs if item.path not in made]
        reports = [
            item for one in receipts for item in one.outputs if item.path.startswith("reports/")
        ]
        return self.add(
            "#run",
            "CreateAction",
            name="Run of the TextBCS pipeline",
            description="All stages of dvc.yaml that have run, with the parameters of params.yaml",
            instrument=to(WORKFLOW),
            object=distinct([*(self.add_item(item) for item in outside), to("params.yaml")]),
            result=distinct(self.add_item(item) for item in reports),
            actionStatus=COMPLETED,
            **self._period(),
        )

    def _period(self) -> dict[str, str | None]:
        """The first start and the last end of a stage."""
        times = sorted(self.times)
        return {
            "startTime": times[0] if times else None,
            "endTime": times[-1] if times else None,
        }


def _type(value: Any) -> str:
    """schema.org's name of a value's type."""
    if isinstance(value, bool):
        return "Boolean"
    if isinstance(value, int):
        return "Integer"
    return "Float" if isinstance(value, float) else "Text"
