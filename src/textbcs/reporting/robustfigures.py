"""Figures of the prompts' probes: the dose-response curve, and prompt styles as in TextBCS Fig. 6.

Reads `results/robustness/` and the test slices; writes `reports/figures/dose_response` and
`prompt_styles`, each as PDF and PNG, with what it shows as CSV beside it.
"""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.evaluation.textworth import choose_cases
from textbcs.io import InputError, read_tensors, records
from textbcs.prompts.paraphrase import Paraphrases, read_paraphrases
from textbcs.prompts.perturb import EMPTY, SHUFFLED, TRUE
from textbcs.reporting.canvas import LOOKS, view, write_figure
from textbcs.reporting.figures import PREDICTION, TRUTH
from textbcs.reporting.robustness import ROBUSTNESS, dose_points, read_tables
from textbcs.reporting.runs import label
from textbcs.slices.store import Shard, read_slices

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from textbcs.receipt import Stage

METHOD = "textbcs"  # whose masks the styles show
TITLES = {
    TRUE: "own prompt",
    EMPTY: "empty prompt",
    SHUFFLED: "another case's prompt",
    "swapped_location": "wrong location",
}


def write_robustness_figures(stage: "Stage") -> None:
    """Draw both figures.

    Params read: `robustness`, `seeds`, `evaluation.bootstrap` and `evaluation.threshold`.

    Raises:
        InputError: an input is missing or damaged, or the runs hold other slices than the test split.
    """
    stage.seed = stage.params["evaluation"]["bootstrap"]["seed"]
    paraphrases, tables = read_paraphrases(), read_tables(stage)
    points = dose_points(tables, paraphrases, stage.params["evaluation"]["bootstrap"])
    write_figure(stage, "dose_response", draw_doses(points), points)
    method = METHOD if METHOD in tables else next(iter(tables))
    path = ROBUSTNESS / f"{method}-s{stage.params['seeds'][0]}" / "cases.safetensors"
    maps, shard, rows = (
        read_tensors(stage.input(path)),
        read_slices(stage, "test"),
        tables[method][0],
    )
    if rows["slice_id"].iloc[: len(shard.table)].tolist() != shard.table["slice_id"].tolist():
        raise InputError(f"{path.parent}: other slices than data/slices/test; run robustness again")
    shown = style_rows(rows, paraphrases)
    figure = draw_styles(shown, maps, shard, stage.params["evaluation"]["threshold"])
    write_figure(stage, "prompt_styles", figure, shown.assign(method=method))


