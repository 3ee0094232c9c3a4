"""A variant is the proposed method with what it changes, and nothing else."""

from textbcs.base.variants import base_of, configuration

PARAMS = {
    "methods": {
        "textbcs": {"network": {"width": 4, "svli": True}, "loss": {"lambda_kl": 1.0}},
        "unet": {"network": {"width": 8}},
    },
    "variants": {"ablation": {"network": {"svli": False}, "loss": {"lambda_kl": 0.5}}},
}


def test_a_variant_changes_what_it_names():
    assert configuration(PARAMS, "ablation") == {
        "network": {"width": 4, "svli": False},
        "loss": {"lambda_kl": 0.5},
    }
    assert PARAMS["methods"]["textbcs"]["network"]["svli"] is True
    assert base_of(PARAMS, "ablation") == "textbcs"


def test_a_method_is_itself_and_blocks_that_a_stage_does_not_see_stay_unseen():
    assert configuration(PARAMS, "unet") == {"network": {"width": 8}}
    assert base_of({"methods": {}}, "unet") == "unet"
    narrow = {"methods": {"textbcs": {"network": {"svli": True}}}, "variants": PARAMS["variants"]}
    assert configuration(narrow, "ablation") == {"network": {"svli": False}}
