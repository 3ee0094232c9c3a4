"""`textbcs compare`: the paper's Tables 1 to 4 and ours, side by side in the terminal.

On another cohort than the paper's no difference of a score is shown, because the two are not one scale;
parameters and operations are counted at the paper's size, whatever the cohort.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from textbcs.base.io import read_csv, records
from textbcs.reporting.common.labels import NOT_COMPARABLE, OF_ITS_COHORT, is_duke
from textbcs.reporting.common.printed_tables import PRINTED
from textbcs.reporting.common.render import cell
from textbcs.reporting.tables.paired_tests import p_value

Row = Mapping[str, Any]

# Table -> its title, how a row is named, and pairs of (heading, ours, the paper's).
SHOWN: dict[str, tuple[str, Callable[[Row], str], Sequence[tuple[str, str, str]]]] = {
    "table1": (
        "Table 1. Methods",
        lambda row: str(row["label"]),
        [
            ("Dice % (slices)", "dice_slice_mean", "paper_dice"),
            ("IoU % (tumour, slices)", "miou_slice_mean", "paper_miou"),
            ("Params M", "params_m", "paper_params_m"),
            ("Flops G, as the paper counts", "paper_convention_g", "paper_flops_g"),
        ],
    ),
    "table2": (
        "Table 2. Ablation",
        lambda row: str(row["label"]),
        [
            ("Dice % (slices)", "dice_slice_mean", "paper_dice"),
            ("IoU % (tumour, slices)", "miou_slice_mean", "paper_miou"),
        ],
    ),
    "table3": (
        "Table 3. Loss weights",
        lambda row: f"{row['weight']} = {row['value']:g}",
        [("Dice % (slices)", "dice_slice_mean", "paper_dice")],
    ),
    "table4": (
        "Table 4. Paired t-test, TextBCS against",
        lambda row: str(row["label"]),
        [
            ("p, over slices", "p_t_slice", "paper_p"),
            ("p, over patients", "p_t_patient", "paper_p"),
        ],
    ),
}


def compare_lines(params: Mapping[str, Any]) -> Iterator[str]:
    """The lines to print.

    Raises:
        InputError: a table is missing.
    """
    duke = is_duke(params)
    if not duke:
        yield f"The paper's scores are of another cohort than this one: {NOT_COMPARABLE}."
        yield "In brackets, where the cohort does not matter: ours minus the paper's."
    yield "Scores are means over tumour slices."
    for name, (title, named, columns) in SHOWN.items():
        rows = records(read_csv(PRINTED / f"{name}.csv"))
        yield from ("", title, *_lines(rows, named, columns, duke))


def _lines(
    rows: Sequence[Row],
    named: Callable[[Row], str],
    columns: Sequence[tuple[str, str, str]],
    duke: bool,
) -> Iterator[str]:
    """A heading and a line a row, padded to columns."""
    table = [[""] + [text for heading, _, _ in columns for text in (heading, "paper")]]
    for row in rows:
        line = [named(row).strip()]
        for _, ours, printed in columns:
            line += [_text(row, ours), _printed(row, ours, printed, duke)]
        table.append(line)
    widths = [max(len(line[place]) for line in table) for place in range(len(table[0]))]
    for line in table:
        yield "  ".join(
            text.ljust(width) for text, width in zip(line, widths, strict=True)
        ).rstrip()


def _text(row: Row, column: str) -> str:
    """A cell as it is printed; a p-value, which the tables print as text, may come as a number."""
    value = row.get(column)
    if _is_p(column) and isinstance(value, int | float):
        return p_value(float(value))
    return cell(value)


def _is_p(column: str) -> bool:
    return column == "paper_p" or column.startswith("p_")


def _printed(row: Row, ours: str, printed: str, duke: bool) -> str:
    """The paper's value, with ours minus it where both are on one scale; p-values are on none."""
    value, own = row.get(printed), row.get(ours)
    text = _text(row, printed)
    comparable = (duke or printed not in OF_ITS_COHORT) and not _is_p(printed)
    if comparable and isinstance(value, float) and value == value and isinstance(own, float):
        text += f" ({own - value:+.2f})"
    return text
