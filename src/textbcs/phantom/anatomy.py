"""A synthetic thorax with two breasts: unenhanced signal and enhancement of every tissue.

Arrays are (z, y, x) in LPS with the midline at x = 0.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.phantom.shapes import (
    PEAK,
    SIGNAL,
    Array,
    Grid,
    blend,
    ellipsoid,
    local_box,
    smooth_noise,
    soft,
)
from textbcs.phantom.torso import Torso, paint_torso

# Amount of fibroglandular tissue (almost entirely fat, scattered, heterogeneous, extreme) as an offset
# of its membership, background enhancement (minimal, mild, moderate, marked) at the end of the
# examination, and their shares before and after menopause (docs/explanation/phantom.md).
_DENSITY = (-1.2, -0.5, 0.1, 0.7)
_DENSITY_SHARES = ((0.042, 0.191, 0.508, 0.259), (0.125, 0.387, 0.400, 0.088))
_BACKGROUND = (0.25, 0.60, 1.0, 1.6)
_BACKGROUND_SHARES = ((0.181, 0.457, 0.260, 0.102), (0.442, 0.426, 0.106, 0.026))


@dataclass(frozen=True)
class Breast:
    """A breast: half an ellipsoid, continued backwards as a cylinder down to the chest wall.

    Attributes:
        sign: +1 the patient's left, -1 her right.
        centre: x, y, z of the middle of its base, mm.
        radii: lateral, anterior, vertical, mm.
    """

    sign: int
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def radius(self, x: Array, y: Array, z: Array) -> Array:
        """Normalised distance from the middle of the base: 1 on the skin (broadcasts)."""
        (cx, cy, cz), (rx, ry, rz) = self.centre, self.radii
        forward = np.minimum(y - cy, 0) / ry
        squares = ((x - cx) / rx) ** 2 + forward**2 + ((z - cz) / rz) ** 2
        return np.asarray(np.sqrt(squares), dtype=np.float32)


@dataclass(frozen=True)
class Anatomy:
    """Tissue maps (z, y, x).

    Attributes:
        grid: voxel centres.
        breasts: right, left.
        base: unenhanced signal.
        early: relative enhancement at the peak of fast tissues (blood, skin, muscle).
        late: relative enhancement that slow tissue (gland) reaches at the end.
        gain: coil sensitivity, about 1 in the breasts.
        density: amount of fibroglandular tissue, 0 (almost entirely fat) to 3 (extreme).
        background: background enhancement, 0 (minimal) to 3 (marked).
    """

    grid: Grid
    breasts: tuple[Breast, Breast]
    base: Array
    early: Array
    late: Array
    gain: Array
    density: int
    background: int


def build(grid: Grid, menopause: int, rng: np.random.Generator) -> Anatomy:
    """Draw a patient's anatomy; `menopause` (0 before, 1 after) decides gland and background."""
    breasts = _draw_breasts(rng)
    front = breasts[0].centre[1] + float(rng.uniform(-4, 6))
    torso = Torso(float(rng.uniform(165, 185)), float(rng.uniform(105, 120)), front)
    base = np.zeros(grid.shape, np.float32)
    early, late = np.zeros_like(base), np.zeros_like(base)
    paint_torso(grid, torso, base, early, rng)
    density = float(rng.choice(_DENSITY, p=_DENSITY_SHARES[menopause]))
    background = float(rng.choice(_BACKGROUND, p=_BACKGROUND_SHARES[menopause]))
    gland = (density, background)
    _paint_breasts(grid, breasts, torso, gland, base, early, late, rng)
    for breast in breasts:
        _paint_vessels(grid, breast, base, early, rng)
    coil = _coil(grid, breasts, rng)
    classes = _DENSITY.index(density), _BACKGROUND.index(background)
    return Anatomy(grid, breasts, base, early, late, coil, *classes)


def _draw_breasts(rng: np.random.Generator) -> tuple[Breast, Breast]:
    """Both breasts of a patient: alike, but not mirror images."""
    offset, base = float(rng.uniform(78, 90)), float(rng.uniform(-42, -24))
    lateral, anterior = float(rng.uniform(62, 74)), float(rng.uniform(62, 100))
    vertical, height = float(rng.uniform(78, 100)), float(rng.uniform(-10, 10))
    made = []
    for sign in (-1, 1):
        wobble = rng.uniform(0.94, 1.06, 3)
        radii = (lateral * wobble[0], anterior * wobble[1], vertical * wobble[2])
        centre = (sign * offset, base, height + float(rng.uniform(-4, 4)))
        made.append(Breast(sign, centre, (float(radii[0]), float(radii[1]), float(radii[2]))))
    return made[0], made[1]


