"""The device that params.yaml names, set up so that equal inputs give equal bytes.

Training and prediction open their device here. It is never detected: the class of
device changes the last bits of a result and stands in every receipt. What tells one machine from
another of its class (CPU model, card) stands in the run information alone.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from textbcs.base import kernels
from textbcs.base.io import InputError

if TYPE_CHECKING:
    import torch

    from textbcs.stage.receipt import Stage


def slow_precision(params: Mapping[str, Any]) -> str:
    """What bfloat16 on the CPU will cost, in one line; "" where no training asks for it.

    The pinned kernels are those of AVX2, which has no bfloat16: it is emulated on every CPU.

    Args:
        params: all of params.yaml, or those of a stage that trains.
    """
    own = {
        f"methods.{name}.training": one.get("training", {})
        for name, one in params["methods"].items()
    }
    own |= {
        f"variants.{name}.training": one.get("training", {})
        for name, one in params.get("variants", {}).items()
    }
    for where, values in {"training": {}, **own}.items():
        settings = {**params["training"], **values}
        if settings["device"] == "cpu" and settings["precision"] == "bfloat16":
            return (
                f"{where}.precision = bfloat16 on the CPU: the kernels that give every machine the same "
                "bytes emulate it, and a training step takes 4 to 9 times as long as in float32; set "
                f"{where}.precision to float32"
            )
    return ""


def open_device(stage: "Stage", name: str) -> "torch.device":
    """Open a device, make its arithmetic deterministic, and note its class in the receipt.

    Args:
        stage: the stage that computes on it.
        name: `cpu` or `cuda`.

    Raises:
        InputError: cuda, on a machine without.
    """
    import torch

    if name == "cuda":
        if not torch.cuda.is_available():
            raise InputError(
                "training.device = 'cuda': no CUDA device here; set it to cpu or change the machine"
            )
        torch.backends.cudnn.benchmark = False
        stage.device = "cuda"
    else:
        # More threads would change the order of sums, and slow several jobs at once.
        torch.set_num_threads(1)
        stage.device = kernels.device()
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every fresh tensor finds faults of kernels, costs a tenth of a step and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)
