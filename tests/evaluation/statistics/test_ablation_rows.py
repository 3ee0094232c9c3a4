"""Which variants are rows of the ablation, and which are such a row with dropout."""

from typing import Any

from textbcs.evaluation.statistics.ablation_rows import ablation_names, dropout_twins


def params(**variants: dict[str, Any]) -> dict[str, Any]:
    network = {"svli": True, "evidential": True, "width": 16}
    return {
        "methods": {"textbcs": {"network": network}},
        "tables": {"variants": list(variants)},
        "variants": variants,
    }


OFF = {"svli": False, "evidential": False}


def test_a_row_of_the_ablation_changes_the_switches_alone() -> None:
    found = ablation_names(
        params(
            none={"network": OFF},
            narrow={"network": {"evidential": False, "width": 8}},
            weighted={"network": {"evidential": False}, "loss": {"a": 1}},
            svli={"network": {"evidential": False}},
        )
    )
    assert found == {(False, False): "none", (True, False): "svli", (True, True): "textbcs"}


def test_a_twin_differs_in_dropout_alone() -> None:
    variants = {
        "none": {"network": OFF},
        "wet": {"network": {**OFF, "dropout": 0.2}},
        "dry": {"network": {**OFF, "dropout": 0}},
        "longer": {"network": {**OFF, "dropout": 0.2}, "training": {"epochs": 9}},
        "wet_textbcs": {"network": {"dropout": 0.1}},
        "alone": {"network": {"svli": False, "dropout": 0.1}},  # EL alone was not trained
    }
    assert dropout_twins(params(**variants)) == {"wet": "none", "wet_textbcs": "textbcs"}
