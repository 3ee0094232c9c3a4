"""One synthetic patient: facts, phases and the true mask, as a function of (settings, index).

Rates of vendors, positions, slice orders and series names are those of the Duke collection
(docs/explanation/phantom.md).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textbcs.phantom.anatomy import Anatomy, build
from textbcs.phantom.lesions import Lesion, draw_lesions, paint
from textbcs.phantom.settings import Settings, stream
from textbcs.phantom.shapes import make_grid

# Families of names as they stand in the collection: weight, pre, post with {n} and {nth}, and the
# first post-contrast name where it deviates.
_GE_NAMES = (
    (208, "ax 3d dyn", "Ph{n}/ax 3d dyn"),
    (180, "ax 3d dyn MP", "Ph{n}/ax 3d dyn MP"),
    (108, "ax dynamic", "Ph{n}/ax dynamic"),
    (68, "Ax Vibrant MultiPhase", "Ph{n}/Ax Vibrant MultiPhase"),
    (30, "ax dyn", "Ph{n}/ax dyn"),
    (26, "ax 3d dyn pre", "ax 3d dyn {nth} pass"),
    (10, "ax 3d pre", "{nth} ax dyn"),
)
_SIEMENS_NAMES = (
    (280, "ax dyn pre", "ax dyn {nth} pass"),
    (9, "ax dyn", "ax dyn {nth} pass"),
    (3, "t1_fl3d_tra_dynVIEWS_spair_ pre", "t1_fl3d_tra_dynVIEWS_spair_{nth} pass"),
)
_ORDINALS = ("1st", "2nd", "3rd", "4th")
_SECONDS_TO_CENTRE = 75.0
_HEIGHT_MM = (158.0, 176.0)


@dataclass(frozen=True)
class Facts:
    """What is true of a patient and her examination before any image is made.

    Attributes:
        index: number of the patient, from 1.
        vendor, model, tesla: the scanner.
        position: FFP or HFP (feet or head first, prone).
        rising: whether z rises with InstanceNumber.
        field_of_view, height: extent in the plane and along z, mm.
        names, numbers: SeriesDescription and SeriesNumber by phase, the pre-contrast one first.
        phase_seconds: time from one post-contrast phase to the next.
        t1_name: SeriesDescription of a series without fat suppression, "" if there is none.
        side: +1 the patient's left, -1 her right.
        tumours: how many.
        age_days: at diagnosis; menopause: 0 before, 1 after.
        scale: stored value of the signal 1.
        location_known: whether the clinical table tells the side.
    """

    index: int
    vendor: str
    model: str
    tesla: float
    position: str
    rising: bool
    field_of_view: float
    height: float
    names: tuple[str, ...]
    numbers: tuple[int, ...]
    phase_seconds: float
    t1_name: str
    side: int
    tumours: int
    age_days: int
    menopause: int
    scale: float
    location_known: bool

    @property
    def patient(self) -> str:
        """Identifier as in the Duke collection."""
        return f"Breast_MRI_{self.index:03d}"


@dataclass(frozen=True)
class Patient:
    """A patient with her images.

    Attributes:
        facts: her facts.
        anatomy: her tissues and the grid, LPS.
        tumours, distractors: the lesions.
        phases: (phases, z, y, x) uint16 on the LPS grid, pre-contrast first.
        mask: (z, y, x) bool, voxels of the tumours.
    """

    facts: Facts
    anatomy: Anatomy
    tumours: list[Lesion]
    distractors: list[Lesion]
    phases: NDArray[np.uint16]
    mask: NDArray[np.bool_]


def draw_facts(settings: Settings, index: int) -> Facts:
    """Draw the facts of patient `index` (counted from 1)."""
    rng = stream(settings, index, "facts")
    ge = bool(rng.random() < 628 / 922)
    names, numbers = _draw_names(settings, ge, rng)
    field = rng.choice([320, 340, 350, 360, 380], p=[0.11, 0.32, 0.22, 0.27, 0.08])
    tumours = 1 + int(rng.choice(len(settings.tumours), p=settings.tumours))
    age = int(np.clip(rng.normal(52.5, 11), 24, 88) * 365.25)
    return Facts(
        index=index,
        vendor="GE MEDICAL SYSTEMS" if ge else "SIEMENS",
        model=str(rng.choice(["Signa HDxt", "SIGNA HDx"] if ge else ["Avanto", "TrioTim"])),
        tesla=float(rng.choice([1.5, 3.0])),
        # In the collection all GE patients lie feet first; 163 of 294 Siemens head first.
        position="FFP" if ge or rng.random() < 131 / 294 else "HFP",
        rising=bool(rng.random() < 88 / 922),
        field_of_view=float(field),
        height=float(rng.uniform(*_HEIGHT_MM)),
        names=names,
        numbers=numbers,
        phase_seconds=float(rng.uniform(95, 135)),
        t1_name=str(rng.choice(["ax t1", "ax t1 pre"])) if rng.random() < 0.1 else "",
        side=int(rng.choice([-1, 1])),
        tumours=tumours,
        age_days=age,
        menopause=int(age > rng.normal(51, 3) * 365.25),
        scale=float(rng.uniform(1500, 2600) if ge else rng.uniform(350, 700)),
        location_known=bool(rng.random() < 651 / 922),
    )


def make_patient(settings: Settings, index: int) -> Patient:
    """Make the images of patient `index` (counted from 1) of a cohort."""
    facts = draw_facts(settings, index)
    grid = make_grid(settings.slices, settings.matrix, facts.field_of_view, facts.height)
    anatomy = build(grid, facts.menopause, stream(settings, index, "anatomy"))
    own, other = anatomy.breasts[facts.side > 0], anatomy.breasts[facts.side < 0]
    rng = stream(settings, index, "tumours")
    sizes = [number > 0 for number in range(facts.tumours)]
    tumours = draw_lesions(own, sizes, [], grid, settings, rng)
    distractors: list[Lesion] = []
    for breast, name, rate in (
        (other, "contralateral", settings.distractors_contralateral),
        (own, "ipsilateral", settings.distractors_ipsilateral),
    ):
        rng = stream(settings, index, name)
        # As many satellites among distractors as among tumours: the same distribution of sizes.
        sizes = [rng.random() < satellite_share(settings) for _ in range(int(rng.poisson(rate)))]
        present = tumours + distractors
        distractors += draw_lesions(breast, sizes, present, grid, settings, rng)
    mask = np.zeros(grid.shape, dtype=bool)
    painted = [(lesion, *paint(lesion, anatomy, settings)) for lesion in tumours + distractors]
    for number, (_, box, _, filled, _) in enumerate(painted):
        if number < len(tumours):
            mask[box] |= filled
    phases = np.stack([_phase(facts, anatomy, painted, k) for k in range(_count(settings))])
    return Patient(facts, anatomy, tumours, distractors, _measure(settings, facts, phases), mask)


def satellite_share(settings: Settings) -> float:
    """The share of a cohort's tumours that are not the first of their patient."""
    mean = sum((number + 1) * share for number, share in enumerate(settings.tumours))
    return (mean - 1) / mean


