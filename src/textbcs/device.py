"""The device that params.yaml names, set up so that equal inputs give equal bytes.

Ground floor: training and evaluation open their device here. It is never detected: the class of
device changes the last bits of a result and stands in every receipt.
"""

from typing import TYPE_CHECKING

from textbcs.io import InputError

if TYPE_CHECKING:
    import torch

    from textbcs.receipt import Stage


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
        stage.device = f"cuda {torch.cuda.get_device_name()}"
    else:
        # More threads would change the order of sums, and slow several jobs at once.
        torch.set_num_threads(1)
        stage.device = "cpu"
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Filling every fresh tensor finds faults of kernels, costs a tenth of a step and changes no result.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    return torch.device(name)
