"""Complexity rows of the four pre-trained methods against the counts of the official code."""

import pytest

from textbcs.stages.evaluation import complexity

RESNET = {"width": 4, "blocks": [1, 1, 1, 1]}
VIT = {"width": 24, "depth": 1, "head_width": 12, "patch": 8, "freeze_encoder": True}
# Projections of the pre-training models by arithmetic, beside 23,508,032 parameters of ResNet-50,
# 86,192,640 of CLIP's tower and 85,798,656 of MGCA's.
CONVIRT = 2048 * 2049 + 2049 * 512 + 768 * 769 + 769 * 512
GLORIA = 2049 * 768 + 1024 * 768 + 2 * 769 * 768
CLIP = 2 * 768 + 768 * 512 + 1
MGCA = 4 * (769 * 2048 + 2 * 2048 + 2049 * 128) + 500 * 128


@pytest.mark.parametrize(
    ("method", "network", "trained", "trainable", "pretraining", "flops", "convention"),
    [
        ("clip", VIT, 87.761e6, 87.761e6, 86_192_640 + CLIP, None, None),
        ("convirt", RESNET, 32.521e6, 32.521e6, 23_508_032 + CONVIRT, 16.28e9, 16.39e9),
        ("gloria", RESNET, 32.521e6, 32.521e6, 23_508_032 + GLORIA, 16.28e9, 16.39e9),
        ("mgca", VIT, 91.480e6, 5.681e6, 85_798_656 + MGCA, 42.35e9, 41.10e9),
    ],
)
def test_rows(method, network, trained, trainable, pretraining, flops, convention):
    row = complexity.full_row({"model": method, **network})
    assert row["params_as_trained"] == row["params_for_mask"] == pytest.approx(trained, rel=1e-4)
    assert row["params_learnt"] == pytest.approx(trainable, rel=1e-4)
    assert row["params_pretraining"] == pretraining
    assert (row["reads_text"], row["reads_at_test"]) == (False, "image")
    if flops:
        assert row["flops"] == row["flops_for_mask"] == pytest.approx(flops, rel=1e-3)
        assert row["paper_convention_macs"] == pytest.approx(convention, rel=1e-3)
