"""Hashes against `hashlib` over whole files and against DVC's own hash of a folder."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from textbcs.base.io import write_bytes
from textbcs.lineage.records.hashing import folder_md5, hash_files


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Many small files, an empty one, and two that are larger than what is read at once."""
    monkeypatch.chdir(tmp_path)
    contents = {f"small/{number}": str(number).encode() * number for number in range(200)}
    contents |= {"empty": b"", "large": os.urandom(3 << 20), "just": os.urandom(1 << 18)}
    for path, content in contents.items():
        write_bytes(path, content, durable=False)
    return contents


def test_every_file_gets_the_hashes_that_were_asked_for(files: dict[str, bytes]) -> None:
    wanted = {path: ("sha256", "md5") if "small" in path else ("sha256",) for path in files}
    found = hash_files({**wanted, "absent": ("sha256",), "small": ("sha256",)})
    assert (found.files, found.bytes) == (len(files), sum(map(len, files.values())))
    assert found.of("absent") is None
    assert found.of("small") is None  # a folder
    for path, content in files.items():
        one = found.of(path)
        assert one is not None
        assert (one.bytes, one.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
        assert one.md5 == (md5 if "small" in path else "")


def test_a_hard_link_is_read_once(files: dict[str, bytes]) -> None:
    Path("link").hardlink_to("large")
    found = hash_files({"large": ("sha256",), "link": ("md5",)})
    assert found.files == 1
    assert found.of("link") == found.of("large")


def test_an_audit_of_a_read_only_tree_is_no_error(files: dict[str, bytes]) -> None:
    write_bytes(".cache", b"a file where the folder would be")
    assert hash_files({"large": ("sha256",)}, remember=True).files == 1


def test_an_unreadable_file_is_named(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def broken(path: str, flags: int) -> int:
        if path == "just":
            raise OSError(5, "Input/output error")
        return real(path, flags)

    monkeypatch.setattr("textbcs.lineage.records.hashing.os.open", broken)
    found = hash_files({"just": ("sha256",), "large": ("sha256",)})
    assert found.of("just") is None
    assert "Input/output error" in found.unreadable["just"]
    assert found.of("large")


def test_a_folder_has_the_hash_that_dvc_gives_it() -> None:
    """Our hash of a folder against that of DVC's own library."""
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    files = {"b.csv": "0" * 32, "a/c.csv": "1" * 32, "a.csv": "2" * 32}
    tree = Tree()
    for name, md5 in files.items():
        tree.add(tuple(name.split("/")), None, HashInfo("md5", md5))
    tree.digest()
    assert folder_md5(files) == tree.hash_info.value
    assert json.loads(tree.as_bytes())[0]["relpath"] == "a.csv"
