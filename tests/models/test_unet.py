"""UNet against the published structure."""

import torch

from textbcs.models.common import registry
from textbcs.models.common.unet_blocks import Trunk, Up

# Convolutions of LViT's UNet at full width, 3 channels in and 1 class out, in order of use:
# (input channels, output channels, kernel side). Each 3x3 has a bias and a batch normalisation.
CONVOLUTIONS = [(3, 64, 3)]
for _a, _b in ((64, 128), (128, 256), (256, 512), (512, 512)):
    CONVOLUTIONS += [(_a, _b, 3), (_b, _b, 3)]
for _a, _b in ((1024, 256), (512, 128), (256, 64), (128, 64)):
    CONVOLUTIONS += [(_a // 2, _a // 2, 2), (_a, _b, 3), (_b, _b, 3)]
CONVOLUTIONS += [(64, 1, 1)]


def shapes_of_the_definition() -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for inputs, outputs, side in CONVOLUTIONS:
        shapes += [(outputs, inputs, side, side), (outputs,)]
        if side == 3:
            shapes += [(outputs,), (outputs,)]
    return sorted(shapes)


def test_parameters_have_exactly_the_shapes_of_the_definition():
    model = registry.build({"model": "unet", "width": 64}, channels=3, image_size=224, text_dim=768)
    assert sorted(tuple(p.shape) for p in model.parameters()) == shapes_of_the_definition()


def test_the_encoders_map_stands_behind_the_one_from_below():
    """As in LViT's UpBlock: the first channels that the convolutions read are the upsampled ones."""
    torch.manual_seed(0)
    up = Up(2, 3, 4)
    below, skip = torch.rand(1, 2, 4, 4), torch.rand(1, 3, 8, 8)
    seen: list[torch.Tensor] = []
    up.convolutions.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    up(below, skip)
    assert torch.equal(seen[0][:, :2], up.upsample(below))
    assert torch.equal(seen[0][:, 2:], skip)


def test_the_change_of_a_stage_reaches_the_decoder_and_the_next_stage():
    torch.manual_seed(0)
    trunk = Trunk(3, 4).eval()
    image = torch.rand(1, 3, 32, 32)
    seen: list[tuple[int, ...]] = []

    def change(stage: int, x: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(x.shape))
        return x + 1 if stage == 1 else x

    assert not torch.equal(trunk(image), trunk(image, change))
    assert seen == [(1, 4, 32, 32), (1, 8, 16, 16), (1, 16, 8, 8), (1, 32, 4, 4)]
    assert torch.equal(trunk(image), trunk(image, lambda stage, x: x))
