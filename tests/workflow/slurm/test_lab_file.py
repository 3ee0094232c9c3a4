"""A lab's file: the example is one, and what is wrong in it is one line."""

from pathlib import Path

import pytest
from slurm import lab_file

from textbcs.base.io import InputError

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "profiles/slurm/lab.example.yaml"


def folder(place: Path, text: str | None) -> Path:
    (place / "lab.example.yaml").write_text(EXAMPLE.read_text())
    if text is not None:
        (place / "lab.yaml").write_text(text)
    return place


def test_the_example_is_valid_and_short(tmp_path: Path) -> None:
    lab = lab_file.read_lab(folder(tmp_path, EXAMPLE.read_text()))
    assert (lab.account, lab.partition, lab.gpu_partition) == ("none", "cpu", "gpu")
    assert lab.minutes["training"] == 720
    assert len(EXAMPLE.read_text().splitlines()) <= 10


def test_git_does_not_track_it() -> None:
    assert "/profiles/*/lab.yaml" in (ROOT / ".gitignore").read_text().splitlines()


def test_a_missing_one_is_said_with_the_commands(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"lab.yaml: no such file.*cp .*lab.example.yaml .*lab.yaml"
    ):
        lab_file.read_lab(folder(tmp_path, None))


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("account: none", "acount: none", "account: is missing"),
        ("poll_seconds: 10", "poll_seconds: 10\nqueue: x", "queue: is no setting"),
        ("poll_seconds: 10", "poll_seconds: 0", "poll_seconds: 0 is no positive whole number"),
        ("account: none", "account: my lab", "account: 'my lab': one name is needed"),
        ("account: none", "account:", "account: None is no text"),
        ("network: 16000, ", "", "memory_mb: a positive whole number each for patients, network"),
        ("training: 720", "training: 12h", "minutes: a positive whole number each"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, line: str) -> None:
    text = EXAMPLE.read_text()
    assert old in text
    with pytest.raises(InputError) as caught:
        lab_file.read_lab(folder(tmp_path, text.replace(old, new, 1)))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_profile_for_slurm_is_the_one_with_an_example(tmp_path: Path) -> None:
    (tmp_path / "default").mkdir()
    slurm = tmp_path / "own"
    slurm.mkdir()
    folder(slurm, None)
    assert lab_file.profile_folder([None, tmp_path / "default", str(slurm)]) == slurm
    assert lab_file.profile_folder([None, tmp_path / "default"]) is None
