"""The overview figure: test slices with their mask, each method's prediction, and vacuity.

Reads the test shard and the runs' predictions. The slices are chosen by a rule, never by hand.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from textbcs.evaluation.runs import EVALUATION, Run
from textbcs.io import read_tensors
from textbcs.reporting.runs import label

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage
    from textbcs.slices.store import Shard

# Blue and orange of the Okabe-Ito palette: told apart by the colour-blind and in grey.
TRUTH, PREDICTION = "#56B4E9", "#E69F00"


def choose_cases(slices: "pd.DataFrame") -> dict[str, int]:
    """Rows of the best, the median and the worst tumour slice by Dice; ties by slice name."""
    tumour = slices[slices["kind"] == "tumour"]
    order = tumour.sort_values(["dice", "slice_id"]).index.tolist()
    return {"best": order[-1], "median": order[len(order) // 2], "worst": order[0]}


def overview(
    stage: "Stage", shard: "Shard", runs: Sequence[Run], prompts: Mapping[str, str]
) -> bytes:
    """Draw the figure as PNG.

    Args:
        stage: records what is read.
        shard: the test slices.
        runs: evaluated runs; the first seed of each method is drawn, cases follow the last method.
        prompts: slice_id -> prompt text.
    """
    first = list({run.method: run for run in reversed(runs)}.values())[::-1]
    maps = {
        run.method: read_tensors(stage.input(EVALUATION / run.name / "predictions.safetensors"))
        for run in first
    }
    cases = choose_cases(first[-1].slices)
    evidential = [run for run in first if "vacuity" in maps[run.method]]
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    columns = 2 + len(first) + len(evidential)
    layout = ConstrainedLayoutEngine(h_pad=0.1)
    figure = Figure(figsize=(2.1 * columns, 2.6 * len(cases)), layout=layout)
    axes = figure.subplots(len(cases), columns, squeeze=False)
    for line, (kind, index) in zip(axes, cases.items(), strict=True):
        slice_id = shard.table["slice_id"].iloc[index]
        image, mask = shard.images[index].astype(np.float32), shard.masks[index]
        window = window_of(mask)
        _panel(line[0], image, f"{kind}: {slice_id}", prompts[slice_id])
        line[0].add_patch(_frame(window))
        _panel(line[1], image, "mask", window=window)
        line[1].contour(mask, [0.5], colors=TRUTH, linewidths=1.5)
        for place, run in enumerate(first, start=2):
            found = maps[run.method]["probability"][index].astype(np.float32)
            title = f"{label(run.method)}, Dice {run.slices['dice'].iloc[index]:.2f}"
            _panel(line[place], image, title, window=window)
            line[place].contour(mask, [0.5], colors=TRUTH, linewidths=1)
            if found.max() > 0.5:
                line[place].contour(found, [0.5], colors=PREDICTION, linewidths=1.5)
        for place, run in enumerate(evidential, start=2 + len(first)):
            vacuity = maps[run.method]["vacuity"][index].astype(np.float32)
            _vacuity_panel(line[place], vacuity, f"vacuity, {label(run.method)}", window)
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def window_of(mask: np.ndarray) -> tuple[int, int, int]:
    """First row, first column and side of the square that shows a mask: half the image's side."""
    side = mask.shape[0] // 2
    centre = np.argwhere(mask).mean(axis=0)
    row, col = (int(np.clip(place - side / 2, 0, mask.shape[0] - side)) for place in centre)
    return row, col, side


def _panel(
    axes: Any,
    image: np.ndarray,
    title: str,
    below: str = "",
    window: tuple[int, int, int] | None = None,
    **how: Any,
) -> Any:
    """One picture in radiological view: the patient's right is at the left, anterior is up."""
    shown = axes.imshow(image, **({"cmap": "gray", "vmin": 0, "vmax": 1} | how))
    axes.set_title(title, fontsize=7)
    axes.set_xlabel(below.replace("; ", "\n", 1), fontsize=5)
    axes.set_xticks([])
    axes.set_yticks([])
    if window is not None:
        row, col, side = window
        axes.set_xlim(col - 0.5, col + side - 0.5)
        axes.set_ylim(row + side - 0.5, row - 0.5)
    return shown


def _vacuity_panel(
    axes: Any, vacuity: np.ndarray, title: str, window: tuple[int, int, int]
) -> None:
    """Vacuity on a logarithmic scale: where evidence is ample it is a thousandth and less."""
    from matplotlib.colors import LogNorm

    shown = _panel(
        axes,
        vacuity,
        title,
        window=window,
        cmap="viridis",
        vmin=None,
        vmax=None,
        norm=LogNorm(1e-4, 1),
    )
    bar = axes.figure.colorbar(shown, ax=axes, shrink=0.8)
    bar.ax.tick_params(labelsize=5)


def _frame(window: tuple[int, int, int]) -> Any:
    """The outline of a window, to be drawn on the whole slice."""
    from matplotlib.patches import Rectangle

    row, col, side = window
    return Rectangle(
        (col - 0.5, row - 0.5), side, side, fill=False, edgecolor="white", linewidth=0.6
    )
