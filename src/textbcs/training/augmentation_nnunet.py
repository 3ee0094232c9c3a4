"""nnU-Net's intensity augmentation, on the device, for a whole batch at once.

Facts after github.com/MIC-DKFZ/nnUNet (nnUNetTrainer.get_training_transforms) and
github.com/MIC-DKFZ/batchgeneratorsv2; written anew. Order, probabilities and ranges are theirs. They
hold for z-scored images; here an image keeps its own scale, and what is not invariant to scale
(noise, brightness) is measured in the channel's standard deviations around its mean, which is the
same.

Left out: rotation by up to 180 degrees, scaling and mirroring (they would make the prompt's words for
side, shape and size untrue; the loop's own flip swaps the word with the image), and oversampling of
foreground (every slice here is its whole patch).

Every draw is made for every sample, used or not, from one generator: no word between device and host,
and a stream that does not depend on the outcome.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional

# Probability per sample, then range.
NOISE, NOISE_SIGMA = 0.1, (0.0, 0.1)
BLUR, BLUR_SIGMA = 0.2, (0.5, 1.0)
BRIGHTNESS, BRIGHTNESS_FACTOR = 0.15, (0.75, 1.25)
CONTRAST, CONTRAST_FACTOR = 0.15, (0.75, 1.25)
LOW_RESOLUTION, LOW_RESOLUTION_SCALE = 0.25, (0.5, 1.0)
INVERTED_GAMMA, GAMMA, GAMMA_EXPONENT = 0.1, 0.3, (0.7, 1.5)
PER_CHANNEL = 0.5  # of blur and low resolution: probability of each channel of a chosen sample

BLUR_RADIUS = 3  # pixels; 3 sigma of the widest kernel
EPSILON = 1e-7


def augmented_nnunet(image: Tensor, generator: Generator) -> Tensor:
    """A batch with each sample changed by chance.

    Args:
        image: (B, C, H, W) float32; one channel per acquired image (before a channel is repeated).
        generator: source of chance, on the image's device.
    """
    chance = Chance(image, generator)
    noise = torch.randn(image.shape, generator=generator, device=image.device)
    x = image
    sigma = chance.uniform(NOISE_SIGMA, shared=True)
    x = torch.where(chance.chosen(NOISE, shared=True), with_noise(x, sigma, noise), x)
    vertical, horizontal = chance.uniform(BLUR_SIGMA), chance.uniform(BLUR_SIGMA)
    x = torch.where(chance.chosen(BLUR, PER_CHANNEL), blurred(x, vertical, horizontal), x)
    factor = chance.around_one(BRIGHTNESS_FACTOR)
    x = torch.where(chance.chosen(BRIGHTNESS), brightened(x, factor), x)
    factor = chance.around_one(CONTRAST_FACTOR)
    x = torch.where(chance.chosen(CONTRAST), contrasted(x, factor), x)
    scale = chance.uniform(LOW_RESOLUTION_SCALE)
    x = torch.where(chance.chosen(LOW_RESOLUTION, PER_CHANNEL), at_low_resolution(x, scale), x)
    exponent = chance.around_one(GAMMA_EXPONENT)
    x = torch.where(chance.chosen(INVERTED_GAMMA), -with_gamma(-x, exponent), x)
    exponent = chance.around_one(GAMMA_EXPONENT)
    return torch.where(chance.chosen(GAMMA), with_gamma(x, exponent), x)


class Chance:
    """Draws for the samples and channels of a batch; all are (B, C, 1, 1)."""

    def __init__(self, image: Tensor, generator: Generator) -> None:
        self.samples, self.channels = image.shape[:2]
        self.generator = generator

    def uniform(self, bounds: tuple[float, float], shared: bool = False) -> Tensor:
        """Uniform in `bounds`; `shared`: the same for the channels of a sample."""
        low, high = bounds
        return low + (high - low) * self._draw(shared)

    def around_one(self, bounds: tuple[float, float]) -> Tensor:
        """Below or above 1 with equal probability, then uniform up to the bound on that side."""
        low, high = bounds
        share = self._draw()
        return torch.where(self._draw() < 0.5, low + (1 - low) * share, 1 + (high - 1) * share)

    def chosen(self, probability: float, per_channel: float = 1.0, shared: bool = False) -> Tensor:
        """True for a sample with `probability`, and then for each channel with `per_channel`."""
        sample = self._draw(shared=True) < probability
        return sample & (self._draw(shared) < per_channel)

    def _draw(self, shared: bool = False) -> Tensor:
        channels = 1 if shared else self.channels
        draw = torch.rand(
            self.samples, channels, generator=self.generator, device=self.generator.device
        )
        return draw.expand(-1, self.channels)[:, :, None, None]


def with_noise(image: Tensor, sigma: Tensor, noise: Tensor) -> Tensor:
    """Add noise (B, C, H, W) of the standard normal, `sigma` (B, C, 1, 1) channel deviations wide.

    nnU-Net names the range of sigma a variance and uses it as a standard deviation.
    """
    return image + sigma * _deviation(image) * noise


def blurred(image: Tensor, vertical: Tensor, horizontal: Tensor) -> Tensor:
    """Gaussian blur, edges reflected, the kernel cut at 3 px.

    Args:
        image: (B, C, H, W), sides above 3.
        vertical: (B, C, 1, 1), sigma in pixels along the columns (H).
        horizontal: (B, C, 1, 1), along the rows (W).
    """
    samples, channels, height, width = image.shape
    groups = samples * channels
    x = image.reshape(1, groups, height, width)
    radius = BLUR_RADIUS
    x = functional.pad(x, (radius,) * 4, mode="reflect")
    x = functional.conv2d(x, _gaussian(vertical).view(groups, 1, -1, 1), groups=groups)
    x = functional.conv2d(x, _gaussian(horizontal).view(groups, 1, 1, -1), groups=groups)
    return x.view(image.shape)


def brightened(image: Tensor, factor: Tensor) -> Tensor:
    """Multiply the z-scored image by `factor` (B, C, 1, 1)."""
    mean = image.mean((2, 3), keepdim=True)
    return mean + factor * (image - mean)


def contrasted(image: Tensor, factor: Tensor) -> Tensor:
    """Multiply the distance from the mean by `factor` (B, C, 1, 1), within the image's old range."""
    low, high = image.amin((2, 3), keepdim=True), image.amax((2, 3), keepdim=True)
    return torch.minimum(torch.maximum(brightened(image, factor), low), high)


