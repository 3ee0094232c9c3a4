"""Annotation boxes: every fault named, and the place of a box against truth and the real tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cohort_stage import make_stage
from hypothesis import given
from hypothesis import strategies as st

from textbcs.base.io import NONE, InputError
from textbcs.cohort.phases import PRE, UNNUMBERED, phase_of
from textbcs.imaging.geometry import lps_orientation, oriented_affine
from textbcs.imaging.planes import Plane, stack_affine
from textbcs.masks.boxes import ABSENT, COLUMNS, Box, BoxError, box_rows, locate, read_boxes
from textbcs.phantom.dicom_headers import raw_planes
from textbcs.phantom.patient import draw_facts, make_patient
from textbcs.phantom.settings import Settings
from textbcs.phantom.workbooks import box_row, boxes_workbook
from textbcs.stages.data.masks import run as make_masks


def series(sign: int, rising: bool, depth: int = 9, spacing=(2.0, 3.0)) -> list[Plane]:
    """Planes by InstanceNumber: rows and columns along +-, z rising or falling."""
    step = 4.0 if rising else -4.0
    orientation = (sign, 0, 0, 0, sign, 0)
    corner = (-sign * 30.0, -sign * 20.0)
    return [Plane(orientation, (*corner, 10 + step * n), spacing, 14, 24) for n in range(depth)]


def grid_of(planes: list[Plane]):
    ordered = sorted(planes, key=lambda plane: plane.position[2])
    affine, shape = (
        stack_affine(ordered),
        (len(planes), planes[0].rows, planes[0].columns),
    )
    return oriented_affine(affine, shape, lps_orientation(affine)), shape


def test_the_phantoms_box_is_the_box_of_the_true_mask(settings: Settings) -> None:
    """Both vendors, both slice orders; the generator's LPS mask is the oracle."""
    wanted = {(ge, rising) for ge in (True, False) for rising in (True, False)}
    for index in range(1, 400):
        facts = draw_facts(settings, index)
        kind = (facts.vendor.startswith("GE"), facts.rising)
        if kind not in wanted:
            continue
        wanted.remove(kind)
        patient = make_patient(settings, index)
        grid, raw = patient.anatomy.grid, raw_planes(patient)
        orientation = (raw.sign, 0, 0, 0, raw.sign, 0)
        pixel = (grid.pixel, grid.pixel)
        planes = [Plane(orientation, tuple(p), pixel, *grid.shape[1:]) for p in raw.positions]
        affine, shape = grid_of(planes)
        row = box_row(patient)
        box = Box(str(row[0]), 2, *((row[n] - 1, row[n + 1] - 1) for n in (1, 3, 5)))
        place = locate(box, planes, range(1, len(planes) + 1), affine, shape)
        truth = [np.flatnonzero(patient.mask.any(axis=axes)) for axes in ((0, 1), (0, 2), (1, 2))]
        assert place.first.tolist() == [found[0] for found in truth]
        assert place.last.tolist() == [found[-1] for found in truth]
        axes = [
            axis.ravel()[found[[0, -1]]]
            for axis, found in zip((grid.x, grid.y, grid.z), truth, strict=True)
        ]
        np.testing.assert_allclose(np.stack([place.low, place.high], 1), axes, atol=2e-3)
        assert patient.mask[place.voxels].sum() == patient.mask.sum()
    assert not wanted


@given(st.sampled_from([-1, 1]), st.booleans(), st.permutations(range(9)), st.data())
def test_a_box_is_placed_by_its_planes_in_any_file_order(sign, rising, order, data) -> None:
    def span(size: int) -> tuple[int, int]:
        first, last = sorted(data.draw(st.lists(st.integers(0, size - 1), min_size=2, max_size=2)))
        return first, last

    planes = series(sign, rising)
    box = Box("p", 2, span(14), span(24), span(9))
    affine, shape = grid_of(planes)
    shuffled = [planes[n] for n in order]
    place = locate(box, shuffled, [10 * n + 7 for n in order], affine, shape)
    marked = np.zeros(shape, bool)  # raw planes by InstanceNumber
    marked[tuple(slice(a, b + 1) for a, b in (box.slices, box.rows, box.columns))] = True
    lps = marked[:: 1 if rising else -1, ::sign, ::sign]
    expected = np.zeros(shape, bool)
    expected[place.voxels] = True
    np.testing.assert_array_equal(lps, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rows": (3, 14)}, "outside: its last row is number 15 of 14"),
        ({"columns": (3, 24)}, "outside: its last column is number 25 of 24"),
        ({"slices": (3, 9)}, "outside: its last slice is number 10 of 9"),
    ],
)
def test_boxes_outside_are_refused(change, words) -> None:
    planes = series(1, True)
    box = Box("p", 2, **({"rows": (1, 2), "columns": (1, 2), "slices": (1, 2)} | change))
    with pytest.raises(BoxError, match=words):
        locate(box, planes, range(9), *grid_of(planes))


