"""Packaged models on a folder of studies with masks: every patient is asked, scored and kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import (
    InputError,
    canonical_json,
    read_json,
    sha256_bytes,
    sha256_file,
    write_json,
)
from textbcs.evaluation.volumes.patient_scores import Rules
from textbcs.intake.guard import why
from textbcs.outline.summary import made_from
from textbcs.package.reading import Package
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish
from textbcs.validation.asked_packages import (
    Prompts,
    case_facts,
    marked_volume,
    outlines,
    score_rows,
)
from textbcs.validation.cohort_folder import Cohort, Subject
from textbcs.validation.patient_files import (
    PatientMasks,
    PatientResult,
    read_patient,
    write_patient,
)
from textbcs.validation.reference_masks import MaskRules, read_reference
from textbcs.validation.score_tables import Statistics

if TYPE_CHECKING:
    pass

MARK = "evaluation.json"
FORMAT, VERSION = "textbcs-evaluation", 1


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated on what, and how.

    Attributes:
        models: label -> package, one or two, the first being the one that groups and shows patients.
        cohort: studies and masks.
        prompts: beside the automatic ones.
        masks: what of a mask file is tumour.
        rules: how volumes are scored.
        how: means are taken.
        jobs: most processes that work at once; changes no byte.
    """

    models: Mapping[str, Package]
    cohort: Cohort
    prompts: Prompts
    masks: MaskRules
    rules: Rules
    how: Statistics
    jobs: int = 1

    @property
    def first(self) -> Package:
        """The first model."""
        return next(iter(self.models.values()))


def labelled(packages: Sequence[Package]) -> dict[str, Package]:
    """One or two packages by name; two of one name by name and hash.

    Raises:
        InputError: both are the same.
    """
    if len({one.sha256 for one in packages}) < len(packages):
        raise InputError(
            f"{packages[0].source.path}: is compared with itself; name another package"
        )
    if len({one.name for one in packages}) == len(packages):
        return {one.name: one for one in packages}
    return {f"{one.name} {one.sha256[:8]}": one for one in packages}


def check_out(out: Path, models: Mapping[str, Package], overwrite: bool) -> None:
    """Refuse a folder that must not be written.

    Raises:
        InputError: it holds other files, or the evaluation of other packages.
    """
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise InputError(f"{out}: is no folder; name another one with --out")
    if not out.is_dir() or not any(out.iterdir()):
        return
    if not (out / MARK).is_file():
        raise InputError(
            f"{out}: holds other files than an evaluation; name another folder with --out"
        )
    told = read_json(out / MARK)
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise InputError(f"{out / MARK}: is of something else; name another folder with --out")
    if told.get("models") != _hashes(models) and not overwrite:
        raise InputError(
            f"{out}: holds an evaluation of other packages; add --overwrite, or name another with --out"
        )


def _hashes(models: Mapping[str, Package]) -> dict[str, str]:
    return {label: one.sha256 for label, one in models.items()}


def evaluate_patients(task: Evaluation, out: Path) -> Iterator[tuple[str, PatientResult | str]]:
    """Ask and score every patient; one that fails is said, and the others go on.

    Args:
        task: what is evaluated.
        out: the folder of the evaluation; what it holds of the same patient and options is kept.

    Yields:
        Name, and the result or why there is none.
    """
    write_json(out / MARK, told(task, finished=False))
    for subject in task.cohort.subjects:
        try:
            yield subject.name, _patient(subject, task, out)
        except (InputError, OSError) as error:
            yield subject.name, str(error)
        except Exception as error:  # one study's oddity must not end the others'
            yield subject.name, f"{subject.study}: {type(error).__name__}: {why(error)}"


def _patient(subject: Subject, task: Evaluation, out: Path) -> PatientResult:
    """A patient's result: the one that was kept, or a new one."""
    found = {
        label: find_study(subject.study, Wish.of(package)) for label, package in task.models.items()
    }
    origin = _origin(subject, task, {label: one.fingerprint() for label, one in found.items()})
    kept = read_patient(out, subject.name, origin)
    if kept is not None:
        return kept
    facts: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    references, masks = [], []
    for label, package in task.models.items():
        study = read_study(found[label])
        reference = read_reference(subject.mask, study, task.masks)
        volume = marked_volume(study, reference, package)
        facts = facts or case_facts(study, volume, package)
        answers = outlines(study, volume, package, subject.name, task.prompts, task.jobs)
        for one in answers:  # one outline in memory at a time
            rows += [{"model": label, **row} for row in score_rows([one], reference, task.rules)]
            masks.append(one[1].mask)
        references.append(reference)
    result = PatientResult(subject.name, origin, facts, rows)
    write_patient(out, result, PatientMasks(references[0], masks))
    return result


def _origin(subject: Subject, task: Evaluation, fingerprints: Mapping[str, str]) -> str:
    """A hash over all that a patient's result follows from."""
    told = {
        label: [
            made_from(package, fingerprints[label], {}),
            {
                source: [one.prompt.text if one.prompt else None, one.source, list(one.warnings)]
                for source, one in task.prompts.stated(subject.name, package).items()
            },
        ]
        for label, package in task.models.items()
    }
    rules = [list(task.rules.tolerances_mm), task.rules.minimum_mm3, task.rules.minimum_covered]
    segments, labels = task.masks.segments, task.masks.labels
    masks = [
        list(segments) if segments else None,
        labels if labels in (None, "all") else list(labels),
    ]
    return sha256_bytes(
        canonical_json(
            [
                told,
                sha256_file(subject.mask),
                rules,
                masks,
                task.masks.max_outside,
                task.prompts.fallback,
            ]
        ).encode()
    )


def told(task: Evaluation, finished: bool) -> dict[str, Any]:
    """What `evaluation.json` says; no patient stands in it."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "finished": finished,
        "models": _hashes(task.models),
        "bootstrap": dict(task.how.bootstrap),
        "nsd_tolerances_mm": list(task.rules.tolerances_mm),
        "minimum_lesion_mm3": task.rules.minimum_mm3,
        "minimum_covered": task.rules.minimum_covered,
        "not_for": "not a medical device; not for diagnosis or treatment",
    }
