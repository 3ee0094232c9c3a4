"""Which runs stand for a method."""

import pandas as pd
import pytest

from textbcs.base.io import InputError
from textbcs.evaluation.statistics.runs import Run, first_seed

IDS = ["a-1", "a-2", "b-1"]


def run(method: str, seed: int, ids: list[str] = IDS) -> Run:
    return Run(method, seed, pd.DataFrame({"slice_id": ids}))


def test_the_first_seed_stands_for_a_method_in_the_order_of_the_runs() -> None:
    runs = [run("unet", 2), run("unet", 1), run("lvit", 2)]
    assert [one.name for one in first_seed(runs, IDS).values()] == ["unet-s2", "lvit-s2"]


def test_maps_of_other_slices_or_another_order_are_refused() -> None:
    for ids in (IDS[:2], IDS[::-1]):
        with pytest.raises(InputError, match=r"unet-s1/slices\.csv: other slices than"):
            first_seed([run("unet", 1, ids)], IDS)
