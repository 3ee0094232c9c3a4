"""Enhancing lesions of a synthetic patient: drawing them, and painting one into a volume.

Tumours and distractors are drawn by the same function from the same distributions of shape, size,
amplitude, kinetics and boundary: nothing but the mask tells them apart (docs/explanation/phantom.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from textbcs.phantom.anatomy import Anatomy, Breast
from textbcs.phantom.settings import Settings
from textbcs.phantom.shapes import Array, Grid, local_box

SHAPES = ("round", "ellipse", "irregular")
CURVES = ("washout", "plateau", "persistent")
_SMALLEST_MM, _LARGEST_MM = 7.0, 50.0
_GAP_MM = 6.0
_SATELLITE = 0.6
_TRIES = 60


@dataclass(frozen=True)
class Lesion:
    """A lesion in patient coordinates.

    Attributes:
        shape: round, ellipse or irregular.
        centre: x, y, z in mm.
        lobes: (n, 3) centres of its parts relative to `centre`, mm.
        axes: (n, 3, 3) per part: maps an offset in mm to the unit ball of that part.
        waves: (m, 4) per ripple of the surface: direction (3, cycles) and phase.
        ripple: amplitude of a ripple, fraction of the radius.
        radius: of the sphere of equal volume, about, mm.
        peak: relative enhancement at its peak.
        curve: washout, plateau or persistent; rate: of wash-in, 1/s; decay: of wash-out, 1/s.
        rim: 0 for an even inside, up to 1 for a rim that enhances more than the centre.
    """

    shape: str
    centre: NDArray[np.float64]
    lobes: NDArray[np.float64]
    axes: NDArray[np.float64]
    waves: NDArray[np.float64]
    ripple: float
    radius: float
    peak: float
    curve: str
    rate: float
    decay: float
    rim: float

    def enhancement(self, seconds: float) -> float:
        """Relative enhancement after `seconds`: (1 - exp(-rate t)) exp(-decay t), scaled.

        The empirical model of Fan et al. 2004 (Magn Reson Med) without its slow third factor.
        """
        curve = (1 - np.exp(-self.rate * seconds)) * np.exp(-self.decay * seconds)
        return float(self.peak * curve)


def draw_lesions(
    breast: Breast,
    satellites: list[bool],
    present: list[Lesion],
    grid: Grid,
    settings: Settings,
    rng: np.random.Generator,
) -> list[Lesion]:
    """Draw lesions that lie in `breast` and apart from those `present`.

    Args:
        satellites: for each lesion whether it is as large as an index tumour (False) or as the
            further tumours of multifocal disease (True), which are smaller.
    """
    made: list[Lesion] = []
    for satellite in satellites:
        median = settings.diameter_mm * (_SATELLITE if satellite else 1.0)
        diameter = median * settings.diameter_spread ** rng.standard_normal()
        radius = float(np.clip(diameter, _SMALLEST_MM, _LARGEST_MM)) / 2
        centre, radius = _place(breast, radius, present + made, grid, rng)
        made.append(_shape(centre, radius, settings, rng))
    return made


def paint(
    lesion: Lesion, anatomy: Anatomy, settings: Settings
) -> tuple[tuple[slice, slice, slice], Array, NDArray[np.bool_], Array]:
    """A lesion on the grid.

    Returns:
        The box (z, y, x); in it the blurred membership in [0, 1], the true mask (voxels that the
        unblurred lesion fills by half or more, or the fullest one if it is too small for that), and
        the share of the peak that each voxel reaches.
    """
    grid = anatomy.grid
    reach = 1.35 * _extent(lesion) + 3 * settings.blur_mm + grid.pixel
    box = local_box(grid, lesion.centre, reach)
    offsets, shape = _samples(grid, lesion.centre, box)
    distance = _distance(lesion, offsets)
    blur = max(settings.blur_mm, 0.05)
    share = 0.5 * (1 + erf(distance / (np.sqrt(2) * blur)))
    filled = (distance > 0).astype(np.float64)
    core = 1 - lesion.rim * np.clip(distance / max(lesion.radius, 1e-3), 0, 1)

    def average(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(values.reshape(shape).mean(axis=(1, 3, 5)))

    membership = average(share).astype(np.float32)
    level = average(share * core) / np.maximum(average(share), 1e-6)
    occupancy = average(filled)
    if occupancy.max() == 0:  # falls between the sample points
        occupancy = average(share)
    mask = occupancy >= min(0.5, float(occupancy.max()))
    return box, membership, mask, level.astype(np.float32)


def _place(
    breast: Breast,
    radius: float,
    present: list[Lesion],
    grid: Grid,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], float]:
    """A centre inside the breast, in the volume and clear of other lesions; shrinks if none fits."""
    (cx, cy, cz), (rx, ry, rz) = breast.centre, breast.radii
    top = float(grid.z.max())
    while True:
        for _ in range(_TRIES):
            unit = rng.uniform(-1, 1, 3)
            point = np.array([cx + unit[0] * rx, cy - (unit[1] + 1) / 2 * ry, cz + unit[2] * rz])
            depth = (1 - float(np.linalg.norm((point - [cx, cy, cz]) / [rx, ry, rz]))) * min(rx, ry)
            clear = all(
                np.linalg.norm(point - other.centre) > radius + other.radius + _GAP_MM
                for other in present
            )
            in_volume = abs(point[2]) + 0.6 * radius < top
            off_wall = cy - point[1] > 0.8 * radius + 3
            if depth > 0.8 * radius + 3 and off_wall and in_volume and clear:
                return point, radius
        radius *= 0.85


def _shape(
    centre: NDArray[np.float64], radius: float, settings: Settings, rng: np.random.Generator
) -> Lesion:
    """Draw the form and the kinetics of a lesion of a given place and size."""
    shape = str(rng.choice(SHAPES, p=[0.30, 0.30, 0.40]))
    lobes, axes = np.zeros((1, 3)), np.eye(3)[None] / radius
    waves, ripple = np.zeros((0, 4)), 0.0
    if shape == "ellipse":
        axes = _ellipsoid(radius, float(rng.uniform(1.7, 2.4)), rng)[None]
    elif shape == "irregular":
        count = int(rng.integers(2, 5))
        directions = rng.standard_normal((count, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        lobes = directions * radius * rng.uniform(0.45, 0.85, (count, 1))
        sizes = radius * rng.uniform(0.55, 0.85, count)
        axes = np.stack([_ellipsoid(float(s), float(rng.uniform(1, 1.7)), rng) for s in sizes])
        waves = np.concatenate(
            [rng.standard_normal((6, 3)) * 3.0, rng.uniform(0, 2 * np.pi, (6, 1))], axis=1
        )
        ripple = float(rng.uniform(0.04, 0.10))
    curve = str(rng.choice(CURVES, p=[0.57, 0.34, 0.09]))
    decay = {"washout": (7e-4, 1.8e-3), "plateau": (0.0, 3e-4), "persistent": (0.0, 1e-4)}[curve]
    fast = (1 / 90, 1 / 60) if curve == "persistent" else (1 / 45, 1 / 20)
    return Lesion(
        shape=shape,
        centre=centre,
        lobes=lobes,
        axes=axes,
        waves=waves,
        ripple=ripple,
        radius=radius,
        peak=float(settings.enhancement * settings.enhancement_spread ** rng.standard_normal()),
        curve=curve,
        rate=float(rng.uniform(*fast)),
        decay=float(rng.uniform(*decay)),
        rim=float(rng.uniform(0, 0.6)),
    )


def _ellipsoid(radius: float, ratio: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Map of offsets to the unit ball for a prolate ellipsoid of the sphere's volume."""
    long, short = radius * ratio ** (2 / 3), radius * ratio ** (-1 / 3)
    rotation, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    mapping: NDArray[np.float64] = np.diag([1 / long, 1 / short, 1 / short]) @ rotation.T
    return mapping


