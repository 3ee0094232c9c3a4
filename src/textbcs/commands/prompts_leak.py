"""`textbcs prompts-leak`: how much anyone's table of prompts tells of its masks before any image is seen.

The table is that of `prompts.source: table`; masks are volumes (NIfTI, NRRD; `<patient>.nii.gz`) or single
slices (PNG, JPEG, TIFF, BMP; `<patient>/<slice>.png`, `<patient>_<slice>.png`, or `<patient>.png`, which is
slice 1). A slice of a volume is called by its place in the file, counted from 1, as in the pipeline. The
prior learns on other patients, in turn; `evaluation/leak` says what is estimated and how.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, write_csv
from textbcs.commands.image_folders import SUFFIXES as PICTURES
from textbcs.commands.plain_images import read_drawn_mask
from textbcs.dataset.prompt_grammar import VOCABULARY, Prompt
from textbcs.evaluation.leak.leak_rows import LEAK, Asked, leak_rows
from textbcs.evaluation.leak.mask_facts import Measured, fit_limits, measure
from textbcs.imaging.geometry import lps_orientation, spacing, to_lps
from textbcs.imaging.volume_files import read_mask
from textbcs.intake.folder_walk import every_file, shown
from textbcs.masks.mask_files import Named, match_files
from textbcs.prompts.reader_tables import KEYS, Joined, join, read_rows, read_table, read_words
from textbcs.slices.resize import SquareGrid

SIZE = 96  # pixels a side of the grid on which masks are compared
FOLDS = 5
BOOTSTRAP = {"resamples": 9999, "seed": 31}
_SOURCE = "table"
_FEW = 3


@dataclass(frozen=True)
class MaskSlice:
    """A slice with its mask on the common grid.

    Attributes:
        patient: as in the table; number: of the slice.
        mask: (SIZE, SIZE) uint8.
        measured: of the mask; None where it is empty.
    """

    patient: str
    number: str
    mask: NDArray[np.uint8]
    measured: Measured | None

    @property
    def name(self) -> str:
        return f"{self.patient} slice {self.number}"


def leak_lines(path: Path, folder: Path, out: Path | None = None) -> Iterator[str]:
    """What a table's prompts give away, as lines for a person.

    Args:
        path: a table with the columns patient_id, slice, and the attributes or a text.
        folder: the masks.
        out: write the rows there too, as CSV.

    Raises:
        InputError: an unreadable table or mask, faulty rows, no mask that fits, or fewer than two patients.
    """
    import pandas as pd

    table = read_table(path, [(*KEYS, *VOCABULARY), (*KEYS, "text")])
    slices = list(_mask_slices(folder, dict.fromkeys(table["patient_id"])))
    _check_once(folder, slices)
    rows, faults = read_rows(table, read_words)
    joined = join(
        rows, [_facts(one) for one in slices], allow_inconsistent=True, whole_patients=True
    )
    wrong = [*faults, *(one for one in joined.problems if one.row is not None)]
    if wrong:
        count = f"{len(wrong)} problem{'s' if len(wrong) > 1 else ''}; the first: "
        raise InputError(f"{path}: {count}{min(wrong, key=lambda one: one.row or 0)}")
    asked = [one for one in slices if one.name in joined.prompts]
    if len({one.patient for one in asked}) < 2:
        raise InputError(f"{path}: fewer than two patients have prompts and masks in {folder}")
    found = _found(asked, [joined.prompts[one.name] for one in asked])
    if out:
        write_csv(out, pd.DataFrame(found, columns=list(LEAK)))
    yield from _printed(found)
    yield from _left_out(slices, asked, joined)
    yield from _not_read(folder)


def _mask_slices(folder: Path, patients: Iterable[str]) -> Iterator[MaskSlice]:
    """Every slice of the masks of some patients, volumes first."""
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the folder of the masks with --masks")
    names = [name for name in patients if name]
    people = {name: Named((name,)) for name in names}
    volumes = match_files(folder, "{patient}*", people).of if people else {}
    for name in names:
        for path in volumes.get(name, []):
            yield from _volume_slices(name, path)
    for path in (one.path for one in every_file(folder) if not one.fault):
        if path.suffix.lower() in PICTURES:
            place = path.relative_to(folder).with_suffix("").as_posix()
            if owner := _owner(place, names):
                mask = read_drawn_mask(path, threshold=0)
                yield _slice(*owner, mask, (1.0, 1.0))


def _check_once(folder: Path, slices: Sequence[MaskSlice]) -> None:
    """InputError where a slice has two masks."""
    seen: set[str] = set()
    for one in slices:
        if one.name in seen:
            raise InputError(f"{folder}: patient {one.name} has two masks; keep one")
        seen.add(one.name)


def _owner(place: str, patients: Sequence[str]) -> tuple[str, str] | None:
    """Whose slice a picture is and which, by its name below the folder; None: nobody's."""
    for name in sorted(patients, key=len, reverse=True):
        if match := re.fullmatch(rf"{re.escape(name)}(?:[/_-]0*(\d+))?(?:_mask)?", place):
            return name, match[1] or "1"
    return None


