"""ResNet-50 as a tower of feature maps, of any width and depth.

Paper: He et al. 2016; structure after torchvision's `resnet50` (stride on the 3x3 convolution of a
bottleneck, no bias before batch normalisation), written anew. Parameters have torchvision's names, so
that published weights load by name; without its classifier the network has 23,508,032 of them at width
64 with 3 channels.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

EXPANSION = 4  # a bottleneck gives this many times its inner width
BLOCKS = (3, 4, 6, 3)  # of ResNet-50


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution around a shortcut.

    Args:
        inputs: channels in.
        inner: channels of the 3x3 convolution; `EXPANSION * inner` come out.
        stride: of the 3x3 convolution and of the shortcut.
    """

    def __init__(self, inputs: int, inner: int, stride: int) -> None:
        super().__init__()
        outputs = EXPANSION * inner
        self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, EXPANSION * inner, h / stride, w / stride)."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        return cast(Tensor, self.relu(y + shortcut))


class ResNet(nn.Module):
    """Stem and up to four stages of bottlenecks.

    Args:
        channels: of the image.
        width: channels of the stem; 64 in the original.
        blocks: bottlenecks of each stage; fewer than four numbers leave the last stages out
            (TGANet ends after the third).

    Attributes:
        map_channels: channels of each map that `forward` returns: at full width 64, 256, 512,
            1024, 2048.
    """

    def __init__(self, channels: int, width: int = 64, blocks: Sequence[int] = BLOCKS) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        inputs = width
        sizes = [width]
        for number, depth in enumerate(blocks):
            inner = width * 2**number
            strides = [1 if number == 0 else 2] + [1] * (depth - 1)
            stage = nn.Sequential()
            for stride in strides:
                stage.append(Bottleneck(inputs, inner, stride))
                inputs = EXPANSION * inner
            self.add_module(f"layer{number + 1}", stage)
            sizes.append(inputs)
        self.stages = len(blocks)
        self.map_channels = tuple(sizes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    @classmethod
    def of(cls, config: Mapping[str, Any], channels: int, image_size: int) -> "ResNet":
        """The encoder of a `network` block with `width` and `blocks`; it takes any image size."""
        return cls(channels, int(config["width"]), tuple(config["blocks"]))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Map an image to a pyramid.

        Args:
            image: (B, channels, H, W); H and W are multiples of 32 (of 16 without the last stage).

        Returns:
            The stem's map (B, width, H / 2, W / 2), before its pooling, and each stage's map, with
            sides H / 4, H / 8, H / 16 and H / 32.
        """
        x = self.relu(self.bn1(self.conv1(image)))
        maps = [x]
        x = self.maxpool(x)
        for number in range(self.stages):
            x = self.get_submodule(f"layer{number + 1}")(x)
            maps.append(x)
        return maps
