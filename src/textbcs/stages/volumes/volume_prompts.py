"""Stage `volume_prompts`: what each case may be asked with, without a reader too.

Reads the volumes, what the first pass says of them, the cases' own prompts and, where `volumes.reports`
names a table, reports. Chooses the first pass's operating point on validation and writes
`data/volumes/prompts.csv`, a row for each case and source (`patient`, `automatic`, `wrong_side`, `report`;
an empty text is the empty prompt), and `data/volumes/agreement.csv`, how often the sources agree with the
case's own prompt. Runs no network.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from textbcs.base.io import NONE as NO_FILE
from textbcs.base.io import InputError, read_csv, read_json, records, write_csv
from textbcs.dataset.prompt_grammar import parse
from textbcs.dataset.split_table import VAL
from textbcs.dataset.volume_store import (
    AGREEMENT,
    PROMPT_COLUMNS,
    PROMPTS,
    SPLITS,
    read_patients,
    read_volume,
    voxel_mm3,
)
from textbcs.prompts.cases import PATIENTS
from textbcs.prompts.perturbations import NOTHING
from textbcs.prompts.report_cases import report_case_prompts
from textbcs.volumes.case_prompts import AGREEMENT_COLUMNS, agreement, automatic_case_prompt
from textbcs.volumes.coded_maps import Codes, file_of, read_codes
from textbcs.volumes.operating_point import MarkedCase, OperatingPoint, apply, choose
from textbcs.volumes.prompt_sources import AUTOMATIC, NONE, PATIENT, REPORT, WRONG_SIDE

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

Facts = dict[str, Any]


def run(stage: "Stage") -> None:
    """Write the prompts of validation and test and their agreement.

    Params read: `volumes`, `prompts`, `cohort.sides`, `seeds`.

    Raises:
        InputError: an input is missing or damaged, or of other patients.
    """
    import pandas as pd

    rules = stage.params["volumes"]
    first = f"{rules['first_pass']}-s{stage.params['seeds'][0]}"
    fitted = read_json(stage.input("data/prompts/thresholds.json"))
    thresholds = (fitted["case_small_up_to_mm3"], fitted["case_medium_up_to_mm3"])
    point = choose(_marked(stage, first), rules["thresholds"], rules["smallest_mm3"])
    stage.log(
        f"first pass {first}: Dice {point.dice:.3f} of validation volumes at {point.threshold} with "
        f"components of at least {point.smallest_mm3:g} mm³"
    )
    own = _own_prompts(stage)
    rows = []
    for split in SPLITS:
        patients = records(read_patients(stage, split))
        texts = {PATIENT: [own.get((split, facts["patient"]), NOTHING) for facts in patients]}
        texts[AUTOMATIC] = [_automatic(stage, first, split, f, point, thresholds) for f in patients]
        if stage.params["cohort"]["sides"] != "none":
            texts[WRONG_SIDE] = [other_side(text) for text in texts[PATIENT]]
        texts |= _reports(stage, patients, thresholds)
        for place, facts in enumerate(patients):
            key = {"split": split, "patient": facts["patient"]}
            rows += [{**key, "source": name, "text": of[place]} for name, of in texts.items()]
        silent = texts[AUTOMATIC].count(NOTHING)
        stage.log(f"{split}: nothing found in {silent} of {len(patients)} volumes")
    write_csv(stage.output(PROMPTS), pd.DataFrame(rows, columns=[*PROMPT_COLUMNS]))
    told = pd.DataFrame(agreement(rows), columns=[*AGREEMENT_COLUMNS])
    write_csv(stage.output(AGREEMENT), told)


def other_side(text: str) -> str:
    """A case's prompt with the other side; what has no side stays as it is."""
    return NOTHING if text == NOTHING else parse(text).mirrored().text


def _codes(stage: "Stage", run: str, split: str, facts: Facts) -> Codes:
    """What the first pass says of a volume."""
    path = file_of(run, split, facts["patient"])
    found = read_codes(stage.input(path)).get(NONE)
    if found is None or found.shape != (facts["slices"], facts["size"], facts["size"]):
        raise InputError(
            f"{path}: is not of the volume in data/volumes/{split}, or of a network that reads text; "
            "check volumes.first_pass and run the stage volumes_first again"
        )
    return found


def _marked(stage: "Stage", run: str) -> Iterator[MarkedCase]:
    """The validation volumes with what the first pass says of them, one at a time."""
    for facts in records(read_patients(stage, VAL)):
        volume = read_volume(stage, VAL, facts)
        yield _codes(stage, run, VAL, facts), volume.mask, voxel_mm3(facts)


def _automatic(
    stage: "Stage",
    run: str,
    split: str,
    facts: Facts,
    point: OperatingPoint,
    thresholds: tuple[float, float],
) -> str:
    findings = apply(_codes(stage, run, split, facts), point, voxel_mm3(facts))
    params = stage.params
    minimum_mm3, sides = params["volumes"]["minimum_lesion_mm3"], params["cohort"]["sides"]
    return automatic_case_prompt(findings, facts, thresholds, minimum_mm3, params["prompts"], sides)


def _own_prompts(stage: "Stage") -> dict[tuple[str, str], str]:
    """The prompt of every case, (split, patient) -> text."""
    types = dict.fromkeys(("split", "patient", "text"), str)
    table = read_csv(stage.input(PATIENTS), [*types], types).fillna({"text": NOTHING})
    return {(row["split"], row["patient"]): row["text"] for row in records(table)}


def _reports(
    stage: "Stage", patients: list[Facts], thresholds: tuple[float, float]
) -> dict[str, list[str]]:
    """What rules read in the reports, where there are any."""
    path = stage.params["volumes"]["reports"]
    if path == NO_FILE:
        return {}
    names = [facts["patient"] for facts in patients]
    found = report_case_prompts(stage.input(path), names, thresholds)
    return {REPORT: [found[name] for name in names]}
