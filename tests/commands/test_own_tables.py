"""Tables of one's own are read by `textbcs check` as the stages will, before any of them starts."""

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from textbcs import cli
from textbcs.base.io import InputError, write_json
from textbcs.commands.own_tables import check_own_tables
from textbcs.masks.boxes import COLUMNS
from textbcs.settings.params import flatten
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import read_stages

STAGES = read_stages()
ROOT = Path().resolve()
PEOPLE = ("anna", "berta", "carla", "007")


@pytest.fixture
def params(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The preset for data of one's own, with a cohort that was listed."""
    values = read_preset("own", ROOT / "presets")
    monkeypatch.chdir(tmp_path)
    Path("data/own").mkdir(parents=True)
    list_cohort(values)
    return values


def list_cohort(values: dict[str, Any], **other: str) -> None:
    columns = ["manufacturer", "field_strength_t", "position", "tumour_location", "multifocal"]
    rows = [[name, *[""] * len(columns), ""] for name in PEOPLE]
    Path("data/cohort").mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=["patient", *columns, "excluded"])
    # Columns that later versions add are no business of this test.
    table.assign(age_years="50", menopause="pre", density="2").to_csv(
        "data/cohort/patients.csv", index=False
    )
    recorded = flatten({"cohort": values["cohort"] | other})
    write_json("results/receipts/cohort.json", {"params": recorded})


def boxes(*names: str, columns: tuple[str, ...] = COLUMNS) -> None:
    lines = [",".join(columns), *(f"{name},1,2,1,2,1,2" for name in names)]
    Path("data/own/boxes.csv").write_text("\n".join(lines))


def test_a_misspelt_patient_is_named_with_row_and_nearest_name(params: dict[str, Any]) -> None:
    params["cohort"]["boxes"] = "data/own/boxes.csv"
    boxes("anna", "bertha", "carla", "somebody_else", "7")
    assert check_own_tables(params, STAGES) == [
        "data/own/boxes.csv: row 3: patient 'bertha' is not in the cohort; did you mean 'berta'?",
        "data/own/boxes.csv: row 6: patient '7' is not in the cohort; did a spreadsheet take the "
        "leading zeros away: '007'?",
    ]
    boxes("anna", "berta", "bertha")  # another woman: berta has her own row
    assert check_own_tables(params, STAGES) == []


def test_the_tables_of_series_and_words_have_no_strangers(params: dict[str, Any]) -> None:
    params["cohort"]["series"] = "data/own/series.csv"
    Path("data/own/series.csv").write_text("patient,phase,series_number\nanna,pre,1\nzoe,pre,2\n")
    params["prompts"] |= {"source": "table", "table": "data/own/words.csv"}
    words = "patient_id,slice,location,shape,size,number\n"
    Path("data/own/words.csv").write_text(f"{words}Carla,3,left,round,small,one\n")
    notes = check_own_tables(params, STAGES)
    assert notes[0] == "data/own/series.csv: row 3: patient 'zoe' is not in the cohort"
    assert "row 2: patient 'Carla' is not in the cohort; did you mean 'carla'?" in notes[1]
    params["cohort"]["patients"] = ["anna"]  # whoever was not asked for may stand in a table
    assert [note for note in check_own_tables(params, STAGES) if "zoe" in note] == []


def test_who_was_listed_from_another_archive_says_nothing(params: dict[str, Any]) -> None:
    params["cohort"]["boxes"] = "data/own/boxes.csv"
    boxes("bertha")
    assert len(check_own_tables(params, STAGES)) == 1
    list_cohort(params, archive="data/phantom/archive")
    assert check_own_tables(params, STAGES) == []
    shutil.rmtree("results")
    assert check_own_tables(params, STAGES) == []


def test_all_that_a_stage_would_refuse_is_said_at_once(params: dict[str, Any]) -> None:
    params["cohort"] |= {"boxes": "data/own/boxes.csv", "series": "data/own/series.csv"}
    params["cohort"]["clinical"] = "data/own/clinical.xlsx"
    params["masks"]["nifti_table"] = "data/own/joined.csv"
    params["prompts"] |= {"source": "report", "table": "data/own/reports.csv"}
    boxes("anna", columns=("Patient ID", "Start Rwo", *COLUMNS[2:]))
    Path("data/own/series.csv").write_text("patient,phase,series_number\nanna,pots1,1\n")
    Path("data/own/clinical.xlsx").write_text("no workbook")
    Path("data/own/joined.csv").write_text("tcia_series_uid,patient\n1.2,anna\n")
    Path("data/own/reports.csv").write_text("patient_id,slice,text\nanna,1,small\n")
    with pytest.raises(InputError) as error:
        check_own_tables(params, STAGES)
    told = str(error.value)
    for words in (
        "boxes.csv: has no column 'Start Row'; is 'Start Rwo' meant?",
        "series.csv: row 2: phase 'pots1': allowed are",
        "clinical.xlsx: ",
        "joined.csv: has no column 'patient_id'",
        "reports.csv: has no column 'report'",
    ):
        assert words in told
    assert "\n" not in told


def test_faulty_rows_of_words_and_boxes(params: dict[str, Any]) -> None:
    params["prompts"] |= {"source": "table", "table": "data/own/words.csv"}
    lines = [f"anna,{row},left,round,huge,one" for row in range(9)]
    Path("data/own/words.csv").write_text(
        "\n".join(["patient_id,slice,location,shape,size,number", *lines])
    )
    with pytest.raises(InputError, match=r"words.csv: row 2: .*huge.*6 more rows like that"):
        check_own_tables(params, STAGES)
    params["prompts"]["source"] = "derive"  # nobody reads it
    params["cohort"]["boxes"] = "data/own/boxes.csv"
    Path("data/own/boxes.csv").write_text(f"{','.join(COLUMNS)}\nanna,9,2,1,2,1,2")
    assert check_own_tables(params, STAGES) == ["data/own/boxes.csv: row 2: inverted: rows 9 to 2"]


def test_reports_of_cases(params: dict[str, Any]) -> None:
    params["volumes"]["reports"] = "data/own/cases.csv"
    table = Path("data/own/cases.csv")
    table.write_text("patient,report\nanna,a mass\nberat,a mass\n")
    notes = check_own_tables(params, STAGES)
    assert notes == [
        "data/own/cases.csv: row 3: patient 'berat' is not in the cohort; did you mean 'berta'?"
    ]
    table.write_text("patient,report\nanna,a mass\nanna,another\n")
    with pytest.raises(InputError, match=r"cases.csv: row 3: patient 'anna' has two reports"):
        check_own_tables(params, STAGES)


def test_a_missing_table_is_said_elsewhere(params: dict[str, Any]) -> None:
    params["cohort"]["boxes"] = "data/own/boxes.csv"
    assert check_own_tables(params, STAGES) == []


def test_the_command_says_it(
    params: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("dicom", "masks"):
        Path("data/own", folder).mkdir()
    params["cohort"]["boxes"] = "data/own/boxes.csv"
    boxes("anna", "bertha")
    shutil.copy(ROOT / "dvc.yaml", "dvc.yaml")
    monkeypatch.setattr(cli.parameters, "load_params", lambda: params)
    monkeypatch.setattr(cli, "require_working_copy", lambda typed: None)
    assert cli.main(["check"]) == 0
    assert "row 3: patient 'bertha'" in capsys.readouterr().out
    boxes("anna", columns=COLUMNS[1:])
    assert cli.main(["check"]) == 2
    assert "boxes.csv: has no column 'Patient ID'" in capsys.readouterr().err
