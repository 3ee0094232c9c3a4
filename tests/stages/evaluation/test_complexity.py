"""Counts against the published ones and against arithmetic on paper."""

from types import SimpleNamespace

import pytest
from test_contract import TEXTBCS
from torch import nn

from textbcs.base import io
from textbcs.models.common.contract import Output, Segmenter
from textbcs.stages.evaluation import complexity

UNET = {"model": "unet", "width": 4}


@pytest.fixture(scope="module")
def full() -> dict[str, dict]:
    return {"unet": complexity.full_row(UNET), "textbcs": complexity.full_row(TEXTBCS)}


@pytest.mark.parametrize(
    ("method", "column", "published", "tolerance"),
    [
        ("unet", "params_as_trained", 14.752e6, 0.005),
        ("textbcs", "params_as_trained", 32.47e6, 0.005),
        ("unet", "params_for_mask", 14.752e6, 0.005),
        ("textbcs", "params_for_mask", 28.3e6, 0.005),
        # measured from the official code with torch's counter and with thop 0.1.1
        ("unet", "flops", 45.29e9, 0.0005),
        ("unet", "paper_convention_macs", 50.370281472e9, 0),
        ("textbcs", "flops", 47.25e9, 0.001),
        ("textbcs", "paper_convention_macs", 52.34e9, 0.001),
    ],
)
def test_full_size_agrees_with_the_published_counts(full, method, column, published, tolerance):
    assert full[method][column] == pytest.approx(published, rel=tolerance)


def test_what_only_the_alignment_needs_is_not_needed_for_the_mask(full):
    """Four pairs of projections, four temperatures and the last language query, counted by hand."""
    stages, text, shared, last = (64, 128, 256, 512), 768, 128, 512
    projections = sum(c * shared + shared + text * shared + shared + 1 for c in stages)
    attention = (text * last + last) + 2 * (last * last + last) + (last * text + text)
    network = (text * 2 * text + 2 * text) + (2 * text * text + text)
    norms = 2 * text + 2 * last + 2 * text
    row = full["textbcs"]
    extra = projections + attention + network + norms
    assert row["params_as_trained"] - row["params_for_mask"] == extra
    assert row["flops_for_mask"] < row["flops"]
    assert full["unet"]["flops_for_mask"] == full["unet"]["flops"]
    assert (row["reads_text"], full["unet"]["reads_text"]) == (True, False)


class Small(Segmenter):
    """One module of every kind that the convention counts."""

    def __init__(self) -> None:
        super().__init__({}, channels=4, image_size=8, text_dim=5)
        self.grouped = nn.Conv2d(4, 6, 3, padding=1, groups=2)
        self.norm = nn.BatchNorm2d(6)
        self.plain_norm = nn.InstanceNorm2d(6)
        self.pool = nn.AvgPool2d(2)
        self.transposed = nn.ConvTranspose2d(6, 3, 2, stride=2)
        self.upsample = nn.Upsample(scale_factor=2, mode="bilinear")
        self.adaptive = nn.AdaptiveAvgPool2d(4)
        self.softmax = nn.Softmax(dim=1)
        self.linear = nn.Linear(4, 5)

    def forward(self, image, text):
        x = self.pool(self.plain_norm(self.norm(self.grouped(image))))
        x = self.softmax(self.adaptive(self.upsample(self.transposed(x))))
        return Output(probability=self.linear(x)[:, 0], logits=x)


def test_convention_of_thop_by_hand():
    """Each term as thop 0.1.1 (vision/calc_func.py) computes it, for 8 x 8 pixels and batch 2."""
    image, text = complexity.example(2, 4, 8, 5)
    expected = (
        (2 * 6 * 64) * (4 // 2) * 9  # grouped convolution
        + 4 * (2 * 6 * 64)  # affine normalisation
        + 2 * (2 * 6 * 64)  # one without weights
        + 2 * 6 * 16  # average pooling: one per output
        + (2 * 3 * 64) * 6 * 4  # transposed convolution: a whole kernel per output pixel
        + 11 * (2 * 3 * 256)  # bilinear upsampling
        + (2 * 3 * 16) * (4 * 4 + 1)  # adaptive pooling 16 -> 4
        + (2 * 16) * (3 * 3 - 1)  # softmax over three channels
        + (2 * 3 * 4 * 5) * 4  # linear
    )
    assert complexity.thop_operations(Small().to("meta"), image, text) == expected


def test_flops_are_two_per_multiply_add():
    image, text = complexity.example(1, 4, 8, 5)
    convolutions = 2 * (6 * 64 * 2 * 9) + 2 * (6 * 3 * 4 * 16)
    assert complexity.flops(Small().to("meta"), image, text) == convolutions + 2 * (3 * 4 * 5 * 4)


def test_measure_writes_both_sizes(tmp_path, monkeypatch, full):
    monkeypatch.chdir(tmp_path)
    params = {
        "tables": {"table1": ["unet"]},
        "methods": {"unet": {"network": UNET, "initial": {"weights": "none"}}},
        "slices": {"size": 32, "channels": 1},
        "text": {"encoder": "minilm"},
    }
    stage = SimpleNamespace(
        params=params, output=lambda path: path, progress=lambda items, desc: items
    )
    complexity.run(stage)
    report = io.read_json("results/complexity/unet.json")
    assert {**report, **full["unet"]} == report
    assert set(complexity.UNITS) <= set(report)
    assert (report["network"], report["initial"]) == (UNET, {"weights": "none"})
    # 1 channel in place of 3, width 4 in place of 64
    assert report["params_here"] == 58473 - 2 * 9 * 4