Painted = tuple[
    Lesion,
    tuple[slice, slice, slice],
    NDArray[np.float32],
    NDArray[np.bool_],
    NDArray[np.float32],
]


def _count(settings: Settings) -> int:
    return 1 + settings.post_phases


def _phase(
    facts: Facts, anatomy: Anatomy, painted: list[Painted], phase: int
) -> NDArray[np.float32]:
    """Noise-free signal of a phase (0 = before contrast), coil sensitivity included."""
    signal = anatomy.base.copy()
    seconds = 0.0
    if phase:
        seconds = _SECONDS_TO_CENTRE + facts.phase_seconds * (phase - 1)
        fast = (1 - np.exp(-seconds / 18)) * np.exp(-seconds / 900)
        slow = 1 - np.exp(-seconds / 170)
        signal *= 1 + np.float32(fast) * anatomy.early + np.float32(slow) * anatomy.late
    for lesion, box, membership, _, level in painted:
        # A lesion's tissue replaces what was there; before contrast it looks like gland.
        inside = 0.38 * (1 + level * np.float32(lesion.enhancement(seconds)))
        signal[box] += membership * (inside - signal[box])
    return np.asarray(signal * anatomy.gain, dtype=np.float32)


def _measure(settings: Settings, facts: Facts, phases: NDArray[np.float32]) -> NDArray[np.uint16]:
    """What the scanner stores: the magnitude of signal plus complex noise, scaled and rounded."""
    rng = stream(settings, facts.index, "noise")
    noise = rng.standard_normal((2, *phases.shape), dtype=np.float32) * np.float32(settings.noise)
    magnitude = np.sqrt((phases + noise[0]) ** 2 + noise[1] ** 2)
    stored: NDArray[np.uint16] = np.rint(np.clip(magnitude * facts.scale, 0, 32767)).astype(
        np.uint16
    )
    return stored


def _draw_names(
    settings: Settings, ge: bool, rng: np.random.Generator
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """SeriesDescription and SeriesNumber of every phase, the pre-contrast one first."""
    families = _GE_NAMES if ge else _SIEMENS_NAMES
    weights = np.array([family[0] for family in families], dtype=float)
    _, pre, post = families[int(rng.choice(len(families), p=weights / weights.sum()))]
    orders = range(1, settings.post_phases + 1)
    names = [pre] + [post.format(n=n, nth=_ORDINALS[n - 1]) for n in orders]
    if not ge and post.startswith("t1_fl3d"):
        names[1] = names[1].replace("spair_1st", "spair 1st")
    if not ge and rng.random() < 1 / 100:
        names[1] = names[1].removesuffix("s")  # 'ax dyn 1st pas' is a name in the collection
    start = int(rng.integers(3, 9))
    numbers = [start * 100 + n if ge else start + 3 * n for n in range(settings.post_phases + 1)]
    return tuple(names), tuple(numbers)
