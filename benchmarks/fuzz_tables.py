"""Trials of tables that people write: CSV against csv and codecs alone, workbooks against ElementTree.

Each input goes through a reader of the pipeline: prompts of readers, the table of series, annotation
boxes, the clinical workbook, MAMA-MIA's table of series.
"""

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import openpyxl
from fuzz_damage import check, damaged, tried
from numpy.random import Generator

from textbcs.cohort.clinical import read_clinical
from textbcs.cohort.series_choice import ChosenSeries
from textbcs.dataset.prompt_grammar import VOCABULARY
from textbcs.intake.own_tables import read_own_table
from textbcs.masks.boxes import COLUMNS, read_boxes
from textbcs.masks.nifti_masks import read_join
from textbcs.prompts.radiology_reports import read_report
from textbcs.prompts.reader_tables import (
    KEYS,
    Problem,
    Row,
    join,
    read_rows,
    read_table,
    read_words,
)

_DATE = (2020, 1, 1, 0, 0, 0)
_WORDS = [*VOCABULARY]
_BLANKS = "".join(one for one in map(chr, range(0x3001)) if one.isspace()) + "\u200b\u2060\ufeff"
# Columns and rows of each table.
_TABLES: dict[str, list[list[str]]] = {
    "prompts": [
        ["patient_id", "slice", *_WORDS],
        ["anna", "3", "left", "round", "small", "one"],
        ["anna", "4", "right", "irregular", "large", "two"],
        ["berta-é", "12", "left", "ellipse", "medium", "one"],
    ],
    "series": [
        ["patient", "phase", "series_number", "description"],
        ["anna", "pre", "3", "native"],
        ["anna", "post1", "4", "contrast; 1 min"],
        ["007", "post1", "4", 'the "first"'],
    ],
    "reports": [
        ["patient_id", "slice", "report"],
        ["anna", "3", "Left breast: round mass of 9 mm. No other lesion."],
        ["anna", "4", "Right: two irregular lesions, 1.2 x 0,9 cm and 5 mm"],
        ["berta-é", "12", "LEFT: oval focus measuring 2.1 cm"],
    ],
    "boxes": [
        list(COLUMNS),
        ["anna", "10", "20", "30", "40", "5", "9"],
        ["berta", "11", "22", "33", "44", "6", "8"],
    ],
    "join": [
        ["patient_id", "tcia_series_uid"],
        ["DUKE_001", "1.2.3"],
        ["DUKE_002", "1.2.4"],
    ],
}  # fmt: skip
_CELLS = (
    "",
    '"',
    "'",
    ",",
    ";",
    "\t",
    "\x00",
    "=1+1",
    '="007"',
    "NaN",
    "1e999",
    "-1",
    "ä" * 50,
    "\ufeff",
)


def text(folder: Path, rng: Generator) -> str:
    """A damaged CSV."""
    name = str(rng.choice(list(_TABLES)))
    if name == "join":
        name = "boxes"  # a sheet is asked for
    rows = [list(row) for row in _TABLES[name]]
    if rng.random() < 0.5:
        row = rows[int(rng.integers(len(rows)))]
        row[int(rng.integers(len(row)))] = str(rng.choice(_CELLS))
    separator = str(rng.choice([",", ";", "\t"]))
    buffer = io.StringIO()
    csv.writer(
        buffer, delimiter=separator, lineterminator=str(rng.choice(["\n", "\r\n"]))
    ).writerows(rows)
    content = buffer.getvalue().encode(str(rng.choice(["utf-8", "utf-8-sig", "utf-16"])))
    if rng.random() < 0.7:
        content = damaged(content, rng)
    path = folder / f"{name}.csv"
    path.write_bytes(content)
    return _judge(path, name, lambda: _by_csv(content, _TABLES[name][0]))


def workbook(folder: Path, rng: Generator) -> str:
    """A damaged workbook: the undamaged cells; where members are changed, what their XML says."""
    name = str(rng.choice([*_TABLES, "clinical"]))
    whole = _workbook(name)
    raw = rng.random() < 0.5
    content = damaged(whole, rng) if raw else _member_changed(whole, rng)
    path = folder / f"{name}.xlsx"
    path.write_bytes(content)
    if name == "clinical":
        found, line = tried(lambda: read_clinical(path), [str(path)])
        if found is not None and raw:
            facts = ["anna", "L", "0", "FFP", "1.5", "50", "post", "dense"]
            check(found.to_numpy().tolist() == [facts], "other facts")
        return line
    return _judge(
        path, name, lambda: _TABLES[name][1:] if raw else _by_xml(content, _TABLES[name][0])
    )


def _judge(path: Path, name: str, expected: Callable[[], list[list[str]] | None]) -> str:
    """Read a table by the reader that it is for, and its cells."""
    columns = _TABLES[name][0]
    use = {"prompts": _prompts, "reports": _reports, "series": ChosenSeries, "join": read_join}
    use["boxes"] = lambda table: read_boxes(table, 1)
    _, line = tried(lambda: use[name](path), [str(path)])
    table, why = tried(lambda: read_own_table(path, columns), [str(path)])
    if table is not None:
        wanted = expected()
        found = table.to_numpy().tolist()
        check(wanted is None or found == wanted, f"{found}, not {wanted}")
    return line or why


def _prompts(path: Path) -> None:
    """What the stage `prompts` does with a table of readers."""
    table = read_table(path, [[*KEYS, *_WORDS], [*KEYS, "text"]])
    _join(*read_rows(table, read_words))


