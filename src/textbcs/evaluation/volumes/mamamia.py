"""The scores of the MAMA-MIA challenge 2025, task 1, as its public scorer defines them.

- By patient: DSC, 0 where both masks are empty; and HD95 in voxels, not in mm, whatever their shape, between
  contours as ITK's LabelContour draws them. NormHD is HD95 over 150, not cut; 1 where one contour is empty.
- Over patients: performance = (mean DSC + 1 - mean NormHD) / 2.
- A variable's fairness = 1 - (range of the mean DSC over its groups + range of the mean NormHD) / 2.
- The ranking score is the mean of the performance and of the mean fairness.

Distances in voxels cannot be compared between grids, and a range over groups punishes small groups.
"""

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.metrics.surfaces import bounding_box, percentile_95
from textbcs.evaluation.volumes.surfaces import nearest

if TYPE_CHECKING:
    import pandas as pd

_HD_MOST = 150  # voxels
_AGES = (0, 40, 50, 60, 70, 100)  # each group up to and with the next number
_VOXEL = (1.0, 1.0, 1.0)
VARIABLES = ("age", "menopause", "density")


def contour(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The voxels of a mask that have a 6-neighbour outside it: beyond the image is *not* outside.

    So a mask that fills its image has no contour. This is what ITK's LabelContour gives, and not `boundary`.
    """
    from scipy.ndimage import binary_erosion

    return np.asarray(mask & ~binary_erosion(mask, border_value=1), dtype=bool)


def hd95_voxels(found: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """HD95 of two masks (z, H, W) in voxels; 0 where both contours are empty, infinite where one is."""
    box = _with_margin(bounding_box(found | reference), found.shape)
    one, two = (np.argwhere(contour(mask[box])) for mask in (found, reference))
    if not len(one) or not len(two):
        return 0.0 if len(one) == len(two) else math.inf
    return percentile_95(nearest(one, two, _VOXEL), nearest(two, one, _VOXEL))


def _with_margin(box: tuple[slice, ...], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """A voxel more on each side where the image has one: inside the box its edge would be the image's."""
    return tuple(
        slice(max(side.start - 1, 0), min(side.stop + 1, n))
        for side, n in zip(box, shape, strict=True)
    )


def challenge_scores(patients: "pd.DataFrame", groups: "pd.DataFrame") -> dict[str, float]:
    """The scores of one network over patients, in [0, 1] but where HD95 exceeds 150 voxels.

    Args:
        patients: `patient`, `dice` and `hd95_voxels`, a row each.
        groups: of `fairness_groups`, by patient.

    Returns:
        `dsc`, `norm_hd`, `performance`, `fairness_<variable>`, `fairness` and `ranking`. A variable that is
        known of no patient has NaN and is left out of the mean; without any, mean and ranking are NaN.
    """
    table = patients.set_index("patient").sort_index()
    distance = table["hd95_voxels"] / _HD_MOST
    scores = table[["dice"]].fillna(0.0).assign(distance=distance.replace(math.inf, 1.0))
    dsc, norm_hd = (float(scores[name].mean()) for name in ("dice", "distance"))
    performance = 0.5 * (dsc + 1 - norm_hd)
    by_variable = {name: _fairness(scores, groups[name].reindex(table.index)) for name in VARIABLES}
    known = [value for value in by_variable.values() if not math.isnan(value)]
    fairness = sum(known) / len(known) if known else math.nan
    return {
        "dsc": dsc,
        "norm_hd": norm_hd,
        "performance": performance,
        **{f"fairness_{name}": value for name, value in by_variable.items()},
        "fairness": fairness,
        "ranking": 0.5 * performance + 0.5 * fairness,
    }


def fairness_groups(cohort: "pd.DataFrame") -> "pd.DataFrame":
    """The group of each patient in each variable, by patient; missing where she is in none.

    Args:
        cohort: `patient`, `age_years` (years), `menopause` (pre, post, unknown) and `density`, empty where
            not known; a column that nobody has may be missing.

    Returns:
        `age` (the lower limit of the challenge's group), `menopause` and `density`. Who has no menopausal
        status is in the group `unknown`, unless nobody has one.
    """
    import pandas as pd

    table = cohort.set_index("patient")
    columns = ["age_years", "menopause", "density"]
    age, menopause, density = (
        table[name] if name in table else pd.Series(math.nan, index=table.index) for name in columns
    )
    bands = pd.cut(age.astype(float), list(_AGES), labels=list(_AGES[:-1]))
    status = menopause.fillna("unknown") if menopause.notna().any() else menopause
    groups = {"age": bands.astype(object), "menopause": status, "density": density}
    return pd.DataFrame(groups, index=table.index)


def _fairness(scores: "pd.DataFrame", group: "pd.Series") -> float:
    """1 less half of the two ranges over the groups; NaN where no patient is in one."""
    if not group.notna().any():
        return math.nan
    means = scores.groupby(group)[["dice", "distance"]].mean()
    ranges = means.max() - means.min()
    return float(1 - 0.5 * (ranges["dice"] + ranges["distance"]))