def test_equal_instance_numbers_place_nothing() -> None:
    planes = series(1, True)
    box = Box("p", 2, (1, 2), (1, 2), (1, 2))
    with pytest.raises(BoxError, match="InstanceNumber"):
        locate(box, planes, [1] * 9, *grid_of(planes))


def write(path: Path, rows: list[list[object]]) -> Path:
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(path, index=False)
    return path


def test_every_faulty_line_is_listed(tmp_path: Path) -> None:
    good = [3, 9, 4, 8, 1, 2]
    path = write(
        tmp_path / "boxes.csv",
        [
            ["a", *good],
            ["b", 9, 3, 4, 8, 1, 2],
            ["c", *good],
            ["c", *good],
            ["d", 3, 9, 0, 8, 1, 2],
            ["e", 3, 9, 4, 8, 1, ""],
            ["f", 3, 9, 4, 8, 1.5, 2],
        ],
    )
    boxes, faults = read_boxes(path, 1)
    assert boxes == {"a": Box("a", 2, (2, 8), (3, 7), (0, 1))}
    assert [(fault.patient, fault.line, fault.reason) for fault in faults] == [
        ("b", 3, "inverted: rows 9 to 3"),
        ("c", 4, "patient in lines 4, 5"),
        ("c", 5, "patient in lines 4, 5"),
        ("d", 6, "first column 0 lies before number 1"),
        ("e", 7, "End Slice is no whole number"),
        ("f", 8, "Start Slice is no whole number"),
    ]
    assert read_boxes(path, 0)[0]["a"].rows == (3, 9)
    table = box_rows(boxes, faults, {"a": "outside", "g": "no line"})
    assert len(table) == 8  # seven lines and a patient without one
    assert table.set_index("patient").loc["g", "reason"] == "no line"
    assert box_rows(boxes, [], {})["reason"].tolist() == [ABSENT]


def test_lines_are_numbered_as_a_spreadsheet_does(tmp_path: Path) -> None:
    """With a column of notes, an empty line, decimal points, and a patient whom Excel called 7."""
    path = tmp_path / "boxes.csv"
    header = ";".join(["Note", *COLUMNS])
    path.write_text(f"{header}\nx;007;3.0;9;4;8;1;2\n\n;;3;9;4;8;1;2\n;b;3;9;4;8;1;9e99\n")
    boxes, faults = read_boxes(path, 1)
    assert boxes == {"007": Box("007", 2, (2, 8), (3, 7), (0, 1))}
    assert [(one.line, one.reason) for one in faults] == [
        (4, "no patient"),
        (5, "End Slice is no whole number"),
    ]


