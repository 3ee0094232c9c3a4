"""Combinations that make no sense are said in lines that a person can read."""

from typing import Any

import pytest
from faulty import changed

from textbcs.settings.combinations import impossible


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cohort.archive", "data/own/" + "x" * 5000),
        ("cohort.address", "https://" + "x" * 5000),
        ("cohort.index", "x" * 5000),
        ("cohort.index_version", "x" * 5000),
        ("tables.table1", ["textbcs", "x" * 5000]),
        ("replicates.seeds", [1]),
        ("cohort.descriptions", {"post1": "(" + "x" * 5000}),
        ("phantom.tumours", [0.001] * 2000),
        ("evaluation.nsd_tolerances_mm", [float(number) for number in range(2000, 0, -1)]),
    ],
)
def test_a_long_value_is_cut_in_its_line(key: str, value: Any) -> None:
    values = changed(key, value)
    if key == "replicates.seeds":
        values["seeds"] = list(range(5000))
    said = [line for line in impossible(values) if line.startswith(key)]
    assert said
    assert all(len(line) < 400 for line in impossible(values))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (
            "volumes.methods.image",
            ["unet", "lvit"],
            "image.1 = 'lvit': allowed: one that reads no text",
        ),
        ("volumes.methods.text", ["unet"], "text.0 = 'unet': allowed: one that reads the prompt"),
        ("volumes.methods.text", ["textbcs_plus"], "allowed: a name in tables.table1"),
        ("volumes.variants.text", [], "tables.for_use: 'textbcs_plus' stands in neither list"),
        (
            "volumes.first_pass",
            "textbcs",
            "allowed: a name in volumes.methods.image or volumes.variants",
        ),
        ("volumes.first_pass", "unet", "a name in volumes.variants.image, which is packed beside"),
        ("volumes.thresholds", [0.5, 0.25], "volumes.thresholds = [0.5, 0.25]: allowed: ascending"),
        (
            "volumes.smallest_mm3",
            [2.0, 1.0],
            "volumes.smallest_mm3 = [2.0, 1.0]: allowed: ascending",
        ),
        ("volumes.thresholds", [0.3], "volumes.thresholds.0 = 0.3: allowed: multiples of 1/256"),
        ("tables.for_use", ["dropout_unet"], "'dropout_unet' is in tables.variants too"),
        ("tables.for_use", ["unheard"], "tables.for_use.0 = 'unheard': no such variant"),
    ],
)
def test_whole_volumes_name_what_is_trained_and_reads_as_they_say(
    key: str, value: Any, words: str
) -> None:
    assert any(words in line for line in impossible(changed(key, value)))
