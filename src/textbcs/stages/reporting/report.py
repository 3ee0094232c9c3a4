"""The stage `report`: `reports/index.html`, one self-contained file.

The page stands in `reporting/page`: `page.py` puts it together, `answer.py` makes the sentences that it opens
with, `viewer.py` and `volume_viewer.py` the viewers' data. It shows the tables' text as the stages that made
them printed it.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import read_csv, read_json, records, write_text
from textbcs.dataset.prompt_table import read_prompts
from textbcs.dataset.slice_store import read_slices
from textbcs.evaluation.statistics.runs import Run, first_seed, read_runs
from textbcs.prediction.files import read_maps
from textbcs.reporting.common.labels import encoder_label, is_duke, label, seed_spread
from textbcs.reporting.common.notes import retrained
from textbcs.reporting.common.printed_tables import DATA, PrintedTable, read_table
from textbcs.reporting.common.volume_cases import read_cases
from textbcs.reporting.page.answer import Found, Score, answer
from textbcs.reporting.page.caveats import limits, shortfall
from textbcs.reporting.page.contents import FIGURES, TABLES
from textbcs.reporting.page.page import Page, render
from textbcs.reporting.page.run_description import Subject, method_facts, run_facts
from textbcs.reporting.page.viewer import Layer, viewer_data
from textbcs.reporting.page.volume_viewer import volume_data

if TYPE_CHECKING:
    from textbcs.dataset.slice_store import Shard
    from textbcs.stage.receipt import Stage

STATISTICS, COMPLEXITY = Path("results/statistics"), Path("results/complexity")
COVERAGE = "benchmarks/results/coverage.json"
RADIOLOGICAL = re.compile(r"Radiological view: the\spatient(?:'|&#x27;)s left is at the right\.")


def run(stage: "Stage") -> None:
    """Write the report around tables, figures and slices."""
    params, runs, shard = stage.params, read_runs(stage), read_slices(stage, "test")
    prompts = records(read_prompts(stage.input("data/prompts/test.csv")))
    subject = _subject(stage, shard, prompts)
    found = _found(stage, subject)
    tables = _tables(stage)
    counted = {name: read_json(stage.input(COMPLEXITY / f"{name}.json")) for name in found.dice}
    page = Page(
        answer=answer(found),
        caveats=limits(
            found.phantom,
            len(params["seeds"]),
            found.derived,
            shortfall(read_json(stage.input(COVERAGE)), subject.patients),
            retrained(found.spread, params["seeds"]),
        ),
        facts=run_facts(params, subject),
        methods=method_facts(counted),
        prior=found.prior,
        scores=[
            {
                "method": name,
                "label": label(name),
                "dice": one.value,
                "low": one.low,
                "high": one.high,
            }
            for name, one in found.dice.items()
        ],
        tables=tables,
        figures=_figures(stage),
        viewer=_viewer(
            stage,
            shard,
            list(first_seed(runs, shard.table["slice_id"]).values()),
            {str(row["slice_id"]): str(row["text"]) for row in prompts},
        ),
        volumes=volume_data(read_cases(stage)),
    )
    text = render(page)
    if params["cohort"]["sides"] != "patient":
        text = RADIOLOGICAL.sub("Images are shown as they were read.", text)
    write_text(stage.output("reports/index.html"), text)


def _subject(stage: "Stage", shard: "Shard", prompts: Sequence[Mapping[str, Any]]) -> Subject:
    """What was tested."""
    tumour = shard.table["kind"] == "tumour"
    return Subject(
        encoder=encoder_label(stage),
        mask_sources=sorted(set(map(str, shard.table["mask_source"]))),
        prompt_sources=sorted({str(row["source"]) for row in prompts}),
        tumour_slices=int(tumour.sum()),
        tumour_free_slices=int((~tumour).sum()),
        patients=int(shard.table["patient"].nunique()),
        side=int(shard.images.shape[1]),
    )


def _found(stage: "Stage", subject: Subject) -> Found:
    """What the page's first sentences are made of."""
    means, compared, trivial = (
        read_csv(stage.input(STATISTICS / f"{name}.csv"))
        for name in ("means", "comparisons", "trivial")
    )
    dice = {
        str(row["method"]): _percent(row, "value")
        for row in records(means[means["measure"] == "dice_patient_mean"])
    }
    gaps = records(compared[compared["metric"] == "dice"])
    prior = records(trivial[trivial["trivial"] == "prior"])
    duke = is_duke(stage.params)
    return Found(
        dice={name: dice[name] for name in stage.params["tables"]["table1"]},
        differences={str(row["baseline"]): _percent(row, "difference") for row in gaps},
        spread=seed_spread(stage),
        patients=subject.patients,
        prior=100 * float(prior[0]["trivial_dice"]) if prior else None,
        above_prior=[str(row["method"]) for row in prior if row["above"]],
        phantom=not duke and stage.params["cohort"]["kind"] == "phantom",
        duke=duke,
        derived=stage.params["prompts"]["source"] == "derive",
        mask_sources=subject.mask_sources,
    )


def _percent(row: Mapping[str, Any], value: str) -> Score:
    """A fraction with its limits, in percent or points."""
    return Score(*(100 * float(row[name]) for name in (value, "low", "high")))


def _tables(stage: "Stage") -> dict[str, PrintedTable]:
    """The tables of the page's list, as the stages that made them wrote them, by their file's name."""
    there = {path.stem: path for path in DATA.glob("*/*.json")}
    return {
        name: read_table(stage.input(there.get(name, DATA / "tables" / f"{name}.json")))
        for name in TABLES
    }


def _figures(stage: "Stage") -> dict[str, bytes]:
    """The figures of the page's list, as PNG."""
    return {name: stage.input(f"reports/figures/{name}.png").read_bytes() for name in FIGURES}


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
        maps = read_maps(stage, run.name)
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