def _extent(lesion: Lesion) -> float:
    """An upper bound of the distance of the surface from the centre, mm."""
    longest = [1 / float(np.linalg.norm(axes, ord=-2)) for axes in lesion.axes]
    away = np.linalg.norm(lesion.lobes, axis=1)
    return float(max(a + b for a, b in zip(away, longest, strict=True)))


def _samples(
    grid: Grid, centre: NDArray[np.float64], box: tuple[slice, slice, slice]
) -> tuple[tuple[Array, Array, Array], tuple[int, ...]]:
    """Offsets from the centre at 3 x 2 x 2 points of each voxel, and the shape that groups them."""
    per_axis = []
    for axis, part, step, points, middle in (
        (grid.z.ravel(), box[0], grid.distance, 3, centre[2]),
        (grid.y.ravel(), box[1], grid.pixel, 2, centre[1]),
        (grid.x.ravel(), box[2], grid.pixel, 2, centre[0]),
    ):
        inner = ((np.arange(points) + 0.5) / points - 0.5) * step
        per_axis.append((axis[part][:, None] + inner).ravel() - middle)
    z, y, x = per_axis
    shape = (len(z) // 3, 3, len(y) // 2, 2, len(x) // 2, 2)
    return (x[None, None], y[None, :, None], z[:, None, None]), shape


def _distance(lesion: Lesion, offsets: tuple[Array, Array, Array]) -> NDArray[np.float64]:
    """Approximate depth in mm below the surface of the union of a lesion's parts."""
    x, y, z = offsets
    surface = np.float64(1)
    if len(lesion.waves):
        length = np.sqrt(x**2 + y**2 + z**2) + 1e-3
        surface = 1 + lesion.ripple * sum(
            np.cos((w[0] * x + w[1] * y + w[2] * z) / length + w[3]) for w in lesion.waves
        )
    best: NDArray[np.float64] | None = None
    for middle, axes in zip(lesion.lobes, lesion.axes, strict=True):
        dx, dy, dz = x - middle[0], y - middle[1], z - middle[2]
        squares = sum((row[0] * dx + row[1] * dy + row[2] * dz) ** 2 for row in axes)
        size = float(np.abs(np.linalg.det(axes)) ** (-1 / 3))
        depth = (surface - np.sqrt(squares)) * size
        best = depth if best is None else np.maximum(best, depth)
    assert best is not None  # a lesion has at least one part
    return best
