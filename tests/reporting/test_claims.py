"""What decides each claim, and that a verdict needs the paper's own cohort."""

import pandas as pd
import pytest

from textbcs.reporting import claims
from textbcs.reporting.claims import Finding
from textbcs.reporting.complexity import complexity_row, verdict
from textbcs.reporting.runs import paper

CLAIM = {"section": "4.4", "sentence": "rises", "says": 2.0}


@pytest.mark.parametrize(
    ("finding", "expected"),
    [
        (Finding("q", 1.9, 1.0, 3.0, True), "supported"),
        (Finding("q", 5.0, 4.0, 6.0, True), "direction supported, size not"),
        (Finding("q", 1.0, -0.1, 2.1, True), "undecided"),
        (Finding("q", -2.0, -3.0, -1.0, False), "not supported"),
        (Finding("q", 3.0, holds=False), "not supported"),
        (Finding("q", 0.0, holds=True), "supported"),
        (Finding("q", None), "not measured"),
    ],
)
def test_verdicts(finding, expected):
    assert claims.verdict(CLAIM, finding) == expected


def test_a_phantom_gets_the_quantity_and_no_verdict():
    findings = {"a": Finding("q", 1.9, 1.0, 3.0, True)}
    table = {"a": CLAIM, "b": CLAIM}
    phantom = claims.claim_rows(table, findings, is_duke=False)
    assert [row["verdict"] for row in phantom] == ["", ""]
    assert phantom[0]["interval"] == "1.00 to 3.00"
    duke = claims.claim_rows(table, findings, is_duke=True)
    assert [row["verdict"] for row in duke] == ["supported", "not measured"]


def comparisons(**differences: float) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "baseline": list(differences),
            "metric": "dice",
            "difference": list(differences.values()),
            "low": [d - 0.01 for d in differences.values()],
            "high": [d + 0.01 for d in differences.values()],
            "p_t_slice": [0.01, 0.2, 0.001],
            "holm_sign_flip": [0.04, 0.4, 0.01],
        }
    )


def test_a_group_is_decided_by_its_best_member():
    table = comparisons(transunet=0.03, unet=0.01, mgca=-0.02)
    found = claims.comparison_findings(
        table, {"unet_based": ["unet", "transunet"], "text_guided": ["mgca"]}
    )
    assert found["over_transunet"].ours == pytest.approx(3)
    assert found["unet_based"].ours == pytest.approx(1)
    assert "(unet)" in found["unet_based"].quantity
    assert (found["over_mgca"].ours, found["over_mgca"].holds) == (pytest.approx(-2), False)
    # mgca is significant, but against TextBCS
    assert (found["significant"].ours, found["significant"].holds) == (1.0, False)


def test_smaller_methods_refute_fewer_params():
    rows = [
        {"method": name, "params_m": params, "flops_g": flops}
        for name, params, flops in (
            ("textbcs", 32.5, 47.2),
            ("lvit", 29.9, 54.2),
            ("mgca", 91.5, 42.3),
        )
    ]
    found = claims.complexity_findings(rows, ["lvit", "mgca", "clip"])
    assert (found["fewer_params"].ours, found["fewer_params"].holds) == (1.0, False)
    assert found["fewer_flops"].ours == 1.0


def test_false_pixels_and_sweep():
    means = {
        "textbcs": {"false_positives": 5.0, "false_negatives": 9.0},
        "unet": {"false_positives": 6.0, "false_negatives": 8.0},
    }
    found = claims.pixel_findings(means)
    assert (found["false_positives"].holds, found["false_negatives"].holds) == (True, False)
    rows = [
        {"run": r, "dice_slice_mean": d} for r, d in (("textbcs", 70.0), ("a", 71.0), ("b", 69.0))
    ]
    assert claims.sweep_finding(rows).ours == 1.0


def test_several_lesions_take_the_least_favourable_method():
    table = pd.DataFrame(
        [
            {
                "subgroup": "lesions",
                "level": level,
                "method": method,
                "patients": 7,
                "reference_minus_method": gap,
                "difference_low": -0.1,
                "difference_high": 0.2,
            }
            for level, method, gap in (
                ("two or more", "unet", 0.1),
                ("two or more", "lvit", 0.02),
                ("two or more", "textbcs", float("nan")),
                ("one", "mgca", -0.3),
            )
        ]
    )
    found = claims.lesion_finding(table)
    assert found is not None
    assert found.ours == pytest.approx(2)
    assert "lvit" in found.quantity
    assert claims.lesion_finding(table[table["level"] == "one"]) is None


def test_every_claim_names_its_section():
    assert {
        key for key, claim in paper()["claims"].items() if not claim["section"].startswith("4.")
    } == set()


@pytest.mark.parametrize(
    ("ours", "printed", "expected"),
    [
        (14.752, 14.8, "reproduced"),
        (66.43, 65.6, "close"),
        (27.2, 82.3, "not reproducible"),
        (1.0, None, ""),
    ],
)
def test_complexity_verdicts(ours, printed, expected):
    assert verdict(ours, printed) == expected


def test_complexity_row_is_in_printed_units():
    report = {
        "reads_at_test": "image",
        "params_as_trained": 14_752_000,
        "params_learnt": 14_752_000,
        "params_for_mask": 14_752_000,
        "flops": 45_290_000_000,
        "paper_convention_macs": 50_370_000_000,
        "params_here": 920_000,
    }
    row = complexity_row("unet", report, paper()["table1"]["unet"])
    assert (row["params_m"], row["flops_g"]) == (14.752, 45.29)
    assert (row["params_verdict"], row["flops_verdict"]) == ("reproduced", "reproduced")
