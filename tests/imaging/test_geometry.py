"""Affines and resampling against nibabel, brute force and properties that must hold."""

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nibabel.orientations import apply_orientation, axcodes2ornt, io_orientation, ornt_transform

from textbcs.imaging import geometry as g

SIGNED_PERMUTATIONS = st.tuples(
    st.permutations([0, 1, 2]), st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3)
)


def random_affine(axes, signs, seed, tilt=0.0):
    rng = np.random.default_rng(seed)
    rotation = np.zeros((3, 3))
    rotation[list(axes), [0, 1, 2]] = signs
    if tilt:
        rotation, _ = np.linalg.qr(rotation + tilt * rng.uniform(-1, 1, (3, 3)))
        rotation *= np.sign(np.diag(rotation.T @ _permutation(axes, signs)))
    affine = np.eye(4)
    affine[:3, :3] = rotation * rng.uniform(0.5, 4, 3)
    affine[:3, 3] = rng.uniform(-100, 100, 3)
    return affine


def _permutation(axes, signs):
    rotation = np.zeros((3, 3))
    rotation[list(axes), [0, 1, 2]] = signs
    return rotation


def brute_force(volume, affine, shape):
    """A loop over target voxels: the definition of nearest neighbour."""
    result = np.zeros(shape, volume.array.dtype)
    inverse = np.linalg.inv(volume.affine)
    for k, j, i in np.ndindex(*shape):
        x, y, z = (inverse @ affine @ [i, j, k, 1])[:3]
        x, y, z = (int(np.floor(v + 0.5 + 1e-6)) for v in (x, y, z))
        inside = all(0 <= v < n for v, n in zip((z, y, x), volume.array.shape, strict=True))
        if inside:
            result[k, j, i] = volume.array[z, y, x]
    return result


def test_dicom_affine_is_the_standards_equation():
    """PS3.3 eq. C.7.6.2.1-1, written out by hand for a GE-like plane (rotated by 180 degrees)."""
    affine = g.dicom_affine([-1, 0, 0, 0, -1, 0], [150, 120, 40], [2.5, 3.0], [0, 0, -7])
    np.testing.assert_allclose(g.transform(affine, [0, 0, 0]), [150, 120, 40])
    # column 2, row 3, second plane: spacing between columns is the second number
    np.testing.assert_allclose(g.transform(affine, [2, 3, 1]), [150 - 6, 120 - 7.5, 33])
    np.testing.assert_allclose(g.spacing(affine), [3.0, 2.5, 7.0])
    assert g.voxel_volume(affine) == pytest.approx(3 * 2.5 * 7)


@given(SIGNED_PERMUTATIONS, st.integers(0, 2**31), st.sampled_from([0.0, 0.2]))
@settings(max_examples=60, deadline=None)
def test_orientation_agrees_with_nibabel(permutation, seed, tilt):
    axes, signs = permutation
    affine = random_affine(axes, signs, seed, tilt)
    array = np.random.default_rng(seed).integers(0, 99, (3, 4, 5)).astype(np.int16)
    ours = g.to_lps(g.Volume(array, affine))

    xyz = array.transpose(2, 1, 0)
    ras = g.to_ras(affine)
    change = ornt_transform(io_orientation(ras), axcodes2ornt("LPS"))
    theirs = apply_orientation(xyz, change)
    their_affine = ras @ nib.orientations.inv_ornt_aff(change, xyz.shape)
    np.testing.assert_array_equal(ours.array, theirs.transpose(2, 1, 0))
    np.testing.assert_allclose(g.to_ras(ours.affine), their_affine, atol=1e-9)


