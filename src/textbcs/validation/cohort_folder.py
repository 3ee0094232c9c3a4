"""A folder of studies with masks, and perhaps prompts: which study and which mask are whose.

Each folder and each volume file directly in it is a study and bears its patient's name; `masks/` has a file
for each (`<patient>.nii.gz`, `.nii`, `.nrrd`, `.seg.nrrd`, or a DICOM SEG `<patient>.dcm`, `.seg.dcm`), and
`prompts.csv` may have a row for each. Names of files are read here, no image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt, PromptError
from textbcs.imaging import volume_files
from textbcs.intake.folder_walk import is_hidden
from textbcs.intake.own_tables import read_own_table
from textbcs.intake.spelling import hint, short
from textbcs.masks.mask_files import PATIENT, Named, better_pattern, match_files
from textbcs.prompts.reader_tables import read_words
from textbcs.study.reading import study_name

MASKS, PROMPTS = "masks", "prompts.csv"
SEG_SUFFIXES = (".seg.dcm", ".dcm")
NO_MASK, SEVERAL = "no mask", "several masks"
_PATIENT_COLUMNS = ("patient_id", "patient")
_MOST_NAMED = 5


@dataclass(frozen=True)
class Subject:
    """A patient of the cohort.

    Attributes:
        name: her study's.
        study: its folder or file.
        mask: the file of her true mask.
    """

    name: str
    study: Path
    mask: Path


@dataclass(frozen=True)
class Cohort:
    """What a folder holds.

    Attributes:
        subjects: those with a study and one mask, by name.
        without: the others, and why.
    """

    subjects: tuple[Subject, ...]
    without: Mapping[str, str]


def read_cohort(folder: Path, masks: Path | None = None, names: str = PATIENT) -> Cohort:
    """Find studies and their masks.

    Args:
        folder: of the studies.
        masks: the folder of masks, `masks/` in it by default.
        names: what a mask file is called, without its suffix, as `names` of `masks.sources` says it.

    Raises:
        InputError: no such folder, no study, nobody with a mask, or a mask of two patients.
    """
    where = masks or folder / MASKS
    studies = _studies(folder, where)
    if not where.is_dir():
        raise InputError(
            f"{where}: no such folder; put masks there, a file <patient>.nii.gz or <patient>.dcm each, or "
            "name another with --masks"
        )
    found = match_files(where, names, {name: Named((name,)) for name in studies})
    of = {name: list(found.of.get(name, ())) for name in studies}
    for name, path in _objects(where, found.names, studies).items():
        of[name] += path
    subjects = [
        Subject(name, study, of[name][0]) for name, study in studies.items() if len(of[name]) == 1
    ]
    without = {
        name: f"{SEVERAL}: {', '.join(short(path.name) for path in own[:_MOST_NAMED])}; keep one"
        if own
        else f"{NO_MASK}; a file {found.names.replace(PATIENT, name)}.nii.gz is wanted in {where}"
        for name, own in of.items()
        if len(own) != 1
    }
    if not subjects:
        words = better_pattern(found, list(without))
        words = words.replace("set names of masks.sources to that", "name that with --mask-names")
        first = next(iter(without.values()))
        raise InputError(f"{folder}: no study has a mask; {words or first}")
    return Cohort(tuple(subjects), without)


def _studies(folder: Path, masks: Path) -> dict[str, Path]:
    """The studies of a folder by name, sorted."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of studies")
    beside = masks.resolve()
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        is_study = path.is_dir() or volume_files.stem(path) is not None
        if is_hidden(path, folder) or path.resolve() == beside or not is_study:
            continue
        name = study_name(path)
        if name in found:
            raise InputError(
                f"{folder}: {found[name].name} and {path.name} are of one name; rename one"
            )
        found[name] = path
    if not found:
        raise InputError(f"{folder}: holds no study; each is a folder or a volume file in it")
    return found


def _objects(folder: Path, names: str, studies: Mapping[str, Path]) -> dict[str, list[Path]]:
    """The DICOM SEG files of each patient, by the pattern that volumes go by."""
    wanted = {names.replace(PATIENT, name).casefold(): name for name in studies}
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        suffix = next((end for end in SEG_SUFFIXES if path.name.lower().endswith(end)), None)
        if suffix is None or is_hidden(path, folder) or not path.is_file():
            continue
        own = path.relative_to(folder).as_posix()[: -len(suffix)].casefold()
        if own in wanted:
            found.setdefault(wanted[own], []).append(path)
    return found


def read_prompts(path: Path, patients: Sequence[str]) -> dict[str, Prompt]:
    """The prompt of each patient of a table; who has no row is asked with the automatic prompt.

    Args:
        path: CSV or XLSX with `patient_id` or `patient`, and the four attributes or `text`.
        patients: all who have a study, so that a misspelt one is noticed.

    Raises:
        InputError: no readable table, or a row with an unknown patient, a word outside the grammar, or
            one too many for its patient.
    """
    table = read_own_table(path, [], [*_PATIENT_COLUMNS, *VOCABULARY, "text"])
    column = next((one for one in _PATIENT_COLUMNS if one in table.columns), None)
    if column is None or not ({*VOCABULARY, "text"} & set(table.columns)):
        raise InputError(
            f"{path}: columns must hold patient_id, and location, shape, size, number or text"
        )
    found: dict[str, Prompt] = {}
    for number, cells in zip(table.index, table.to_dict("records"), strict=True):
        row = {str(key): str(value) for key, value in cells.items()}
        name = row[column]
        if name not in patients:
            words = hint(name, patients) or "no study is called so"
            raise InputError(f"{path}: row {number}: patient {short(name)}: {words}")
        if name in found:
            raise InputError(f"{path}: row {number}: patient {short(name)} has two rows; keep one")
        try:
            found[name] = read_words(row)
        except PromptError as error:
            raise InputError(f"{path}: row {number}: {' '.join(str(error).split())}") from error
    return found
