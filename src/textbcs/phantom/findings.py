"""What a reader would say of a synthetic patient's lesions: how large, of what shape, and where.

Taken from what was drawn, not from the images, with the error of a reader's calliper.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.phantom.anatomy import Breast
from textbcs.phantom.lesions import Lesion
from textbcs.phantom.patient import Patient

_DIRECTIONS = 400
# OURS: standard deviation of the logarithm of a measured diameter.
_READING_ERROR = 0.06
_MIDDLE = 0.25  # of the breast's radius: nearer to its axis than this is behind the nipple
_DEPTHS = ("posterior", "middle", "anterior")


@dataclass(frozen=True)
class Finding:
    """A lesion as it is described.

    Attributes:
        side: left or right, the patient's.
        shape: round, ellipse or irregular.
        long_mm, short_mm: its largest diameter and the largest one across that, as measured.
        quadrant: as `upper outer`, or `retroareolar`.
        clock: hour, 1 to 12, as seen by who faces her.
        depth: posterior, middle or anterior third.
        nipple_mm: distance of its centre from the nipple.
        curve: washout, plateau or persistent.
        rim: whether its rim enhances clearly more than its centre.
    """

    side: str
    shape: str
    long_mm: float
    short_mm: float
    quadrant: str
    clock: int
    depth: str
    nipple_mm: float
    curve: str
    rim: bool


def describe(patient: Patient, rng: np.random.Generator) -> tuple[list[Finding], list[Finding]]:
    """The tumours and the distractors of a patient, each list from the largest down."""
    described = []
    for lesions in (patient.tumours, patient.distractors):
        found = [_finding(lesion, patient.anatomy.breasts, rng) for lesion in lesions]
        described.append(sorted(found, key=lambda one: -one.long_mm))
    return described[0], described[1]


def _finding(lesion: Lesion, breasts: tuple[Breast, Breast], rng: np.random.Generator) -> Finding:
    breast = breasts[int(lesion.centre[0] > 0)]
    (cx, cy, cz), (rx, ry, rz) = breast.centre, breast.radii
    x, y, z = (float(value) for value in lesion.centre)
    to_left, up, forward = x - cx, z - cz, (cy - y) / ry
    hour = round(float(np.degrees(np.arctan2(to_left, up))) / 30) % 12
    quadrant = f"{'upper' if up > 0 else 'lower'} {'outer' if abs(x) > abs(cx) else 'inner'}"
    if np.hypot(to_left / rx, up / rz) < _MIDDLE:
        quadrant = "retroareolar"
    error = float(np.exp(_READING_ERROR * rng.standard_normal()))
    long, short = diameters(lesion)
    return Finding(
        side="left" if breast.sign > 0 else "right",
        shape=lesion.shape,
        long_mm=long * error,
        short_mm=short * error,
        quadrant=quadrant,
        clock=hour or 12,
        depth=_DEPTHS[int(np.clip(forward * 3, 0, 2))],
        nipple_mm=float(np.sqrt(to_left**2 + (y - cy + ry) ** 2 + up**2)),
        curve=lesion.curve,
        rim=lesion.rim > 0.4,
    )


def diameters(lesion: Lesion) -> tuple[float, float]:
    """The largest diameter of a lesion and the largest one at a right angle to it, in mm.

    The width of the union of its ellipsoids along many directions; the ripple of its surface is left out.
    """
    directions = _spread(_DIRECTIONS)
    reach = np.zeros((len(lesion.lobes), 2, len(directions)))
    for number, (middle, axes) in enumerate(zip(lesion.lobes, lesion.axes, strict=True)):
        inverse = np.linalg.inv(axes)
        # The support of an ellipsoid {m + B u, |u| <= 1} along d is m.d + |B^T d|.
        pulled = (directions[:, :, None] * inverse[None]).sum(axis=1)
        length, along = np.sqrt((pulled**2).sum(axis=1)), (directions * middle).sum(axis=1)
        reach[number] = length + along, length - along
    width = reach.max(axis=0).sum(axis=0)
    best = int(width.argmax())
    across = np.abs((directions * directions[best]).sum(axis=1)) < 0.1
    return float(width[best]), float(width[across].max())


def _spread(count: int) -> NDArray[np.float64]:
    """Unit vectors (count, 3) spread evenly over half a sphere (a Fibonacci lattice)."""
    number = np.arange(count) + 0.5
    z, turn = 1 - number / count, np.pi * (1 + np.sqrt(5)) * number
    flat = np.sqrt(1 - z**2)
    return np.stack([flat * np.cos(turn), flat * np.sin(turn), z], axis=1)
