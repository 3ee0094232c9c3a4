"""Which series a file that cannot be read was a slice of."""

from pathlib import Path

import pytest

from textbcs.intake.damaged_slices import damaged_slices


def series(folder: str, names: dict[str, str]) -> dict[Path, set[str]]:
    return {Path(folder, name): {uid} for name, uid in names.items()}


@pytest.mark.parametrize(
    ("damaged", "blamed"),
    [
        ("a/IM10", {"s"}),  # the last one, as people count
        ("a/IM0", {"s"}),
        ("a/IM5", {"s"}),
        ("a/notes5.txt", set()),
        ("b/IM10", set()),
        ("a/IM10.dcm", set()),
    ],
)
def test_a_name_like_those_beside_it(damaged: str, blamed: set[str]) -> None:
    files = series("a", {f"IM{n}": "s" for n in range(1, 10) if n != 5})
    assert set(damaged_slices([Path(damaged)], files)) == blamed


def test_of_several_series_in_one_folder_the_neighbours_are_blamed() -> None:
    files = series("a", {f"{n:04d}.dcm": f"s{n // 10}" for n in range(50) if n not in (20, 34)})
    found = damaged_slices([Path("a/0020.dcm"), Path("a/0034.dcm")], files)
    assert found == {
        "s1": [Path("a/0020.dcm")],  # the first of s2, or the last of s1: nobody knows
        "s2": [Path("a/0020.dcm")],
        "s3": [Path("a/0034.dcm")],
    }


def test_names_that_are_uids() -> None:
    files = series("a", {f"1.2.840.{n}.7.dcm": "s" for n in range(5)})
    assert set(damaged_slices([Path("a/1.2.840.9.dcm")], files)) == {"s"}
    assert damaged_slices([], files) == {}
    assert damaged_slices([Path("a/1.dcm")], {}) == {}
