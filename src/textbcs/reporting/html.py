"""The stage `report`: `reports/index.html`, one self-contained file.

Reads the printed tables, the figures that `dvc.yaml` declares, the test shard with its prompts, the
runs' predictions, how far other trainings of a method lie, and what a benchmark found: how often the
intervals hold the truth in a simulation (`coverage.py`).
The page itself is made in `page.py`, the viewer's data in `viewer.py`.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from textbcs.evaluation.runs import EVALUATION, Run, first_seed, read_runs
from textbcs.io import (
    InputError,
    read_csv,
    read_json,
    read_tensors,
    records,
    write_text,
)
from textbcs.prompts.table import read_prompts
from textbcs.reporting.contents import FIGURES, TABLES
from textbcs.reporting.facts import Subject, method_facts, retrained, run_facts, shortfall
from textbcs.reporting.page import Page, render
from textbcs.reporting.pipetable import PipeTable, read_tables
from textbcs.reporting.remarks import seed_notes
from textbcs.reporting.render import cell
from textbcs.reporting.runs import encoder_label, is_duke, label, seed_spread
from textbcs.reporting.viewer import Layer, viewer_data
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage
    from textbcs.slices.store import Shard

COVERAGE = "benchmarks/results/coverage.json"
# Written as CSV alone, so its headings stand here.
DIFFERENCES = {
    "subtrahend": "TextBCS minus",
    "seeds": "Seeds",
    "patients": "Patients",
    "dice_difference": "Dice difference, points (mean over patients)",
    "low": "95 % from",
    "high": "to",
}


def write_report(stage: "Stage") -> None:
    """Write the report around tables, figures and slices."""
    seeds, spread = stage.params["seeds"], seed_spread(stage)
    runs = read_runs(stage)
    shard = read_slices(stage, "test")
    prompts = records(read_prompts(stage.input("data/prompts/test.csv")))
    text_of = {str(row["slice_id"]): str(row["text"]) for row in prompts}
    rows = records(read_csv(stage.input("reports/tables/table1.csv")))
    subject = Subject(
        encoder=encoder_label(stage),
        mask_sources=sorted(set(map(str, shard.table["mask_source"]))),
        prompt_sources=sorted({str(row["source"]) for row in prompts}),
        tumour_slices=int((shard.table["kind"] == "tumour").sum()),
        tumour_free_slices=int((shard.table["kind"] != "tumour").sum()),
        patients=int(shard.table["patient"].nunique()),
        side=int(shard.images.shape[1]),
    )
    page = Page(
        phantom=not is_duke(stage.params) and stage.params["cohort"]["kind"] == "phantom",
        duke=is_duke(stage.params),
        seeds=len(seeds),
        derived=stage.params["prompts"]["source"] == "derive",
        coverage=shortfall(read_json(stage.input(COVERAGE)), subject.patients),
        spread=retrained(spread, seeds),
        facts=run_facts(stage.params, subject),
        methods=method_facts(stage.params, rows),
        prior=_prior(records(read_csv(stage.input("reports/tables/trivial.csv")))),
        scores=rows,
        tables=_tables(stage, seed_notes(seeds, spread)),
        figures=_figures(stage),
        viewer=_viewer(
            stage, shard, list(first_seed(runs, shard.table["slice_id"]).values()), text_of
        ),
    )
    write_text(stage.output("reports/index.html"), render(page))


def _tables(stage: "Stage", once: list[str]) -> dict[str, list[PipeTable]]:
    """The printed tables by their file's name; the differences are made from their CSV, with `once` below."""
    found = {}
    for name in TABLES:
        path = f"reports/tables/{name}.md"
        if stage.definition.may_read(path):
            try:
                found[name] = read_tables(stage.input(path).read_text(encoding="utf-8"))
            except ValueError as error:
                raise InputError(f"{path}: {error}; regenerate it") from error
    gaps = records(read_csv(stage.input("reports/tables/table1_differences.csv")))
    rows = [
        [cell(label(row[key]) if key == "subtrahend" else row[key]) for key in DIFFERENCES]
        for row in gaps
    ]
    title = "TextBCS against each other method, Dice, paired by slice, 95 % interval over patients"
    found["table1_differences"] = [PipeTable(title, list(DIFFERENCES.values()), rows, once)]
    return found


def _prior(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """The Dice of the mean mask of the prompt's side and size, in percent."""
    return next((float(row["dice"]) for row in rows if row["method"] == "prior"), None)


def _figures(stage: "Stage") -> dict[str, bytes]:
    """The figures of the page's list that `dvc.yaml` names as dependencies."""
    found = {}
    for name in FIGURES:
        path = f"reports/figures/{name}.png"
        if stage.definition.may_read(path):
            found[name] = stage.input(path).read_bytes()
    return found


def _viewer(
    stage: "Stage", shard: "Shard", runs: Sequence[Run], text_of: Mapping[str, str]
) -> dict[str, Any]:
    """The data of the page's viewer: test slices, and the maps of each of `runs`."""
    slices = [
        {
            "id": row["slice_id"],
            "patient": row["patient"],
            "z": int(row["z_index"]),
            "kind": row["kind"],
            "source": row["mask_source"],
            "prompt": text_of[str(row["slice_id"])],
        }
        for row in records(shard.table)
    ]
    layers = []
    for run in runs:
        maps = read_tensors(stage.input(EVALUATION / run.name / "predictions.safetensors"))
        dice = run.slices.set_index("slice_id")["dice"].reindex([one["id"] for one in slices])
        layers.append(
            Layer(
                run.method,
                label(run.method),
                maps["probability"],
                maps.get("vacuity"),
                dice.to_numpy(float),
            )
        )
    threshold = float(stage.params["evaluation"]["threshold"])
    return viewer_data(slices, shard.images, shard.masks, layers, threshold)
