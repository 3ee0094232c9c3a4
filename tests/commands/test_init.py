"""`textbcs init`: the folder is there whole, or as it was."""

import os
import subprocess
from pathlib import Path

import pytest
from wheel import SOURCE, repository_files

from textbcs.base import io
from textbcs.base.io import InputError
from textbcs.commands import init as module
from textbcs.commands.init import init, working_copy_files
from textbcs.settings.working_copy import project_files, project_folder
from textbcs.stage.definition import lines, read_stages


@pytest.fixture(autouse=True)
def _git(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of a person's own git."""
    for key in list(os.environ):
        if key.startswith("GIT_"):
            monkeypatch.delenv(key)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    (tmp_path / "gitconfig").write_text("[user]\n\tname = A\n\temail = a@example.org\n")


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_working_copy_is_the_repository_without_results_and_tests() -> None:
    assert sorted(working_copy_files()) == repository_files()


def test_what_every_stage_depends_on_is_there_or_made() -> None:
    stages = read_stages()
    files = working_copy_files()
    made = [out.split("${")[0] for stage in stages.values() for out in lines(stage, "outs")]
    for name, stage in stages.items():
        for dep in lines(stage, "deps"):
            is_there = any(f"{file}/".startswith(f"{dep.rstrip('/')}/") for file in files)
            assert (
                is_there
                or "${" in dep
                or any(dep.startswith(out) or out.startswith(dep) for out in made)
            ), f"{name} reads {dep}"


def test_a_new_folder_becomes_a_committed_repository(tmp_path: Path) -> None:
    said = list(init(tmp_path / "a b"))
    folder = tmp_path / "a b"
    assert sorted(git(folder, "ls-files").splitlines()) == repository_files()
    assert git(folder, "status", "--porcelain") == ""
    assert len(said) == 3
    assert said[1] == "git: a repository with a first commit"
    assert f"next: cd '{folder}' && " in said[2]
    assert (folder / ".dvc/config").is_file()
    assert os.access(folder / "workflow/stage", os.X_OK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a b", "gitconfig"]


def test_the_working_folder_itself_may_be_empty(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    before = Path.cwd().stat().st_ino
    said = list(init(Path()))
    assert "cd " not in said[-1]
    assert Path("dvc.yaml").is_file()
    assert Path.cwd().stat().st_ino == before


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    (said,) = init(tmp_path / "new", dry_run=True)
    assert f"would hold {len(repository_files())} files" in said
    assert not (tmp_path / "new").exists()


def test_without_a_name_git_makes_no_commit_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "gitconfig").write_text("")
    said = list(init(tmp_path / "new"))
    assert "without a commit" in said[1]
    assert "user.name" in said[1]
    assert git(tmp_path / "new", "status", "--porcelain", "--untracked-files=all").count(
        "??"
    ) == len(repository_files())


def test_a_hook_that_refuses_is_told(tmp_path: Path) -> None:
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "pre-commit").write_text("#!/bin/sh\necho not on Sundays >&2\nexit 1\n")
    (hooks / "pre-commit").chmod(0o755)
    with (tmp_path / "gitconfig").open("a") as file:
        file.write(f"[core]\n\thooksPath = {hooks}\n")
    said = list(init(tmp_path / "new"))
    assert "without a commit (not on Sundays)" in said[1]


def test_a_persons_list_of_ignored_files_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / "ignored").write_text("*.lock\n*.json\ndata/\n")
    with (tmp_path / "gitconfig").open("a") as file:
        file.write(f"[core]\n\texcludesFile = {tmp_path / 'ignored'}\n")
    list(init(tmp_path / "new"))
    assert sorted(git(tmp_path / "new", "ls-files").splitlines()) == repository_files()


def test_the_repository_that_a_hook_of_another_names_is_left_alone(
    tmp_path: Path, monkeypatch
) -> None:
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other/.git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "other/.git/index"))
    list(init(tmp_path / "new"))
    assert (tmp_path / "new/.git/HEAD").is_file()
    assert not (tmp_path / "other/.git/index").exists()


def test_what_is_in_use_is_refused(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    list(init(tmp_path / "copy"))
    for name, words in (
        ("full", "is not empty; name a new folder"),
        ("file", "is a file"),
        ("copy", "is a working copy already"),
        ("copy/docs/new", "lies in the working copy"),
    ):
        with pytest.raises(InputError, match=words):
            list(init(tmp_path / name))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["notes.txt"]


def test_without_git_it_says_so(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install git"):
        list(init(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("is_there", [True, False])
def test_a_full_disk_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch, is_there: bool
) -> None:
    if is_there:
        (tmp_path / "new").mkdir()
    written = []

    def full(path: Path, content: bytes, durable: bool = True) -> None:
        written.append(path)
        if len(written) > 9:
            raise OSError(28, "No space left on device")
        io.write_bytes(path, content, durable)

    monkeypatch.setattr(module, "write_bytes", full)
    with pytest.raises(InputError, match=r"new: cannot be written: No space left on device$"):
        list(init(tmp_path / "new"))
    assert (tmp_path / "new").exists() == is_there
    assert not is_there or not any((tmp_path / "new").iterdir())


def test_a_package_without_its_files_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"pyproject\.toml: does not list .* install textbcs again"
    ):
        project_files(tmp_path)
    (tmp_path / "pyproject.toml").write_text('[tool.textbcs]\nworking-copy = ["dvc.yaml"]\n')
    with pytest.raises(InputError, match=r"dvc\.yaml: is missing; install textbcs again"):
        project_files(tmp_path)


def test_in_a_checkout_the_files_are_those_at_its_root() -> None:
    assert project_folder() == SOURCE
