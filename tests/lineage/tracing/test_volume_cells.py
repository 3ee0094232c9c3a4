"""Cells of the tables of whole volumes: what they rest on, and what follows from the patients' rows."""

import math

import pytest
import volumes

from textbcs.base.variants import volume_methods
from textbcs.evaluation.statistics.intervals import mean_interval
from textbcs.lineage.records.graph import Item
from textbcs.lineage.tracing import volume_cells
from textbcs.reporting.volumes.scores_by_prompt import Scores, score_values

TABLE = "reports/tables/volumes.csv"
PARAMS = {"evaluation.bootstrap.resamples": 299, "evaluation.bootstrap.seed": 1}
PATHS = [
    *(f"results/volume_scores/{name}.csv" for name in ("points", "patients", "means", "mamamia")),
    "results/volume_scores/comparisons.csv",
    *(f"results/prompt_check/{name}-s1/rates.csv" for name in ("textbcs", "textbcs_plus")),
    "results/prompt_leak/leak.csv",
]
INPUTS = [Item(path, "", 0) for path in PATHS]


def rests_on(table: str, column: str, row: dict[str, str] | None = None) -> list[str]:
    found = volume_cells.sources(f"reports/tables/{table}.csv", row or {}, column, INPUTS)
    return [item.path.removeprefix("results/") for item in found]


def test_a_cell_rests_on_the_file_that_holds_its_column() -> None:
    assert rests_on("volumes", "threshold") == ["volume_scores/points.csv"]
    assert rests_on("volumes", "fairness_age") == ["volume_scores/mamamia.csv"]
    scores = ["volume_scores/patients.csv", "volume_scores/means.csv"]
    assert rests_on("volumes", "dice_low") == scores
    assert rests_on("volume_differences", "low") == ["volume_scores/comparisons.csv"]
    own = rests_on("prompt_check", "auroc", {"method": "textbcs"})
    assert own == ["prompt_check/textbcs-s1/rates.csv"]
    assert rests_on("prompt_leak", "low") == ["prompt_leak/leak.csv"]
    assert rests_on("table1", "dice_slice_mean") == []


def test_every_measure_follows_from_the_patients() -> None:
    """The stage's own arithmetic against the trace's, which shares nothing with it but the data."""
    patients = volumes.all_patients()
    parts = (one(patients) for one in (volumes.points, volumes.means, volumes.mamamia))
    points, means, mamamia = parts
    for place, row in means.iterrows():  # as the stage makes them: BCa limits over patients
        key = (patients[name] == row[name] for name in ("method", "seed", "source"))
        method, seed, source = key
        own = patients[method & seed & source]
        if row["metric"] != "lesion_sensitivity":
            found = mean_interval(own[row["metric"]].to_numpy(float), 299, 1)
            means.loc[place, ["mean", "low", "high"]] = [found.mean, found.low, found.high]
    methods = volume_methods(volumes.PARAMS)
    rows = score_values(Scores(points, patients, means, mamamia), methods, volumes.TOLERANCES)
    checked = 0
    for row in (rows[0], rows[7], rows[-1]):
        texts = {name: str(value) for name, value in row.items()}
        for column, value in row.items():
            again = volume_cells.recompute(TABLE, texts, column, patients, PARAMS)
            if again:
                checked += 1
                assert again[0] == pytest.approx(value, nan_ok=True), column
    assert checked == 3 * (3 + 6 * 3 + 3)  # counts and sensitivity, six measures, the volume error


def test_there_is_no_rule_for_what_is_not_the_patients() -> None:
    patients = volumes.patient_rows("unet", "none")
    row = {"method": "unet", "source": "none", "seed": "1"}
    for column in ("label", "threshold", "ranking", "lesion_sensitivity_low"):
        assert volume_cells.recompute(TABLE, row, column, patients, PARAMS) == ()
    assert volume_cells.recompute("reports/tables/x.csv", row, "dice", patients, PARAMS) == ()
    assert volume_cells.recompute(TABLE, row, "dice_low", patients, {}) == ()
    assert volume_cells.recompute(TABLE, row | {"seed": "2"}, "dice", patients, PARAMS) == ()
    alone = patients.iloc[:1]
    (low,) = volume_cells.recompute(TABLE, row, "volume_error_ml_low", alone, PARAMS)
    assert math.isnan(low)


def test_whole_series_stand_behind_a_volume() -> None:
    volumes_table = [{"patient": "a", "series_uid": "1"}]
    files = [{"series_uid": one, "sop_uid": f"{one}.{z}"} for one in "12" for z in range(3)]
    found = list(volume_cells.whole_series(volumes_table, files, {"1.0"}))
    assert [row["sop_uid"] for row in found] == ["1.1", "1.2"]
    assert {row["patient"] for row in found} == {"a"}
