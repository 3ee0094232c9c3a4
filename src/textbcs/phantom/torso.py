"""The trunk of a synthetic patient: chest wall, lungs, heart and vessels.

Paints into the arrays (z, y, x) that it is given.
"""

from dataclasses import dataclass

import numpy as np

from textbcs.phantom.shapes import (
    PEAK,
    SIGNAL,
    Array,
    Grid,
    blend,
    ellipsoid,
    smooth_noise,
    soft,
)


@dataclass(frozen=True)
class Torso:
    """An elliptic cylinder: half width, half depth, y of its front at the midline (mm)."""

    width: float
    depth: float
    front: float

    def inward(self, grid: Grid) -> Array:
        """Approximate depth below the surface in mm, (1, Y, X)."""
        middle = self.front + self.depth
        radius = np.sqrt((grid.x / self.width) ** 2 + ((grid.y - middle) / self.depth) ** 2)
        return np.asarray((1 - radius) * self.depth, dtype=np.float32)


def paint_torso(
    grid: Grid, torso: Torso, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Skin, subcutaneous fat, chest wall with ribs, lungs, heart, great vessels, liver."""
    inward, width = torso.inward(grid), grid.pixel
    fat, wall = float(rng.uniform(7, 14)), float(rng.uniform(17, 23))
    tissue = (1 + 0.12 * smooth_noise(grid, 9, rng)).astype(np.float32)
    blend(base, soft(inward, width), SIGNAL["skin"])
    blend(early, soft(inward, width), PEAK["skin"])
    blend(base, soft(inward - 2.2, width), SIGNAL["fat"] * tissue)
    blend(early, soft(inward - 2.2, width), 0.04)
    blend(base, soft(inward - fat, width), SIGNAL["muscle"] * tissue)
    blend(early, soft(inward - fat, width), PEAK["muscle"])
    _paint_ribs(grid, torso, inward - fat - 0.62 * wall, base, early, rng)
    inside = soft(inward - fat - wall, width)
    blend(base, inside, SIGNAL["lung"] * tissue)
    blend(early, inside, 0.6)
    _paint_mediastinum(grid, torso, inside, base, early, rng)


def _paint_ribs(
    grid: Grid, torso: Torso, depth: Array, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Ribs slope down and forward through the wall, so an axial slice cuts several."""
    middle = torso.front + torso.depth
    angle = np.arctan2(grid.x / torso.width, (middle - grid.y) / torso.depth)
    slope, start = float(rng.uniform(75, 95)), float(rng.uniform(0, 30))
    course = (grid.z + slope * np.abs(angle) + start) / 30.0
    across = np.abs(course - np.round(course)) * 30.0
    rib = soft(5.0 - np.sqrt(across**2 + (1.3 * depth) ** 2), grid.pixel)
    blend(base, rib, 0.16)
    blend(early, rib, PEAK["marrow"])


def _paint_mediastinum(
    grid: Grid, torso: Torso, inside: Array, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Mediastinal fat, heart with its chambers, aorta, liver dome, internal mammary vessels."""
    front = torso.front + float(rng.uniform(30, 36))
    shift = rng.uniform(-6, 6, 3)
    blurred = 2.5 * grid.pixel  # the heart beats during the acquisition
    septum = soft(30 - np.abs(grid.x - 4) + 0.12 * (grid.y - front), 12) * inside
    blend(base, septum, 0.15)
    heart = ellipsoid(
        grid, (32 + shift[0], front + 46 + shift[1], -38 + shift[2]), (58.0, 44.0, 62.0)
    )
    muscle = soft(heart, blurred) * inside
    blend(base, muscle, SIGNAL["muscle"])
    blend(early, muscle, 0.9)
    chambers = soft(heart - 9 + 4 * smooth_noise(grid, 24, rng), blurred) * inside
    blend(base, chambers, SIGNAL["blood"])
    blend(early, chambers, PEAK["blood"])
    for x, y, radius in ((14.0, front + 26, 14.0), (26.0, front + 92, 11.0)):
        # The ascending aorta is seen above the heart only, the descending one throughout.
        above = soft(grid.z - 5, 20) if x < 20 else np.float32(1)
        vessel = soft(radius - np.hypot(grid.x - x, grid.y - y), grid.pixel) * above * inside
        blend(base, vessel, SIGNAL["blood"])
        blend(early, vessel, PEAK["blood"])
    liver = ellipsoid(grid, (-70, front + 60, -118 + shift[0]), (95.0, 75.0, 62.0))
    blend(base, soft(liver, blurred) * inside, 0.42)
    blend(early, soft(liver, blurred) * inside, 0.7)
    depth = torso.front + 24
    for x in (-22.0, 22.0):
        vessel = soft(2.6 - np.hypot(grid.x - x, grid.y - depth), 1.3 * grid.pixel)
        blend(base, np.broadcast_to(vessel, base.shape), SIGNAL["blood"])
        blend(early, np.broadcast_to(vessel, base.shape), PEAK["blood"])
