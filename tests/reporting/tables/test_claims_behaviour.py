"""Claims on heat maps, wordings and uncertainty: what decides them."""

import numpy as np
import pandas as pd
import pytest

from textbcs.reporting.tables import claims_behaviour as behaviour
from textbcs.reporting.tables.claims import verdict

BOOTSTRAP = {"resamples": 499, "seed": 1}
NAN = float("nan")


def summary(lift: dict[str, list[float]], energy: list[float], dead: int = 0) -> pd.DataFrame:
    """Four stages; intervals of 0.2 either side of the lift and 0.01 of the energy's difference."""
    rows = [
        {"measure": "lift", "network": network, "stage": stage, "mean": mean}
        | {"low": mean - 0.2, "high": mean + 0.2, "mean_with_heat": 2 * mean}
        for network, means in lift.items()
        for stage, mean in enumerate(means, start=1)
    ]
    rows += [
        {"measure": "energy_inside", "network": behaviour.PAIRED, "stage": stage, "mean": mean}
        | {"low": mean - 0.01, "high": mean + 0.01, "mean_with_heat": 2 * mean}
        for stage, mean in enumerate(energy, start=1)
    ]
    rows += [
        {"measure": "pointing_hit", "network": network, "stage": stage, "mean": stage / 10}
        | {"low": 0.0, "high": 1.0, "mean_with_heat": 1.0}
        for network in (*lift, behaviour.PAIRED)
        for stage in range(1, 5)
    ]
    return pd.DataFrame(rows).assign(slices=9, dead_maps=dead, seed=3)


def test_the_stage_that_speaks_most_against_a_sentence_decides_it() -> None:
    lift = {"unet": [9.0, 5.0, 0.5, 0.7], "svli": [1.1, 8.0, 4.0, 3.0]}
    found = behaviour.gradcam_findings(summary(lift, [-0.9, -0.9, 0.2, 0.05]))
    assert (found["svli_truth"].ours, found["svli_truth"].neutral) == (1.1, 1)
    assert "stage 1" in found["svli_truth"].quantity
    # UNet's deep stages do no better than chance: the sentence holds; its early ones are not asked.
    assert (found["deep_unet"].ours, found["deep_unet"].holds) == (0.7, True)
    assert (found["deep_svli"].ours, found["deep_svli"].holds) == (3.0, True)
    assert found["text_locates"].ours == pytest.approx(5)
    assert "pointing game there 40 points" in found["text_locates"].quantity
    said = {key: verdict({}, one) for key, one in found.items()}
    assert said == {
        "svli_truth": "undecided",
        "deep_unet": "supported",
        "deep_svli": "supported",
        "text_locates": "supported",
    }


def test_a_unet_whose_deep_stages_see_the_lesion_refutes_the_sentence() -> None:
    lift = {"unet": [9.0, 5.0, 0.5, 2.0], "svli": [2.0, 2.0, 2.0, 2.0]}
    found = behaviour.gradcam_findings(summary(lift, [0.0] * 4))["deep_unet"]
    assert (found.ours, found.holds) == (2.0, False)
    assert verdict({}, found) == "not supported"


def test_maps_without_heat_are_counted_and_what_the_others_say_stands_beside() -> None:
    lift = {"unet": [9.0, 5.0, 0.4, 0.3], "svli": [2.0, 2.0, 0.0, 3.0]}
    found = behaviour.gradcam_findings(summary(lift, [0.0] * 4, dead=6))
    assert (found["deep_svli"].ours, found["deep_svli"].holds) == (0.0, False)
    assert (
        "the ablation's UNet (seed 3), greatest of stages 3 to 4: stage 3, 9 slices, 6 of them without "
        "heat (0.80 over the others)" in found["deep_unet"].quantity
    )
    none = behaviour.gradcam_findings(summary(lift, [0.0] * 4))["deep_unet"].quantity
    assert "0 of them without heat; pointing" in none


def test_a_stage_without_a_lesion_decides_nothing() -> None:
    found = behaviour.gradcam_findings(summary({"unet": [NAN] * 4, "svli": [2.0] * 4}, [0.0] * 4))
    assert "deep_unet" not in found


def values(stable: float) -> pd.DataFrame:
    """Six patients, whose Dice the paper's variants change by `stable` points, give or take a tenth."""
    own = np.array([0.5, 0.6, 0.7, 0.65, 0.55, 0.8])
    wobble = np.array([1, -1, 1, -1, 1, -1]) / 1000
    return pd.DataFrame(
        {
            "patient": list("abcdef"),
            "dice_true": own,
            "paraphrase_mean_paper": own - stable / 100 + wobble,
            "dice_long": own - 0.1 + wobble,
            "dice_longer": own - 0.3 + wobble,
            "paraphrase_loss": 0.4 + wobble,
            "paraphrase_sd": 0.03,
            "dice_without_location": own - 0.4 + wobble,
            "dice_without_shape": own + 0.05 + wobble,
            "dice_without_size": own - 0.02 + wobble,
            "dice_without_number": own - 0.03 + wobble,
        }
    )


