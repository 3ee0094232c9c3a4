"""The rows of `means.csv` about calibration."""

import json

from made_runs import CALIBRATED

from textbcs.evaluation.statistics.calibration_means import calibration_means


def test_calibration_has_rows_of_its_own() -> None:
    other = json.loads(json.dumps(CALIBRATED)) | {"temperature": 3.0}
    table = calibration_means("unet", [CALIBRATED, other]).set_index("measure")
    assert table.loc["temperature", "value"] == 2.5
    assert table.loc["ece_image_scaled", "value"] == 0.05
    assert table.loc["entropy_auroc_band", "value"] == 0.7
    assert table.loc["entropy_aurc_slices", ["value", "used"]].tolist() == [0.2, 24]
    assert table.loc["entropy_aurc_patients", ["value", "used"]].tolist() == [0.1, 12]
    assert "entropy_auprc_band" not in table.index
