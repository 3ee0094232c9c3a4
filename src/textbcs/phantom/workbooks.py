"""The two workbooks of the Duke collection for the phantom: boxes and clinical features.

Sheets, merged groups, three header rows, the order and the odd spellings of all 101 columns are the
real ones, so that a reader of the real workbooks is exercised; code lists are given where a value here
uses them. The bytes are a function of the rows: times of creation are fixed.
"""

import re
from collections.abc import Sequence
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray
from openpyxl import Workbook

from textbcs.phantom.dicom_headers import raw_planes
from textbcs.phantom.patient import Facts, Patient

BOX_COLUMNS = (
    "Patient ID",
    "Start Row",
    "End Row",
    "Start Column",
    "End Column",
    "Start Slice",
    "End Slice",
)

# Groups of row 1: first and last column and text; merged but for two, as in the real sheet.
_NOT_MERGED = (63, 98)
GROUPS = (
    (1, 1, "Patient Information"),
    (2, 19, "MRI Technical Information"),
    (20, 23, "Demographics"),
    (24, 50, "Tumor Characteristics"),
    (51, 55, "MRI Findings"),
    (56, 58, "SURGERY"),
    (59, 60, "Radiation Therapy"),
    (61, 62, "Tumor Response"),
    (63, 65, "Recurrence"),
    (66, 69, "Follow Up"),
    (70, 70, "BIRADS DATA"),
    (71, 78, "Mammography Characteristics"),
    (79, 84, "US features"),
    (85, 86, "Chemotherapy"),
    (87, 91, "Endocrine Therapy"),
    (92, 93, "Anti-Her2 Neu Therapy"),
    (94, 94, "Neoadjuvant therapy"),
    (95, 97, "Pathologic Response to Neoadjuvant Therapy"),
    (98, 100, "Near Complete Response"),
)

