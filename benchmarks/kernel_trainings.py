"""Lines of `kernels.py`: each method's network after a training step."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from kernel_inputs import Line, Parts, tensor


def trainings(names: Sequence[str], params: Mapping[str, Any], batch: int) -> Iterator[Line]:
    """Each method's network: first weights, steps of training, probabilities; and pre-trainings."""
    from textbcs.models.common import registry

    for name in names:
        yield name, partial(_trained, params, name, batch)
        config = params["methods"].get(name, {})
        if config.get("initial", {}).get("pretraining"):
            assert hasattr(registry.package(config["network"]["model"]), "Contrastive")
            yield f"{name}, pre-training", partial(_pretrained, params, name, batch)


def _trained(params: Mapping[str, Any], name: str, batch: int) -> Parts:
    import torch
    from training import TEXT

    from textbcs.base.variants import configuration
    from textbcs.models.common import registry
    from textbcs.models.common.inference import infer
    from textbcs.training.loop import Run

    config, size = configuration(params, name), params["slices"]["size"]
    settings = {**params["training"], **config["training"], "batch_size": batch}
    split = _split(batch, size)
    torch.manual_seed(1)
    model = registry.build(config["network"], channels=3, image_size=size, text_dim=TEXT)
    model.start_at(float(settings["foreground_prior"]))
    objective = registry.objective(config["network"]["model"], config["loss"])
    parts = {"first weights": list(model.state_dict().values())}
    parts = {name: [value.clone() for value in values] for name, values in parts.items()}
    run = Run(model, settings, objective, split, split, 3, seed=1)
    parts |= _step(run)
    outputs = infer(model, split.image, split.prompts, split.prompt, channels=3, batch_size=batch)
    return parts | {"probability": [output.probability for output in outputs]}


def _pretrained(params: Mapping[str, Any], name: str, batch: int) -> Parts:
    import torch
    from training import TEXT

    from textbcs.models.common import registry
    from textbcs.pretraining.contrastive import ContrastiveRun

    config, size = params["methods"][name], params["slices"]["size"]
    settings = {**params["training"], **config["initial"]["pretraining"], "batch_size": batch}
    torch.manual_seed(1)
    package = registry.package(config["network"]["model"])
    model = package.Contrastive(
        config["network"], settings, channels=3, image_size=size, text_dim=TEXT
    )
    split = _split(batch, size)
    return _step(ContrastiveRun(model, settings, split, split, 3, 1))


def _step(run: Any) -> dict[str, Any]:
    """A step of a training: the loss, the optimiser's state (the gradients), the weights."""
    run.epoch = 1
    run.model.train()
    loss, _ = run.one_step(run.train_split.prompt, 0.002)
    state = run.optimizer.state_dict()["state"]
    return {
        "loss": loss,
        "optimiser": [value for one in state.values() for value in one.values() if value.dim()],
        "weights": list(run.model.state_dict().values()),
    }


def _split(count: int, size: int) -> Any:
    """Slices of whole numbers with a disc each, with prompts that differ."""
    import torch
    from training import TEXT, TOKENS

    from textbcs.models.common.prompt_embeddings import PromptTable
    from textbcs.training.data import Split

    mask = torch.arange(TOKENS) < 5 + torch.arange(count)[:, None]
    tokens = tensor(count, TOKENS, TEXT) * mask[..., None]
    place = torch.arange(size, dtype=torch.float32)
    inside = ((place[:, None] - size / 3) ** 2 + (place - size / 2) ** 2) < (size / 8) ** 2
    return Split(
        tuple(map(str, range(count))),
        (tensor(count, size, size).abs() / 4 + inside / 2).half(),
        inside.expand(count, -1, -1).to(torch.uint8).contiguous(),
        torch.arange(count),
        torch.arange(count).flip(0),
        PromptTable([str(row) for row in range(count)], tokens, mask),
        torch.zeros(count, 4, dtype=torch.int64),
    )
