"""The challenge's scores: contours and HD95 as ITK gives them, and sums that can be done by hand."""

import math
from importlib.util import find_spec
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter

from textbcs.evaluation.volumes.mamamia import (
    challenge_scores,
    contour,
    fairness_groups,
    hd95_voxels,
)

# Of `made(seed)`: voxels of the contours of both masks and HD95, by the challenge's public scorer with
# SimpleITK 2.5.7 (LabelContour, cKDTree, numpy's percentile).
BY_ITK = {
    0: (300, 523, 4.679631753336668),
    1: (400, 416, 4.123105625617661),
    2: (241, 536, 4.499745889988644),
}
NEIGHBOURS = [step for step in product((-1, 0, 1), repeat=3) if sum(map(abs, step)) == 1]


def made(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of blobs that reach the faces of their volume."""
    rng = np.random.default_rng(seed)
    smooth = [gaussian_filter(rng.normal(size=(9, 20, 16)), 2.0) for _ in range(2)]
    return smooth[0] > 0.03, smooth[1] > 0.02


def outline(mask: np.ndarray) -> set[tuple[int, ...]]:
    """Voxels with one of six neighbours inside the image and outside the mask, without a library."""
    found = set()
    for voxel in map(tuple, np.argwhere(mask)):
        near = (tuple(int(a + b) for a, b in zip(voxel, step, strict=True)) for step in NEIGHBOURS)
        there = (p for p in near if all(0 <= a < n for a, n in zip(p, mask.shape, strict=True)))
        if any(not mask[p] for p in there):
            found.add(tuple(map(int, voxel)))
    return found


@pytest.mark.parametrize("seed", BY_ITK)
def test_as_the_public_scorer_with_itk(seed: int) -> None:
    one, two = made(seed)
    found = (int(contour(one).sum()), int(contour(two).sum()), hd95_voxels(one, two))
    assert found == pytest.approx(BY_ITK[seed], rel=1e-12)


@pytest.mark.skipif(find_spec("SimpleITK") is None, reason="SimpleITK is in the extra `bench`")
@pytest.mark.parametrize("seed", range(5))
def test_contours_are_itks(seed: int) -> None:
    import SimpleITK

    mask = made(seed)[0]
    drawn = SimpleITK.LabelContour(SimpleITK.GetImageFromArray(mask.astype(np.uint8)))
    assert (SimpleITK.GetArrayFromImage(drawn) == contour(mask)).all()


@pytest.mark.parametrize("seed", range(5, 8))
def test_agrees_with_brute_force(seed: int) -> None:
    one, two = (outline(mask) for mask in made(seed))
    assert {tuple(map(int, p)) for p in np.argwhere(contour(made(seed)[0]))} == one
    ways = [
        [min(math.dist(a, b) for b in others) for a in own]
        for own, others in ((one, two), (two, one))
    ]
    wanted = max(np.percentile(gaps, 95) for gaps in ways)
    assert hd95_voxels(*made(seed)) == pytest.approx(wanted)


def test_the_images_edge_is_no_contour_and_a_full_image_has_none() -> None:
    full, some, empty = (
        np.ones((4, 4, 4), bool),
        np.zeros((4, 4, 4), bool),
        np.zeros((4, 4, 4), bool),
    )
    some[:2] = True  # only its inner face is a contour
    assert contour(some).sum() == 16
    assert not contour(full).any()
    assert hd95_voxels(full, some) == math.inf
    assert hd95_voxels(empty, some) == hd95_voxels(some, empty) == math.inf
    assert hd95_voxels(empty, empty) == hd95_voxels(full, empty) == 0


def test_a_mask_amid_the_volume_keeps_its_whole_contour() -> None:
    """Of a cube of 5 in one of 9: 98 voxels of its contour; every one of them is 2 from the other's."""
    inner, outer = np.zeros((2, 15, 15, 15), bool)
    inner[5:10, 5:10, 5:10] = outer[3:12, 3:12, 3:12] = True
    assert contour(inner).sum() == 5**3 - 3**3
    gaps = [min(math.dist(a, b) for b in outline(inner)) for a in outline(outer)]
    assert hd95_voxels(inner, outer) == pytest.approx(np.percentile(gaps, 95))
    # The greater one alone decides where the box ends.
    assert hd95_voxels(outer, outer) == 0
    hollow = outer & ~np.roll(inner, 2, axis=0)
    ways = [
        [min(math.dist(a, b) for b in outline(two)) for a in outline(one)]
        for one, two in ((outer, hollow), (hollow, outer))
    ]
    wanted = max(np.percentile(gaps, 95) for gaps in ways)
    assert hd95_voxels(outer, hollow) == pytest.approx(wanted)


def test_spacing_is_ignored() -> None:
    one, two = np.zeros((2, 9, 9, 9), bool)
    one[1, 4, 4] = two[6, 4, 4] = True
    assert hd95_voxels(one, two) == 5


def scored() -> pd.DataFrame:
    """Four patients: two good, one missed (HD95 infinite), one without anything in either mask."""
    dice, voxels = [0.8, 0.6, 0.0, math.nan], [15.0, 30.0, math.inf, 0.0]
    return pd.DataFrame({"patient": list("abcd"), "dice": dice, "hd95_voxels": voxels})


def test_scores_by_hand() -> None:
    cohort = pd.DataFrame(
        {
            "patient": list("dcba"),
            "age_years": [40.0, 41.0, 50.0, 39.0],  # a and d to 40, b and c to 50
            "menopause": [None, "pre", "post", "pre"],
            "density": [None, None, "dense", "fatty"],
        }
    )
    found = challenge_scores(scored(), fairness_groups(cohort))
    assert found["dsc"] == pytest.approx(1.4 / 4)
    assert found["norm_hd"] == pytest.approx((0.1 + 0.2 + 1 + 0) / 4)
    assert found["performance"] == pytest.approx(0.5 * (0.35 + 1 - 0.325))
    # Dice by group of age: 0.4 and 0.3; NormHD: 0.05 and 0.6.
    assert found["fairness_age"] == pytest.approx(1 - 0.5 * (0.1 + 0.55))
    # pre: a, c; post: b; unknown: d. Dice 0.4, 0.6, 0; NormHD 0.55, 0.2, 0.
    assert found["fairness_menopause"] == pytest.approx(1 - 0.5 * (0.6 + 0.55))
    # Of those with a density alone.
    assert found["fairness_density"] == pytest.approx(1 - 0.5 * (0.2 + 0.1))
    mean = (0.675 + 0.425 + 0.85) / 3
    assert found["fairness"] == pytest.approx(mean)
    assert found["ranking"] == pytest.approx(0.5 * found["performance"] + 0.5 * mean)


def test_what_is_known_of_nobody_is_left_out() -> None:
    cohort = pd.DataFrame({"patient": list("abcd"), "age_years": [30.0, 45, 45, 30]})
    cohort["menopause"] = [math.nan] * 4
    found = challenge_scores(scored(), fairness_groups(cohort))
    assert math.isnan(found["fairness_menopause"])
    assert math.isnan(found["fairness_density"])
    assert found["fairness"] == found["fairness_age"]
    nothing = challenge_scores(scored(), fairness_groups(cohort.drop(columns="age_years")))
    assert math.isnan(nothing["fairness"])
    assert math.isnan(nothing["ranking"])
    assert nothing["performance"] == found["performance"]


def test_ages_fall_into_the_challenges_groups() -> None:
    ages = [18, 40, 41, 50, 51, 60, 61, 70, 71, 90]
    cohort = pd.DataFrame({"patient": [str(age) for age in ages], "age_years": ages})
    assert fairness_groups(cohort)["age"].tolist() == [0, 0, 40, 40, 50, 50, 60, 60, 70, 70]


def test_a_distance_above_150_is_not_cut() -> None:
    table = pd.DataFrame({"patient": ["a"], "dice": [0.5], "hd95_voxels": [300.0]})
    cohort = pd.DataFrame({"patient": ["a"]})
    assert challenge_scores(table, fairness_groups(cohort))["norm_hd"] == 2