# Rows 2 and 3 of every column: name (None where the real cell is empty) and code list.
COLUMNS: tuple[tuple[str | None, str | None], ...] = (
    ("Patient ID", None),
    ("Days to MRI (From the Date of Diagnosis)", None),
    ("Manufacturer", "GE MEDICAL SYSTEMS=0, MPTronic software=1, SIEMENS=2"),
    (
        "Manufacturer Model Name",
        "Avanto=0, Optima MR450w=1, SIGNA EXCITE=2, SIGNA HDx=3, "
        "Signa HDxt=4, Skyra=5, Trio=6, TrioTim=7",
    ),
    ("Scan Options", None),
    ("Field Strength (Tesla)", "1.494=0,1.5=1,2.8936=2,3=3"),
    ("Patient Position During MRI", "FFP=0,HFP=1"),
    ("Image Position of Patient", None),
    ("Contrast Agent", None),
    ("Contrast Bolus Volume (mL)", None),
    ("TR (Repetition Time)", None),
    ("TE (Echo Time)", None),
    ("Acquisition Matrix", None),
    ("Slice Thickness ", None),
    ("Rows", "320=0,448=1,512=2"),
    ("Columns", "320=0,448=1,512=2"),
    ("Reconstruction Diameter ", None),
    ("Flip Angle \n", "7=0,8=1,10=2,12=3"),
    ("FOV Computed (Field of View) in cm ", None),
    ("Date of Birth (Days)", None),
    ("Menopause (at diagnosis)", "{0 = pre,\n1 = post,\n2 = N/A}"),
    ("Race and Ethnicity", None),
    ("Metastatic at Presentation (Outside of Lymph Nodes)", "{0 = no\n1 = yes}"),
    ("ER", "{0 = neg,\n1 = pos}"),
    ("PR", "{0 = neg,\n1 = pos}"),
    ("HER2", None),
    ("Mol Subtype", None),
    ("Oncotype score", None),
    ("Staging(Tumor Size)# [T]", None),
    ("Staging(Nodes)#(Nx replaced by -1)[N]", None),
    ("Staging(Metastasis)#(Mx -replaced by -1)[M]", None),
    ("Tumor Grade", "Tumor Grade(T)\n(Tubule)"),
    (None, "Tumor Grade(N)\n(Nuclear)"),
    (None, "Tumor Grade(M)\n(Mitotic)"),
    ("Summation", None),
    ("Sum grade", None),
    ("Nottingham grade", "1=low 2=intermediate 3=high\n"),
    ("Histologic type", None),
    ("Tumor Location", "Side of cancer L=left R=right"),
    ("Position", "Position (every bx positive for invasive cancer)(used during annotation)"),
    ("Bilateral Information", "Bilateral breast cancer?\n{ 0=no 1=yes}"),
    (None, "If Bilateral, Different Rec Status\n{0=no 1=yes}"),
    (None, "Side Annotated\n{L=left R=right}"),
    ("For Other Side If Bilateral", "Side of cancer (for the other side)\n{L=left, R=right}"),
    (None, "Oncotype score (for the other side){##}"),
    (None, "Nottingham grade (for the other side){#}"),
    (None, "ER (for the other side)\n{0 = neg, 1 = pos}"),
    (None, "PR (for the other side)\n{0 = neg, 1 = pos}"),
    (None, "HER2 (for the other side)\n{0 = neg, 1 = pos, 2=borderline}"),
    (
        None,
        "Mol Subtype (for the other side)\n{0 = luminal-like, 1 = ER/PR pos, HER2 pos, "
        "2 = her2,\n3 = trip neg}",
    ),
    ("Multicentric/Multifocal", "{0 = no, 1 = yes}"),
    ("Contralateral Breast Involvement", "{0 = no, 1 = yes}"),
    ("Lymphadenopathy or Suspicious Nodes", "{0 = no, 1 = yes}"),
    ("Skin/Nipple Invovlement", "{0 = no, 1 = yes}"),
    ("Pec/Chest Involvement", "{0 = no, 1 = yes}"),
    ("Surgery", "{0 = no,1 = yes}"),
    ("Days to Surgery (from the date of diagnosis)", None),
    ("Definitive Surgery Type", None),
    ("Neoadjuvant Radiation Therapy", "{0 = no, 1 = yes}"),
    ("Adjuvant Radiation Therapy", "{0 = no, 1 = yes}"),
    ("Clinical Response, Evaluated Through Imaging ", None),
    ("Pathologic Response to Neoadjuvant Therapy", None),
    ("Recurrence event(s)", "{0 = no, 1 = yes}"),
    ("Days to local recurrence (from the date of diagnosis) ", None),
    ("Days to distant recurrence(from the date of diagnosis) ", None),
    ("Days to death (from the date of diagnosis) ", None),
    ("Days to last local recurrence free assessment (from the date of diagnosis) ", None),
    ("Days to last distant recurrence free assemssment(from the date of diagnosis) ", None),
    (
        "Age at last contact in EMR f/u(days)(from the date of diagnosis) ,last time patient "
        "known to be alive, unless age of death is reported(in such case the age of death",
        None,
    ),
    (None, None),
    ("Age at mammo (days)", None),
    (
        "Breast Density",
        "{0=heterogeneous, 1=scattered, 2=minimal, 3=moderate, 4=extremely, 5=predominantly fatty}",
    ),
    ("Shape", "{0=oval, 1=irregular, 2=lobular, 3=reniform, 4=stellate}"),
    ("Margin", None),
    ("Architectural distortion", None),
    ("Mass Density", None),
    ("Calcifications", None),
    ("Tumor Size (cm)", None),
    ("Shape", "{0=oval, 1=irregular, 2=lobular}"),
    ("Margin", None),
    ("Tumor Size (cm)", None),
    ("Echogenicity", None),
    ("Solid", None),
    ("Posterior acoustic shadowing", None),
    ("Neoadjuvant Chemotherapy", "{0 = no, 1 = yes}"),
    ("Adjuvant Chemotherapy", "{0 = no, 1 = yes}"),
    ("Neoadjuvant Endocrine Therapy Medications ", "{0 = no, 1 = yes}"),
    ("Adjuvant Endocrine Therapy Medications ", "{0 = no, 1 = yes}"),
    ("Known Ovarian Status ", "{0 = no, 1 = yes}"),
    ("Number of Ovaries In Situ \n", None),
    ("Therapeutic or Prophylactic Oophorectomy as part of Endocrine Therapy ", None),
    ("Neoadjuvant Anti-Her2 Neu Therapy", " {0 = no, 1 = yes}"),
    ("Adjuvant Anti-Her2 Neu Therapy ", " {0 = no, 1 = yes}"),
    ("Received Neoadjuvant Therapy or Not", None),
    (
        "Pathologic response to Neoadjuvant therapy: Pathologic stage (T) following "
        "neoadjuvant therapy ",
        None,
    ),
    (
        "Pathologic response to Neoadjuvant therapy:  Pathologic stage (N) following "
        "neoadjuvant therapy",
        None,
    ),
    (
        "Pathologic response to Neoadjuvant therapy:  Pathologic stage (M) following "
        "neoadjuvant therapy ",
        None,
    ),
    ("Overall Near-complete Response:  Stricter Definition", None),
    ("Overall Near-complete Response:  Looser Definition", None),
    ("Near-complete Response (Graded Measure)", None),
    (None, None),
)

