"""ConVIRT's segmentation network: a U-Net on its ResNet-50.

Paper: Zhang et al. 2022 (ConVIRT). github.com/yuhaozhang/convirt holds no model code, and neither it
nor the paper a segmentation head; this is the U-Net on ResNet-50 with which GLoRIA's and MGCA's
papers and code compare ConVIRT. 32.521 M parameters at width 64, 3 channels in and 1 class out. It
reads no text: its pre-training (contrastive.py) did. Loss: `dice_bce` (ours; the paper has none).
"""

from textbcs.models.common.resnet_unet import ResNetUNet


class ConVIRT(ResNetUNet):
    """See `ResNetUNet`."""
