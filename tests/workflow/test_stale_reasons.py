"""Why stages run: what DVC says in a few words, and a dry run that stays a table."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from stale import Pipeline, StageFacts
from stale_reasons import FewWords, few_words, reason_of, reasons_of


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([{"changed deps": {"params.yaml": {"training.epochs": "modified"}}}], "parameter training.epochs"),
        ([{"changed deps": {"src/textbcs/training": "modified"}}], "code src/textbcs/training"),
        ([{"changed deps": {"data/a.csv": "deleted"}}], "input data/a.csv is missing"),
        ([{"changed outs": {"b.csv": "deleted"}}], "b.csv is missing"),
        ([{"changed outs": {"b.csv": "modified"}}], "b.csv is not what it wrote"),
        (["changed command"], "its command changed"),
        (["always changed"], "always changed"),
    ],
)  # fmt: skip
def test_a_change_in_a_few_words(changes: list[object], words: str) -> None:
    assert few_words(changes) == (words,)


def pipeline(trainings: int = 200) -> Pipeline:
    """Trainings with two causes of their own, what each predicts, and one table of all."""
    stages = {
        f"train@{n}": StageFacts((f"m{n}",), frozenset(), (), frozenset()) for n in range(trainings)
    }
    stages |= {
        f"predict@{n}": StageFacts((f"p{n}",), frozenset(), (f"m{n}",), frozenset({f"train@{n}"}))
        for n in range(trainings)
    }
    predicted = frozenset(name for name in stages if name.startswith("predict"))
    stages["table"] = StageFacts(("t",), frozenset(), (), predicted)
    reasons = {name: ("code src/a",) for name in stages if name.startswith("train")}
    reasons["train@0"] = ("parameter x", "parameter y", "parameter z")
    return Pipeline(stages, frozenset(reasons), reasons)


def test_a_stages_own_reasons_and_those_above_it() -> None:
    known = pipeline()
    assert reason_of("train@1", known) == "code src/a"
    assert reason_of("train@0", known) == "parameter x, parameter y and 1 more"
    assert reason_of("table", known) == "after predict"
    assert reason_of("table", known, ["table"]) == "asked for on the command line"
    assert reason_of("table", Pipeline(known.stages)) == "unknown while another run is going on"


def test_what_most_jobs_have_in_common_comes_first() -> None:
    known = pipeline()
    names = [name for name in known.stages if name.startswith("train")]
    assert reasons_of(names, known) == "code src/a, parameter x and 2 more"


def record(event: LogEvent | None, message: str = "", **values: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, message, None, None)
    made.__dict__ |= {"event": event, **values}
    return made


def test_a_dry_run_is_a_table_and_no_job_is_told() -> None:
    words = FewWords(pipeline(), lambda: True, ())
    stats = {"train": 200, "predict": 200, "table": 1, "all": 1, "total": 402}
    told = record(LogEvent.RUN_INFO, "Job stats: ...", stats=stats)
    assert words.filter(told)
    assert told.msg == "\n".join([
        "stage    jobs  why",
        "train     200  code src/a, parameter x and 2 more",
        "predict   200  after train",
        "table       1  after predict",
        "total     401",
    ])  # fmt: skip
    job = record(LogEvent.JOB_INFO, rule_msg="train@1", reason="a path, " * 200)
    assert not words.filter(job)
    assert not words.filter(record(LogEvent.RUN_INFO, "again", stats=stats))
    assert not words.filter(record(None, "Reasons:\n    (check individual jobs above for details)"))
    assert words.filter(record(None, "Nothing to be done"))


def test_a_run_tells_each_job_with_a_short_reason() -> None:
    words = FewWords(pipeline(), lambda: False, ())
    job = record(LogEvent.JOB_INFO, rule_msg="table", reason="a path, " * 200)
    assert words.filter(job)
    assert job.reason == "after predict"  # type: ignore[attr-defined]
    stats = record(LogEvent.RUN_INFO, "Job stats: ...", stats={"table": 1, "total": 1})
    assert words.filter(stats)
    assert stats.msg == "Job stats: ..."
