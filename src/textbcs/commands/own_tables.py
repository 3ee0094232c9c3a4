"""The tables that people bring, read before the stage that needs them: faults, and who is misspelt."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, read_json
from textbcs.commands.check import own_files
from textbcs.intake.spelling import unknown_names
from textbcs.settings.params import flatten
from textbcs.stage.definition import read_stages

_RECEIPT = Path("results/receipts/cohort.json")
_MOST_SAID = 3  # lines of one table; of the others their number


@dataclass
class Table:
    """What a reader found in a table.

    Attributes:
        patients: row as a spreadsheet shows it -> the patient that it names.
        notes: rows that the stage will leave out, and why.
        strangers: whether rows of patients of elsewhere are usual: then only misspelt ones are said.
    """

    patients: Mapping[int, str]
    notes: list[str] = field(default_factory=list)
    strangers: bool = False


def check_own_tables(
    params: Mapping[str, Any], stages: Mapping[str, Any] | None = None
) -> list[str]:
    """Read every table that params.yaml names and no stage makes, as the stage will.

    Args:
        params: all parameters, valid.
        stages: those of dvc.yaml; read where they are not given.

    Returns:
        Lines on rows that will not be used, and on patients whom data/cohort/patients.csv does not have,
        with row and nearest name; that table counts only where it was listed from this archive.

    Raises:
        InputError: tables that a stage would refuse; names all of them.
    """
    known = _patients(params)
    notes: list[str] = []
    faults: list[str] = []
    for key, value in own_files(params, read_stages() if stages is None else stages):
        read = _READERS.get(key)
        if read is None or not Path(value).is_file():  # `check_own_files` says what is missing
            continue
        try:
            table = read(Path(value), params)
        except InputError as error:
            faults.append(str(error))
            continue
        notes += [f"{value}: {line}" for line in _few(table.notes)]
        if known:
            notes += [f"{value}: {line}" for line in _few(list(_misspelt(table, known, params)))]
    if faults:
        raise InputError("; ".join(faults))
    return notes


def _few(lines: list[str]) -> list[str]:
    """The first lines, and how many more there are."""
    more = len(lines) - _MOST_SAID
    return lines if more <= 0 else [*lines[:_MOST_SAID], f"{more} more rows like that"]


def _patients(params: Mapping[str, Any]) -> list[str]:
    """The patients of the cohort; none where it is not listed yet, or another archive's."""
    from textbcs.cohort.cohort_tables import PATIENTS, read_patients

    if not PATIENTS.is_file() or not _RECEIPT.is_file():
        return []
    recorded = read_json(_RECEIPT)
    listed = recorded.get("params") if isinstance(recorded, dict) else None
    now = flatten({"cohort": params["cohort"]})
    keys = ("cohort.kind", "cohort.archive", "cohort.collection")
    if not isinstance(listed, dict) or any(listed.get(key) != now[key] for key in keys):
        return []
    return list(read_patients()["patient"])


def _misspelt(table: Table, known: list[str], params: Mapping[str, Any]) -> Iterator[str]:
    """The patients of a table whom the cohort does not have, with row and what may be meant."""
    rows: dict[str, int] = {}
    for row, patient in table.patients.items():
        rows.setdefault(patient, row)
    unlisted = [name for name in rows if name and name not in known]
    only_near = table.strangers or bool(params["cohort"]["patients"])
    # Whoever has a row of her own is not meant by another one.
    wanted = [name for name in known if name not in rows] if only_near else known
    for name, words in unknown_names(unlisted, wanted).items():
        if not only_near or ";" in words:
            yield f"row {rows[name]}: patient {words}"


def _clinical(path: Path, params: Mapping[str, Any]) -> Table:
    """The collection's clinical workbook."""
    from textbcs.cohort.clinical import read_clinical

    table = read_clinical(path)
    return Table(_named(table.index, table["patient"]), strangers=True)


def _boxes(path: Path, params: Mapping[str, Any]) -> Table:
    """Annotation boxes; a faulty line costs its patient's box alone."""
    from textbcs.masks.boxes import read_boxes

    boxes, faults = read_boxes(path, params["cohort"]["box_base"])
    rows = {box.line: patient for patient, box in boxes.items()}
    rows |= {fault.line: fault.patient for fault in faults}
    return Table(rows, [f"row {one.line}: {one.reason}" for one in faults], strangers=True)


def _series(path: Path, params: Mapping[str, Any]) -> Table:
    """Which series is which phase."""
    from textbcs.cohort.series_choice import ChosenSeries

    wishes = ChosenSeries(path).wishes
    return Table({wish.row: patient for patient, own in wishes.items() for wish in own})


def _join(path: Path, params: Mapping[str, Any]) -> Table:
    """MAMA-MIA's names of series; its patients are called otherwise than the cohort's."""
    from textbcs.masks.nifti_masks import read_join

    read_join(path)
    return Table({})


def _prompts(path: Path, params: Mapping[str, Any]) -> Table:
    """Words or reports of people; every faulty row would stop the stage."""
    from textbcs.prompts.reader_tables import KEYS, WORDS, read_rows, read_table, read_words

    source = params["prompts"]["source"]
    if source == "derive":
        return Table({})
    if source == "report":  # whether a report can be read depends on sizes that a stage fits
        table = read_table(path, [(*KEYS, "report")])
    else:
        table = read_table(path, WORDS)
        _, problems = read_rows(table, read_words)
        if problems:
            raise InputError(
                "; ".join(f"{path}: {line}" for line in _few(list(map(str, problems))))
            )
    return Table(_named(table.index, table[KEYS[0]]))


def _reports(path: Path, params: Mapping[str, Any]) -> Table:
    """Reports of whole cases; a case without one is asked in other ways."""
    from textbcs.intake.own_tables import read_own_table
    from textbcs.prompts.report_cases import report_case_prompts

    report_case_prompts(path, (), (0.0, 0.0))  # nobody's: it reads the table and judges its rows
    table = read_own_table(path, ["report"], ["patient", "patient_id"])
    name = "patient" if "patient" in table.columns else "patient_id"
    return Table(_named(table.index, table[name]), strangers=True)


def _named(rows: Any, patients: Any) -> dict[int, str]:
    return {int(row): str(patient) for row, patient in zip(rows, patients, strict=True)}


_READERS: Mapping[str, Callable[[Path, Mapping[str, Any]], Table]] = {
    "cohort.clinical": _clinical,
    "cohort.boxes": _boxes,
    "cohort.series": _series,
    "masks.nifti_table": _join,
    "prompts.table": _prompts,
    "volumes.reports": _reports,
}
