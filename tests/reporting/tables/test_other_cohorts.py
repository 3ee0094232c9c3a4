from textbcs.evaluation.statistics.intervals import Interval
from textbcs.evaluation.statistics.prompt_effects import Worth
from textbcs.reporting.tables import worth_of_text
from textbcs.reporting.tables.overlap import column_headers


def worth(quantity: str) -> Worth:
    return Worth(quantity, Interval(0.5, 0.4, 0.6, 9), 20)


def test_without_sides_what_asks_for_one_is_not_shown() -> None:
    names = ["dice_true", "dice_swapped_location", "dice_swapped_shape", "text_harm_location"]
    found = worth_of_text.without_sides([worth(name) for name in names])
    assert [one.quantity for one in found] == ["dice_true", "dice_swapped_shape"]


def test_the_grid_of_nifti_files_is_not_called_dicoms() -> None:
    rows = [{"dice_native_slice_mean": 50.0}]
    key = "dice_native_slice_mean"
    assert (
        column_headers(rows, False, "nifti")[key] == "Dice % (grid of the files, mean over slices)"
    )
    for kind in ("phantom", "folder", "idc"):
        assert column_headers(rows, False, kind)[key] == "Dice % (DICOM grid, mean over slices)"
