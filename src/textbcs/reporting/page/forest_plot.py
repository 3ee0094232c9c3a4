"""Table 1 at a glance, as an SVG that stands in the page and follows its light or dark colours."""

import html
from collections.abc import Mapping, Sequence
from typing import Any

from textbcs.base.variants import BASE

LINE, LEFT, RIGHT, TOP = 26, 130, 60, 24
WIDTH = 760


def score_plot(rows: Sequence[Mapping[str, Any]], prior: float | None = None) -> str:
    """A point with its interval per method, the best one on top.

    Args:
        rows: a mapping per method with `method`, `label`, and in percent `dice`, its mean over patients,
            and its limits `low` and `high`, NaN where there are none.
        prior: the Dice of the prompt alone, a dashed line; None where it is not known.
    """
    order = sorted(rows, key=lambda row: -float(row["dice"]))
    height = TOP + LINE * len(order) + 10
    marks = "".join(
        f'<line class="grid" x1="{_x(v):.1f}" x2="{_x(v):.1f}" y1="{TOP}" y2="{height - 8}"/>'
        f'<text x="{_x(v):.1f}" y="14" text-anchor="middle">{v}</text>'
        for v in range(0, 101, 20)
    )
    lines = "".join(_line(row, TOP + LINE * (place + 0.5)) for place, row in enumerate(order))
    if prior is not None:
        marks += (
            f'<line class="prior" x1="{_x(prior):.1f}" x2="{_x(prior):.1f}" y1="{TOP}" '
            f'y2="{height - 8}"/>'
        )
    told = "; ".join(f"{row['label']} {float(row['dice']):.1f}" for row in order)
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="Dice in percent, mean over patients: {html.escape(told)}">{marks}{lines}</svg>'
    )


def _line(row: Mapping[str, Any], y: float) -> str:
    """A method's line: its name, interval, mean and number."""
    mean = float(row["dice"])
    # Without limits (too few patients, or all equal) the point stands alone.
    low, high = (mean if row[key] != row[key] else float(row[key]) for key in ("low", "high"))
    kind = ' class="ours"' if row["method"] == BASE else ""
    return (
        f"<g{kind}>"
        f'<text x="{LEFT - 12}" y="{y + 4:.1f}" text-anchor="end">{html.escape(str(row["label"]))}</text>'
        f'<line class="bar" x1="{_x(low):.1f}" x2="{_x(high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<circle cx="{_x(mean):.1f}" cy="{y:.1f}" r="5"/>'
        f'<text x="{WIDTH - RIGHT + 14}" y="{y + 4:.1f}">{mean:.1f}</text></g>'
    )


def _x(percent: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * percent / 100
