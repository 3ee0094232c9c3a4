"""Embedded prompts, looked up by their text: what turns a prompt into a `TextBatch`.

Reads `data/text/{learn,probe}.{csv,safetensors}`; writes nothing.
"""

import os
from collections.abc import Sequence

import torch
from torch import Tensor

from textbcs.io import InputError, read_csv, read_tensors
from textbcs.models.contract import TextBatch


class PromptTable:
    """Token embeddings of distinct prompts, on one device.

    Args:
        texts: the prompts, one a row.
        tokens: (P, L, D) float32.
        mask: (P, L) bool, True marks a real token.
    """

    def __init__(self, texts: Sequence[str], tokens: Tensor, mask: Tensor) -> None:
        self.texts = tuple(texts)
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
        texts = read_csv(table, required=("row", "text"), dtype={"text": str}).sort_values("row")[
            "text"
        ]
        arrays = read_tensors(tensors)
        if set(arrays) != {"tokens", "mask"} or len(arrays["tokens"]) != len(texts):
            raise InputError(f"{tensors}: does not fit {table}; run the text stage again")
        mask = torch.from_numpy(arrays["mask"]).bool()
        if not bool(mask.any(1).all()):
            raise InputError(f"{tensors}: a prompt has no token; run the text stage again")
        tokens = torch.from_numpy(arrays["tokens"]).float()
        return cls(texts.tolist(), tokens.to(device), mask.to(device))

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
