"""A package asked about every slice of a study: the bytes of the pipeline's own whole-volume prediction.

Slices are asked in the batches of `volumes.prediction`, whole ones in processes of one thread each, so that
neither the number of processes nor that of CPUs moves a bit.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.evaluation.uncertainty.calibration import scaled
from textbcs.package.reading import Package, read_package
from textbcs.prediction.maps import log_odds
from textbcs.slices.resize import SquareGrid
from textbcs.stage.pool import each
from textbcs.volumes.coded_maps import Codes, code
from textbcs.volumes.predicted_patients import ask
from textbcs.volumes.prediction import BATCH

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable

_SOURCE = "asked"


@dataclass(frozen=True)
class Maps:
    """What a network says of a volume, on the square grid.

    Attributes:
        probability: (z, S, S) float32, of the foreground.
        vacuity: (z, S, S) float32; None for a head without evidence.
    """

    probability: NDArray[np.float32]
    vacuity: NDArray[np.float32] | None

    @property
    def codes(self) -> Codes:
        """The coded probability, on which operating points are chosen."""
        return code(self.probability)


@dataclass(frozen=True)
class Batch:
    """Some slices of a volume and what they are asked with, small enough to travel to another process.

    Attributes:
        package: its folder or zip; sha256: what it has to be.
        first: whether the first pass is asked.
        image: (n, S, S) float16 in [0, 1].
        text: the prompt of all of them.
    """

    package: str
    sha256: str
    first: bool
    image: NDArray[np.float16]
    text: str


def batches_of(slices: int) -> int:
    """In how many batches a volume is asked."""
    return -(-slices // BATCH)


def ask_package(
    package: Package,
    image: NDArray[np.float16],
    text: str,
    *,
    first: bool = False,
    jobs: int = 1,
    done: Callable[[], object] = lambda: None,
) -> Maps:
    """Ask a package's network, or its first pass, about every slice of a volume.

    Args:
        package: a checked package.
        image: (z, S, S) in [0, 1], as `slices.volume_cutting` makes it.
        text: the prompt of every slice; "" for the empty one and for networks that read none.
        first: ask the first pass.
        jobs: most processes that work at once.
        done: called after each batch.

    Raises:
        InputError: the prompt has no embedding, the answers are no probabilities, or a process was
            killed.
    """
    path = str(package.source.path.absolute())
    tasks = [
        Batch(path, package.sha256, first, image[start : start + BATCH], text)
        for start in range(0, len(image), BATCH)
    ]
    probability, unsure = [], []
    # Nothing is done here first: every process has to load the network once.
    for found in each(ask_batch, tasks, jobs, patience_s=0.0):
        probability.append(found.probability)
        if found.vacuity is not None:
            unsure.append(found.vacuity)
        done()
    maps = Maps(np.concatenate(probability), np.concatenate(unsure) if unsure else None)
    if not bool(((maps.probability >= 0) & (maps.probability <= 1)).all()):
        raise InputError(
            f"{package.source.path}: the network answers with numbers that are no probabilities; "
            "its training went astray: use another package"
        )
    return maps


def ask_batch(task: Batch) -> Maps:
    """The maps of one batch; a process loads a network once."""
    model, table = network(task.package, task.sha256, task.first)
    texts = {_SOURCE: [task.text] * len(task.image)}
    channels = _package(task.package, task.sha256).channels
    maps, unsure = ask(model, table, task.image, texts, channels, (_SOURCE,))
    return Maps(maps[_SOURCE], unsure.get(_SOURCE))


@lru_cache(maxsize=2)
def network(path: str, sha256: str, first: bool) -> "tuple[Segmenter, PromptTable]":
    """A package's network, or its first pass, and the embedded prompts; loaded once.

    Raises:
        InputError: the package is damaged, or another one by now.
    """
    package = _package(path, sha256)
    return package.first_network() if first else package.network()


@lru_cache(maxsize=2)
def _package(path: str, sha256: str) -> Package:
    package = read_package(Path(path))
    if package.sha256 != sha256:
        raise InputError(f"{path}: was replaced while it was in use; run the same command again")
    return package


def calibrated(probability: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """A probability at a package's temperature, of the same shape; 1 changes nothing."""
    if temperature == 1:
        return probability
    cooled = np.empty_like(probability)
    for z, plane in enumerate(probability):  # in float64; a whole volume of that would be large
        cooled[z] = scaled(log_odds(plane), temperature)
    return cooled


def to_native_grid(values: NDArray[np.float32], grid: SquareGrid) -> NDArray[np.float32]:
    """A map (z, S, S) in [0, 1] on the native grid (z, rows, cols), by linear interpolation.

    What `SquareGrid.to_native` gives, to a few last bits, in a fraction of its time: rows first, then
    columns.
    """
    turned = SquareGrid(grid.native_shape[::-1], grid.native_spacing[::-1], grid.size)
    (above, below, down), (left, right, along) = _neighbours(turned), _neighbours(grid)
    down = down[:, None]
    native = np.empty((len(values), *grid.native_shape), np.float32)
    for z, plane in enumerate(values):
        rows = plane[above] * (1 - down) + plane[below] * down
        native[z] = rows[:, left] * (1 - along) + rows[:, right] * along
    return np.clip(native, 0, 1, out=native)


def _neighbours(
    grid: SquareGrid,
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """Of every native column, the two square columns beside it and the weight of the second."""
    places = [grid.column(float(column)) for column in range(grid.native_shape[1])]
    index = np.clip(np.array(places), 0, grid.size - 1)
    first = np.floor(index).astype(np.intp)
    second = np.minimum(first + 1, grid.size - 1)
    return first, second, (index - first).astype(np.float32)
