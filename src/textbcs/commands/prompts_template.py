"""`textbcs prompts-template`: an empty table for readers, with a picture of every tumour slice.

Reads `data/slices/{train,val,test}`; writes a folder with `prompts.xlsx` (the grammar's words as
drop-down lists), the same as `prompts.csv`, and `images/<slice_id>.png`. It is no stage: what readers
fill in comes back by `prompts.source: table`. `prompts-report` does the same for a table of reports.
"""

import csv
import math
from collections.abc import Iterator, Sequence
from io import BytesIO, StringIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError, read_json, records, write_bytes, write_text
from textbcs.dataset.prompt_grammar import VOCABULARY, PromptError
from textbcs.dataset.slice_store import read_shard
from textbcs.dataset.split_table import SPLITS
from textbcs.prompts.radiology_reports import read_report
from textbcs.prompts.reader_tables import KEYS, read_table

Limits = tuple[float, float]

FOLDER = Path("reports/prompts_template")
# A size that changes from the one to the other was stated in mm or cm, and one that stays, as a word.
_ALL_SMALL, _ALL_LARGE = (math.inf, math.inf), (-1.0, -1.0)
_MEASURED = (
    "report: the size is stated as a measure, and the limits of the classes are not here; "
    "name them with --thresholds"
)
_ZOOM = 4
_OUTLINE = (255, 210, 0)
# "L" stands at the patient's left, which is the right-hand side of the picture.
_LETTER = np.array([[1, 0, 0, 0]] * 6 + [[1, 1, 1, 1]], dtype=bool)


def write_template(folder: Path = FOLDER, outline: bool = True) -> int:
    """Write the readers' table and pictures.

    Args:
        folder: where to; files of the same name are replaced.
        outline: draw the mask's outline, so that the reader knows which lesion is meant.

    Returns:
        The number of slices.

    Raises:
        InputError: the slices are not there yet.
    """
    rows = []
    for split in SPLITS:
        source = Path("data/slices", split)
        shard = read_shard(source / "slices.csv", source / "slices.safetensors")
        for row, image, mask in zip(records(shard.table), shard.images, shard.masks, strict=True):
            if row["kind"] != "tumour":
                continue
            name = f"images/{row['slice_id']}.png"
            write_bytes(folder / name, picture(image, mask if outline else None), durable=False)
            rows.append([str(row["patient"]), str(row["instance_number"]), name])
    rows.sort(key=lambda one: (one[0], int(one[1])))
    header = [*KEYS, "image", *VOCABULARY]
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *([*row, *[""] * 4] for row in rows)])
    write_text(folder / "prompts.csv", text.getvalue())
    write_bytes(folder / "prompts.xlsx", _workbook(header, rows))
    return len(rows)


def picture(image: NDArray[np.floating], mask: NDArray[np.uint8] | None) -> bytes:
    """A slice as PNG, enlarged, with a letter at the patient's left and the mask's outline.

    Args:
        image: (H, W) in [0, 1], LPS orientation.
        mask: (H, W), or None for no outline.
    """
    from PIL import Image  # matplotlib would speak where the home cannot be written
    from scipy.ndimage import binary_erosion

    grey = np.clip(np.asarray(image, dtype=np.float64) * 255, 0, 255).astype(np.uint8)
    large = np.repeat(np.repeat(grey, _ZOOM, axis=0), _ZOOM, axis=1)
    colour = np.stack([large] * 3, axis=-1)
    if mask is not None:
        inside = np.repeat(np.repeat(mask > 0, _ZOOM, axis=0), _ZOOM, axis=1)
        colour[inside & ~binary_erosion(inside)] = _OUTLINE
    letter = np.repeat(np.repeat(_LETTER, 2, axis=0), 2, axis=1)
    height, width = letter.shape
    corner = colour[4 : 4 + height, -4 - width : -4]
    corner[letter[: corner.shape[0], : corner.shape[1]]] = 255
    buffer = BytesIO()
    Image.fromarray(colour).save(buffer, format="png")
    return buffer.getvalue()


def _workbook(header: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """The table as a workbook (.xlsx) that offers a slot's words in a list."""
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "prompts"
    sheet.append(list(header))
    for patient, number, name in rows:
        sheet.append([patient, int(number), name])
        sheet.cell(sheet.max_row, 1).number_format = "@"  # text, so that 007 stays 007 when edited
        sheet.cell(sheet.max_row, 3).hyperlink = name
    for column, words in enumerate(VOCABULARY.values(), start=header.index("image") + 2):
        choice = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True)
        choice.showErrorMessage = True
        letter = get_column_letter(column)
        choice.add(f"{letter}2:{letter}{max(2, len(rows) + 1)}")
        sheet.add_data_validation(choice)
    sheet.freeze_panes = "D2"
    buffer = BytesIO()
    book.save(buffer)
    return buffer.getvalue()


def report_lines(path: Path, thresholds: Path | None) -> Iterator[str]:
    """A table of reports as a table of prompts, in lines of CSV, with what was not found.

    Args:
        path: a table with the columns patient_id, slice, report.
        thresholds: the size thresholds that the stage `prompts` fitted on train; None: there are none,
            and a size that is stated in mm or cm stays empty and is a problem.

    Raises:
        InputError: an unreadable table, or unreadable thresholds.
    """
    table = read_table(path, [(*KEYS, "report")])
    limits = _limits(thresholds) if thresholds else None
    yield _line([*KEYS, *VOCABULARY, "problem"])
    for row in records(table):
        yield _line([row["patient_id"], row["slice"], *_words(str(row["report"]), limits)])


def _words(report: str, limits: Limits | None) -> list[str]:
    """The words of a report, one a slot, and what is wrong with it; "" where there is none."""
    try:
        prompt = read_report(report, limits or _ALL_SMALL)
        is_measured = limits is None and prompt != read_report(report, _ALL_LARGE)
    except PromptError as error:
        return [*[""] * len(VOCABULARY), str(error)]
    words = {slot: str(getattr(prompt, slot)) for slot in VOCABULARY}
    if is_measured:
        return [*(words | {"size": ""}).values(), _MEASURED]
    return [*words.values(), ""]


def _limits(path: Path) -> Limits:
    """The two limits between the size classes, mm2.

    Raises:
        InputError: the file is missing or holds none.
    """
    if not path.is_file():
        raise InputError(f"{path}: size classes are fitted on train; run the stage prompts first")
    fitted = read_json(path)
    try:
        small, medium = float(fitted["small_up_to_mm2"]), float(fitted["medium_up_to_mm2"])
    except (KeyError, TypeError, ValueError):
        small = medium = math.nan
    if not 0 <= small <= medium < math.inf:
        raise InputError(
            f"{path}: needs two areas, small_up_to_mm2 up to medium_up_to_mm2, as the stage prompts "
            "writes them"
        )
    return small, medium


def _line(cells: Sequence[str]) -> str:
    text = StringIO()
    csv.writer(text, lineterminator="").writerow(cells)
    return text.getvalue()