def test_other_columns_stop(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("Patient ID,Start Row\na,1\n")
    with pytest.raises(InputError, match="no column 'End Row'; its columns are Patient ID, Start"):
        read_boxes(tmp_path / "boxes.csv", 1)


def test_the_stage_writes_where_every_box_lies(workplace, params, capsys) -> None:
    """Workbook and CSV alike; a box that is outside is a row with its reason, and is said."""
    table = pd.read_csv("data/masks/boxes.csv", keep_default_na=False)
    assert (table["reason"] == "").all()
    assert table["patient"].tolist() == [f"Breast_MRI_{n:03d}" for n in range(1, 7)]
    book = pd.read_excel("data/phantom/Annotation_Boxes.xlsx")
    book.loc[2, "End Slice"] = 99
    book.loc[6] = ["Breast_MRI_900", 1, 2, 1, 2, 1, 2]
    book.to_csv("data/boxes.csv", index=False)
    params["cohort"]["boxes"] = "data/boxes.csv"
    make_masks(make_stage(params))
    edited = pd.read_csv("data/masks/boxes.csv", keep_default_na=False)
    assert edited["reason"].tolist()[2] == "outside: its last slice is number 99 of 10"
    assert edited["reason"].tolist()[6] == ABSENT
    pd.testing.assert_frame_equal(
        edited.drop(index=[2, 6]).astype(str), table.drop(index=2).astype(str)
    )
    assert "line 4 (Breast_MRI_003): outside" in capsys.readouterr().err
    book.loc[2, "Patient ID"] = "Breast_MRI_3"
    book.to_csv("data/boxes.csv", index=False)
    make_masks(make_stage(params))
    assert (
        "data/boxes.csv: 'Breast_MRI_3' is not in the cohort; did a spreadsheet take the leading zeros "
        "away: 'Breast_MRI_003'?" in capsys.readouterr().err
    )
    params["cohort"]["boxes"] = NONE
    make_masks(make_stage(params))
    none = pd.read_csv("data/masks/boxes.csv", keep_default_na=False)
    assert set(none["reason"]) == {"no line"}


def test_a_workbook_round_trips(tmp_path: Path) -> None:
    path = tmp_path / "boxes.XLSX"
    path.write_bytes(boxes_workbook([["a", 3, 9, 4, 8, 1, 2]]))
    assert read_boxes(path, 1) == ({"a": Box("a", 2, (2, 8), (3, 7), (0, 1))}, [])


# The real tables. No DICOM of the collection is read: planes are rebuilt from the clinical table's
# ImagePositionPatient, the slice counts of IDC and the voxel sizes of MAEMI's boxes.
MISSES = ["046", "088", "290", "348", "431", "540", "546", "558", "564", "598", "617", "680", "920"]
MATRIX = {"0": 320, "1": 448, "2": 512}


@pytest.fixture(scope="session")
def real(duke_tables: Path) -> pd.DataFrame:
    """A row per patient: how our place of her box deviates from MAEMI's, in voxels, per slice order."""
    boxes, faults = read_boxes(duke_tables / "Annotation_Boxes.csv", 1)
    assert not faults
    oracle = pd.read_csv(duke_tables / "MAEMI_bboxes_ROI_LPS.csv").set_index("identifier")
    clinical = pd.read_excel(
        duke_tables / "Clinical_and_Other_Features.xlsx", sheet_name="Data", header=1, dtype=str
    )
    clinical = clinical.iloc[1:].set_index("Patient ID")
    idc = pd.read_csv(duke_tables / "duke_idc_v25_series.csv.gz")
    phases = idc["SeriesDescription"].astype(str).map(phase_of)
    counts = idc[phases.isin([PRE, UNNUMBERED])].groupby("PatientID")["instanceCount"].first()
    rows = []
    for patient, box in boxes.items():
        facts, theirs = clinical.loc[patient], oracle.loc[patient]
        low = theirs[["L_min", "P_min", "S_min"]].to_numpy(float)
        high = theirs[["L_max", "P_max", "S_max"]].to_numpy(float)
        spans = (box.columns, box.rows, box.slices)
        voxel = (high - low) / [max(last - first, 1) for first, last in spans]
        corner = [float(v) for v in facts["Image Position of Patient"].split(" X ")]
        row = {
            "patient": patient,
            "location": facts["Tumor Location"],
            "ge": facts["Manufacturer"] == "0",
        }
        for order in ("falls", "rises"):
            step = voxel[2] if order == "rises" else -voxel[2]
            sign = -1 if corner[0] > 0 else 1
            size = MATRIX[facts["Rows"]]
            planes = [
                Plane(
                    (sign, 0, 0, 0, sign, 0),
                    (corner[0], corner[1], corner[2] + step * n),
                    (voxel[1], voxel[0]),
                    size,
                    size,
                )
                for n in range(counts[patient])
            ]
            place = locate(box, planes, range(len(planes)), *grid_of(planes))
            off = np.maximum(np.abs(place.low - low), np.abs(place.high - high)) / voxel
            row |= {f"{order}_x": off[0], f"{order}_y": off[1], f"{order}_z": off[2]}
            row["left"] = float(place.low[0] + place.high[0]) > 0
        rows.append(row)
    return pd.DataFrame(rows).set_index("patient")


def test_slice_orders_of_the_collection(real: pd.DataFrame) -> None:
    falls, rises = real["falls_z"] <= 2, real["rises_z"] <= 2
    assert len(real) == 922
    assert (int((falls & ~rises).sum()), int((rises & ~falls).sum())) == (824, 88)
    assert int((~falls & ~rises).sum()) == 10
    assert not real.loc[~falls & ~rises, "ge"].any()  # oblique planes of one vendor
    assert int(real.loc[rises, "ge"].sum()) == 84


def test_places_agree_with_an_independent_implementation(real: pd.DataFrame) -> None:
    """It counts from 0 where we count from 1: one pixel apart in every patient with straight planes."""
    decided = real[(real["falls_z"] <= 2) | (real["rises_z"] <= 2)]
    off = (decided[["falls_x", "falls_y"]] - 1).abs().max(axis=1)
    oblique = decided[off > 0.01]
    assert [name[-3:] for name in oblique.index] == ["214", "394", "405", "679", "681"]
    assert not oblique["ge"].any()


def test_sides_agree_with_the_clinical_table(real: pd.DataFrame) -> None:
    known = real[real["location"].isin(["L", "R"])]
    agree = known["left"] == (known["location"] == "L")
    assert (int(agree.sum()), len(known)) == (638, 651)
    assert [name[-3:] for name in known.index[~agree]] == MISSES


def test_boxes_of_the_collection_fit_their_images(duke_tables: Path) -> None:
    """The published counts: 922 boxes, 23,426 slices, none outside."""
    boxes, _ = read_boxes(duke_tables / "Annotation_Boxes.csv", 1)
    assert len(boxes) == 922
    assert sum(box.slices[1] - box.slices[0] + 1 for box in boxes.values()) == 23426
