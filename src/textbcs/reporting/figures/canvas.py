"""What the figures share: colours and lines, pictures of a slice, and a figure's three files.

Everything is readable in grey and for the colour-blind: colours of the Okabe-Ito palette that differ in
lightness, with a line or a marker of their own.
"""

import io
import textwrap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import write_bytes, write_csv

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.stage.receipt import Stage

# Okabe-Ito colours of different lightness, with a line and a marker of their own for grey print.
LOOKS = (
    ("#0072B2", "-", "o"),
    ("#D55E00", "--", "s"),
    ("#009E73", "-.", "^"),
    ("#CC79A7", ":", "D"),
)
# Of the same palette: told apart by the colour-blind and in grey.
TRUTH, PREDICTION = "#56B4E9", "#E69F00"
Window = tuple[slice, slice]


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure (inches) whose parts are laid out so that no label covers another."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(h_pad=0.06))


def not_run(why: str) -> "Figure":
    """A figure of words, for what this run did not do."""
    figure = new_figure(5.0, 1.0)
    figure.text(0.5, 0.5, f"not run: {why}", ha="center", va="center", fontsize=9)
    return figure


def write_figure(stage: "Stage", name: str, figure: "Figure", data: "pd.DataFrame") -> None:
    """Write `reports/figures/<name>` as PDF, PNG and CSV; equal figures give equal bytes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.backends.backend_pdf import FigureCanvasPdf

    pdf, png = io.BytesIO(), io.BytesIO()
    undated = {"CreationDate": None, "Creator": None, "Producer": None}
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(150)
    # Panels of a fixed shape settle in the second layout only; both files then show that one.
    figure.draw_without_rendering()
    FigureCanvasPdf(figure).print_pdf(pdf, metadata=undated)
    figure.set_layout_engine("none")
    canvas.print_png(png, metadata={"Software": None})
    write_bytes(stage.output(f"reports/figures/{name}.pdf"), pdf.getvalue())
    write_bytes(stage.output(f"reports/figures/{name}.png"), png.getvalue())
    write_csv(stage.output(f"reports/figures/{name}.csv"), data)


def view(anything: NDArray[np.bool_]) -> Window:
    """Rows and columns that hold all that is drawn, with a margin; everything where nothing is.

    A wrong side is seen only beside the right one, so one window serves all panels of a case.
    """
    margin = max(anything.shape) // 8
    spans = []
    for axis, length in enumerate(anything.shape):
        held = np.flatnonzero(anything.any(axis=1 - axis))
        first, last = (held[0], held[-1]) if len(held) else (0, length - 1)
        spans.append(slice(max(0, int(first) - margin), min(length, int(last) + margin + 1)))
    return spans[0], spans[1]


def square(mask: NDArray[Any]) -> Window:
    """A square of half the image's side around a mask; of the image's middle where it is empty."""
    side = mask.shape[0] // 2
    held = np.argwhere(mask)
    centre = held.mean(axis=0) if len(held) else np.array(mask.shape) / 2
    row, col = (int(np.clip(place - side / 2, 0, mask.shape[0] - side)) for place in centre)
    return slice(row, row + side), slice(col, col + side)


def picture(
    axes: Any,
    image: NDArray[Any],
    title: str,
    window: Window | None = None,
    below: str = "",
    wrap: int = 36,
    **how: Any,
) -> Any:
    """One picture in radiological view: the patient's right is at the left, anterior is up.

    Args:
        axes: a panel.
        image: (H, W).
        title: above the picture.
        window: the part that is shown; None: all of it.
        below: text below the picture.
        wrap: characters of a line of it.
        how: of matplotlib's `imshow`; grey from 0 to 1 unless told.
    """
    shown = axes.imshow(image, **({"cmap": "gray", "vmin": 0, "vmax": 1} | how))
    axes.set_title(title, fontsize=7)
    axes.set_xlabel("\n".join(textwrap.wrap(below, wrap)), fontsize=7)
    axes.set_xticks([])
    axes.set_yticks([])
    rows, columns = window or (slice(0, image.shape[0]), slice(0, image.shape[1]))
    axes.set_xlim(columns.start - 0.5, columns.stop - 0.5)
    axes.set_ylim(rows.stop - 0.5, rows.start - 0.5)
    return shown


def frame(axes: Any, window: Window) -> None:
    """The outline of a window, on a picture of the whole slice."""
    from matplotlib.patches import Rectangle

    rows, columns = window
    corner = (columns.start - 0.5, rows.start - 0.5)
    width, height = columns.stop - columns.start, rows.stop - rows.start
    axes.add_patch(Rectangle(corner, width, height, fill=False, edgecolor="white", linewidth=0.8))


def fill(axes: Any, mask: NDArray[Any]) -> None:
    """The mask as a light area, on which an outline is seen in grey print too."""
    from matplotlib.colors import to_rgb

    layer = np.zeros((*mask.shape, 4))
    layer[mask > 0] = (*to_rgb(TRUTH), 0.5)
    axes.imshow(layer)


def outlines(
    axes: Any,
    mask: NDArray[Any],
    probability: NDArray[Any] | None = None,
    threshold: float = 0.5,
) -> None:
    """The mask's outline, solid, and the prediction's, dashed, on a picture."""
    if np.any(mask > 0) and not np.all(mask > 0):
        axes.contour(mask, [0.5], colors=TRUTH, linewidths=1.2)
    if probability is not None:
        dashed(axes, probability, threshold)


def dashed(axes: Any, probability: NDArray[Any], threshold: float) -> None:
    """The prediction's outline, dashed; nothing where nothing is predicted."""
    if probability.max() > threshold:
        # A margin of nothing, so that an outline is closed where the picture ends.
        rows, columns = (np.arange(-1, length + 1) for length in probability.shape)
        closed = np.pad(probability, 1)
        look = {"colors": PREDICTION, "linewidths": 1.4, "linestyles": "--"}
        axes.contour(columns, rows, closed, [threshold], **look)
