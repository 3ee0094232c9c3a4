"""From a study's path to its finished folder, for one study or for a folder of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, read_json
from textbcs.imaging import volume_files
from textbcs.intake.folder_walk import is_hidden
from textbcs.intake.guard import why
from textbcs.outline.chosen_prompt import PromptWish, StatedPrompt, read_prompt
from textbcs.outline.drawing import draw, steps_of
from textbcs.outline.output_folder import SUMMARY, fresh_folder
from textbcs.outline.result_files import file_names, write_files
from textbcs.outline.summary import check_summary, made_from
from textbcs.package.reading import Package
from textbcs.study.reading import find_study, read_study, study_name
from textbcs.study.study_files import StudyFiles, Wish


@dataclass(frozen=True)
class Options:
    """What the user chooses beside study and package.

    Attributes:
        prompt: what is said of the prompt.
        series: `NAME` or `PHASE=NAME`, as typed.
        study_uid: of the study that is meant, "" for the only one.
        fractional: write the probability as a fractional SEG too.
        jobs: most processes that work at once; changes no byte.
        overwrite: replace an older result.
    """

    prompt: PromptWish = field(default_factory=PromptWish)
    series: Sequence[str] = ()
    study_uid: str = ""
    fractional: bool = False
    jobs: int = 1
    overwrite: bool = False


class Progress:
    """Told how a prediction gets on; this one is told in vain."""

    def files(self, paths: Iterable[Path]) -> Iterable[Path]:
        """Wraps files whose headers are read."""
        return paths

    def start(self, total: int) -> None:
        """So many batches will be asked."""

    def done(self) -> None:
        """One of them was."""


@dataclass(frozen=True)
class FoundStudy:
    """A study of which all is known but its voxels.

    Attributes:
        files: its phases.
        stated: what was read of the user's prompt.
        origin: what its result follows from, as `summary.made_from` gives it.
    """

    files: StudyFiles
    stated: StatedPrompt
    origin: dict[str, str]


def find(path: Path, package: Package, options: Options, progress: Progress) -> FoundStudy:
    """Find a study and read the prompt; reads no voxel, but hashes the files that make the image.

    Raises:
        InputError: as `study.reading.find_study` and `chosen_prompt.read_prompt`.
    """
    stated = read_prompt(options.prompt, package, study_name(path))
    wish = Wish.of(package, options.series, options.study_uid)
    files = find_study(path, wish, progress.files)
    return FoundStudy(
        files, stated, made_from(package, files.fingerprint(), _chosen(options, stated))
    )


def _chosen(options: Options, stated: StatedPrompt) -> dict[str, Any]:
    """What of the options changes a byte, and does not show in the files that were found."""
    return {
        "prompt": stated.prompt.text if stated.prompt else None,
        "source": stated.source,
        "warnings": list(stated.warnings),
        "fallback": options.prompt.fallback,
        "fractional": options.fractional,
    }


def predict_study(
    found: FoundStudy, package: Package, options: Options, out: Path, progress: Progress
) -> dict[str, Any]:
    """Outline a study and write its folder, whole or not at all.

    Args:
        found: the study.
        package: that is asked.
        options: of the user.
        out: the folder of the result.
        progress: is told of every batch.

    Returns:
        The summary.

    Raises:
        InputError: the study cannot be read, or `out` must not be written.
    """
    with fresh_folder(out, options.overwrite) as folder:
        study = read_study(found.files)
        progress.start(steps_of(study.grid.shape[0], found.stated, package))
        outline = draw(study, package, found.stated, options.prompt, options.jobs, progress.done)
        return write_files(folder, outline, found.origin, options.fractional)


def finished(out: Path, origin: dict[str, str]) -> dict[str, Any] | None:
    """The summary of a result that is there already, of the same input, package and options; else None."""
    if not (out / SUMMARY).is_file():
        return None
    try:
        found = read_json(out / SUMMARY)
        check_summary(found)
    except (InputError, ValueError):
        return None
    return found if found["made_from"] == origin else None


def files_to_come(found: FoundStudy, package: Package, options: Options) -> list[str]:
    """The names of the files that a study's result will have."""
    first = found.files.needed[0].first
    dicom = first is not None and bool(first.frame_of_reference)
    return file_names(dicom, package.has_evidence, options.fractional)


def studies_in(folder: Path) -> list[Path]:
    """The studies of a folder: each folder and each volume file directly in it, by name.

    Raises:
        InputError: it is no folder, holds none, or two would have one name.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; --batch takes a folder of studies")
    found = [
        path
        for path in sorted(folder.iterdir())
        if not is_hidden(path, folder) and (path.is_dir() or volume_files.stem(path) is not None)
    ]
    if not found:
        raise InputError(f"{folder}: holds no study; each is a folder or a volume file in it")
    names: dict[str, Path] = {}
    for path in found:
        other = names.setdefault(study_name(path).casefold(), path)
        if other != path:
            raise InputError(
                f"{folder}: {other.name} and {path.name} would have results of one name; rename one"
            )
    return found


def predict_studies(
    paths: Sequence[Path],
    package: Package,
    options: Options,
    out: Path,
    progress: Callable[[Path], Progress],
) -> Iterator[tuple[str, str, dict[str, Any] | str]]:
    """Outline studies one after the other; one that fails is said, and the others go on.

    Args:
        paths: of the studies.
        package: that is asked.
        options: of the user; an older result of other options or another input is replaced.
        out: the folder of all results, one folder for each.
        progress: made for each study.

    Yields:
        Name, state (`done`, `kept` where it was finished before, or `failed`), and the summary, or why it
        failed.
    """
    for path in paths:
        name = study_name(path)
        try:
            told = progress(path)
            found = find(path, package, options, told)
            kept = None if options.overwrite else finished(out / name, found.origin)
            if kept is not None:
                yield name, "kept", kept
                continue
            again = Options(**{**vars(options), "overwrite": True})
            yield name, "done", predict_study(found, package, again, out / name, told)
        except (InputError, OSError) as error:
            yield name, "failed", str(error)
        except Exception as error:  # one study's oddity must not end the others'
            yield name, "failed", f"{path}: {type(error).__name__}: {why(error)}"
