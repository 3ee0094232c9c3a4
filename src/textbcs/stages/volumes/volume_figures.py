"""The stage `volume_figures`: free response, predicted against true volume, and what the page's viewer shows.

Reads `results/volume_scores/`, `results/volumes/` and `data/volumes/`; writes `reports/figures/free_response`
and `reports/figures/volume_agreement` as PDF and PNG with what is drawn as CSV beside it, and
`results/volume_viewer/` for the page's viewer. Where there are several seeds, the first one is drawn.
"""

from typing import TYPE_CHECKING

from textbcs.base.io import read_csv
from textbcs.base.variants import volume_methods
from textbcs.reporting.common.volume_cases import write_cases
from textbcs.reporting.figures.canvas import write_figure
from textbcs.reporting.volumes import bland_altman, free_response
from textbcs.reporting.volumes.shown_cases import SCORES, shown_cases

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Draw both figures and write the viewer's volumes.

    Raises:
        InputError: an input is missing or damaged.
    """
    methods, seed = volume_methods(stage.params), stage.params["seeds"][0]
    keys = ["method", "seed", "source"]
    curve, patients = (
        read_csv(stage.input(SCORES / f"{name}.csv"), keys) for name in ("curve", "patients")
    )
    points = free_response.curve_rows(curve, patients, methods, seed)
    write_figure(stage, "free_response", free_response.draw(points), points)
    errors = bland_altman.error_rows(patients, methods, seed)
    write_figure(stage, "volume_agreement", bland_altman.draw(errors), errors)
    write_cases(stage, shown_cases(stage, patients))
