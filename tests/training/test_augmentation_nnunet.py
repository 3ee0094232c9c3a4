"""nnU-Net's augmentation against torch's and scipy's own operations and its published numbers."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional

from textbcs.training import augmentation_nnunet as augment


def image_of(
    samples: int = 3, channels: int = 2, height: int = 20, width: int = 26
) -> torch.Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.rand(samples, channels, height, width, generator=generator)


def one_each(*values: float) -> torch.Tensor:
    """(3, 2, 1, 1): another value for every sample and channel."""
    return torch.tensor(values).view(3, 2, 1, 1)


def test_low_resolution_is_torchs_nearest_exact_and_bilinear():
    image = image_of()
    scales = one_each(0.5, 0.61, 0.75, 0.83, 0.97, 1.0)
    answer = augment.at_low_resolution(image, scales)
    for sample in range(3):
        for channel in range(2):
            one = image[sample : sample + 1, channel : channel + 1]
            factor = float(scales[sample, channel])
            size = [round(side * factor) for side in one.shape[2:]]
            small = functional.interpolate(one, size, mode="nearest-exact")
            back = functional.interpolate(small, one.shape[2:], mode="bilinear")
            torch.testing.assert_close(answer[sample, channel], back[0, 0], rtol=0, atol=1e-5)
    assert torch.equal(answer[2, 1], image[2, 1])  # at scale 1 nothing is lost


def test_blur_is_scipys_gaussian_with_reflected_edges():
    image = image_of()
    vertical = one_each(0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    horizontal = one_each(1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
    answer = augment.blurred(image, vertical, horizontal)
    for sample in range(3):
        for channel in range(2):
            sigmas = (float(vertical[sample, channel]), float(horizontal[sample, channel]))
            expected = ndimage.gaussian_filter(
                image[sample, channel].numpy().astype(float), sigmas, mode="mirror", radius=3
            )
            np.testing.assert_allclose(answer[sample, channel].numpy(), expected, atol=1e-6)


def test_gamma_keeps_mean_and_deviation_and_order():
    image = image_of()
    answer = augment.with_gamma(image, one_each(0.7, 0.9, 1.0, 1.1, 1.3, 1.5))
    torch.testing.assert_close(answer.mean((2, 3)), image.mean((2, 3)), rtol=0, atol=1e-6)
    torch.testing.assert_close(answer.std((2, 3)), image.std((2, 3)), rtol=0, atol=1e-6)
    torch.testing.assert_close(answer[1, 0], image[1, 0], rtol=0, atol=1e-6)  # exponent 1
    order = image[0, 0].flatten().argsort()
    assert bool((answer[0, 0].flatten()[order].diff() >= 0).all())
    # Above 1 the middle sinks below the extremes' mean: compare three pixels by hand.
    line = torch.tensor([0.0, 0.5, 1.0]).view(1, 1, 1, 3)
    low, middle, high = augment.with_gamma(line, torch.tensor(2.0)).flatten().tolist()
    assert (middle - low) / (high - low) == pytest.approx(0.25)


def test_gamma_and_contrast_of_a_flat_image_change_nothing():
    flat = torch.full((1, 1, 8, 8), 0.3)
    for change in (augment.with_gamma, augment.contrasted, augment.brightened):
        torch.testing.assert_close(change(flat, torch.full((1, 1, 1, 1), 1.4)), flat)


def test_contrast_stays_in_the_range_and_brightness_does_not():
    image = image_of()
    factor = torch.full((3, 2, 1, 1), 1.25)
    bright, contrasted = augment.brightened(image, factor), augment.contrasted(image, factor)
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    assert torch.equal(contrasted, bright.clamp(low, high))
    assert bool((bright.amax((2, 3)) > image.amax((2, 3))).all())
    torch.testing.assert_close(bright.std((2, 3)), 1.25 * image.std((2, 3)))
    torch.testing.assert_close(bright.mean((2, 3)), image.mean((2, 3)))


def test_noise_is_measured_in_the_channels_deviations():
    image = image_of(2, 1, 64, 64) * torch.tensor([1.0, 10.0]).view(2, 1, 1, 1)
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(2))
    added = augment.with_noise(image, torch.tensor(0.1), noise) - image
    ratio = added.std((2, 3)) / image.std((2, 3))
    torch.testing.assert_close(ratio, torch.full((2, 1), 0.1), rtol=0.05, atol=0)


def test_every_change_has_its_published_probability_and_range():
    count = 200_000
    chance = augment.Chance(torch.empty(count, 2, 1, 1), torch.Generator().manual_seed(1))
    chosen = chance.chosen(0.25, 0.5)[..., 0, 0]
    assert chosen.float().mean() == pytest.approx(0.125, abs=0.003)
    both = chosen.all(1).float().mean()  # a chosen sample's channels are independent
    assert both == pytest.approx(0.0625, abs=0.003)
    factor = chance.around_one((0.7, 1.5)).flatten()
    assert 0.7 <= factor.min() < 0.701
    assert 1.499 < factor.max() <= 1.5
    assert (factor < 1).float().mean() == pytest.approx(0.5, abs=0.005)
    assert factor.mean() == pytest.approx((0.85 + 1.25) / 2, abs=0.003)
    shared = chance.uniform((0.0, 0.1), shared=True)[..., 0, 0]
    assert torch.equal(shared[:, 0], shared[:, 1])
    # nnU-Net's list: noise .1, blur .2, brightness .15, contrast .15, low resolution .25, gamma .1 + .3.
    assert (augment.NOISE, augment.BLUR, augment.BRIGHTNESS) == (0.1, 0.2, 0.15)
    assert (augment.CONTRAST, augment.LOW_RESOLUTION) == (0.15, 0.25)
    assert (augment.INVERTED_GAMMA, augment.GAMMA) == (0.1, 0.3)


def test_share_of_changed_samples_is_that_of_independent_changes():
    image = image_of(1, 1, 8, 8).expand(20_000, -1, -1, -1)
    answer = augment.augmented_nnunet(image, torch.Generator().manual_seed(0))
    changed = (answer != image).flatten(1).any(1).float().mean()
    untouched = 0.9 * 0.9 * 0.85 * 0.85 * (1 - 0.25 * 0.5) * 0.9 * 0.7
    # A scale that rounds to all 8 pixels (1 in 8 of the range) leaves the image as it is.
    untouched += untouched / 0.875 * 0.125 * 0.125
    assert changed == pytest.approx(1 - untouched, abs=0.012)
    assert answer.isfinite().all()


def test_equal_seeds_give_equal_images_and_the_input_stays():
    image = image_of(16)
    before = image.clone()
    torch.manual_seed(0)
    first = augment.augmented_nnunet(image, torch.Generator().manual_seed(3))
    torch.manual_seed(1)  # the global generator has no part in it
    second = augment.augmented_nnunet(image, torch.Generator().manual_seed(3))
    other = augment.augmented_nnunet(image, torch.Generator().manual_seed(4))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(image, before)
    assert first.shape == image.shape
    assert first.dtype == image.dtype
