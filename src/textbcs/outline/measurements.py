"""What an outline measures, on the native grid: volume, diameters, side and number of lesions.

A diameter is the greatest distance between two points of a lesion's surface, which is taken through the
middle of the faces between voxels inside and outside. So a single voxel is as wide as its longest side, and a
ball of voxels as wide as the ball, to within a voxel.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import Affine, minimum_voxels, transform, voxel_volume
from textbcs.slices.laterality import BOTH, IMAGE, NO_SIDES
from textbcs.volumes.operating_point import components

_MM3_PER_ML = 1000
_DIGITS = 4  # of what is printed: a micrometre, a tenth of a cubic millimetre


@dataclass(frozen=True)
class Lesion:
    """One 26-connected component of an outline.

    Attributes:
        volume_ml: of its voxels.
        largest_diameter_mm: in space.
        largest_in_plane_diameter_mm: within one slice.
        side: `left` or `right`; None where nothing has a side.
        centroid_lps_mm: x, y, z in the patient's coordinates.
        slices: the first and the last slice that it is on, counted from 1, from the feet up.
    """

    volume_ml: float
    largest_diameter_mm: float
    largest_in_plane_diameter_mm: float
    side: str | None
    centroid_lps_mm: tuple[float, float, float]
    slices: tuple[int, int]


@dataclass(frozen=True)
class Measurements:
    """An outline as a whole.

    Attributes:
        volume_ml: of all its voxels.
        largest_diameter_mm, largest_in_plane_diameter_mm: the greatest of a lesion's; None where it is
            empty.
        side: `left`, `right` or `both`; None where it is empty or nothing has a side.
        number_of_lesions: components of at least the least volume; all where every one is smaller.
        lesions: those, the largest first.
    """

    volume_ml: float
    largest_diameter_mm: float | None
    largest_in_plane_diameter_mm: float | None
    side: str | None
    number_of_lesions: int
    lesions: tuple[Lesion, ...]

    def to_json(self) -> dict[str, Any]:
        """The measurements as plain values."""
        return asdict(self) | {"lesions": [_plain(one) for one in self.lesions]}


def _plain(lesion: Lesion) -> dict[str, Any]:
    values = asdict(lesion)
    return values | {name: list(values[name]) for name in ("centroid_lps_mm", "slices")}


def measure(
    mask: NDArray[np.bool_], affine: Affine, minimum_mm3: float, midline: float, sides: str
) -> Measurements:
    """Measure an outline.

    Args:
        mask: (z, y, x) on an LPS grid.
        affine: voxel index (x, y, z) to LPS mm.
        minimum_mm3: smaller components do not count as lesions.
        midline: fractional column that divides left and right; NaN without sides.
        sides: `cohort.sides`.
    """
    lesions, voxels = _lesions(mask, affine, minimum_mm3, midline, sides)
    found = {lesion.side for lesion in lesions}
    side = None if not found else BOTH if len(found) > 1 else found.pop()
    return Measurements(
        volume_ml=_rounded(voxels * voxel_volume(affine) / _MM3_PER_ML),
        largest_diameter_mm=max((one.largest_diameter_mm for one in lesions), default=None),
        largest_in_plane_diameter_mm=max(
            (one.largest_in_plane_diameter_mm for one in lesions), default=None
        ),
        side=side,
        number_of_lesions=len(lesions),
        lesions=lesions,
    )


def _lesions(
    mask: NDArray[np.bool_], affine: Affine, minimum_mm3: float, midline: float, sides: str
) -> tuple[tuple[Lesion, ...], int]:
    """The lesions that count, the largest first, and the number of all marked voxels."""
    from scipy.ndimage import find_objects

    if not mask.any():
        return (), 0
    # Most of a volume is empty.
    ends = [np.flatnonzero(mask.any(axis=axes))[[0, -1]] for axes in ((1, 2), (0, 2), (0, 1))]
    corner = np.array([first for first, _ in ends])
    labels, _ = components(mask[tuple(slice(first, last + 1) for first, last in ends)])
    voxels = np.bincount(labels.ravel())[1:]
    counted = voxels >= minimum_voxels(minimum_mm3, voxel_volume(affine))
    if not counted.any():
        counted[:] = True
    boxes = find_objects(labels)
    # Of equal ones the first in reading order.
    order = [int(n) for n in np.argsort(-voxels, kind="stable") if counted[n]]
    starts = [corner + [part.start for part in boxes[n]] for n in order]
    found = [
        _lesion(labels[boxes[n]] == n + 1, start, affine, midline, sides)
        for n, start in zip(order, starts, strict=True)
    ]
    return tuple(found), int(voxels.sum())


def _lesion(
    own: NDArray[np.bool_], corner: NDArray[np.int64], affine: Affine, midline: float, sides: str
) -> Lesion:
    """A component, cut out at its box, whose first voxel (z, y, x) is `corner`."""
    places = np.argwhere(own) + corner
    centre = places.mean(axis=0)[::-1]
    planes = [_diameter(own[z : z + 1], affine, flat=True) for z in range(len(own))]
    x, y, z = (_rounded(float(value)) for value in transform(affine, centre))
    return Lesion(
        volume_ml=_rounded(len(places) * voxel_volume(affine) / _MM3_PER_ML),
        largest_diameter_mm=_rounded(_diameter(own, affine, flat=False)),
        largest_in_plane_diameter_mm=_rounded(max(planes)),
        side=_side(float(centre[0]), midline, sides),
        centroid_lps_mm=(x, y, z),
        slices=(int(corner[0]) + 1, int(corner[0]) + len(own)),
    )


def _side(column: float, midline: float, sides: str) -> str | None:
    """As `slices.case_lesions` says it of a lesion's centroid."""
    if sides == NO_SIDES:
        return None
    return "left" if (column > midline) != (sides == IMAGE) else "right"


def _diameter(own: NDArray[np.bool_], affine: Affine, flat: bool) -> float:
    """Greatest distance in mm between points of the surface of a mask (z, y, x), 0 where it is empty.

    Args:
        own: its voxels.
        affine: their axes; where they lie does not matter.
        flat: it is one slice, and points above and below it do not count.
    """
    from scipy.spatial import ConvexHull
    from scipy.spatial.distance import pdist

    ends = _row_ends(own)
    if not len(ends):
        return 0.0
    axes = 2 if flat else 3
    halves = np.concatenate([np.eye(3)[:axes], -np.eye(3)[:axes]]) / 2
    points = (ends[:, None] + halves).reshape(-1, 3)[:, :axes]
    corners = points[ConvexHull(points).vertices]
    return float(pdist(corners @ affine[:3, :axes].T).max())


def _row_ends(own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The first and the last voxel of each row, (n, 3) as x, y, z: no other can be a corner of the hull."""
    z, y = np.nonzero(own.any(axis=2))
    rows = own[z, y]
    first, last = rows.argmax(axis=1), rows.shape[1] - 1 - rows[:, ::-1].argmax(axis=1)
    both = [np.stack([x, y, z], axis=1) for x in (first, last)]
    return np.concatenate(both).astype(np.float64)


def _rounded(value: float) -> float:
    return round(value, _DIGITS) + 0.0
