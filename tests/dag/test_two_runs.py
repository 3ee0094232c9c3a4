"""Two invocations in one checkout: the second refuses, waits, or only looks."""

import subprocess

import pytest
from checkout import BIN, Checkout

pytestmark = pytest.mark.dag

SLOW = {"TOY_PAUSE": "4"}


def test_a_second_run_names_the_first_and_stops(fresh_toy: Checkout) -> None:
    with fresh_toy.running(**SLOW) as run:
        fresh_toy.wait_for("textbcs.stages", "phantom")
        second = fresh_toy.snakemake(ok=False)
        assert second.returncode == 1
        assert f"error: another run (pid {run.pid}) is going on" in second.stderr
        assert "TEXTBCS_WAIT=1" in second.stderr
        assert "Traceback" not in second.stderr

        for look in ("-n", "--dag", "--rulegraph", "--summary", "--list"):
            seen = fresh_toy.snakemake(look)
            assert "freshness unknown" in seen.stderr, look
        assert fresh_toy.run(str(BIN / "dvc"), "repro", ok=False).returncode != 0
        assert run.poll() is None, "the first run goes on undisturbed"


def test_a_second_run_waits_when_asked(fresh_toy: Checkout, toy_origin: Checkout) -> None:
    with fresh_toy.running(TOY_PAUSE="0.1") as run:
        fresh_toy.wait_for("textbcs.stages", "phantom")
        second = fresh_toy.snakemake(TEXTBCS_WAIT="1")
        assert f"waiting for the run with pid {run.pid}" in second.stderr
        assert "Nothing to be done" in second.stderr
        assert run.wait(timeout=5) == 0
    assert fresh_toy.hashes() == toy_origin.hashes()


def test_snakemake_during_dvc_repro_names_its_process(fresh_toy: Checkout) -> None:
    dvc = subprocess.Popen(
        [str(BIN / "dvc"), "repro"],
        cwd=fresh_toy.root,
        env=fresh_toy.environment | {"TOY_PAUSE": "5"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        fresh_toy.wait_for("textbcs.stages", "phantom")
        second = fresh_toy.snakemake(ok=False)
        assert second.returncode == 1
        assert f"pid {dvc.pid}" in second.stderr
        assert "Traceback" not in second.stderr
    finally:
        dvc.kill()
        dvc.wait()


def test_modes_that_only_look(toy: Checkout) -> None:
    """They work, agree that nothing is stale, and change nothing."""
    before = toy.hashes()
    for look in (("-n",), ("--dag",), ("--rulegraph",), ("--summary",), ("--list",)):
        assert "freshness unknown" not in toy.snakemake(*look).stderr
    toy.snakemake("--report", "report.html")
    assert (toy.root / "report.html").stat().st_size > 100_000
    assert toy.hashes() == before
    graph = toy.snakemake("--rulegraph").stdout
    assert graph.count("label =") == 7, (
        "one node a stage of dvc.yaml, whatever its matrix, and `all`"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--workflow-profile", "none"), "profiles/default/config.yaml are not in force"),
        (("--touch",), "would bless stale files"),
    ],
)
def test_what_would_break_the_agreement_is_refused_in_one_line(
    toy: Checkout, arguments: tuple[str, ...], message: str
) -> None:
    done = toy.snakemake(*arguments, ok=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_faulty_parameters_are_one_line_before_any_job(fresh_toy: Checkout) -> None:
    fresh_toy.set_param("seeds", "one")
    done = fresh_toy.snakemake(ok=False)
    assert done.returncode == 1
    assert "error: params.yaml: seeds" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (fresh_toy.root / "data/phantom").exists()
