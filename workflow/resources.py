"""What Snakemake should know of a stage: threads, and whether it computes on a GPU. It changes no result."""

from functools import cache

from textbcs.stage.definition import lines, read_stages
from textbcs.stage.gpu import computes_on_device

# Most processes that a stage spreads its patients or runs over, as far as --cores allows; at Duke's size up
# to 1 GB of memory each. Every other stage has one.
THREADS = {"phantom": 8, "slices": 8, "volumes": 8, "score": 8, "volume_score": 8}


def threads(stage: str) -> int:
    """Processes that a stage may use."""
    return THREADS.get(stage, 1)


def gpus(stage: str, wanted: int) -> int:
    """GPUs that a job of the stage asks for: `wanted` where it computes on the device, else none.

    One at a time on this machine, unless --resources gpu=N says otherwise; which GPU it is, the stage decides
    when it starts (src/textbcs/stage/gpu.py).
    """
    return wanted if stage in on_device() else 0


@cache
def on_device() -> frozenset[str]:
    """Names of the stages that compute on the device of params.yaml, as dvc.yaml tells."""
    return frozenset(
        name
        for name, one in read_stages().items()
        if computes_on_device(lines(one, "params"), lines(one, "deps"))
    )