_MODELS = {"SIGNA HDx": 3, "Signa HDxt": 4, "Avanto": 0, "TrioTim": 7}
# The code of Breast Density for each amount of fibroglandular tissue, from almost entirely fat on.
_DENSITY_CODES = (5, 1, 0, 4)
_OTHER_SIDE = range(42, 51)  # columns that concern a second cancer: not pertinent
_STAMP = (1990, 1, 1, 0, 0, 0)
_STAMP_TEXT = b"1990-01-01T00:00:00Z"


def clinical_row(
    facts: Facts, position: NDArray[np.float64], density: int
) -> list[str | int | float | None]:
    """A patient's row of the sheet `Data`.

    Args:
        facts: hers.
        position: of her first instance, mm.
        density: `Anatomy.density`.
    """
    row: list[str | int | float | None] = ["NC"] * len(COLUMNS)
    row[100] = row[69] = None
    values: dict[int, str | int | float] = {
        1: facts.patient,
        3: 0 if facts.vendor.startswith("GE") else 2,
        4: _MODELS[facts.model],
        6: 1 if facts.tesla < 2 else 3,
        7: 0 if facts.position == "FFP" else 1,
        8: " X ".join(f"{value:.4f}" for value in position),
        11: 5.2,
        12: 2.4,
        18: 2,
        20: -facts.age_days,
        21: facts.menopause,
        28: "NA",
        51: int(facts.tumours > 1),
        52: 0,
        72: _DENSITY_CODES[density],
    }
    if facts.location_known:
        values |= {39: "L" if facts.side > 0 else "R", 41: 0}
    values |= dict.fromkeys(_OTHER_SIDE, "NP")
    for column, value in values.items():
        row[column - 1] = value
    return row


def box_row(patient: Patient) -> list[str | int]:
    """A patient's box: 1-based, inclusive, on raw planes sorted by InstanceNumber."""
    raw = raw_planes(patient).raw(patient.mask)
    limits: list[str | int] = [patient.facts.patient]
    for axes in ((0, 2), (0, 1), (1, 2)):
        found = np.flatnonzero(raw.any(axis=axes))
        limits += [int(found[0]) + 1, int(found[-1]) + 1]
    return limits


def boxes_workbook(rows: Sequence[Sequence[str | int]]) -> bytes:
    """`Annotation_Boxes.xlsx`."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Sheet1"
    sheet.append(list(BOX_COLUMNS))
    for row in rows:
        sheet.append(list(row))
    return _bytes(book)


def clinical_workbook(rows: Sequence[Sequence[str | int | float | None]]) -> bytes:
    """`Clinical_and_Other_Features.xlsx`."""
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Data"
    for first, last, text in GROUPS:
        sheet.cell(1, first, text)
        if last > first and first not in _NOT_MERGED:
            sheet.merge_cells(start_row=1, end_row=1, start_column=first, end_column=last)
    for number, (name, code) in enumerate(COLUMNS, start=1):
        sheet.cell(2, number, name)
        sheet.cell(3, number, code)
    for row in rows:
        sheet.append(list(row))
    book.create_sheet("Legend").append(["NC", "not collected"])
    book.create_sheet("Column Explanations").append(
        ["synthetic patients: see docs/explanation/phantom.md"]
    )
    return _bytes(book)


def _bytes(book: Workbook) -> bytes:
    """A workbook's bytes without the time at which they were made."""
    raw, fixed = BytesIO(), BytesIO()
    book.save(raw)
    with ZipFile(raw) as source, ZipFile(fixed, "w") as target:
        for name in sorted(source.namelist()):
            content = source.read(name)
            if name == "docProps/core.xml":
                content = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", _STAMP_TEXT, content)
            member = ZipInfo(name, date_time=_STAMP)
            member.compress_type = ZIP_DEFLATED
            target.writestr(member, content)
    return fixed.getvalue()
