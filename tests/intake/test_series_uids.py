"""Names of the parts of a series."""

import pytest

from textbcs.intake.series_uids import part_number, part_uid, whole_uid


@pytest.mark.parametrize("uid", ["1.2.3", "1." + "2" * 62])
def test_a_part_is_told_from_its_series(uid: str) -> None:
    part = part_uid(uid, 12)
    assert part != uid
    assert (whole_uid(part), part_number(part)) == (uid, 12)
    assert (whole_uid(uid), part_number(uid)) == (uid, 0)


def test_a_part_is_not_the_series_that_a_scanner_calls_alike() -> None:
    assert part_uid("1.2.3", 1) != "1.2.3.1"
