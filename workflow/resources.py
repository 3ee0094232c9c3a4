"""What Snakemake should know of a stage beyond dvc.yaml: threads and GPU. It changes no result."""

# Most processes that a stage spreads its patients or runs over, as far as --cores allows; at Duke's size up
# to 1 GB of memory each. Every other stage has one.
THREADS = {"phantom": 8, "slices": 8, "volumes": 8, "score": 8, "volume_score": 8}

# Stages that run a network: one at a time on the GPU, unless --resources gpu=N says otherwise.
NETWORK = (
    "pretrain", "search", "train", "train_variant", "train_use", "train_replicate",
    "predict", "predict_variant", "predict_use", "predict_replicate", "robustness", "gradcam",
    "volumes_image", "volumes_first", "volumes_text", "volumes_use", "prompt_features", "prompt_features_use",
)  # fmt: skip


def threads(stage: str) -> int:
    """Processes that a stage may use."""
    return THREADS.get(stage, 1)


def gpus(stage: str, wanted: int) -> int:
    """GPUs that a job of the stage asks for: `wanted` where it runs a network, else none."""
    return wanted if stage in NETWORK else 0