def _volume_slices(patient: str, path: Path) -> Iterator[MaskSlice]:
    """The slices of a volume, from the feet up, numbered as they lie in the file."""
    stored = read_mask(path, labels="all")
    volume = to_lps(stored)
    numbers = list(range(1, len(volume.array) + 1))
    if lps_orientation(stored.affine).reverse[0]:
        numbers.reverse()
    columns, rows, _ = spacing(volume.affine)
    for number, mask in zip(numbers, volume.array, strict=True):
        yield _slice(patient, str(number), mask, (float(rows), float(columns)))


def _slice(
    patient: str, number: str, mask: NDArray[np.generic], spacing_mm: tuple[float, float]
) -> MaskSlice:
    grid = SquareGrid((mask.shape[0], mask.shape[1]), spacing_mm, SIZE)
    small = grid.mask(mask) if np.any(mask) else np.zeros((SIZE, SIZE), np.uint8)
    step = grid.spacing
    measured = measure(small, (step, step), (SIZE - 1) / 2, 0.0) if small.any() else None
    return MaskSlice(patient, number, small, measured)


def _facts(one: MaskSlice) -> dict[str, Any]:
    """A slice as `reader_tables.join` wants it."""
    return {
        "slice_id": one.name,
        "patient": one.patient,
        "instance_number": one.number,
        "kind": "tumour" if one.measured else "negative",
        "side": "",
    }


def _found(slices: Sequence[MaskSlice], prompts: Sequence[Prompt]) -> list[list[Any]]:
    """The rows of the table, the prior in folds of patients."""
    names = sorted({one.patient for one in slices})
    dealt = {name: place % FOLDS for place, name in enumerate(names)}
    folds = []
    for fold in sorted(set(dealt.values())):
        own = [dealt[one.patient] == fold for one in slices]
        folds.append((_asked(slices, prompts, own, False), _asked(slices, prompts, own, True)))
    everything = _asked(slices, prompts, [True] * len(slices), True)
    limits = fit_limits(everything.measured)
    return leak_rows(_SOURCE, folds, [everything], limits, BOOTSTRAP)[0]


def _asked(
    slices: Sequence[MaskSlice], prompts: Sequence[Prompt], own: Sequence[bool], wanted: bool
) -> Asked:
    """The slices whose `own` is as wanted."""
    kept = [place for place, is_own in enumerate(own) if is_own == wanted]
    return Asked(
        np.stack([slices[place].mask for place in kept]),
        [measured for place in kept if (measured := slices[place].measured)],
        [slices[place].patient for place in kept],
        [prompts[place] for place in kept],
    )


def _printed(rows: Sequence[Sequence[Any]]) -> Iterator[str]:
    """The rows as a table of text."""
    first = dict(zip(LEAK, rows[0], strict=True))
    yield f"{first['slices']} slices of {first['patients']} patients"
    yield f"{'words':<10}{'Dice without an image':<28}bits about the mask"
    for row in rows:
        cells = dict(zip(LEAK, row, strict=True))
        prior = f"{100 * cells['prior_dice']:.1f} %"
        if cells["low"] == cells["low"]:
            prior += f" ({100 * cells['low']:.1f} to {100 * cells['high']:.1f})"
        share = f"{cells['mutual_information_bits']:.2f} of {cells['of_entropy_bits']:.2f}"
        yield f"{cells['attribute']:<10}{prior:<28}{share}"


def _left_out(
    slices: Sequence[MaskSlice], asked: Sequence[MaskSlice], joined: Joined
) -> Iterator[str]:
    """What of the masks took no part."""
    taken = {one.name for one in asked}
    missing = [one for one in slices if one.measured and one.name not in taken]
    if missing:
        yield f"left out: {len(missing)} slices with a mask and without a prompt"
        yield from (f"  {problem}" for problem in joined.problems[:_FEW])


def _not_read(folder: Path) -> Iterator[str]:
    """Which files of the folder were not read, and why: here no mask may be missing without a word."""
    faulty = [one for one in every_file(folder) if one.fault]
    if faulty:
        yield f"not read: {len(faulty)} of the names in {folder}"
        yield from (f"  {shown(one.path, folder)}: {one.fault}" for one in faulty[:_FEW])
