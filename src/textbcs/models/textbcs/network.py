"""TextBCS: UNet, stage-divided vision-language interaction, evidential head.

Paper: arXiv 2603.11206; no official code is known. The layout (interaction after the encoder's
stages of 64, 128, 256 and 512 channels, text stream of 768, 14 x 14 tokens at 224 px) is the one
configuration found whose parameters (32.47 M) and operations agree with both printed totals; many
others would fit as well. `svli` and `evidential` switch the two parts, so that the rows of the
ablation are configurations: with both off this is exactly the `unet` model, with its one sigmoid
class. The text encoder is frozen and lies outside: its embeddings come in as `TextBatch`.

Two switches are ours, off where they are absent: `deep_supervision`, which `textbcs_plus` uses, gives
the decoder's coarser maps heads of their own while training, and `dropout` makes the UNet a network
whose posterior can be sampled (Gal and Ghahramani 2016): what evidential learning has to face.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from textbcs.base.io import InputError
from textbcs.models.common.contract import Output, Segmenter, TextBatch
from textbcs.models.common.unet_blocks import STAGES, Trunk
from textbcs.models.textbcs.evidential import evidence_of, expected_probability, first_biases
from textbcs.models.textbcs.svli import SVLI

DEEP_WIDTHS = (4, 2, 1)  # channels of the decoder's maps before the last, over `width`
TEXT_PER_WIDTH = 12  # the text stream has 768 channels where the first stage has 64


class TextBCS(Segmenter):
    """The proposed network and its ablations.

    Args:
        config: `width`, `svli`, `evidential`, `grid`, `heads`, `position`, `alignment_dim`,
            `evidence_gain`; ours: `deep_supervision`, `dropout` (params.yaml says what each is).
        channels: of the image.
        image_size: side of the image in pixels.
        text_dim: width of the text encoder's embeddings.

    Raises:
        InputError: heads or grid do not divide what they split.
    """

    full_size: ClassVar[Mapping[str, Any]] = {
        "width": 64,
        "heads": 8,
        "grid": None,
        "alignment_dim": 128,
    }

    def __init__(
        self, config: Mapping[str, Any], *, channels: int, image_size: int, text_dim: int
    ) -> None:
        super().__init__(config, channels=channels, image_size=image_size, text_dim=text_dim)
        width = int(config["width"])
        dropout = float(config.get("dropout", 0))
        self.sampled = dropout > 0
        self.aligns = False  # whether image and text are compared outside training too
        self.trunk = Trunk(channels, width, dropout)
        self.reads_text = bool(config["svli"])
        self.reads = "image and prompt" if self.reads_text else "image"
        self.svli: SVLI | None = None
        if self.reads_text:
            sides = tuple(image_size // 2**stage for stage in range(STAGES))
            if width % int(config["heads"]):
                raise InputError(
                    f"heads = {config['heads']}: does not divide width = {width}; lower it"
                )
            self.svli = SVLI(
                channels=self.trunk.stage_channels,
                sides=sides,
                grids=_grids(config["grid"], sides),
                text_dim=text_dim,
                text_width=TEXT_PER_WIDTH * width,
                heads=int(config["heads"]),
                shared=int(config["alignment_dim"]),
                position=config["position"] == "sine",
            )
        self.evidence_gain = float(config["evidence_gain"]) if config["evidential"] else None
        self.head = nn.Conv2d(width, 1 if self.evidence_gain is None else 2, 1)
        self.deep: nn.ModuleList | None = None
        if config.get("deep_supervision"):
            self.deep = nn.ModuleList(nn.Conv2d(c * width, 1, 1) for c in DEEP_WIDTHS)

    def mask_heads(self) -> Iterable[nn.Module]:
        """See `Segmenter.mask_heads`."""
        return [self.head, *(self.deep or ())]

    def start_at(self, share: float) -> None:
        """See `Segmenter.start_at`; an evidential head begins with evidence of background."""
        super().start_at(share)
        if self.evidence_gain is not None:
            with torch.no_grad():
                self.head.get_parameter("bias").copy_(first_biases(share, self.evidence_gain))

    def forward(self, image: Tensor, text: TextBatch) -> Output:
        """See `Segmenter.forward`; alignment is computed in training mode, or where `aligns` is set."""
        aligned: list[Tensor] = []
        change = None
        if self.svli is not None:
            change, aligned = self.svli.begin(text, align=self.training or self.aligns)
        decoded: list[Tensor] = []
        logits = self.head(self.trunk(image, change, decoded))
        deep: dict[str, Tensor] = {}
        if self.deep is not None and self.training:
            heads = zip(self.deep, decoded, strict=False)  # the last map has the mask's own head
            deep = {f"deep_{x.shape[-1]}": head(x)[:, 0] for head, x in heads}
        evidence, probability = None, logits[:, 0].float().sigmoid()
        if self.evidence_gain is not None:
            evidence = evidence_of(logits, self.evidence_gain)
            probability = expected_probability(evidence)[:, 1]
        return Output(probability, logits, evidence, tuple(aligned), deep)


def _grids(grid: int | str | None, sides: tuple[int, ...]) -> tuple[int, ...]:
    """Tokens a side at each stage."""
    if grid == "full":
        return sides
    tokens = sides[0] // 16 if grid is None else int(grid)
    if tokens < 1 or sides[-1] % tokens:
        raise InputError(
            f"grid = {grid}: {tokens} tokens a side do not divide the last stage's {sides[-1]} pixels; "
            "choose a divisor, null or full"
        )
    return (tokens,) * len(sides)
