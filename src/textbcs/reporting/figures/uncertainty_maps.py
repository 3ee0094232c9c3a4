"""The four uncertainty maps of the reference method's median case, and its errors.

`pixel_rows` makes the figure's rows, which are its CSV file, `draw` the figure from them.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.prediction.dirichlet import binary_entropy, uncertainty
from textbcs.reporting.figures.canvas import new_figure, outlines, picture, square

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

INVENTED = "#D55E00"  # of another lightness than white and black
NAMES = {
    "vacuity": "vacuity",
    "entropy": "entropy, nats",
    "expected_entropy": "expected entropy, nats",
    "mutual_information": "mutual information, nats",
}


def pixel_rows(
    image: NDArray[Any],
    mask: NDArray[Any],
    predicted: Mapping[str, NDArray[Any]],
    threshold: float,
) -> "pd.DataFrame":
    """A row per pixel of the square around the mask, values to four significant digits.

    Args:
        image: (H, W) in [0, 1].
        mask: (H, W), 1 inside lesions.
        predicted: `probability` (H, W) and, of an evidential head, `evidence` (2, H, W).
        threshold: foreground where the probability exceeds this.

    Returns:
        `row`, `column`, `image`, `mask`, `probability`, the maps that the head gives, and `error`:
        1 false positive, -1 false negative, 0 right.
    """
    import pandas as pd

    window = square(mask)
    probability = predicted["probability"].astype(np.float64)
    maps = {"entropy": binary_entropy(probability)}
    if "evidence" in predicted:
        found = uncertainty(predicted["evidence"][None])
        maps = {name: getattr(found, name)[0] for name in NAMES}
    rows, columns = np.mgrid[window]
    table = {"row": rows, "column": columns, "image": image[window], "mask": mask[window]}
    table |= {"probability": probability[window]}
    table |= {name: values[window] for name, values in maps.items()}
    error = (probability > threshold).astype(int) - (mask > 0)
    frame = pd.DataFrame({name: np.ravel(values) for name, values in table.items()})
    for name in ("image", "probability", *maps):
        frame[name] = [float(f"{value:.4g}") for value in frame[name]]
    return frame.assign(error=np.ravel(error[window]))


def draw(shown: "pd.DataFrame", title: str, threshold: float) -> "Figure":
    """The slice, its errors, and the maps with their scales; three panels a row.

    Args:
        shown: of `pixel_rows`.
        title: of the slice.
        threshold: foreground where the probability exceeds this.
    """
    from matplotlib.colors import ListedColormap

    names = [name for name in NAMES if name in shown]
    panels = len(names) + 2
    figure = new_figure(2.6 * min(panels, 3), 3.0 * -(-panels // 3))
    axes = figure.subplots(-(-panels // 3), min(panels, 3)).ravel()
    mask, probability = _grid(shown, "mask"), _grid(shown, "probability")
    picture(axes[0], _grid(shown, "image"), title)
    outlines(axes[0], mask, probability, threshold)
    colours = ListedColormap(["white", "black", INVENTED])
    picture(axes[1], _grid(shown, "error"), "error", cmap=colours, vmin=-1.5, vmax=1.5)
    axes[1].set_xlabel("orange: false positive\nwhite: false negative", fontsize=7)
    for panel, name in zip(axes[2:], names, strict=True):
        values = _grid(shown, name)
        drawn = picture(
            panel, values, NAMES[name], cmap="viridis", vmin=0, vmax=max(values.max(), 1e-12)
        )
        bar = figure.colorbar(drawn, ax=panel, shrink=0.8, location="bottom")
        bar.ax.tick_params(labelsize=7)
        if mask.any() and not mask.all():
            panel.contour(mask, [0.5], colors="white", linewidths=0.8)
    return figure


def _grid(shown: "pd.DataFrame", name: str) -> NDArray[np.float64]:
    return shown.pivot(index="row", columns="column", values=name).to_numpy(dtype=np.float64)
