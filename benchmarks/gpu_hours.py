"""How many GPU-hours a preset needs whole, from the images a second that its methods train with.

A training is reckoned to its cap of epochs; early stopping makes it shorter, so this is an upper bound. A
network that only answers takes a third of a training step for a slice. The numbers of slices are not known
before a cohort is made: they are arguments, and stand beside the hours.

Without a GPU the hours are reckoned from the operations of the networks, which `reports/tables/table1.csv`
has at the paper's size, and from the speed that a GPU is taken to sustain:

    python benchmarks/gpu_hours.py [--preset duke] [--teraflops 10] [--slices 2713 388 775 12320]
"""

import argparse
import csv
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from textbcs.base.variants import base_of, configuration
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition, define_all
from textbcs.stage.gpu import computes_on_device

ROOT = Path(__file__).resolve().parents[1]
ANSWER = 1 / 3  # of a training step, a slice: forward without backward


@dataclass(frozen=True)
class Slices:
    """Sizes of a cohort: slices that train, validate, test; those of all test volumes together."""

    train: int
    val: int
    test: int
    volumes: int


# The paper's 3876 slices in its ratio 7:1:2; the 77 test patients of Duke who have masks, 160 slices each.
DUKE = Slices(2713, 388, 775, 12320)


def on_device(params: Mapping[str, Any]) -> dict[str, Definition]:
    """The stages that compute on the device, by address."""
    return {
        address: one
        for address, one in define_all(params).items()
        if computes_on_device(one.keys, one.inputs)
    }


def images_a_second(table: Path, teraflops: float) -> dict[str, float]:
    """How many slices each method of a table would train with: three forward passes are a step."""
    with table.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return {row["method"]: teraflops * 1000 / (3 * float(row["flops_g"])) for row in rows}


def slices_option(parser: argparse.ArgumentParser) -> None:
    """The option that says how large the cohort is."""
    parser.add_argument(
        "--slices", nargs=4, type=int, default=list(asdict(DUKE).values()),
        metavar=("TRAIN", "VAL", "TEST", "VOLUMES"),
        help="slices of the cohort for which GPU-hours are reckoned; default: the paper's 3876 in its ratio "
        "7:1:2, and 77 test patients of 160 slices",
    )  # fmt: skip


def gpu_hours(
    definitions: Mapping[str, Definition],
    params: Mapping[str, Any],
    slices: Slices,
    images_per_s: Mapping[str, float],
) -> dict[str, Any]:
    """Hours by stage and in all.

    Args:
        definitions: of the stages that compute on the device, by address.
        params: all of the preset.
        slices: of the cohort.
        images_per_s: that each method of `params` trains with.
    """
    hours: dict[str, float] = {}
    for one in definitions.values():
        named = one.items.get("method") or one.items.get("variant") or "textbcs"
        method = base_of(params, named)
        speed = images_per_s.get(method, min(images_per_s.values()))
        seconds = _slices_seen(one.stage, named, params, slices) / speed
        hours[one.stage] = hours.get(one.stage, 0.0) + seconds / 3600
    return {
        "slices": asdict(slices),
        "hours": {stage: round(value, 2) for stage, value in hours.items()},
        "total": round(sum(hours.values()), 1),
    }


def _slices_seen(stage: str, name: str, params: Mapping[str, Any], slices: Slices) -> float:
    """What one job of a stage takes, in slices that a training sees."""
    if stage == "pretrain":
        pretraining = params["methods"][name]["initial"].get("pretraining") or {}
        return int(pretraining.get("epochs", 0)) * (slices.train + ANSWER * slices.val)
    an_epoch = slices.train + ANSWER * slices.val
    if stage == "search":
        return len(params["methods"][name]["grid"]) * int(params["search"]["epochs"]) * an_epoch
    if stage.startswith("train"):
        settings = {**params["training"], **configuration(params, name)["training"]}
        return int(settings["epochs"]) * an_epoch
    if stage.startswith(("volumes", "prompt_features")):
        return ANSWER * slices.volumes
    passes = 1 + int(params["evaluation"]["calibration"]["dropout_passes"])
    return ANSWER * passes * (slices.val + slices.test)


def main() -> None:
    """Reckon and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--preset", default="duke")
    parser.add_argument("--teraflops", type=float, default=10.0, help="10^12 operations a second")
    slices_option(parser)
    options = parser.parse_args()
    os.chdir(ROOT)
    params = read_preset(options.preset, ROOT / "presets")
    rates = images_a_second(ROOT / "reports/tables/table1.csv", options.teraflops)
    hours = gpu_hours(on_device(params), params, Slices(*options.slices), rates)
    print(json.dumps({"teraflops": options.teraflops, **hours}, indent=2))


if __name__ == "__main__":
    main()