@pytest.mark.parametrize(
    ("stable", "said"),
    [(0.5, "supported"), (-0.5, "supported"), (1.0, "undecided"), (3.0, "not supported"),
     (-3.0, "not supported")],
)  # fmt: skip
def test_stability_needs_the_whole_interval_within_the_margin(stable: float, said: str) -> None:
    found = behaviour.style_findings(values(stable), ["long", "longer"], 1.05, BOOTSTRAP)
    assert found["style_stable"].ours == pytest.approx(stable)
    assert verdict({}, found["style_stable"]) == said
    assert (
        "standard deviation over all paraphrases of a case 3.00" in found["style_stable"].quantity
    )
    assert found["style_complex"].ours == pytest.approx(20)
    assert verdict({}, found["style_complex"]) == "supported"
    assert verdict({}, found["style_overall"]) == "not supported"


def test_the_text_is_held_against_the_recipe_without_it_and_not_against_an_empty_prompt() -> None:
    gain, empty = (-1.0, -2.0, -0.5), (31.5, 26.1, 37.8)
    found = behaviour.attribution_finding(gain, empty)
    assert (found.ours, found.low, found.high, found.holds) == (*gain, False)
    assert verdict({}, found) == "not supported"
    assert "an empty one 31.50 (26.10 to 37.80), but no network was trained" in found.quantity
    assert "31.50" not in behaviour.attribution_finding(gain, None).quantity
    few = behaviour.attribution_finding(gain, (0.0, float("nan"), float("nan"))).quantity
    assert "an empty one 0.00 (none: too few patients, or all values equal), but" in few


def test_the_attribute_whose_silence_costs_most_decides_what_is_insufficient() -> None:
    found = behaviour.insufficient_finding(values(0), BOOTSTRAP)
    assert (found.ours, found.holds) == (pytest.approx(40), True)
    assert "does not say the location" in found.quantity
    assert "(location 40.00, shape -5.00, size 2.00, number 3.00)" in found.quantity
    assert verdict({}, found) == "supported"


def test_reliability_is_against_the_same_network_without_el() -> None:
    scores = [
        ("textbcs", "raw", "vacuity_auroc_image", 0.9),
        ("ablation_svli", "raw", "entropy_auroc_image", 0.8),
        ("ablation_svli", "scaled", "entropy_auroc_image", 0.1),
        ("unet", "raw", "entropy_auroc_image", 0.93),
    ]
    columns = ["first", "second", "second_kind", "measure", "value", "low", "high"]
    differences = pd.DataFrame(
        [
            ("textbcs", "ablation_svli", "raw", "own_auroc_image", 0.1, 0.05, 0.14),
            ("textbcs", "ablation_svli", "scaled_region", "own_auroc_image", 0.7, 0.6, 0.8),
            ("textbcs", "unet", "raw", "own_auroc_image", -0.03, -0.05, -0.01),
        ],
        columns=columns,
    )
    table = pd.DataFrame(scores, columns=["method", "kind", "measure", "value"])
    found = behaviour.reliability_findings(table, differences, "ablation_svli")
    assert set(found) == {"reliable"}  # the band was not measured here
    one = found["reliable"]
    assert (one.ours, one.low, one.high) == (pytest.approx(10), pytest.approx(5), pytest.approx(14))
    assert verdict({}, one) == "supported"
    assert "(90.0, 80.0; 50 is chance; UNet's entropy, of another recipe: 93.0)" in one.quantity
    assert behaviour.reliability_findings(table, differences, "other") == {}
    band = differences.assign(measure="own_auroc_band", low=-0.02)
    more = table.assign(measure=table["measure"].str.replace("image", "band"))
    own = behaviour.reliability_findings(more, band, "ablation_svli")["reliable_boundary"]
    assert verdict({}, own) == "undecided"


def test_the_weakest_text_guided_method_decides_what_guiding_gains() -> None:
    pairs = {("lvit", "unet"): (3.0, 1.0, 5.0), ("convirt", "unet"): (-0.3, -2.0, 1.0)}
    found = behaviour.guided_finding(pairs)
    assert found is not None
    assert (found.ours, found.holds) == (-0.3, False)
    assert "(ConVIRT to UNet)" in found.quantity
    assert "1 of 2 intervals" in found.quantity
    assert behaviour.guided_finding({}) is None
