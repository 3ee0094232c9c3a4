"""A synthetic thorax with two breasts: unenhanced signal and enhancement of every tissue.

Part of the phantom; pure functions on arrays (z, y, x) in LPS with the midline at x = 0. Shapes are
implicit functions in mm with boundaries softened over a pixel, in place of partial volume. Signals
are those of a fat-suppressed T1-weighted gradient echo, 1 being a typical tumour at its peak.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

# Unenhanced signal of tissues under fat suppression, and relative enhancement at the peak.
SIGNAL = {"fat": 0.11, "gland": 0.36, "skin": 0.22, "muscle": 0.30, "lung": 0.03, "blood": 0.28}
PEAK = {"skin": 0.55, "muscle": 0.22, "blood": 2.0, "marrow": 0.15}

# Amount of fibroglandular tissue (almost entirely fat, scattered, heterogeneous, extreme) as an offset
# of its membership, background enhancement (minimal, mild, moderate, marked) at the end of the
# examination, and their shares before and after menopause (docs/phantom.md).
_DENSITY = (-1.2, -0.5, 0.1, 0.7)
_DENSITY_SHARES = ((0.042, 0.191, 0.508, 0.259), (0.125, 0.387, 0.400, 0.088))
_BACKGROUND = (0.25, 0.60, 1.0, 1.6)
_BACKGROUND_SHARES = ((0.181, 0.457, 0.260, 0.102), (0.442, 0.426, 0.106, 0.026))


@dataclass(frozen=True)
class Grid:
    """Voxel centres in mm: x (1, 1, X), y (1, Y, 1), z (Z, 1, 1); pixel and slice distance in mm."""

    x: Array
    y: Array
    z: Array
    pixel: float
    distance: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        return self.z.shape[0], self.y.shape[1], self.x.shape[2]


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
    """

    grid: Grid
    breasts: tuple[Breast, Breast]
    base: Array
    early: Array
    late: Array
    gain: Array


def make_grid(slices: int, matrix: int, field_of_view: float, height: float) -> Grid:
    """The voxel centres of a volume of `height` mm and a square field of view."""
    pixel, distance = field_of_view / matrix, height / slices
    across = ((np.arange(matrix) - (matrix - 1) / 2) * pixel).astype(np.float32)
    along = ((np.arange(slices) - (slices - 1) / 2) * distance).astype(np.float32)
    return Grid(across[None, None], across[None, :, None], along[:, None, None], pixel, distance)


def build(grid: Grid, menopause: int, rng: np.random.Generator) -> Anatomy:
    """Draw a patient's anatomy; `menopause` (0 before, 1 after) decides gland and background."""
    breasts = _draw_breasts(rng)
    front = breasts[0].centre[1] + float(rng.uniform(-4, 6))
    torso = _Torso(float(rng.uniform(165, 185)), float(rng.uniform(105, 120)), front)
    base = np.zeros(grid.shape, np.float32)
    early, late = np.zeros_like(base), np.zeros_like(base)
    _paint_torso(grid, torso, base, early, rng)
    density = float(rng.choice(_DENSITY, p=_DENSITY_SHARES[menopause]))
    background = float(rng.choice(_BACKGROUND, p=_BACKGROUND_SHARES[menopause]))
    gland = (density, background)
    _paint_breasts(grid, breasts, torso, gland, base, early, late, rng)
    for breast in breasts:
        _paint_vessels(grid, breast, base, early, rng)
    return Anatomy(grid, breasts, base, early, late, _coil(grid, breasts, rng))


def smooth_noise(
    grid: Grid, length: float, rng: np.random.Generator, box: tuple[slice, ...] | None = None
) -> Array:
    """A smooth random field of unit variance with structures of about `length` mm (cubic B-spline).

    Written with element-wise operations only: no BLAS, hence no dependence on its threads.
    """
    axes = (grid.z.ravel(), grid.y.ravel(), grid.x.ravel())
    if box is not None:
        axes = (axes[0][box[0]], axes[1][box[1]], axes[2][box[2]])
    knots = [int(np.ceil(float(axis[-1] - axis[0]) / length)) + 4 for axis in axes]
    field = rng.standard_normal(knots, dtype=np.float32)
    for number in (2, 1, 0):
        axis = axes[number]
        position = (axis - axis[0]) / length
        cell = np.floor(position).astype(np.int64)
        t = (position - cell).astype(np.float32)
        weights = (
            (1 - t) ** 3 / 6,
            (3 * t**3 - 6 * t**2 + 4) / 6,
            (-3 * t**3 + 3 * t**2 + 3 * t + 1) / 6,
            t**3 / 6,
        )
        shape = [1, 1, 1]
        shape[number] = len(axis)
        taps = [
            np.take(field, cell + tap, axis=number) * weight.reshape(shape)
            for tap, weight in enumerate(weights)
        ]
        field = taps[0] + taps[1] + taps[2] + taps[3]
    return field / max(float(field.std()), 1e-6)


