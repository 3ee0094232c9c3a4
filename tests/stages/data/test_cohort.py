"""The stage cohort: what it lists, whom it excludes and why, and what it must not tell."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
from cohort_stage import PATIENTS, make_stage

from textbcs.base.io import NONE, InputError, read_csv
from textbcs.cohort.cohort_tables import INTAKE, read_patients, read_series_table
from textbcs.phantom.patient import draw_facts
from textbcs.stages.data.cohort import run as list_cohort


def edit(patient: str, change) -> None:
    """Change the datasets of a patient's archive files; a file is removed where `change` says so."""
    for path in sorted(Path("data/phantom/archive", patient).rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        if change(dataset) == "remove":
            path.unlink()
        else:
            dataset.save_as(path)


def excluded() -> dict[str, str]:
    table = read_patients()
    return {row.patient: row.excluded for row in table.itertuples() if row.excluded}


def test_tables_say_what_was_made(finished, monkeypatch, settings) -> None:
    monkeypatch.chdir(finished)
    series, patients = read_series_table(), read_patients()
    assert list(patients["patient"]) == [f"Breast_MRI_{n:03d}" for n in range(1, PATIENTS + 1)]
    assert (patients["excluded"] == "").all()
    for index, row in enumerate(patients.itertuples(), start=1):
        facts = draw_facts(settings, index)
        assert (row.manufacturer, row.position) == (facts.vendor, facts.position)
        assert float(row.field_strength_t) == facts.tesla
        side = "L" if facts.side > 0 else "R"
        assert row.tumour_location == (side if facts.location_known else "")
        assert row.multifocal == str(int(facts.tumours > 1))
        own = series[series["patient"] == row.patient]
        assert sorted(own["phase"]) == sorted(["mask", "post1", "pre"] + [""] * bool(facts.t1_name))
        named = own[own["phase"].isin(["pre", "post1"])].sort_values("series_number")
        assert list(named["phase"]) == ["pre", "post1"]
        assert list(named["description"]) == list(facts.names)
        assert (named["instances"] == settings.slices).all()
    sizes = sum(path.stat().st_size for path in Path("data/phantom/archive").rglob("*.dcm"))
    assert series["bytes"].sum() == sizes
    order = series.sort_values(["patient", "series_number", "series_uid"])
    pd.testing.assert_frame_equal(series, order)


def test_reasons_of_exclusion(workplace, params) -> None:
    numbers = {}

    def remember(dataset) -> None:
        numbers.setdefault(dataset.PatientID, set()).add(int(dataset.SeriesNumber))

    for patient in ("Breast_MRI_001", "Breast_MRI_002", "Breast_MRI_003", "Breast_MRI_004"):
        edit(patient, remember)

    def no_post(dataset):
        return "remove" if dataset.SeriesNumber == max(numbers[dataset.PatientID] - {300}) else None

    def hole(dataset):
        return "remove" if dataset.Modality == "MR" and dataset.InstanceNumber == 4 else None

    def short_post(dataset):
        last = max(numbers[dataset.PatientID] - {300})
        return "remove" if (dataset.SeriesNumber, dataset.InstanceNumber) == (last, 1) else None

    def only_seg(dataset):
        return "remove" if dataset.Modality == "MR" else None

    numbers = {patient: {n for n in found if n != 300} for patient, found in numbers.items()}
    edit("Breast_MRI_001", no_post)
    edit("Breast_MRI_002", hole)
    edit("Breast_MRI_003", short_post)
    edit("Breast_MRI_004", only_seg)
    list_cohort(make_stage(params))
    found = excluded()
    assert found["Breast_MRI_001"] == "no first post-contrast series"
    assert "missing slice or uneven distance" in found["Breast_MRI_002"]
    assert found["Breast_MRI_003"] == "phases differ in their number of slices"
    assert found["Breast_MRI_004"] == "no pre-contrast series"
    assert set(found) == {f"Breast_MRI_{n:03d}" for n in (1, 2, 3, 4)}


def test_an_image_without_geometry_excludes_its_patient(workplace, params) -> None:
    def without(dataset) -> None:
        if dataset.Modality == "MR" and dataset.InstanceNumber == 3:
            del dataset.ImagePositionPatient

    edit("Breast_MRI_005", without)
    list_cohort(make_stage(params))
    assert list(excluded()) == ["Breast_MRI_005"]
    assert "ImagePositionPatient" in excluded()["Breast_MRI_005"]


def test_nobody_is_named(workplace, params, capsys) -> None:
    def name(dataset) -> None:
        dataset.PatientName = "PHI^CANARY"
        dataset.PatientBirthDate = "19121212"
        dataset.OtherPatientIDs = "PHI-CANARY-7"
        dataset.InstitutionName = "CANARY clinic"

    for index in range(1, PATIENTS + 1):
        edit(f"Breast_MRI_{index:03d}", name)
    list_cohort(make_stage(params))
    told = "".join(path.read_text() for path in Path("data/cohort").glob("*.csv"))
    told += "".join(capsys.readouterr())
    assert "CANARY" not in told
    assert "19121212" not in told


def test_only_asked_patients(workplace, params) -> None:
    params["cohort"]["patients"] = ["Breast_MRI_002", "Breast_MRI_005"]
    list_cohort(make_stage(params))
    assert list(read_patients()["patient"]) == ["Breast_MRI_002", "Breast_MRI_005"]
    params["cohort"]["patients"] = ["Breast_MRI_777"]
    with pytest.raises(InputError, match="Breast_MRI_777"):
        list_cohort(make_stage(params))


@pytest.mark.parametrize("bad", ["../../etc", "a/b", ".hidden", "x y"])
def test_an_identifier_that_is_no_file_name_excludes(workplace, params, bad) -> None:
    def rename(dataset) -> None:
        dataset.PatientID = bad

    edit("Breast_MRI_001", rename)
    list_cohort(make_stage(params))
    assert list(excluded()) == [bad]
    assert excluded()[bad].startswith("PatientID is no plain name: use letters, digits")


def test_without_a_clinical_workbook(workplace, params) -> None:
    with_book = read_patients()
    params["cohort"]["clinical"] = NONE
    list_cohort(make_stage(params))
    without = read_patients()
    assert (without["tumour_location"] == "").all()
    assert (without["multifocal"] == "").all()
    for column in ("manufacturer", "position", "field_strength_t", "excluded"):
        np.testing.assert_array_equal(without[column], with_book[column])


def test_a_cohort_of_nobody_stops(workplace, params) -> None:
    def t1(dataset) -> None:
        dataset.SeriesDescription = "ax t1"

    for index in range(1, PATIENTS + 1):
        edit(f"Breast_MRI_{index:03d}", t1)
    edit("Breast_MRI_001", lambda dataset: setattr(dataset, "PatientID", "a b"))
    params["cohort"] |= {"kind": "folder", "archive": "data/phantom/archive"}
    words = r"data/phantom/archive: no usable patient \(5 x no .* series, 1 x PatientID is no plain"
    with pytest.raises(InputError, match=words) as error:
        list_cohort(make_stage(params))
    assert "\n" not in str(error.value)
    assert "textbcs estimate --files" in str(error.value)


def test_the_ledger_of_a_persons_folder(workplace, params, capsys) -> None:
    folder = Path("data/phantom/archive")
    params["cohort"] |= {"kind": "folder", "archive": str(folder)}
    (folder / "notes.txt").write_text("CANARY")
    (folder / "Breast_MRI_001/.DS_Store").write_text("x")
    list_cohort(make_stage(params))
    table = read_csv(INTAKE, dtype=dict.fromkeys(["kind", "series_uid"], str)).fillna("")
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(table["file"]) == files
    chosen = set(read_series_table().query("phase != ''")["series_uid"])
    assert set(table.loc[table["used"] == "yes", "series_uid"]) == chosen
    told = capsys.readouterr().err
    assert "not used: 1 x text: no DICOM file" in told
    assert "notes" not in told


def test_the_phantoms_ledger_is_a_header(finished) -> None:
    assert (finished / INTAKE).read_text() == "file,kind,series_uid,used,reason\n"


def test_whoever_has_a_clinical_row_and_no_images_is_counted(workplace, params, capsys) -> None:
    shutil.rmtree("data/phantom/archive/Breast_MRI_003")
    Path("data/phantom/archive/Breast_MRI_005").rename("data/phantom/archive/other")
    edit("other", lambda dataset: setattr(dataset, "PatientID", "Breast_MRI_05"))
    list_cohort(make_stage(params))
    table = read_csv(INTAKE, dtype=dict.fromkeys(("file", "reason"), str))
    assert list(table["reason"]) == [
        "the patient is not in the archive (row 6: Breast_MRI_003; did you mean 'Breast_MRI_05'?)",
        "the patient is not in the archive (row 8: Breast_MRI_005; did you mean 'Breast_MRI_05'?)",
    ]
    assert set(table["file"]) == {params["cohort"]["clinical"]}
    words = "not used: 2 x row of the clinical workbook: the patient is not in the archive"
    assert words in capsys.readouterr().err
