"""The choice of threshold and smallest component against all pairs by brute force, by another labelling."""

import itertools

import numpy as np
import pytest
from skimage.measure import label, regionprops

from textbcs.volumes.operating_point import OperatingPoint, apply, choose, components

SHAPE, VOXEL = (6, 12, 10), 2.5
THRESHOLDS, SMALLEST = [0.25, 0.5, 0.75], [0.0, 10.0, 40.0]


def case(seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Blobs of a smooth random map, and a reference that it half tells."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=SHAPE), 1.0)
    scaled = (field - field.min()) / (field.max() - field.min())
    codes = np.minimum(np.floor(scaled * 256), 255).astype(np.uint8)
    noise = gaussian_filter(rng.normal(size=SHAPE), 1.0)
    return codes, field + noise > 0.35, VOXEL


def by_hand(codes: np.ndarray, threshold: float, smallest: float, voxel: float) -> np.ndarray:
    """Findings, a component at a time."""
    found = label(codes >= 256 * threshold, connectivity=3)
    mask = np.zeros(codes.shape, bool)
    for region in regionprops(found):
        if region.area * voxel >= smallest - 1e-9:
            mask |= found == region.label
    return mask


def dice(found: np.ndarray, reference: np.ndarray) -> float:
    size = found.sum() + reference.sum()
    return 2 * (found & reference).sum() / size if size else 1.0


def test_the_pair_is_the_best_of_all() -> None:
    cases = [case(seed) for seed in range(7)]
    means = {
        (t, s): np.mean([dice(by_hand(codes, t, s, v), ref) for codes, ref, v in cases])
        for t, s in itertools.product(THRESHOLDS, SMALLEST)
    }
    assert len(set(means.values())) > 5
    best = max(means, key=lambda pair: (means[pair], pair))
    found = choose(iter(cases), THRESHOLDS[::-1], SMALLEST)
    assert (found.threshold, found.smallest_mm3) == best
    assert found.dice == pytest.approx(means[best], abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_findings_are_those_by_hand(seed: int) -> None:
    codes, _, voxel = case(seed)
    for threshold, smallest in itertools.product(THRESHOLDS, SMALLEST):
        point = OperatingPoint(threshold, smallest, 0.0)
        assert np.array_equal(
            apply(codes, point, voxel), by_hand(codes, threshold, smallest, voxel)
        )


def test_corners_touch() -> None:
    mask = np.zeros((3, 3, 3), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = True
    assert components(mask)[1] == 1
    mask[1, 1, 1], mask[2, 2, 2] = False, True
    assert components(mask)[1] == 2


def test_a_component_of_just_the_smallest_volume_stays() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[1, 2, 2:5] = codes[4, 2, 2:4] = 200
    # 3 voxels of 0.1 are 0.3 mm³, whatever the last bit of their product.
    findings = apply(codes, OperatingPoint(0.5, 0.3, 0.0), 0.1)
    assert findings.sum() == 3
    assert findings[1, 2, 2:5].all()


def test_ties_go_to_the_higher_threshold_then_the_greater_component() -> None:
    codes = np.zeros(SHAPE, np.uint8)
    codes[1:4, 2:6, 2:6] = 255
    found = choose([(codes, codes > 0, 1.0)], THRESHOLDS, SMALLEST)
    assert found == OperatingPoint(0.75, 40.0, 1.0)
    # With a component that counts, the greater one would remove all.
    found = choose([(codes, codes > 0, 1.0)], THRESHOLDS, [0.0, 48.0, 49.0])
    assert found == OperatingPoint(0.75, 48.0, 1.0)


def test_nothing_found_and_nothing_there() -> None:
    nothing = np.zeros(SHAPE, np.uint8)
    assert not apply(nothing, OperatingPoint(0.5, 10.0, 0.0), 1.0).any()
    codes = nothing.copy()
    codes[0, 0, 0] = 160  # a false finding at 0.5, none at 0.75
    found = choose([(codes, nothing > 0, 1.0), (nothing, nothing > 0, 1.0)], [0.5, 0.75], [0.0])
    assert found == OperatingPoint(0.75, 0.0, 1.0)
    found = choose([(codes, nothing > 0, 1.0), (nothing, nothing > 0, 1.0)], [0.5], [0.0])
    assert found.dice == 0.5
    found = choose([(nothing, nothing == 0, 1.0)], [0.5], [0.0])
    assert found.dice == 0.0


def test_without_a_volume_nothing_is_chosen() -> None:
    with pytest.raises(ValueError, match="no volume"):
        choose([], THRESHOLDS, SMALLEST)
    with pytest.raises(ValueError, match="nothing to choose from"):
        choose([case(0)], THRESHOLDS, [])