def soft(distance: Array, width: float) -> Array:
    """Membership of a shape: 1 inside (positive distance in mm), 0 outside, a ramp over `width`."""
    return np.asarray(np.clip(distance / width + 0.5, 0, 1), dtype=np.float32)


def _draw_breasts(rng: np.random.Generator) -> tuple[Breast, Breast]:
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


@dataclass(frozen=True)
class _Torso:
    """An elliptic cylinder: half width, half depth, y of its front at the midline (mm)."""

    width: float
    depth: float
    front: float

    def inward(self, grid: Grid) -> Array:
        """Approximate depth below the surface in mm, (1, Y, X)."""
        middle = self.front + self.depth
        radius = np.sqrt((grid.x / self.width) ** 2 + ((grid.y - middle) / self.depth) ** 2)
        return np.asarray((1 - radius) * self.depth, dtype=np.float32)


def _blend(target: Array, membership: Array, value: float | Array) -> None:
    """Paint `value` over `target` where the membership is 1, mix where it is between."""
    target += membership * (value - target)


def _paint_torso(
    grid: Grid, torso: _Torso, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Skin, subcutaneous fat, chest wall with ribs, lungs, heart, great vessels, liver."""
    inward, width = torso.inward(grid), grid.pixel
    fat, wall = float(rng.uniform(7, 14)), float(rng.uniform(17, 23))
    tissue = (1 + 0.12 * smooth_noise(grid, 9, rng)).astype(np.float32)
    _blend(base, soft(inward, width), SIGNAL["skin"])
    _blend(early, soft(inward, width), PEAK["skin"])
    _blend(base, soft(inward - 2.2, width), SIGNAL["fat"] * tissue)
    _blend(early, soft(inward - 2.2, width), 0.04)
    _blend(base, soft(inward - fat, width), SIGNAL["muscle"] * tissue)
    _blend(early, soft(inward - fat, width), PEAK["muscle"])
    _paint_ribs(grid, torso, inward - fat - 0.62 * wall, base, early, rng)
    inside = soft(inward - fat - wall, width)
    _blend(base, inside, SIGNAL["lung"] * tissue)
    _blend(early, inside, 0.6)
    _paint_mediastinum(grid, torso, inside, base, early, rng)


def _paint_ribs(
    grid: Grid, torso: _Torso, depth: Array, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Ribs slope down and forward through the wall, so an axial slice cuts several."""
    middle = torso.front + torso.depth
    angle = np.arctan2(grid.x / torso.width, (middle - grid.y) / torso.depth)
    slope, start = float(rng.uniform(75, 95)), float(rng.uniform(0, 30))
    course = (grid.z + slope * np.abs(angle) + start) / 30.0
    across = np.abs(course - np.round(course)) * 30.0
    rib = soft(5.0 - np.sqrt(across**2 + (1.3 * depth) ** 2), grid.pixel)
    _blend(base, rib, 0.16)
    _blend(early, rib, PEAK["marrow"])


def _ellipsoid(
    grid: Grid, centre: tuple[float, float, float], radii: tuple[float, float, float]
) -> Array:
    """Approximate depth below an ellipsoid's surface in mm."""
    squares = ((grid.x - centre[0]) / radii[0]) ** 2 + ((grid.y - centre[1]) / radii[1]) ** 2
    squares = squares + ((grid.z - centre[2]) / radii[2]) ** 2
    return np.asarray((1 - np.sqrt(squares)) * min(radii), dtype=np.float32)


def _paint_mediastinum(
    grid: Grid, torso: _Torso, inside: Array, base: Array, early: Array, rng: np.random.Generator
) -> None:
    """Mediastinal fat, heart with its chambers, aorta, liver dome, internal mammary vessels."""
    front = torso.front + float(rng.uniform(30, 36))
    shift = rng.uniform(-6, 6, 3)
    blurred = 2.5 * grid.pixel  # the heart beats during the acquisition
    septum = soft(30 - np.abs(grid.x - 4) + 0.12 * (grid.y - front), 12) * inside
    _blend(base, septum, 0.15)
    heart = _ellipsoid(
        grid, (32 + shift[0], front + 46 + shift[1], -38 + shift[2]), (58.0, 44.0, 62.0)
    )
    muscle = soft(heart, blurred) * inside
    _blend(base, muscle, SIGNAL["muscle"])
    _blend(early, muscle, 0.9)
    chambers = soft(heart - 9 + 4 * smooth_noise(grid, 24, rng), blurred) * inside
    _blend(base, chambers, SIGNAL["blood"])
    _blend(early, chambers, PEAK["blood"])
    for x, y, radius in ((14.0, front + 26, 14.0), (26.0, front + 92, 11.0)):
        # The ascending aorta is seen above the heart only, the descending one throughout.
        above = soft(grid.z - 5, 20) if x < 20 else np.float32(1)
        vessel = soft(radius - np.hypot(grid.x - x, grid.y - y), grid.pixel) * above * inside
        _blend(base, vessel, SIGNAL["blood"])
        _blend(early, vessel, PEAK["blood"])
    liver = _ellipsoid(grid, (-70, front + 60, -118 + shift[0]), (95.0, 75.0, 62.0))
    _blend(base, soft(liver, blurred) * inside, 0.42)
    _blend(early, soft(liver, blurred) * inside, 0.7)
    depth = torso.front + 24
    for x in (-22.0, 22.0):
        vessel = soft(2.6 - np.hypot(grid.x - x, grid.y - depth), 1.3 * grid.pixel)
        _blend(base, np.broadcast_to(vessel, base.shape), SIGNAL["blood"])
        _blend(early, np.broadcast_to(vessel, base.shape), PEAK["blood"])


def _paint_breasts(
    grid: Grid,
    breasts: tuple[Breast, Breast],
    torso: _Torso,
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
        _blend(base, skin, SIGNAL["skin"])
        _blend(early, skin, PEAK["skin"])
        inner = soft(depth - 2.4, grid.pixel) * outside_wall
        _blend(base, inner, SIGNAL["fat"] * (1 + 0.15 * fine))
        _blend(early, inner, 0.05)
        inside = soft(depth - 6, 4) * outside_wall
        tissue = _gland(grid, breast, density, coarse, fine) * inside
        _blend(base, tissue, SIGNAL["gland"] * (1 + 0.10 * fine))
        _blend(early, tissue, 0.04)
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
    nipple = soft(_ellipsoid(grid, (cx, cy - ry, cz), (6.0, 6.0, 7.0)), grid.pixel)
    _blend(base, nipple, 0.30)
    _blend(early, nipple, 0.9)


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


def local_box(grid: Grid, point: NDArray[np.float64], reach: float) -> tuple[slice, slice, slice]:
    """Slices (z, y, x) of the voxels within `reach` mm of a point (x, y, z), at least one deep."""
    parts = []
    for axis, middle, step in (
        (grid.z.ravel(), point[2], grid.distance),
        (grid.y.ravel(), point[1], grid.pixel),
        (grid.x.ravel(), point[0], grid.pixel),
    ):
        extent = max(reach, step)
        low = int(np.ceil((middle - extent - float(axis[0])) / step))
        high = int(np.floor((middle + extent - float(axis[0])) / step)) + 1
        parts.append(slice(max(low, 0), min(high, len(axis))))
    return parts[0], parts[1], parts[2]


def _coil(grid: Grid, breasts: tuple[Breast, Breast], rng: np.random.Generator) -> Array:
    """Sensitivity of a bilateral breast coil: falls with the distance behind the breasts."""
    behind = np.clip(grid.y - breasts[0].centre[1] + 20, 0, None)
    fall = float(rng.uniform(90, 140))
    drift = np.exp(0.10 * smooth_noise(grid, 120, rng))
    sides = 1 + float(rng.uniform(-0.08, 0.08)) * np.tanh(grid.x / 60)
    return np.asarray(np.exp(-behind / fall) * drift * sides, dtype=np.float32)
