"""Figures of the prompts' probes: the dose-response curve, and prompt styles as in TextBCS Fig. 6.

Reads `results/robustness/` and the test slices; writes `reports/figures/dose_response` and
`prompt_styles`, each as PDF and PNG, with what it shows as CSV beside it. Each figure has its own script,
`fig_<name>.py`.
"""

from typing import TYPE_CHECKING

from textbcs.io import InputError, read_tensors
from textbcs.prompts.paraphrase import read_paraphrases
from textbcs.reporting import fig_dose_response, fig_prompt_styles
from textbcs.reporting.canvas import write_figure
from textbcs.reporting.robustness import ROBUSTNESS, dose_points, read_tables
from textbcs.slices.store import read_slices

if TYPE_CHECKING:
    from textbcs.receipt import Stage

METHOD = "textbcs"  # whose masks the styles show


def write_robustness_figures(stage: "Stage") -> None:
    """Draw both figures.

    Params read: `robustness`, `seeds`, `evaluation.bootstrap` and `evaluation.threshold`.

    Raises:
        InputError: an input is missing or damaged, or the runs hold other slices than the test split.
    """
    stage.seed = stage.params["evaluation"]["bootstrap"]["seed"]
    paraphrases, tables = read_paraphrases(), read_tables(stage)
    points = dose_points(tables, paraphrases, stage.params["evaluation"]["bootstrap"])
    write_figure(stage, "dose_response", fig_dose_response.draw(points), points)
    method = METHOD if METHOD in tables else next(iter(tables))
    path = ROBUSTNESS / f"{method}-s{stage.params['seeds'][0]}" / "cases.safetensors"
    maps, shard, rows = (
        read_tensors(stage.input(path)),
        read_slices(stage, "test"),
        tables[method][0],
    )
    if rows["slice_id"].iloc[: len(shard.table)].tolist() != shard.table["slice_id"].tolist():
        raise InputError(f"{path.parent}: other slices than data/slices/test; run robustness again")
    shown = fig_prompt_styles.style_rows(rows, paraphrases, method)
    threshold = stage.params["evaluation"]["threshold"]
    figure = fig_prompt_styles.draw(shown, maps, shard, threshold)
    write_figure(stage, "prompt_styles", figure, shown)
