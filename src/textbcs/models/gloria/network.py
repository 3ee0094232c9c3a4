"""GLoRIA's segmentation network: a U-Net on its ResNet-50.

Paper: Huang et al. 2021 (GLoRIA); github.com/marshuang80/gloria builds `smp.Unet("resnet50")` for
segmentation. 32.521 M parameters at width 64, 3 channels in and 1 class out. It reads no text: its
pre-training (contrastive.py) did. Loss: 10 * focal - ln Dice, as that repository. No deviation.
"""

from textbcs.models.common.resnet_unet import ResNetUNet


class GLoRIA(ResNetUNet):
    """See `ResNetUNet`."""
