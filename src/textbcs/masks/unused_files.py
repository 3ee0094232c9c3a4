"""The mask files of a folder that are no patient's mask, and why: none vanishes without a word."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.intake.folder_walk import shown
from textbcs.masks.mask_files import MaskFiles, better_pattern, found_files
from textbcs.masks.sources import Source

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("file", "reason")
ANOTHER = "the patient has another mask"
NO_SOURCE = "in no folder of masks.sources"


def unused_files(
    folder: Path,
    sources: Sequence[MaskFiles],
    used: Collection[str],
    whose: Mapping[str, str],
) -> "pd.DataFrame":
    """Every file of a folder that is no patient's mask.

    Args:
        folder: `masks.nifti_directory`.
        sources: the files of each source that reads below it.
        used: the files that are patients' masks, or that were meant to be and cannot be used.
        whose: of each patient without one, why.

    Returns:
        Columns `COLUMNS`, sorted by file, whose path is relative to the folder. A file that could not
        be used is not listed: the patient's row in masks.csv names it.
    """
    import pandas as pd

    owners: dict[Path, list[str]] = {}
    strange: dict[Path, str] = {}
    # The source whose folder is nearest to a file says best what is wrong with it.
    for source in sorted(sources, key=lambda one: len(one.folder.parts)):
        strange |= source.strangers
        for patient, paths in source.of.items():
            for path in paths:
                owners.setdefault(path, []).append(patient)
    rows = []
    for one in found_files(folder):
        if str(one.path) in used:
            continue
        own = owners.get(one.path, [])
        reason = next((whose[patient] for patient in own if patient in whose), ANOTHER)
        said = one.fault or (reason if own else strange.get(one.path, NO_SOURCE))
        rows.append([shown(one.path, folder), said])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summary(unused: "pd.DataFrame") -> Iterator[str]:
    """How many files are not used, by reason, the commonest first; nothing where all are."""
    if unused.empty:
        return
    reasons = unused["reason"].str.split("[;:]").str[0].value_counts()
    counts = sorted(reasons.items(), key=lambda pair: (-pair[1], str(pair[0])))
    yield f"{len(unused)} files are no mask of a patient: " + ", ".join(
        f"{count} {reason}" for reason, count in counts
    )


def name_hints(sources: Sequence[Source], patients: Sequence[str]) -> list[str]:
    """Of each source whose files seem to be called otherwise than it says, a line that says how.

    Args:
        sources: as opened.
        patients: all who should have a mask.
    """
    lines = []
    for number, source in enumerate(sources):
        if source.files is None:
            continue
        without = [patient for patient in patients if patient not in source.files.of]
        if words := better_pattern(source.files, without):
            lines.append(
                f"{len(without)} of {len(patients)} patients have no file {source.files.names} in "
                f"{source.files.folder}, but {words.replace('masks.sources', f'masks.sources.{number}')}"
            )
    return lines
