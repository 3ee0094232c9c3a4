"""Settings of TextBCS in `params.yaml`; a variant changes some of them."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from textbcs.models.common.settings import Heads, Width, uneven_heads
from textbcs.settings.ranges import AtLeast, Below, Count, NotNegative, Positive

READS_TEXT = "svli"  # the switch of `Network` that it hangs on


class Network(TypedDict):
    """UNet, SVLI and the evidential head."""

    model: Literal["textbcs"]
    width: Width
    svli: Annotated[bool, "stage-divided vision-language interaction, TextBCS 3.1"]
    evidential: Annotated[bool, "evidential head of two classes, TextBCS 3.2"]
    grid: Annotated[Literal["full"] | Count | None, "null, full or tokens a side"]
    heads: Heads
    position: Annotated[Literal["sine", "none"], "of visual tokens"]
    alignment_dim: Annotated[Count, "width of the shared space of eq. 6"]
    evidence_gain: Annotated[Positive, "evidence = softplus(gain * z)"]
    deep_supervision: NotRequired[Annotated[bool, "a loss at every stage of the decoder"]]
    dropout: NotRequired[Annotated[float, AtLeast(0), Below(1), "share that is dropped"]]


class Loss(TypedDict):
    """The weights of its terms."""

    lambda_evidence: Annotated[NotNegative, "eq. 12"]
    lambda_kl: Annotated[NotNegative, "eq. 13"]
    kl_annealing_epochs: Annotated[Count, "weight = lambda_kl * min(1, epoch / this)"]
    lambda_alignment: Annotated[NotNegative, "eq. 7"]
    balanced_alignment: Annotated[bool, "mean of the two classes' means instead of all pixels'"]
    balanced_cross_entropy: NotRequired[
        Annotated[bool, "whether both classes weigh the same in it"]
    ]
    batch_dice: NotRequired[Annotated[bool, "one Dice of all slices of a batch"]]
    lambda_deep: NotRequired[Annotated[NotNegative, "of deep supervision"]]


def unbuildable(network: Mapping[str, Any], size: int) -> Iterator[str]:
    """What does not fit in a network, each as `key = value: what is allowed`."""
    if not network["svli"]:
        return
    yield from uneven_heads(network["heads"], network["width"])
    deepest, grid = size // 8, network["grid"]
    if isinstance(grid, int) and deepest % grid:
        yield f"grid = {grid}: allowed: divisors of slices.size / 8 = {deepest}"
