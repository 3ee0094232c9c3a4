"""The one training loop, for every method.

Interrupted at any instant, it continues from its last whole epoch; on the CPU the result is bit for
bit that of an uninterrupted run. All that it writes is its resume state (`checkpoint`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Generator, Tensor, nn

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.models.common.contract import Batch, Objective, Output, Segmenter
from textbcs.models.common.inference import autocast, infer
from textbcs.training import checkpoint, validation_dice
from textbcs.training.augmentation import augmented
from textbcs.training.data import Split
from textbcs.training.optimizers import optimizer_of
from textbcs.training.schedule import Schedule

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


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
        self.schedule = Schedule(settings, self.steps, int(settings["epochs"]))
        self.compiled: Callable[..., Output] = (
            torch.compile(model) if settings["compile"] else model
        )
        self.parts = 1  # micro-batches a step; more once the device has run out of memory
        self.generator = Generator(self.device).manual_seed(seed)
        self.epoch = 0
        self.best_score = -math.inf
        self.best_epoch = 0
        self.best_weights: dict[str, Tensor] = {}
        self.history: list[dict[str, float]] = []
        self.say: Callable[[str], None] = print

    def fit(self, stage: Stage, folder: Path) -> None:
        """Train until the epochs are over or the validation Dice has stopped to rise."""
        self.say = stage.log
        state = checkpoint.load(folder, torch.device("cpu"))
        if state is not None:
            self.restore(state)
            stage.log(f"continues after epoch {self.epoch}")
        epochs = int(self.settings["epochs"])
        with stage.progress(total=epochs * self.steps) as bar:
            bar.update(self.epoch * self.steps)
            while self.epoch < epochs and not self.stopped():
                row = self.one_epoch(bar, folder)
                validated = {k: v for k, v in row.items() if k.startswith("validation")}
                shown = {"epoch": self.epoch, "loss": row["loss"], **validated}
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
        reached, validated = self.validate()
        self.schedule.epoch_end(reached)
        if reached > self.best_score:
            self.best_score, self.best_epoch = reached, self.epoch
            self.best_weights = {k: v.detach().clone() for k, v in self.model.state_dict().items()}
        means = dict(zip(losses_of_parts[0], table.mean(0).tolist(), strict=True))
        rate = self.optimizer.param_groups[0]["lr"]
        row = {"epoch": self.epoch, "learning_rate": rate, **means, **validated}
        # On record: where the device's memory forced more than one part, batch normalisation saw
        # smaller batches, and the weights are not those that a larger device gives.
        row["micro_batches"] = self.parts
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
        total, parts = self.gradients(batch)
        if self.settings["gradient_clip"] > 0:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.settings["gradient_clip"])
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return total, parts

    def gradients(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Forward and backward, in as few micro-batches as the device's memory allows.

        Out of memory, the same batch is tried again in twice as many parts, and later ones too. The
        gradient is the mean over the slices as before; what a network computes over a batch
        (batch normalisation, alignment between slices) sees a smaller one.

        Raises:
            InputError: a single slice does not fit.
        """
        while True:
            try:
                return self._gradients_in_parts(batch)
            except torch.OutOfMemoryError as error:
                self.optimizer.zero_grad(set_to_none=True)
                if self.parts >= len(batch.rows):
                    raise InputError(
                        "training: not even one slice at a time fits the device's memory; lower "
                        "the network's width or slices.size"
                    ) from error
            # Out of the handler, or its traceback would keep the failed step's tensors alive.
            self.parts *= 2
            self.say(f"out of memory: goes on with {self.parts} micro-batches a step")
            if self.device.type == "cuda":
                torch.cuda.empty_cache()

    def _gradients_in_parts(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        sums: dict[str, Tensor] = {}
        for part in batch.split(self.parts):
            with autocast(self.device, self.settings["precision"]):
                output = self.compiled(part.image.contiguous(memory_format=self.layout), part.text)
            total, parts = self.objective(output, part, self.epoch)
            share = len(part.rows) / len(batch.rows)
            torch.autograd.backward(total if share == 1 else share * total)
            for name, value in {"loss": total, **parts}.items():
                sums[name] = sums.get(name, 0) + share * value.detach()
        return sums.pop("loss"), sums

    def validate(self) -> tuple[float, dict[str, float]]:
        """Judge the weights by the mean over the val slices of the foreground Dice.

        Returns:
            The score that selects weights, higher is better, and its columns of the history.
        """
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
        values = validation_dice.dice(probability, val.mask, float(self.settings["threshold"]))
        dice = float(validation_dice.mean_dice(values))
        return dice, {"validation_dice": dice}

    def state(self) -> dict[str, Any]:
        """Everything that `restore` needs to go on as if nothing had happened."""
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state(),
            "generator": self.generator.get_state(),
            "torch_random": torch.get_rng_state(),
            "epoch": self.epoch,
            "best_score": self.best_score,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
            "history": self.history,
            "parts": self.parts,
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
        self.best_score = state["best_score"]
        self.best_epoch = state["best_epoch"]
        self.best_weights = {k: v.to(self.device) for k, v in state["best_weights"].items()}
        self.history = state["history"]
        self.parts = state["parts"]

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
