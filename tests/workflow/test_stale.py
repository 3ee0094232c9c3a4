"""What DVC is asked, in a real repository of three stages."""

import subprocess
import sys
from pathlib import Path

import pytest
from locks import BusyError
from stale import Pipeline, StageFacts, ask_dvc

DEFINITION = """
stages:
  a: {cmd: cp source.txt a.txt, deps: [source.txt], outs: [a.txt]}
  b:
    foreach: [x, y]
    do: {cmd: 'mkdir -p b/${item} && cp a.txt b/${item}/b.txt', deps: [a.txt], outs: ['b/${item}/b.txt']}
  c: {cmd: cat b/x/b.txt b/y/b.txt > c.txt, deps: [b], outs: [c.txt: {cache: false}]}
  d: {cmd: echo d > d.txt, outs: [d.txt]}
"""


@pytest.fixture
def repository(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stages above, run once."""
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(here / "site"))
    (here / "dvc.yaml").write_text(DEFINITION)
    (here / "source.txt").write_text("one")
    with Repo.init(".", no_scm=True) as repo:
        repo.reproduce()
    return here


def test_facts(repository: Path) -> None:
    stages = ask_dvc(status=False).stages
    assert set(stages) == {"a", "b@x", "b@y", "c", "d"}
    assert stages["a"] == StageFacts(("a.txt",), frozenset(), ("source.txt",), frozenset())
    assert stages["c"].upstream == {"b@x", "b@y"}
    assert stages["c"].uncached == {"c.txt"}


def test_nothing_is_stale_after_a_run(repository: Path) -> None:
    pipeline = ask_dvc(status=True)
    assert pipeline.stale == frozenset()
    assert pipeline.affected == frozenset()


def test_changed_content_is_stale_and_affects_what_is_below(repository: Path) -> None:
    (repository / "source.txt").write_text("two")
    pipeline = ask_dvc(status=True)
    assert pipeline.stale == {"a"}
    assert pipeline.affected == {"a", "b@x", "b@y", "c"}


def test_a_stale_stage_has_its_reason(repository: Path) -> None:
    (repository / "source.txt").write_text("two")
    assert ask_dvc(status=True).reasons == {"a": ("input source.txt",)}
    (repository / "source.txt").write_text("one")
    lock = (repository / "dvc.lock").read_text()
    (repository / "dvc.lock").write_text(lock[: lock.index("  d:")])
    assert ask_dvc(status=True).reasons == {"d": ("never run with these parameters",)}


def test_a_new_time_alone_is_not_stale(repository: Path) -> None:
    (repository / "source.txt").touch()
    (repository / "a.txt").touch()
    assert ask_dvc(status=True).stale == frozenset()


def test_a_missing_out_is_stale(repository: Path) -> None:
    (repository / "b/y/b.txt").unlink()
    assert ask_dvc(status=True).stale == {"b@y", "c"}


def test_where_nobody_was_asked_everything_may_be_affected() -> None:
    stages = {"a": StageFacts(("a",), frozenset(), (), frozenset())}
    assert Pipeline(stages, stale=None).affected == {"a"}


def test_it_waits_for_a_command_that_holds_dvcs_lock(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = (
        "import time; from dvc.repo import Repo, lock_repo\n"
        "with Repo('.') as repo, lock_repo(repo): print('up', flush=True); time.sleep(4)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        assert ask_dvc(status=True).stale == frozenset()
        assert capsys.readouterr().err == "waiting for another DVC command to end\n"
    finally:
        other.kill()
        other.communicate()


def test_a_broken_definition_is_one_line(repository: Path) -> None:
    (repository / "dvc.yaml").write_text("stages: {a: {cmd: x, out: [y]}}")
    with pytest.raises(BusyError, match=r"^DVC cannot read the pipeline: .*dvc\.yaml") as caught:
        ask_dvc(status=True)
    assert "\n" not in str(caught.value)


def test_what_a_stage_reads() -> None:
    stage = StageFacts((), frozenset(), ("data/slices", "x.csv"), frozenset())
    assert stage.reads("data/slices")
    assert stage.reads("data/slices/train.csv"), "it lies in a folder that is read"
    assert stage.reads("data"), "it holds what is read"
    assert not stage.reads("data/slices2")
    assert not stage.reads("y.csv")


def test_parameters_are_not_read_once_a_stage_and_every_change_is_seen(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc.repo import Repo
    from dvc.utils import serialize

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(here / "site"))
    (here / "params.yaml").write_text("x: 1\ny: 1\n")
    stages = [f"{key}: {{cmd: 'echo > {key}', params: [{key}], outs: [{key}]}}" for key in "xy"]
    (here / "dvc.yaml").write_text("stages:\n  " + "\n  ".join(stages) + "\n")
    with Repo.init(".", no_scm=True) as repo:
        repo.reproduce()
    read, load = [], serialize.LOADERS[".yaml"]

    def counted(path: str, **settings: object) -> object:
        read.append(Path(path).name)
        return load(path, **settings)

    monkeypatch.setitem(serialize.LOADERS, ".yaml", counted)
    assert ask_dvc(status=True).stale == frozenset()
    assert read.count("params.yaml") == 2, "for the values in dvc.yaml, and for all stages"
    (here / "params.yaml").write_text("x: 1\ny: 2\n")
    assert ask_dvc(status=True).stale == {"y"}
    assert serialize.LOADERS[".yaml"] is counted, "DVC is left as it was"
