"""What is wrong with a checkout before any stage runs."""

import getpass
import shutil
import subprocess
from pathlib import Path

import pytest
from checkout_faults import check_checkout, check_links, name_the_user

from textbcs.base.io import InputError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(here: Path) -> Path:
    """The launcher in a git repository."""
    (here / "workflow").mkdir()
    (here / ".git").mkdir()
    shutil.copy(ROOT / "workflow/stage", here / "workflow/stage")
    return here


def test_a_checkout_that_is_right(checkout: Path) -> None:
    check_checkout()


def test_no_git_says_what_to_do(checkout: Path) -> None:
    (checkout / ".git").rmdir()
    with pytest.raises(InputError, match="git init && git add -A .* core.no_scm true"):
        check_checkout()
    (checkout / ".dvc").mkdir()
    (checkout / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    check_checkout()


def test_a_worktree_is_a_repository(checkout: Path) -> None:
    (checkout / ".git").rmdir()
    (checkout / ".git").write_text("gitdir: elsewhere")
    check_checkout()


def test_windows_line_ends(checkout: Path) -> None:
    launcher = checkout / "workflow/stage"
    launcher.write_bytes(launcher.read_bytes().replace(b"\n", b"\r\n"))
    with pytest.raises(InputError, match=r"workflow/stage: has Windows line ends"):
        check_checkout()


def test_a_launcher_that_is_missing_or_may_not_start(checkout: Path) -> None:
    (checkout / "workflow/stage").chmod(0o644)
    with pytest.raises(InputError, match=r"chmod \+x workflow/stage"):
        check_checkout()
    (checkout / "workflow/stage").unlink()
    with pytest.raises(InputError, match="git checkout workflow/stage"):
        check_checkout()


@pytest.mark.parametrize("link", ["data", "data/cohort", "data/cohort/series.csv"])
def test_an_output_behind_a_link(here: Path, link: str) -> None:
    out = "data/cohort/series.csv"
    (here / "disk").mkdir()
    (here / link).parent.mkdir(parents=True, exist_ok=True)
    (here / link).symlink_to(here / "disk")
    with pytest.raises(InputError, match=f"^{link}: is a link.* data/raw"):
        check_links([out])


def test_what_may_be_a_link(checkout: Path) -> None:
    (checkout / "disk").mkdir()
    (checkout / "data/cohort").mkdir(parents=True)
    (checkout / "data/raw").symlink_to(checkout / "disk")
    check_links(["data/cohort/series.csv"])
    check_checkout()


def test_a_link_to_a_disk_that_is_not_mounted(checkout: Path) -> None:
    (checkout / "data").mkdir()
    (checkout / "data/raw").symlink_to(checkout / "disk")
    with pytest.raises(
        InputError, match=r"^data/raw: is a link to .*/disk, which is not there; mount"
    ):
        check_checkout()
    (checkout / "disk").mkdir()
    check_checkout()


def test_a_user_without_a_name_gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOGNAME", "")  # put back at the end
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[f"getpwuid(): uid not found: {uid}"])
    with pytest.raises(KeyError):
        getpass.getuser()
    name_the_user()
    assert getpass.getuser().startswith("uid")


def test_a_clone_has_the_bytes_of_the_commit_whatever_git_is_told(here: Path) -> None:
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "core.autocrlf=true"]
    origin = here / "origin"
    (origin / "workflow").mkdir(parents=True)
    for name in (".gitattributes", "workflow/stage"):
        shutil.copy(ROOT / name, origin / name)
    subprocess.run([*git, "init", "-q", "."], cwd=origin, check=True)
    subprocess.run([*git, "add", "-A"], cwd=origin, check=True)
    subprocess.run([*git, "commit", "-qm", "x"], cwd=origin, check=True)
    subprocess.run([*git, "clone", "-q", "origin", "clone"], cwd=here, check=True)
    found = (here / "clone/workflow/stage").read_bytes()
    assert found == (ROOT / "workflow/stage").read_bytes()
