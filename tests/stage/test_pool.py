"""Work spread over processes: the same results in the same order, errors and deaths in one line."""

import os
import subprocess
import sys
from contextlib import closing

import psutil
import pytest
from pool_work import die_at_three, refuse_three, square_slowly

from textbcs.base.io import InputError
from textbcs.stage.pool import allowed_jobs, each


def test_results_come_in_order_from_several_processes() -> None:
    with closing(each(square_slowly, range(6), 2, patience_s=0)) as found:
        results = list(found)
    assert [value for value, _ in results] == [0, 1, 4, 9, 16, 25]
    processes = {process for _, process in results}
    assert len(processes) == 2
    assert os.getpid() not in processes


@pytest.mark.parametrize(("jobs", "patience_s"), [(1, 0.0), (2, 60.0)])
def test_one_job_and_little_work_stay_here(jobs: int, patience_s: float) -> None:
    results = list(each(square_slowly, range(4, 6), jobs, patience_s))
    assert results == [(16, os.getpid()), (25, os.getpid())]


def test_what_remains_after_a_while_is_spread() -> None:
    results = list(each(square_slowly, range(1, 5), 2, patience_s=0.01))
    assert results[0] == (1, os.getpid())
    assert os.getpid() not in {process for _, process in results[1:]}


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_is_the_same_error(jobs: int) -> None:
    found = each(refuse_three, range(5), jobs, patience_s=0)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(InputError, match="file three: is wrong; mend it"):
        next(found)


def test_a_killed_process_is_one_line_with_a_way_out() -> None:
    with pytest.raises(InputError, match="a process of 2 was killed.* set TEXTBCS_JOBS") as error:
        list(each(die_at_three, range(8), 2, patience_s=0))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²"])
def test_a_wrong_number_of_jobs(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TEXTBCS_JOBS", text)
    with pytest.raises(InputError, match="TEXTBCS_JOBS = "):
        allowed_jobs()


def test_jobs_are_one_unless_the_environment_says_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTBCS_JOBS", raising=False)
    assert allowed_jobs() == 1
    monkeypatch.setenv("TEXTBCS_JOBS", "12")
    assert allowed_jobs() == 12


@pytest.mark.skipif(sys.platform != "linux", reason="a service of the Linux kernel")
def test_processes_die_with_the_stage() -> None:
    code = (
        "import time; from textbcs.stage.pool import each\n"
        "if __name__ == '__main__':\n"
        "    for _ in each(time.sleep, [0, 0, 60, 60], 2, patience_s=0): print('up', flush=True)"
    )
    stage = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert stage.stdout is not None
    stage.stdout.readline()
    workers = psutil.Process(stage.pid).children(recursive=True)
    assert workers
    stage.kill()
    stage.communicate()
    _, alive = psutil.wait_procs(workers, timeout=5)
    assert not [one for one in alive if one.status() != psutil.STATUS_ZOMBIE]
