"""The receipt that every stage leaves: what ran, with which values and code, what it read and wrote.

A receipt is a declared output of its stage and holds nothing that varies between identical runs
(no time, host or commit), so a re-run with identical bytes leaves everything downstream clean. It
names each input by the stage that made it and the sha256 of its content, never by the bytes of that
stage's receipt. One stage alone reads receipts, `package`, which hands them on. What does vary goes to
`run_information.py`.

Written around a stage by `textbcs.stages`, and none of its code dependencies: editing it re-runs nothing.
"""

import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from textbcs.base import kernels
from textbcs.base.io import (
    MADE_BY_A_STAGE,
    OWN_FILE,
    InputError,
    existing,
    sha256_file,
    write_json,
)
from textbcs.settings.params import flatten
from textbcs.stage import run_information, trainings
from textbcs.stage.definition import Definition, Makers
from textbcs.stage.ignored_files import files_in
from textbcs.stage.own_code import loaded_beside

VERSION = 3
ENVIRONMENT = "requirements.lock"


class Stage:
    """A running stage: its parameters, its files, its progress; on success it writes the receipt.

    Args:
        definition: what `dvc.yaml` says about the stage.
        params: the nested parameters that it lists, and no others.
        argv: the command line's words.
        makers: gives the makers of the pipeline's files; asked once, when the receipt is written.

    Attributes:
        params: as given.
        seed: the stage's random seed, where it has one; set by the stage.
        device: class of device that computed the outputs: `cpu` and its kernels' name, or `cuda`.
    """

    def __init__(
        self,
        definition: Definition,
        params: Mapping[str, Any],
        argv: Iterable[str],
        makers: Callable[[], Makers] | None = None,
    ) -> None:
        self.definition = definition
        self.params = params
        self.argv = list(argv)
        self.seed: int | None = None
        self.device = kernels.device()
        self._makers = makers
        self._code: dict[str, str] = {}
        self._environment: str | None = None
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: set[str] = set()
        self._clock = run_information.Clock()

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
        if name not in self._inputs:
            with self._clock.receipt():
                self._inputs[name] = _fingerprint(existing(name, self._advice(name)))
        return Path(name)

    def _advice(self, name: str) -> str:
        """What to do where an input is missing; the makers are asked for only then."""
        if Path(name).is_file() or self._makers is None or self._makers().of(name):
            return MADE_BY_A_STAGE
        return OWN_FILE

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
        if kernels.fault():
            raise InputError(kernels.fault())
        with self._clock.receipt():
            # Before the stage imports them: what is hashed is what runs.
            self._code = {name: sha256_file(name) for name in modules(self.definition.code)}
            lock = Path(ENVIRONMENT)
            self._environment = sha256_file(lock) if lock.is_file() else None
            self._clock.start()
        self._note("started")
        return self

    def _note(self, event: str, receipt: str | None = None) -> None:
        """Tell the list of trainings of one; a list that cannot be written is not worth a stage."""
        if trainings.TRAINS.fullmatch(self.definition.stage):
            try:
                trainings.note(self.definition.address, event, receipt)
            except OSError as fault:
                self.log(f"the list of trainings was not written ({fault})")

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
            self._note("failed")
            return
        with self._clock.receipt():
            write_json(self.definition.receipt, self._receipt())
        digest = sha256_file(self.definition.receipt)
        self._note("ended", digest)
        try:
            self._clock.write(self.definition.address, digest)
        except Exception as fault:
            self.log(f"no run information was written ({fault})")

    def _receipt(self) -> dict[str, Any]:
        """The receipt of what has run; outputs are hashed as they lie there now."""
        makers = self._makers() if self._makers else None
        params = flatten(self.params)
        return {
            "version": VERSION,
            "stage": self.definition.address,
            "definition": self.definition.digest,
            "argv": self.argv,
            "params": params,
            "seed": self.seed,
            "seeds": seeds(self.seed, params),
            "device": self.device,
            "environment": {ENVIRONMENT: self._environment},
            "kernels": kernels.wanted(platform.machine()),
            "code": self._code,
            "loaded": loaded_beside(self._code),
            "inputs": [
                {"path": name, "stage": makers.of(name) if makers else None, **self._inputs[name]}
                for name in sorted(self._inputs)
            ],
            "outputs": [
                {"path": name, **_fingerprint(existing(name))} for name in sorted(self._outputs)
            ],
        }


def modules(declared: Iterable[str]) -> Iterator[str]:
    """The Python files that code dependencies name: files as they are, folders with all they hold.

    What does not exist is left out: DVC refuses to start such a stage, and the audit names it.
    """
    for name in sorted(set(declared)):
        if Path(name).is_dir():
            yield from (path.as_posix() for path in files_in(Path(name)) if path.suffix == ".py")
        elif Path(name).is_file():
            yield name


def seeds(run: int | None, params: Mapping[str, Any]) -> dict[str, int]:
    """Every seed that was declared: the run's own (`run`) and those among its parameters.

    A parameter is a seed if its name is `seed` or ends so (`fraction_seed`).
    """
    found = {key: value for key, value in params.items() if re.search(r"(^|[._])seed$", key)}
    return found if run is None else {"run": run, **found}


def _fingerprint(path: Path) -> dict[str, Any]:
    return {"sha256": sha256_file(path), "bytes": path.stat().st_size}
