"""What decides each claim, and that a verdict needs the paper's own cohort."""

import math

import pandas as pd
import pytest

from textbcs.reporting.common.labels import paper
from textbcs.reporting.common.render import cell
from textbcs.reporting.tables import claims
from textbcs.reporting.tables.claims import Finding
from textbcs.reporting.tables.complexity_columns import complexity_row, verdict

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
        (Finding("q", 1.9, 0.9, 3.0, True, neutral=1.0), "undecided"),
        (Finding("q", 2.0, 1.1, 3.0, True, neutral=1.0), "supported"),
        (Finding("q", 0.1, -0.5, 0.6, True, margin=1.0), "supported"),
        (Finding("q", 0.1, -1.5, 0.6, True, margin=1.0), "undecided"),
        (Finding("q", -2.0, -3.0, -1.5, False, margin=1.0), "not supported"),
        # Without limits, from too few patients for instance, a value decides nothing.
        (Finding("q", 9.0, math.nan, math.nan, True), "undecided"),
        (Finding("q", 0.0, math.nan, math.nan, True, margin=1.0), "undecided"),
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
    without = {"a": Finding("q", 1.9, math.nan, math.nan, True)}
    none = claims.interval_text(math.nan, math.nan)
    assert claims.claim_rows(table, without, is_duke=False)[0]["interval"] == none
    duke = claims.claim_rows(table, findings, is_duke=True)
    assert [row["verdict"] for row in duke] == ["supported", "not measured"]


def test_a_value_that_rounds_to_nothing_has_no_sign_and_its_limits_more_digits():
    row = claims.claim_rows({"a": CLAIM}, {"a": Finding("q", -1e-4, -2e-4, 0.0, False)}, False)[0]
    assert row["interval"] == "-0.0002 to 0"
    assert cell(row["ours"]) == "0.00"
    assert cell(-0.006) == "-0.01"


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
    assert "(UNet)" in found["unet_based"].quantity
    assert "minus TransUNet's" in found["over_transunet"].quantity
    assert (found["over_mgca"].ours, found["over_mgca"].holds) == (pytest.approx(-2), False)
    # mgca is significant, but against TextBCS
    assert (found["significant"].ours, found["significant"].holds) == (1, False)
    assert "in either direction: 2" in found["significant"].quantity
    assert (found["conclusion"].ours, found["conclusion"].holds) == (1, False)
    assert "ground_truth" not in found


def test_the_surface_dice_decides_what_is_more_like_the_reference():
    table = comparisons(transunet=0.03, unet=0.01, mgca=0.02)
    boundary = comparisons(transunet=0.05, unet=0.04, mgca=-0.06).assign(metric="nsd_2mm")
    found = claims.comparison_findings(pd.concat([table, boundary]), {})["ground_truth"]
    assert (found.ours, found.holds) == (pytest.approx(-6), False)
    assert "(NSD at 2 mm) to 3 methods (MGCA)" in found.quantity


def test_smaller_methods_refute_fewer_params():
    rows = [
        {"method": name, "params_m": params, "flops_g": flops}
        for name, params, flops in (
            ("unet", 14.8, 45.3),
            ("textbcs", 32.5, 47.2),
            ("lvit", 29.9, 54.2),
            ("mgca", 91.5, 42.3),
            ("uctransnet", 66.4, 65.9),
        )
    ]
    found = claims.complexity_findings(rows, ["lvit", "mgca", "clip"])
    assert (found["fewer_params"].ours, found["fewer_params"].holds) == (1, False)
    assert found["fewer_flops"].ours == 1
    # mgca has more parameters than UNet and fewer operations.
    assert (found["guided_costs"].ours, found["guided_costs"].holds) == (2, True)
    # textbcs and lvit take more operations than UNet, none more than UCTransNet.
    assert (found["guided_flops"].ours, found["guided_flops"].holds) == (0, False)
    assert "(than UNet 2, than UCTransNet 0)" in found["guided_flops"].quantity
    assert "guided_flops" not in claims.complexity_findings(rows[:-1], ["lvit", "mgca"])


def test_false_pixels_and_sweep():
    found = claims.pixel_findings(
        {
            "false_positives": {"unet": (3.0, 1.0, 5.0), "lvit": (2.0, -1.0, 4.0)},
            "false_negatives": {"unet": (-1.0, -2.0, -0.5), "lvit": (4.0, 3.0, 5.0)},
        }
    )
    first, second = found["false_positives"], found["false_negatives"]
    assert (first.ours, first.holds, claims.verdict({}, first)) == (2.0, True, "undecided")
    assert (second.ours, second.holds, claims.verdict({}, second)) == (-1.0, False, "not supported")
    assert "of LViT" in first.quantity
    assert "1 have fewer" in second.quantity
    rows = [
        {"run": r, "dice_slice_mean": d} for r, d in (("textbcs", 70.0), ("a", 71.0), ("b", 69.0))
    ]
    found = claims.sweep_findings(rows)
    assert (found["weights"].ours, found["weights"].holds) == (1, False)
    assert (found["other_weights"].ours, found["other_weights"].holds) == (1, True)
    assert claims.sweep_findings(rows[:2])["other_weights"].holds is False


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
    assert "(LViT)" in found.quantity
    assert claims.lesion_finding(table[table["level"] == "one"]) is None


def test_a_part_that_adds_nothing_to_the_other_decides_whether_each_contributes():
    gains = {"SVLI": (3.0, 1.0, 5.0), "EL": (-0.2, -1.0, 0.5)}
    found = claims.component_finding(gains)
    assert found is not None
    assert (found.ours, found.holds) == (-0.2, False)
    assert "without EL" in found.quantity
    assert claims.component_finding({"SVLI": gains["SVLI"]}) is None
    # The sentence says that a large weight harms: a loss supports it.
    assert claims.verdict({}, claims.weight_finding(1.0, (-3.0, -4.0, -2.0))) == "supported"
    assert claims.verdict({}, claims.weight_finding(1.0, (3.0, 2.0, 4.0))) == "not supported"


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        ((None, None), ""),
        ((-1.234, 5.0), "-1.23 to 5.00"),
        ((float("nan"), float("nan")), "none: too few patients, or all values equal"),
        ((-0.0004, -0.0), "-0.0004 to 0"),
        ((0.0, 0.0), "0.00 to 0.00"),
    ],
)
def test_an_empty_interval_is_a_counts_alone(limits, text):
    assert claims.interval_text(*limits) == text
    assert any("count" in note for note in claims.NOTES)


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