def at_low_resolution(image: Tensor, scale: Tensor) -> Tensor:
    """Sample fewer pixels (nearest), then go back to the old size (bilinear).

    Args:
        image: (B, C, H, W).
        scale: (B, C, 1, 1) in (0, 1], of the number of pixels along each side.
    """
    return _resampled(_resampled(image, scale).transpose(2, 3), scale).transpose(2, 3)


def with_gamma(image: Tensor, exponent: Tensor) -> Tensor:
    """Raise the image, scaled to [0, 1], to `exponent` (B, C, 1, 1); mean and deviation stay."""
    low = image.amin((2, 3), keepdim=True)
    span = image.amax((2, 3), keepdim=True) - low
    x = ((image - low) / span.clamp_min(EPSILON)) ** exponent * span + low
    centred = x - x.mean((2, 3), keepdim=True)
    ratio = _deviation(image) / _deviation(x).clamp_min(EPSILON)
    return centred * ratio + image.mean((2, 3), keepdim=True)


def _resampled(image: Tensor, scale: Tensor) -> Tensor:
    """`at_low_resolution` along the last axis alone.

    Of W pixels, n = round(W * scale) are kept: pixel j of them is floor((j + 1/2) W / n) of the old
    ones, as torch's "nearest-exact". The old pixel i lies at (i + 1/2) n / W - 1/2 among them.
    """
    width = image.shape[-1]
    kept = (width * scale).round().clamp_min(1)  # (B, C, 1, 1)
    place = torch.arange(width, device=image.device, dtype=image.dtype)
    place = ((place + 0.5) * kept / width - 0.5).clamp_min(0)
    left = place.floor()
    right = torch.minimum(left + 1, kept - 1)

    def at(index: Tensor) -> Tensor:
        old = ((index + 0.5) * width / kept).floor().long().clamp_max(width - 1)
        return image.gather(3, old.expand(image.shape))

    return torch.lerp(at(left), at(right), (place - left).expand(image.shape))


def _gaussian(sigma: Tensor) -> Tensor:
    """Kernels (B, C, 1, 2 * BLUR_RADIUS + 1) that sum to 1."""
    place = torch.arange(-BLUR_RADIUS, BLUR_RADIUS + 1, device=sigma.device, dtype=sigma.dtype)
    return (-0.5 * (place / sigma) ** 2).softmax(-1)


def _deviation(image: Tensor) -> Tensor:
    """Standard deviation of each channel, (B, C, 1, 1)."""
    return image.std((2, 3), keepdim=True)
