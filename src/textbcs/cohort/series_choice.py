"""The table `cohort.series`: a person says which series is which phase of a patient.

Columns `patient`, `phase`, and at least one of `series_uid`, `series_number` and `description`. Each row
must match exactly one MR series of its patient; where it has several of the three, all must match.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from textbcs.archives.archive import Series
from textbcs.base.io import InputError
from textbcs.intake.own_tables import read_own_table
from textbcs.intake.series_uids import whole_uid
from textbcs.intake.spelling import hint, short
from textbcs.settings.data import Phase

_KEYS = ("series_uid", "series_number", "description")


@dataclass(frozen=True)
class Wish:
    """A row of the table.

    Attributes:
        row: its number as a spreadsheet shows it.
        phase: `pre`, `post1` and so on.
        keys: what names the series: of `series_uid`, `series_number`, `description` those that the
            row has.
    """

    row: int
    phase: str
    keys: Mapping[str, str]


class ChosenSeries:
    """The rows of the table, by patient.

    Raises:
        InputError: no readable table; a row without patient or without anything that names a series,
            with an unknown phase, or for a patient and phase that another row has.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.wishes: dict[str, list[Wish]] = {}
        table = read_own_table(path, ["patient", "phase"], _KEYS)
        for number, cells in zip(table.index, table.to_dict("records"), strict=True):
            row = int(number)
            patient, phase = str(cells["patient"]), str(cells["phase"]).lower()
            keys = {key: str(cells[key]) for key in _KEYS if cells.get(key)}
            if not patient:
                raise self._error(row, "has no patient")
            if phase not in get_args(Phase):
                allowed = ", ".join(get_args(Phase))
                raise self._error(row, f"phase {short(phase)}: allowed are {allowed}")
            if not keys:
                raise self._error(row, f"names no series: fill one of {', '.join(_KEYS)}")
            own = self.wishes.setdefault(patient, [])
            if twice := [one.row for one in own if one.phase == phase]:
                raise self._error(row, f"patient and phase are those of row {twice[0]}; remove one")
            own.append(Wish(row, phase, keys))

    def check_patients(self, known: Collection[str], wanted: Collection[str]) -> None:
        """Check that the archive has the table's patients.

        Args:
            known: patients of the archive.
            wanted: patients who take part at all, if that is restricted; rows of others do not count.

        Raises:
            InputError: a row names a patient whom the archive does not have.
        """
        for patient, own in self.wishes.items():
            if patient not in known and (not wanted or patient in wanted):
                words = hint(patient, known)
                detail = f"patient {short(patient)} is not in the archive"
                raise self._error(own[0].row, f"{detail}; {words}" if words else detail)

    def choose(
        self, patient: str, own: Sequence[Series], phases: Iterable[str]
    ) -> tuple[dict[str, str], str]:
        """The series that the table names for a patient.

        Args:
            patient: who.
            own: her series, of any modality.
            phases: what a patient must have beside `post1`, on which masks lie.

        Returns:
            {series UID: phase}, and why the patient has to be excluded ("" if not).

        Raises:
            InputError: a row matches no series, several, or one that another row has.
        """
        chosen: dict[str, str] = {}
        for wish in self.wishes.get(patient, []):
            uid = self._match(wish, own)
            if uid in chosen:
                raise self._error(wish.row, f"its series is {chosen[uid]} already; correct one row")
            chosen[uid] = wish.phase
        if not chosen:
            return {}, f"{self.path.name} has no row of the patient"
        for phase in ("post1", *phases):
            if phase not in chosen.values():
                return chosen, f"{self.path.name} has no row of phase {phase}"
        studies = {one.first.study_uid for one in own if one.first.series_uid in chosen}
        if len(studies) > 1:
            return chosen, f"{self.path.name} names series of different studies"
        return chosen, ""

    def _match(self, wish: Wish, own: Sequence[Series]) -> str:
        """The UID of the one series that a row names."""
        found = [one for one in own if _fits(one, wish.keys)]
        images = [one for one in found if one.first.modality == "MR"]
        if len(images) == 1:
            return images[0].first.series_uid
        named = ", ".join(f"{key} {short(value, 70)}" for key, value in wish.keys.items())
        if images:
            names = ", ".join(sorted({short(one.first.description) for one in images})[:4])
            raise self._error(
                wish.row, f"{named} names {len(images)} series ({names}); say more to name one"
            )
        if found:
            raise self._error(
                wish.row, f"{named} names a series of modality {found[0].first.modality}, not MR"
            )
        there = sorted({one.first.description for one in own if one.first.modality == "MR"})
        words = hint(wish.keys["description"], there) if "description" in wish.keys else ""
        if not words:
            words = "there are " + (", ".join(short(name) for name in there[:4]) or "no MR series")
        raise self._error(wish.row, f"{named} names no series of the patient; {words}")

    def _error(self, row: int, fault: str) -> InputError:
        return InputError(f"{self.path}: row {row}: {fault}")


def _fits(one: Series, keys: Mapping[str, str]) -> bool:
    """Whether all that a row says is true of a series."""
    first = one.first
    tests = {
        "series_uid": lambda text: text in (first.series_uid, whole_uid(first.series_uid)),
        "series_number": lambda text: _number(text) == first.series_number,
        "description": lambda text: _plain(text) == _plain(first.description),
    }
    return all(tests[key](text) for key, text in keys.items())


def _plain(text: str) -> str:
    """A description as compared: without case, blanks drawn together."""
    return " ".join(text.split()).casefold()


def _number(text: str) -> int | None:
    """A SeriesNumber as a table has it, None for what is no whole number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number.is_integer() else None
