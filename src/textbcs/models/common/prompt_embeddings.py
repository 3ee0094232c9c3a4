"""Embedded prompts, looked up by their text: what turns a prompt into a `TextBatch`."""

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from textbcs.base.io import InputError, read_csv, read_tensors
from textbcs.models.common.contract import TextBatch


class PromptTable:
    """Token embeddings of distinct prompts, on one device.

    Args:
        texts: the prompts, one a row.
        tokens: (P, L, D) float32.
        mask: (P, L) bool, True marks a real token.
        meanings: the prompt that each text is a wording of; itself where None is given.
    """

    def __init__(
        self,
        texts: Sequence[str],
        tokens: Tensor,
        mask: Tensor,
        meanings: Sequence[str] | None = None,
    ) -> None:
        self.texts = tuple(texts)
        self.meanings = self.texts if meanings is None else tuple(meanings)
        self.tokens = tokens
        self.mask = mask
        self._row = {text: row for row, text in enumerate(texts)}

    @classmethod
    def read(
        cls,
        table: str | os.PathLike[str],
        tensors: str | os.PathLike[str],
        device: torch.device | str = "cpu",
    ) -> "PromptTable":
        """Read a table of prompts and their embeddings.

        Raises:
            InputError: a file is missing or damaged, they disagree, or a prompt has no token.
        """
        types = {"text": str, "prompt": str}
        rows = read_csv(table, required=("row", "text"), dtype=types).sort_values("row")
        # An empty cell is the empty prompt.
        texts = rows["text"].fillna("")
        meanings = rows["prompt"].fillna("").tolist() if "prompt" in rows else None
        arrays = read_tensors(tensors)
        if set(arrays) != {"tokens", "mask"} or len(arrays["tokens"]) != len(texts):
            raise InputError(f"{tensors}: does not fit {table}; run the text stage again")
        mask = torch.from_numpy(arrays["mask"]).bool()
        if not bool(mask.any(1).all()):
            raise InputError(f"{tensors}: a prompt has no token; run the text stage again")
        tokens = torch.from_numpy(arrays["tokens"]).float()
        return cls(texts.tolist(), tokens.to(device), mask.to(device), meanings)

    @property
    def dimension(self) -> int:
        """Width of the embeddings."""
        return int(self.tokens.shape[2])

    def rows(self, texts: Sequence[str]) -> Tensor:
        """Rows of prompts, (n,) int64 on the table's device.

        Raises:
            InputError: a prompt was never embedded.
        """
        missing = sorted(set(texts) - self._row.keys())
        if missing:
            raise InputError(f"prompt {missing[0]!r} has no embedding; run the text stages again")
        return torch.tensor([self._row[text] for text in texts], device=self.tokens.device)

    def batch(self, rows: Tensor) -> TextBatch:
        """The embeddings of the prompts `rows` (B,)."""
        return TextBatch(self.tokens[rows], self.mask[rows])
