"""The two figures of whole volumes from made-up results."""

from pathlib import Path

import volumes

from textbcs.base.io import read_csv
from textbcs.reporting.common.volume_cases import read_cases
from textbcs.stages.volumes.volume_figures import run as write_figures


def test_figures_come_with_what_is_drawn_of_the_first_seed(stage_in) -> None:
    stage = stage_in({**volumes.PARAMS, "seeds": [1, 2]}, "volume_figures")
    volumes.write_scores((1, 2))
    volumes.write_volumes(stage)
    write_figures(stage)
    files = [path.name for path in Path("reports/figures").iterdir()]
    assert sorted(files) == [
        f"{name}.{end}"
        for name in ("free_response", "volume_agreement")
        for end in ("csv", "pdf", "png")
    ]
    assert len(read_cases(stage)) == 3
    drawn = read_csv("reports/figures/volume_agreement.csv")
    assert len(drawn) == 6 * volumes.PATIENTS  # of the first seed alone
