"""The one training loop, for every method.

Reads the slices, prompts and embedded prompts of the train and val splits, and nothing of the test
split. Writes `results/runs/<method>-s<seed>/model.safetensors`, the weights with the best
validation Dice, and `history.csv`, one row an epoch. Interrupted at any instant, it continues
from its last whole epoch; on the CPU the result is bit for bit that of an uninterrupted run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn, optim

from textbcs import io, score
from textbcs.device import open_device
from textbcs.io import InputError
from textbcs.models import registry
from textbcs.models.contract import Objective, Segmenter
from textbcs.models.inference import autocast, infer
from textbcs.models.prompttable import PromptTable
from textbcs.training import checkpoint
from textbcs.training.augment import augmented
from textbcs.training.data import Split, read_split
from textbcs.training.schedule import Schedule

if TYPE_CHECKING:
    from textbcs.receipt import Stage


def train(stage: Stage, method: str, seed: int | str) -> None:
    """Train one method with one seed.

    Params read: `training`, `methods.<method>`, `slices.channels`.

    Raises:
        InputError: bad input, an absent device, or a loss that is no finite number.
    """
    import pandas as pd

    config = stage.params["methods"][method]
    settings = {**stage.params["training"], **config["training"]}
    channels = int(stage.params["slices"]["channels"])
    device = open_device(stage, settings["device"])
    stage.seed = int(seed)
    train_split, val_split = _read_splits(stage, device)
    torch.manual_seed(stage.seed)
    model = registry.build(
        config["network"],
        channels=channels,
        image_size=train_split.size,
        text_dim=train_split.prompts.dimension,
    )
    folder = checkpoint.resume_folder(
        stage.params, stage.input_hashes(), method=method, seed=stage.seed
    )
    objective = registry.objective(config["network"]["model"], config["loss"])
    run = Run(model, settings, objective, train_split, val_split, channels, stage.seed)
    run.fit(stage, folder)
    base = f"results/runs/{method}-s{seed}"
    checkpoint.write_weights(stage.output(f"{base}/model.safetensors"), run.best_weights)
    io.write_csv(stage.output(f"{base}/history.csv"), pd.DataFrame(run.history))
    checkpoint.discard(folder)


class Run:
    """A training under way: everything that an epoch changes.

    Args:
        model: with fresh weights.
        settings: the training values of this method (params.yaml says what each is).
        objective: its loss.
        train: slices to learn from.
        val: slices whose Dice selects the weights.
        channels: of the image.
        seed: of shuffling and augmentation.
    """

    def __init__(
        self,
        model: Segmenter,
        settings: Mapping[str, Any],
        objective: Objective,
        train: Split,
        val: Split,
        channels: int,
        seed: int,
    ) -> None:
        self.device = train.image.device
        self.layout = torch.channels_last if settings["channels_last"] else torch.contiguous_format
        self.model = model.to(self.device)
        self.model.to(memory_format=self.layout)  # type: ignore[call-overload]
        self.settings = settings
        self.objective = objective
        self.train_split = train
        self.val_split = val
        self.channels = channels
        self.batch_size = min(int(settings["batch_size"]), len(train))
        # A last, smaller batch is left out: every step has one shape, and each epoch another rest.
        self.steps = len(train) // self.batch_size
        self.optimizer = optimizer_of(model, settings)
        self.schedule = Schedule(settings, self.steps * int(settings["epochs"]))
        self.generator = Generator(self.device).manual_seed(seed)
        self.epoch = 0
        self.best_dice = -1.0
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []

    def fit(self, stage: Stage, folder: Path) -> None:
        """Train until the epochs are over or the validation Dice has stopped to rise."""
        state = checkpoint.load(folder, torch.device("cpu"))
        if state is not None:
            self.restore(state)
            stage.log(f"continues after epoch {self.epoch}")
        epochs = int(self.settings["epochs"])
        with stage.progress(total=epochs * self.steps) as bar:
            bar.update(self.epoch * self.steps)
            while self.epoch < epochs and not self.stopped():
                row = self.one_epoch(bar, folder)
                shown = {
                    "epoch": self.epoch,
                    "loss": row["loss"],
                    "val_dice": row["validation_dice"],
                }
                bar.set_postfix(shown)
                if bar.disable:
                    stage.log(", ".join(f"{name} {value:.4g}" for name, value in shown.items()))
                checkpoint.save(folder, self.state())

    def stopped(self) -> bool:
        """Whether early stopping ends the training."""
        return self.epoch - self.best_epoch >= int(self.settings["early_stop_patience"])

    def one_epoch(self, bar: Any, folder: Path) -> dict[str, float]:
        """Train on every batch once, validate, keep the weights if they are the best.

        Raises:
            InputError: a loss was no finite number; `folder` then holds the batch.
        """
        self.epoch += 1
        order, losses_of_parts = self.learn(bar)
        table = torch.stack([torch.stack(list(parts.values())) for parts in losses_of_parts]).cpu()
        self._refuse_nonfinite(table, order.cpu(), folder)
        dice = self.validate()
        self.schedule.epoch_end(dice)
        if dice > self.best_dice:
            self.best_dice, self.best_epoch = dice, self.epoch
            self.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        means = dict(zip(losses_of_parts[0], table.mean(0).tolist(), strict=True))
        rate = self.optimizer.param_groups[0]["lr"]
        row = {"epoch": self.epoch, "learning_rate": rate, **means, "validation_dice": dice}
        self.history.append(row)
        return row

    def learn(self, bar: Any) -> tuple[Tensor, list[dict[str, Tensor]]]:
        """One pass over the training slices, without a word between device and host.

        Returns:
            The order in which the slices were seen, and per step the loss and its parts, float64.
        """
        self.model.train()
        device = self.generator.device
        order = torch.randperm(len(self.train_split), generator=self.generator, device=device)
        steps: list[dict[str, Tensor]] = []
        for step in range(self.steps):
            rate = self.schedule.rate((self.epoch - 1) * self.steps + step)
            rows = order[step * self.batch_size : (step + 1) * self.batch_size]
            total, parts = self.one_step(rows, rate)
            steps.append({k: v.detach().double() for k, v in {"loss": total, **parts}.items()})
            bar.update(1)
        return order, steps

    def one_step(self, rows: Tensor, rate: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Draw, forward, backward, update; returns the loss and its parts, not yet on the host."""
        batch = augmented(self.train_split, rows, self.channels, self.settings, self.generator)
        with autocast(self.device, self.settings["precision"]):
            output = self.model(batch.image.contiguous(memory_format=self.layout), batch.text)
        total, parts = self.objective(output, batch, self.epoch)
        torch.autograd.backward(total)
        if self.settings["gradient_clip"] > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["gradient_clip"])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, parts

    def validate(self) -> float:
        """Mean over the val slices of the foreground Dice."""
        val = self.val_split
        outputs = infer(
            self.model,
            val.image,
            val.prompts,
            val.prompt,
            channels=self.channels,
            batch_size=4 * self.batch_size,
            precision=self.settings["precision"],
            channels_last=self.settings["channels_last"],
        )
        probability = torch.cat([output.probability for output in outputs])
        values = score.dice(probability, val.mask, float(self.settings["threshold"]))
        return float(score.mean_dice(values))

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on as if nothing had happened."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "generator": self.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "epoch": self.epoch,
            "best_dice": self.best_dice,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "history": self.history,
        }
        if self.device.type == "cuda":
            state["cuda_random"] = torch.cuda.get_rng_state(self.device)
        return state

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over a state that `state` gave."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.restore(state["schedule"])
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["torch_random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["cuda_random"], self.device)
        self.epoch = state["epoch"]
        self.best_dice = state["best_dice"]
        self.best_epoch = state["best_epoch"]
        self.best_weights = {k: v.to(self.device) for k, v in state["best_weights"].items()}
        self.history = state["history"]

    def _refuse_nonfinite(self, table: Tensor, order: Tensor, folder: Path) -> None:
        """Stop if a loss was no finite number, and write down which batch came first."""
        bad = (~table.isfinite().all(1)).nonzero()
        if not len(bad):
            return
        step = int(bad[0])
        rows = order[step * self.batch_size : (step + 1) * self.batch_size].tolist()
        dump = folder / "nonfinite.json"
        slices = [self.train_split.slice_ids[row] for row in rows]
        io.write_json(dump, {"epoch": self.epoch, "step": step, "slices": slices})
        raise InputError(
            f"training: the loss is no finite number at epoch {self.epoch}, step {step} (slices in "
            f"{dump}; the state of the epoch before lies beside it); lower learning_rate"
        )


def optimizer_of(model: nn.Module, settings: Mapping[str, Any]) -> optim.Optimizer:
    """The optimizer that `settings` names; the learning rate is set at every step."""
    kind, decay = settings["optimizer"], float(settings["weight_decay"])
    if kind == "sgd":
        momentum = float(settings["momentum"])
        return optim.SGD(
            model.parameters(), lr=0.0, momentum=momentum, weight_decay=decay, fused=True
        )
    family: type[optim.Adam] = {"adam": optim.Adam, "adamw": optim.AdamW}[kind]
    return family(model.parameters(), lr=0.0, weight_decay=decay, fused=True)


def _read_splits(stage: Stage, device: torch.device) -> tuple[Split, Split]:
    table = PromptTable.read(
        stage.input("data/text/learn.csv"), stage.input("data/text/learn.safetensors"), device
    )
    train, val = (read_split(stage, name, table, device) for name in ("train", "val"))
    return train, val