@given(SIGNED_PERMUTATIONS, st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_orientation_keeps_every_value_where_it_was(permutation, seed):
    affine = random_affine(*permutation, seed, 0.15)
    array = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
    lps = g.to_lps(g.Volume(array, affine))
    assert (np.diag(lps.affine[:3, :3]) > 0).all()
    for value in (0, 7, 33, 59):
        k, j, i = (int(v[0]) for v in np.nonzero(array == value))
        z, y, x = (int(v[0]) for v in np.nonzero(lps.array == value))
        np.testing.assert_allclose(
            g.transform(affine, [i, j, k]), g.transform(lps.affine, [x, y, z]), atol=1e-9
        )
    again = g.to_lps(lps)
    np.testing.assert_array_equal(again.array, lps.array)
    np.testing.assert_array_equal(again.affine, lps.affine)


@given(SIGNED_PERMUTATIONS, SIGNED_PERMUTATIONS, st.integers(0, 2**31), st.sampled_from([0.0, 0.3]))
@settings(max_examples=60, deadline=None)
def test_resampling_equals_brute_force(source, target, seed, tilt):
    rng = np.random.default_rng(seed)
    volume = g.Volume(
        rng.integers(1, 200, tuple(rng.integers(2, 7, 3))).astype(np.uint8),
        random_affine(*source, seed, tilt),
    )
    grid = random_affine(*target, seed + 1)
    grid[:3, 3] = volume.affine[:3, 3] + rng.uniform(-4, 4, 3)
    shape = tuple(int(n) for n in rng.integers(2, 8, 3))
    np.testing.assert_array_equal(
        g.resample_nearest(volume, grid, shape), brute_force(volume, grid, shape)
    )


@given(SIGNED_PERMUTATIONS, st.integers(0, 2**31))
@settings(max_examples=40, deadline=None)
def test_resampling_undoes_an_orientation_exactly(permutation, seed):
    """A mask drawn on the raw grid and one on the LPS grid are the same voxels, bit for bit."""
    affine = random_affine(*permutation, seed, 0.1)
    mask = g.Volume(np.random.default_rng(seed).integers(0, 2, (4, 6, 5)).astype(np.uint8), affine)
    lps = g.to_lps(mask)
    np.testing.assert_array_equal(g.resample_nearest(mask, lps.affine, lps.array.shape), lps.array)
    np.testing.assert_array_equal(g.resample_nearest(lps, affine, mask.array.shape), mask.array)


@given(SIGNED_PERMUTATIONS)
def test_what_is_written_undone_is_found_in_lps(permutation):
    orientation = g.lps_orientation(random_affine(*permutation, seed=1))
    raw = np.arange(24).reshape(2, 3, 4)
    lps = np.zeros_like(orientation.apply(raw), order="C")
    orientation.undo(lps)[...] = raw
    np.testing.assert_array_equal(lps, orientation.apply(raw))


def test_a_target_beside_the_source_is_empty():
    mask = g.Volume(np.ones((3, 3, 3), np.uint8), np.eye(4))
    away = np.eye(4)
    away[0, 3] = 50
    assert g.resample_nearest(mask, away, (3, 3, 3)).sum() == 0


def test_a_volume_needs_three_axes():
    with pytest.raises(ValueError, match="three axes"):
        g.Volume(np.zeros((3, 3)), np.eye(4))


@pytest.mark.parametrize(
    ("minimum_mm2", "spacing_mm", "pixels"),
    [
        (1.8, (0.6, 0.6), 5),  # 5 * 0.36 is 1.7999999999999998
        (1.8, (0.36, 1.0), 5),
        (1.81, (0.6, 0.6), 6),
        (0.0, (0.6, 0.6), 0),
        (0.1, (0.6, 0.6), 1),
        (30.0, (3.4375, 3.4375), 3),
    ],
)
def test_an_area_is_compared_in_whole_pixels(minimum_mm2, spacing_mm, pixels) -> None:
    assert g.minimum_pixels(minimum_mm2, spacing_mm) == pixels


@given(st.integers(1, 400), st.floats(0.3, 4), st.floats(0.3, 4))
def test_as_many_pixels_as_make_the_area_are_enough(pixels: int, dy: float, dx: float) -> None:
    assert g.minimum_pixels(pixels * (dy * dx), (dy, dx)) == pixels
    assert g.minimum_pixels(pixels * dx * dy, (dx, dy)) == pixels
