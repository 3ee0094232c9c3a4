"""The line that a user sees when a job fails."""

from pathlib import Path

import pytest
import run_stage


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (
            "Running stage 'a':\n> exec workflow/stage a\na: reading\nerror: x.csv: missing; make it\n"
            "ERROR: failed to reproduce 'a': failed to run: exec workflow/stage a, exited with 2\n",
            "error: x.csv: missing; make it",
        ),
        (
            "ERROR: failed to reproduce 'a': missing data 'source': x.csv\n",
            "ERROR: failed to reproduce 'a': missing data 'source': x.csv",
        ),
        (
            "ERROR: 'x.csv' is busy, it is being blocked by:\n  (PID 7): dvc repro\n\n",
            "(PID 7): dvc repro",
        ),
        ("", "ended without a word; it was killed, or the disk is full"),
    ],
    ids=["stage", "dvc", "busy", "silent"],
)
def test_error_line(tmp_path: Path, log: str, line: str) -> None:
    path = tmp_path / "a.log"
    path.write_text(log)
    assert run_stage.error_line(path) == line
