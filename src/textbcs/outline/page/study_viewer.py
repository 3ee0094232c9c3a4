"""The data of a study's viewer: every slice of every phase, with mask, probability and vacuity.

As in the pipeline's report a layer is one greyscale PNG in which all slices stand side by side. Slices are
never left out; where a study is large its pixels are, so that the page has a bound: two phases of
160 x 448 x 448 voxels give 9 to 20 MB, and more phases give no more.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.imaging.geometry import spacing
from textbcs.outline.drawing import Outline
from textbcs.reporting.page.viewer import COLUMNS, grey_png, png_address, tile, vacuity_levels
from textbcs.reporting.page.volume_viewer import grey_levels
from textbcs.study.reading import Study
from textbcs.study.study_files import SUBTRACTION

MOST_PIXELS = 224  # a side; larger slices are shown at a half, a third, ...
MOST_VOXELS = 18_000_000  # of all phases that are shown together
LEVELS = 16  # of probability and vacuity
_PERCENTILES = (0.5, 99.8)  # of the image, shown black and white


def viewer_data(outline: Outline) -> dict[str, Any]:
    """What the viewer needs, as JSON would hold it.

    Args:
        outline: of the study; phases that cannot be read, or lie on another grid, are not shown.
    """
    study, mask = outline.study, outline.mask
    step = thinning(mask.shape, len(study.files.phases) + (study.files.shown == SUBTRACTION))
    marked = [int(count) for count in mask.sum(axis=(1, 2))]
    phases = [
        {"name": name, "sheet": _sheet(grey_levels(shades), 8)}
        for name, shades in shown_phases(study, step)
    ]
    return {
        "columns": COLUMNS,
        "slices": len(mask),
        "size": [-(-side // step) for side in mask.shape[1:]],
        "native": list(mask.shape[1:]),
        "step": step,
        "aspect": aspect(study),
        "phases": phases,
        "left_out": sorted({*study.files.phases} - {one["name"] for one in phases}),
        "shown": study.files.shown,
        "marked": marked,
        "start": starting_slice(marked),
        "layers": _layers(outline, step),
    }


def _layers(outline: Outline, step: int) -> dict[str, str | None]:
    """The sheets of mask, probability and vacuity; None for a head without evidence."""
    shown = np.stack([np.logical_or.reduce(_parts(plane, step)) for plane in outline.mask])
    unsure = None
    if outline.vacuity is not None:
        unsure = _sheet(vacuity_shades(_means(outline.vacuity, step)), 4)
    probable = _sheet(probability_shades(_means(outline.probability, step)), 4)
    return {"mask": _sheet(shown.astype(np.uint8), 1), "probability": probable, "vacuity": unsure}


def thinning(shape: tuple[int, ...], phases: int) -> int:
    """Of how many voxels a side each pixel is the mean.

    Args:
        shape: (z, rows, cols) of the study.
        phases: how many are shown.
    """
    slices, rows, cols = shape
    step = -(-max(rows, cols) // MOST_PIXELS)
    while step < max(rows, cols) and (
        phases * slices * -(-rows // step) * -(-cols // step) > MOST_VOXELS
    ):
        step += 1
    return step


def aspect(study: Study) -> float:
    """Width over height of a slice, in mm."""
    col_mm, row_mm, _ = (float(one) for one in spacing(study.grid.affine))
    _, rows, cols = study.grid.shape
    return round(cols * col_mm / (rows * row_mm), 4)


def starting_slice(marked: list[int]) -> int:
    """The slice that is opened: where most is marked, else the middle."""
    return marked.index(max(marked)) if any(marked) else len(marked) // 2


def shown_phases(study: Study, step: int) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Every phase by name as shades of grey, (z, rows, cols) uint8.

    All phases share the window of the one that the network is shown, so that uptake shows as brightness;
    where that is a subtraction each has its own.

    Args:
        study: whose phases are read, one at a time.
        step: of how many voxels a side each pixel is the mean.
    """
    own = study.patient.intensity
    window = None
    if study.files.shown == SUBTRACTION:
        yield SUBTRACTION, _shades(own, _window(own), step)
    else:
        window = _window(own)
    for name, values in study.phases():
        yield name, _shades(values, window or _window(values), step)


def _window(values: NDArray[np.float32]) -> tuple[float, float]:
    """The values that are shown black and white."""
    low, high = np.percentile(values[::2, ::4, ::4], _PERCENTILES)
    return float(low), max(float(high), float(low) + 1e-6)


def _shades(
    values: NDArray[np.float32], window: tuple[float, float], step: int
) -> NDArray[np.uint8]:
    """An image as bytes, 0 at and below the window and 255 above."""
    low, high = window
    shares = np.clip((_means(values, step) - low) / (high - low), 0, 1)
    shades: NDArray[np.uint8] = np.rint(255 * shares).astype(np.uint8)
    return shades


def probability_shades(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A probability in `LEVELS` levels."""
    return np.rint((LEVELS - 1) * values).astype(np.uint8)


def vacuity_shades(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A vacuity in `LEVELS` levels, logarithmic."""
    levels: NDArray[np.uint8] = vacuity_levels(values) // LEVELS
    return levels


def _means(values: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """The mean of every step x step voxels of every slice."""
    if step == 1:
        return values
    share = np.float32(1 / (step * step))
    return np.stack([np.add.reduce(_parts(plane, step)) * share for plane in values])


def _parts(plane: NDArray[Any], step: int) -> list[NDArray[Any]]:
    """The step x step pictures that a slice is made of; its last row and column are repeated to fill up.

    Adding pictures takes a tenth of the time of a mean over blocks.
    """
    rows, cols = plane.shape
    filled = np.pad(plane, ((0, -rows % step), (0, -cols % step)), mode="edge")
    return [filled[i::step, j::step] for i in range(step) for j in range(step)]


def _sheet(values: NDArray[np.uint8], bits: int) -> str:
    return png_address(grey_png(tile(values, COLUMNS), bits))


def shown_share(data: Mapping[str, Any]) -> str:
    """What is shown and what is thinned out, in words."""
    names = ", ".join(one["name"] for one in data["phases"])
    told = f"Every slice of {names}"
    if data["left_out"]:
        told += f" (not of {', '.join(data['left_out'])}: unreadable, or on another grid)"
    if data["step"] == 1:
        return f"{told}, every voxel."
    (rows, cols), (high, wide), step = data["native"], data["size"], data["step"]
    return (
        f"{told}; {rows} x {cols} voxels are shown as {high} x {wide} pixels, each the mean of {step} x "
        f"{step} voxels and marked where any of them is. The files beside this page have every voxel."
    )
