"""What editors and desktops leave is no content: for DVC, for receipts and for the audit alike."""

import shutil
from pathlib import Path

import pytest

from textbcs.stage.ignored_files import files_in, is_ignored
from textbcs.stage.receipt import modules

ROOT = Path(__file__).resolve().parents[2]
LEFT = (
    ".x.py.swp", "x.py~", ".DS_Store", "Thumbs.db", ".ipynb_checkpoints/x-checkpoint.py", ".nfs0000a1",
    "._x.py", ".#x.py", "#x.py#", "x.py.orig", "__pycache__/x.pyc", ".snakemake_timestamp", "desktop.ini",
    ".directory", ".~lock.x.csv#", ".idea/x.xml",
)  # fmt: skip
CONTENT = ("x.py", "y.yaml", "z/x.py", "data.csv", "notes.txt", ".hidden", "x.swpx")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of content and left-overs, below the list of the project."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / ".dvcignore", ".dvcignore")
    for name in (*LEFT, *CONTENT):
        path = Path("src/code", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return Path("src/code")


def test_left_overs_are_no_content(folder: Path) -> None:
    assert [path.relative_to(folder).as_posix() for path in files_in(folder)] == sorted(CONTENT)
    assert list(modules(["src/code"])) == ["src/code/x.py", "src/code/z/x.py"]


def test_dvc_sees_the_same_files(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dvc.repo import Repo

    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(Path("site").absolute()))
    with Repo.init(".", no_scm=True) as repo:
        found = {
            Path(path).relative_to(Path.cwd())
            for path in repo.dvcignore.find(repo.fs, str(folder.absolute()))
        }
    assert found == set(files_in(folder))


def test_a_link_that_an_editor_leaves_is_no_file(folder: Path) -> None:
    (folder / ".#y.py").symlink_to("nobody@nowhere:1")
    assert Path("src/code/.#y.py") not in files_in(folder)
    assert list(modules(["src/code"])) == ["src/code/x.py", "src/code/z/x.py"]


def test_a_path_in_the_list_hides_nothing_from_the_audit(folder: Path) -> None:
    with Path(".dvcignore").open("a") as file:
        file.write("/src/code/x.py\nsrc/code/notes.txt\n!y.yaml\n")
    assert not is_ignored(folder / "x.py")
    assert not is_ignored(folder / "notes.txt")
    assert not is_ignored(Path("src/code/y.yaml"))


def test_without_a_list_everything_is_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert not is_ignored(Path("x.swp"))