def _reports(path: Path) -> None:
    """The same with a table of radiology reports."""
    table = read_table(path, [[*KEYS, "report"]])
    _join(*read_rows(table, lambda row: read_report(row["report"], (40.0, 90.0))))


def _join(rows: list[Row], problems: list[Problem]) -> None:
    """Join rows with slices; every problem is one line."""
    slices = [
        {"slice_id": f"{patient}_{number}", "patient": patient, "instance_number": number}
        | {"kind": "tumour", "side": "left"}
        for patient, number in (("anna", 3), ("anna", 4), ("berta-é", 12))
    ]
    joined = join(rows, slices, False)
    for problem in [*problems, *joined.problems, *joined.allowed]:
        check(len(str(problem).splitlines()) == 1, f"several lines: {problem}")


def _by_csv(content: bytes, columns: Sequence[str]) -> list[list[str]] | None:
    """The cells below the header, None where it is another one."""
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    decoded = content.decode("utf-16" if wide else "utf-8-sig")
    for separator in (",", ";", "\t"):
        rows = [
            [_stripped(cell) for cell in row]
            for row in csv.reader(io.StringIO(decoded, newline=""), delimiter=separator)
        ]
        rows = [row for row in rows if any(row)]
        if rows and set(columns) <= set(rows[0]):
            places = [rows[0].index(name) for name in columns]
            return [[_shown(row[n]) if n < len(row) else "" for n in places] for row in rows[1:]]
    return None


def _stripped(cell: str) -> str:
    """A cell without blanks, seen or not, at its ends."""
    return unicodedata.normalize("NFC", cell).strip(_BLANKS)


def _shown(cell: str) -> str:
    return (
        _stripped(cell[2:-1])
        if cell.startswith('="') and cell.endswith('"') and len(cell) > 3
        else cell
    )


@lru_cache
def _workbook(name: str) -> bytes:
    """A workbook as openpyxl writes it, without the time of writing."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = {"clinical": "Data", "join": "dataset_info"}.get(name, "Sheet1")
    if name == "clinical":
        columns = ["Patient ID", "Tumor Location", "Multicentric/Multifocal"]
        columns += ["Patient Position During MRI", "Field Strength (Tesla)"]
        columns += ["Date of Birth (Days)", "Menopause (at diagnosis)", "Breast Density"]
        sheet.append([""] * len(columns))
        sheet.append(columns)
        codes = ["", "", "{0=no,1=yes}", "FFP=0,HFP=1", "1.5=0,3=1"]
        sheet.append([*codes, "", "{0=pre,1=post}", "{1=fatty,2=dense}"])
        sheet.append(["anna", "L", 0, 0, 0, -18500, 1, 2])
    for row in _TABLES.get(name, []):
        sheet.append([int(cell) if cell.isdecimal() and cell[0] != "0" else cell for cell in row])
    buffer = io.BytesIO()
    book.save(buffer)
    return _repacked({**_members(buffer.getvalue()), "docProps/core.xml": b""})


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {one: file.read(one) for one in file.namelist()}


def _repacked(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for one, body in members.items():
            if body:
                file.writestr(zipfile.ZipInfo(one, _DATE), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


_ODD = (
    "",
    "-1",
    "1e999",
    "NaN",
    "999999999",
    "A1048577",
    "XFE1",
    "A0",
    "A1:C9",
    "é",
    "&#0;",
    "#REF!",
    "str",
)


def _member_changed(content: bytes, rng: Generator) -> bytes:
    """A whole archive with a member lost, damaged, or with an attribute or a text replaced."""
    members = _members(content)
    name = str(rng.choice(list(members)))
    body, action = members[name], rng.random()
    if action < 0.15:
        del members[name]
    elif action < 0.4:
        members[name] = damaged(body, rng)
    else:
        spots = list(re.finditer(r'(?<=")[^"<>]*(?=")|(?<=>)[^<>]+(?=<)', body.decode("utf-8")))
        spot = spots[int(rng.integers(len(spots)))]
        decoded = body.decode("utf-8")
        odd = str(rng.choice(_ODD))
        members[name] = (decoded[: spot.start()] + odd + decoded[spot.end() :]).encode()
    return _repacked(members)


def _by_xml(content: bytes, columns: Sequence[str]) -> list[list[str]] | None:
    """The cells of the first sheet by its XML; None where it is not as simple as it was."""
    members = _members(content)
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    try:
        texts = ElementTree.fromstring(members["xl/sharedStrings.xml"])
        shared = ["".join(one.itertext()) for one in texts.findall(f"{space}si")]
        sheet = ElementTree.fromstring(members["xl/worksheets/sheet1.xml"])
        rows: list[list[str]] = []
        for row in sheet.iter(f"{space}row"):
            cells = {}
            for cell in row.findall(f"{space}c"):
                value = cell.findtext(f"{space}v") or ""
                kind = cell.get("t", "n")
                if kind not in ("s", "n") or not re.fullmatch(r"\d*", value) or cell.get("s"):
                    return None
                cells[re.sub(r"\d", "", cell.get("r", ""))] = (
                    shared[int(value)] if kind == "s" else value
                )
            rows.append([cells.get(chr(65 + n), "").strip() for n in range(len(columns))])
    except (KeyError, IndexError, ElementTree.ParseError):
        return None
    rows = [row for row in rows if any(row)]
    plain = rows and rows[0] == list(columns)
    return rows[1:] if plain else None
