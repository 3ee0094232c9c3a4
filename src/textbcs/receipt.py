"""The receipt that every stage leaves: what ran, with which values, what it read and wrote.

A receipt is a declared output of its stage and holds nothing that varies between identical runs
(no time, host or commit), so a re-run with identical bytes leaves everything downstream clean. It
names its inputs by the sha256 of their content. Downstream stages never read it.
"""

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from textbcs.definition import Definition
from textbcs.io import existing, sha256_file, write_json
from textbcs.params import flatten


class Stage:
    """A running stage: its parameters, its files, its progress; on success it writes the receipt.

    Attributes:
        params: the nested parameters that `dvc.yaml` lists for the stage, and no others.
        seed: the stage's random seed, where it has one; set by the stage.
        device: device class that computed the outputs (`cpu`, or `cuda` and the card's name).
    """

    def __init__(
        self, definition: Definition, params: Mapping[str, Any], argv: Iterable[str]
    ) -> None:
        self.definition = definition
        self.params = params
        self.argv = list(argv)
        self.seed: int | None = None
        self.device = "cpu"
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: set[str] = set()

    def input(self, path: str | Path) -> Path:
        """Record a file that the stage reads, and return it.

        Raises:
            InputError: the file is missing.
            ValueError: `dvc.yaml` does not declare it (a fault of the program).
        """
        name = Path(path).as_posix()
        if not self.definition.may_read(name):
            raise ValueError(
                f"{self.definition.address} reads {name}, which dvc.yaml does not declare"
            )
        self._inputs[name] = _fingerprint(existing(name))
        return Path(name)

    def output(self, path: str | Path) -> Path:
        """Record a file that the stage is going to write, and return it.

        Raises:
            ValueError: `dvc.yaml` does not declare it (a fault of the program).
        """
        name = Path(path).as_posix()
        if not self.definition.may_write(name):
            raise ValueError(
                f"{self.definition.address} writes {name}, which dvc.yaml does not declare"
            )
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        self._outputs.add(name)
        return Path(name)

    def input_hashes(self) -> dict[str, str]:
        """The sha256 of every input recorded so far, by path."""
        return {name: entry["sha256"] for name, entry in sorted(self._inputs.items())}

    def progress(
        self,
        items: Iterable[Any] | None = None,
        total: int | None = None,
        desc: str = "",
        unit: str = "it",
    ) -> Any:
        """A progress bar on a terminal, silent elsewhere (a `tqdm` object); unit `B` is scaled."""
        from tqdm import tqdm

        return tqdm(
            items,
            total=total,
            desc=desc or self.definition.address,
            unit=unit,
            unit_scale=unit == "B",
            disable=None,
            dynamic_ncols=True,
        )

    def log(self, message: str) -> None:
        """Write one line to the standard error stream, which the engines keep in `logs/`."""
        print(f"{self.definition.address}: {message}", file=sys.stderr, flush=True)

    def __enter__(self) -> "Stage":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            # What a failed stage leaves must not look like a result.
            for name in self._outputs:
                Path(name).unlink(missing_ok=True)
            return
        write_json(self.definition.receipt, self._receipt())

    def _receipt(self) -> dict[str, Any]:
        return {
            "version": 1,
            "stage": self.definition.address,
            "argv": self.argv,
            "params": flatten(self.params),
            "seed": self.seed,
            "device": self.device,
            "inputs": [{"path": name, **self._inputs[name]} for name in sorted(self._inputs)],
            "outputs": [
                {"path": name, **_fingerprint(existing(name))} for name in sorted(self._outputs)
            ],
        }


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}
