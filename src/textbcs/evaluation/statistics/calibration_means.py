"""The rows of `means.csv` about calibration and uncertainty: a method's, its seeds' mean, dropout's."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

SCORES = ("ece", "brier", "nll")


def calibration_means(method: str, results: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Pooled calibration of a method, the mean over its seeds, in the rows of `means.csv`.

    Names: `ece_image`, `ece_region`, likewise `brier` and `nll`, with `_scaled` where a temperature
    was fitted; `<map>_auroc_<scope>`, `<map>_auprc_<scope>`; `<map>_aurc_slices` and so on.
    """
    import pandas as pd

    each = [_flat(result) for result in results]
    rows = []
    for name in each[0]:
        values = pd.Series([one.get(name) for one in each], dtype=float)
        unit = "patients" if "patient" in name else "slices"
        cases = results[0][f"tumour_{unit}"]
        rows.append(
            {
                "method": method,
                "measure": name,
                "value": values.mean(skipna=False),
                "seed_sd": values.std(ddof=1),
                "used": cases,
                "total": cases,
                "unit": unit,
                "seeds": len(results),
            }
        )
    return pd.DataFrame(rows)


def ensemble_means(method: str, result: Mapping[str, Any]) -> "pd.DataFrame":
    """The same of the mean of a method's seeds, each name behind `ensemble_`, and its Dice."""
    table = calibration_means(method, [result])
    table["measure"] = "ensemble_" + table["measure"]
    table["seeds"] = result["members"]
    return table


def dropout_means(method: str, results: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """The same of the mean of a network's passes with dropout, each name behind `sampled_`."""
    table = calibration_means(method, results)
    table["measure"] = "sampled_" + table["measure"]
    return table


def _flat(result: Mapping[str, Any]) -> dict[str, float | None]:
    """The scores of one result as columns; those that it lacks are left out."""
    values: dict[str, float | None] = {"temperature": result["temperature"]}
    for stem, scored in (("", result["raw"]), ("_scaled", result["scaled"] or {})):
        for where, found in scored.items():
            values |= {f"{score}_{where}{stem}": found[score] for score in SCORES}
    for where, found in result["error_detection"].items():
        values |= {f"{name}_{where}": value for name, value in found.items()}
    for name, found in result["risk_coverage"].items():
        values |= {f"{name}_{measure}": value for measure, value in found.items()}
    values |= {name: result.get(name) for name in ("dice_slice_mean", "dice_patient_mean")}
    return {name: value for name, value in values.items() if value is not None}