def draw_doses(points: "pd.DataFrame") -> "Figure":
    """Mean Dice against the share of wrong prompts, a panel per kind of wrong prompt.

    Args:
        points: of `dose_points`, in percent. Shaded: interval over patients; bars: central 95 % of
            chance assignments; a thin line at each method's Dice with the empty prompt.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    kinds = list(dict.fromkeys(points["wrong"]))
    figure = Figure(figsize=(3.6 * len(kinds), 3.2), layout=ConstrainedLayoutEngine())
    axes = figure.subplots(1, len(kinds), squeeze=False, sharey=True)[0]
    for panel, wrong in zip(axes, kinds, strict=True):
        for place, method in enumerate(dict.fromkeys(points["method"])):
            colour, line, marker = LOOKS[place % len(LOOKS)]
            own = points[(points["method"] == method) & (points["wrong"] == wrong)]
            dose, dice = own["dose"].to_numpy(), own["dice"].to_numpy()
            panel.fill_between(dose, own["low"], own["high"], color=colour, alpha=0.15, linewidth=0)
            panel.vlines(dose, own["drawn_low"], own["drawn_high"], color=colour, linewidth=0.8)
            panel.plot(
                dose, dice, line, marker=marker, markersize=3, color=colour, label=label(method)
            )
            panel.axhline(own["dice_empty"].iloc[0], color=colour, linestyle=line, linewidth=0.6)
        panel.set_title(TITLES.get(wrong, wrong), fontsize=9)
        panel.set_xlabel("cases with the wrong prompt %", fontsize=8)
        panel.tick_params(labelsize=7)
        panel.set_ylim(bottom=0)
    axes[0].set_ylabel("Dice % (mean over patients)", fontsize=8)
    axes[0].legend(fontsize=7, title="thin: empty prompt", title_fontsize=6)
    return figure


def style_rows(rows: "pd.DataFrame", paraphrases: Paraphrases) -> "pd.DataFrame":
    """What the figure of prompt styles shows.

    Args:
        rows: a run's rows per slice and probe.
        paraphrases: the sentences behind the probes.

    Returns:
        By panel: `case` (1 or 2, as in the paper), `row` (the slice's place in the test split),
        `slice_id`, `style` (the panel's title), `probe`, `prompt`, `dice`. The paper's two variants of
        its own case, and the paraphrase that is worst for this slice, are among the styles.
    """
    import pandas as pd

    names = [one.name for one in paraphrases.probe]
    paper = [one.name for one in paraphrases.probe if one.paper]
    shown = []
    for place in choose_cases(rows):
        slice_id = rows["slice_id"].iloc[place]
        own = rows[rows["slice_id"] == slice_id].set_index("probe")
        case = 1 if own.loc[TRUE, "prompt"].endswith("number one") else 2
        variants = {
            name: "the paper's variant" for name in paper if name.startswith(f"paper_{case}")
        }
        worst = str(own.loc[names, "dice"].sort_values(kind="stable").index[0])
        styles = [(TRUE, TITLES[TRUE]), *variants.items(), (worst, "worst paraphrase")]
        styles += [(probe, TITLES[probe]) for probe in (EMPTY, SHUFFLED, "swapped_location")]
        shown += [
            {
                "case": case,
                "row": place,
                "slice_id": slice_id,
                "style": style,
                "probe": probe,
                "prompt": own.loc[probe, "prompt"],
                "dice": own.loc[probe, "dice"],
            }
            for probe, style in styles
        ]
    return pd.DataFrame(shown)


def draw_styles(
    shown: "pd.DataFrame", maps: Mapping[str, NDArray[np.float16]], shard: Shard, threshold: float
) -> "Figure":
    """One line a case, one panel a style: the image, the mask's outline and the prediction's.

    Args:
        shown: of `style_rows`.
        maps: `<slice_id>/<probe>` -> foreground probability (H, W).
        shard: the test slices.
        threshold: foreground where the probability exceeds this.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    cases = list(dict.fromkeys(shown["slice_id"]))
    columns = int(shown.groupby("slice_id").size().max()) if len(shown) else 1
    layout = ConstrainedLayoutEngine(h_pad=0.1)
    figure = Figure(figsize=(1.9 * columns, 2.2 * max(len(cases), 1)), layout=layout)
    axes = figure.subplots(max(len(cases), 1), columns, squeeze=False)
    for line in axes[len(cases) :]:
        for panel in line:
            panel.set_axis_off()
    for line, slice_id in zip(axes, cases, strict=False):
        own = shown[shown["slice_id"] == slice_id]
        found = [maps[f"{slice_id}/{probe}"].astype(np.float32) for probe in own["probe"]]
        mask = shard.masks[int(own["row"].iloc[0])]
        image = shard.images[int(own["row"].iloc[0])].astype(np.float32)
        window = view(np.any([mask > 0, *(one > threshold for one in found)], axis=0))
        for panel, row, probability in zip(line, records(own), found, strict=True):
            _panel(panel, image, row, window)
            panel.contour(mask, [0.5], colors=TRUTH, linewidths=1.2)
            if probability.max() > threshold >= probability.min():
                look = {"colors": PREDICTION, "linewidths": 1.4, "linestyles": "--"}
                panel.contour(probability, [threshold], **look)
        line[0].set_ylabel(f"case {own['case'].iloc[0]}: {slice_id}", fontsize=6)
    figure.supxlabel("solid: mask; dashed: prediction", fontsize=7)
    return figure


def _panel(
    axes: Any, image: NDArray[np.float32], row: Mapping[str, Any], window: tuple[slice, slice]
) -> None:
    """A window of the slice in radiological view, with the prompt below."""
    rows, columns = window
    axes.imshow(image, cmap="gray", vmin=0, vmax=1)
    axes.set_xlim(columns.start - 0.5, columns.stop - 0.5)
    axes.set_ylim(rows.stop - 0.5, rows.start - 0.5)
    axes.set_title(f"{row['style']}\nDice {row['dice']:.2f}", fontsize=7)
    words: Sequence[str] = textwrap.wrap(row["prompt"] or "(empty)", 34)
    axes.set_xlabel("\n".join(words), fontsize=5)
    axes.set_xticks([])
    axes.set_yticks([])
