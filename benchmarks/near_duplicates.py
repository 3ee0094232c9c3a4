"""How far apart images are that are no copies: the false alarms of the audit's search for near copies.

    python benchmarks/near_duplicates.py [--patients 12] [--seeds 1 2 3]

Synthetic patients of three sizes and several seeds are made and cut as the stages `phantom` and `slices` do
it; all slices of a volume are taken, those without a tumour among them. Distances are those of
`lineage/records/likeness.py`: between neighbouring slices of a patient, between all of her slices, and
between patients. Copies with small changes are set beside them.
Writes `benchmarks/results/near_duplicates.json`.
"""

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import numpy as np

from textbcs.base import io
from textbcs.lineage.records.likeness import ALIKE, grids
from textbcs.phantom.patient import make_patient
from textbcs.phantom.settings import Settings
from textbcs.settings.presets import read_preset
from textbcs.slices.resize import SquareGrid, clip_to_unit

RESULT = Path(__file__).parent / "results/near_duplicates.json"
# Slices and pixels a side of a volume, pixels a side of a slice as the networks see it.
SIZES = {"tiny": (12, 64, 48), "default": (24, 128, 96), "large": (32, 192, 160)}
Change = Callable[[np.ndarray], np.ndarray]


def noise(share: float) -> Change:
    """A change by noise, whose standard deviation is a share of the images' own."""

    def change(images: np.ndarray) -> np.ndarray:
        drawn = np.random.default_rng(0).normal(0, share, images.shape)
        return images + drawn * images.std(dtype=np.float64)

    return change


def one_unit(images: np.ndarray) -> np.ndarray:
    """Images with one pixel changed by a unit in the last place."""
    changed = images.copy()
    changed[:, 7, 7] = np.nextafter(changed[:, 7, 7], np.float16(2))
    return changed


COPIES: dict[str, Change] = {
    "one pixel by a unit in the last place": one_unit,
    "noise of 1 % of the contrast": noise(0.01),
    "noise of 5 % of the contrast": noise(0.05),
    "2 % brighter": lambda images: images * 1.02 + 0.01,
    "shifted by a pixel": lambda images: np.roll(images, 1, axis=2),
}


def main() -> None:
    """Make the patients, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3])
    options = parser.parse_args()
    found: dict[str, Any] = {}
    for name in SIZES:
        images, owners = cohort(name, options.patients, options.seeds)
        found[name] = {
            "slices": len(images),
            "patients": len(set(owners)),
            **measured(images, owners),
        }
        print(name, io.canonical_json(found[name]), flush=True)
    io.write_json(RESULT, {"threshold": ALIKE, "seeds": options.seeds, "sizes": found})


def cohort(name: str, patients: int, seeds: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """All slices (n, size, size) of the patients of a size, and whose each is."""
    stacks, owners = [], []
    for seed in seeds:
        for index in range(1, patients + 1):
            own = np.stack(list(slices_of(name, seed, index)))
            stacks.append(own)
            owners += [f"{seed}-{index}"] * len(own)
    return np.concatenate(stacks), np.array(owners)


def slices_of(name: str, seed: int, index: int) -> Iterator[np.ndarray]:
    """The slices of one patient, in order."""
    depth, matrix, size = SIZES[name]
    preset = read_preset("phantom")
    section = {**preset["phantom"], "seed": seed, "slices": depth, "matrix": matrix}
    patient = make_patient(Settings.of(section), index)
    unit = clip_to_unit(patient.phases[1], preset["slices"]["clip_percentiles"])
    grid = SquareGrid((matrix, matrix), (1.0, 1.0), size)
    for plane in unit:
        yield grid.image(plane).astype(np.float16)


def measured(images: np.ndarray, owners: np.ndarray) -> dict[str, Any]:
    """Pairs, false alarms and the least distances of each kind of pair, and how far copies are."""
    own = grids(images)
    apart = 1 - own @ own.T
    same = owners[:, None] == owners[None]
    places = np.arange(len(own))
    after = places[None] > places[:, None]
    kinds = {
        "neighbours": same & (places[None] == places[:, None] + 1),
        "one patient": same & after,
        "two patients": ~same & after,
    }
    copies = {}
    for name, change in COPIES.items():
        far = 1 - (own * grids(change(images))).sum(axis=1)
        copies[name] = {"found": int((far < ALIKE).sum()), "median": digits(np.median(far))}
    return {"pairs": {name: told(apart[kind]) for name, kind in kinds.items()}, "copies": copies}


def told(apart: np.ndarray) -> dict[str, Any]:
    """How many pairs there are, how many of them are taken for copies, and the least distances."""
    return {
        "pairs": int(apart.size),
        "taken_for_copies": int((apart < ALIKE).sum()),
        "least": digits(apart.min()),
        "one_in_a_thousand": digits(np.quantile(apart, 0.001)),
        "median": digits(np.median(apart)),
    }


def digits(value: Any) -> float:
    """A distance with three digits."""
    return float(f"{float(value):.3g}")


if __name__ == "__main__":
    main()