def _paint_breasts(
    grid: Grid,
    breasts: tuple[Breast, Breast],
    torso: Torso,
    gland: tuple[float, float],
    base: Array,
    early: Array,
    late: Array,
    rng: np.random.Generator,
) -> None:
    """Skin, fat with its texture, fibroglandular tissue with its background enhancement."""
    density, background = gland
    coarse, fine = smooth_noise(grid, 26, rng), smooth_noise(grid, 8, rng)
    patches = smooth_noise(grid, 12, rng)
    outside_wall = soft(7.0 - torso.inward(grid), grid.pixel)
    for breast in breasts:
        radius = breast.radius(grid.x, grid.y, grid.z)
        depth = (1 - radius) * min(breast.radii)
        skin = soft(depth, grid.pixel) * outside_wall
        blend(base, skin, SIGNAL["skin"])
        blend(early, skin, PEAK["skin"])
        inner = soft(depth - 2.4, grid.pixel) * outside_wall
        blend(base, inner, SIGNAL["fat"] * (1 + 0.15 * fine))
        blend(early, inner, 0.05)
        inside = soft(depth - 6, 4) * outside_wall
        tissue = _gland(grid, breast, density, coarse, fine) * inside
        blend(base, tissue, SIGNAL["gland"] * (1 + 0.10 * fine))
        blend(early, tissue, 0.04)
        late += tissue * background * np.clip(0.75 + 0.5 * patches, 0.1, None)
        _paint_nipple(grid, breast, base, early)


def _gland(grid: Grid, breast: Breast, density: float, coarse: Array, fine: Array) -> Array:
    """Membership of fibroglandular tissue: a cone behind the nipple, frayed by noise."""
    (cx, cy, cz), (rx, ry, rz) = breast.centre, breast.radii
    forward = (cy - grid.y) / ry + 0.05
    spread = np.sqrt(((grid.x - cx) / rx) ** 2 + ((grid.z - cz) / rz) ** 2)
    cone = 1.0 - 2.2 * spread + 0.5 * np.clip(forward, 0, 1) - 2.0 * np.abs(forward - 0.5)
    return np.asarray(
        1 / (1 + np.exp(-4 * (cone + density + 0.75 * coarse + 0.45 * fine))), dtype=np.float32
    )


def _paint_nipple(grid: Grid, breast: Breast, base: Array, early: Array) -> None:
    (cx, cy, cz), (_, ry, _) = breast.centre, breast.radii
    nipple = soft(ellipsoid(grid, (cx, cy - ry, cz), (6.0, 6.0, 7.0)), grid.pixel)
    blend(base, nipple, 0.30)
    blend(early, nipple, 0.9)


def _paint_vessels(
    grid: Grid, breast: Breast, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """A few vessels that run from the chest wall towards the nipple, below the skin."""
    (cx, cy, cz), (rx, ry, rz) = breast.centre, breast.radii
    for _ in range(int(rng.integers(2, 5))):
        angle, level = float(rng.uniform(0, 2 * np.pi)), float(rng.uniform(0.62, 0.82))
        caliber, bend = float(rng.uniform(0.9, 1.7)), float(rng.uniform(-0.7, 0.7))
        t = np.arange(0, 1, 2.2 / max(rx, ry, rz))
        wiggle = np.cumsum(rng.normal(0, 0.035, t.size))
        around = angle + bend * t + wiggle
        # From the base (polar angle 90 degrees) towards the nipple (0 degrees).
        polar = (1 - 0.85 * t) * np.pi / 2
        points = np.stack(
            [
                cx + level * rx * np.sin(polar) * np.cos(around),
                cy - level * ry * np.cos(polar),
                cz + level * rz * np.sin(polar) * np.sin(around),
            ],
            axis=1,
        )
        for point, thickness in zip(points, caliber * (1.15 - 0.5 * t), strict=True):
            _paint_dot(grid, point, float(thickness), base, early)


def _paint_dot(
    grid: Grid, point: NDArray[np.float64], radius: float, base: Array, early: Array
) -> None:
    """A piece of a vessel: a ball of `radius` mm, thinned by what it fills of its voxels."""
    box = local_box(grid, point, 2 * radius + grid.pixel)
    if any(part.start >= part.stop for part in box):
        return
    dx, dy = grid.x[:, :, box[2]] - point[0], grid.y[:, box[1]] - point[1]
    dz = grid.z[box[0]] - point[2]
    lateral = np.exp(-(dx**2 + dy**2) / (2 * (radius + 0.3 * grid.pixel) ** 2))
    share = lateral * np.clip(1 - np.abs(dz) / grid.distance, 0, 1) * min(1.0, radius / grid.pixel)
    view = (box[0], box[1], box[2])
    base[view] = np.maximum(base[view], share * SIGNAL["blood"])
    early[view] = np.maximum(early[view], share * 2.6)


def _coil(grid: Grid, breasts: tuple[Breast, Breast], rng: np.random.Generator) -> Array:
    """Sensitivity of a bilateral breast coil: falls with the distance behind the breasts."""
    behind = np.clip(grid.y - breasts[0].centre[1] + 20, 0, None)
    fall = float(rng.uniform(90, 140))
    drift = np.exp(0.10 * smooth_noise(grid, 120, rng))
    sides = 1 + float(rng.uniform(-0.08, 0.08)) * np.tanh(grid.x / 60)
    return np.asarray(np.exp(-behind / fall) * drift * sides, dtype=np.float32)
