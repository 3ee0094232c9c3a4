"""Attacks 601 to 620, 641, 642: an unclean tree is exported; a crate comes from a stranger."""

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from fabricated import build, edit_yaml, flip
from fabricated_lock import commit
from fabricated_stages import Recipe
from sealed import change_receipt

from textbcs.base.io import InputError
from textbcs.cli import main
from textbcs.lineage.audit.received.exported import check_crate
from textbcs.lineage.export.entities import METADATA, VERDICT

Said = pytest.CaptureFixture[str]


def forge_locks(tree: Path) -> None:
    def change(lock: dict) -> None:
        for entry in lock["stages"].values():
            entry["deps"].pop()

    edit_yaml("dvc.lock", change)
    commit("forged")


UNCLEAN: dict[str, tuple[Callable[[Path], object], str]] = {
    "601 tampered receipt": (lambda _: flip("results/receipts/split.json", 200), "TAMPERED"),
    "602 forged locks": (forge_locks, "FORGED-LOCK"),
    "603 missing receipt": (lambda _: Path("results/receipts/masks.json").unlink(), "MISSING"),
    "604 another command": (
        lambda _: change_receipt("split", lambda facts: facts.update(argv=["slices"])), "CONTRADICTION",
    ),
}  # fmt: skip


@pytest.mark.parametrize("attack", UNCLEAN)
def test_an_unclean_tree_is_not_exported_without_a_word(
    attack: str, tree: Path, capsys: Said
) -> None:
    spoil, kind = UNCLEAN[attack]
    spoil(tree)
    assert main(["audit", "export", "crate"]) == 1
    assert not Path("crate").exists()
    assert "nothing was exported" in capsys.readouterr().out
    assert main(["audit", "export", "crate", "--with-faults"]) == 0
    kinds = {one.kind for one in check_crate(Path("crate")).findings}
    assert kind in kinds


def test_605_a_leak_is_carried_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(build(tmp_path / "tree", Recipe(images={"P4-z0": "P2-z1"})))
    assert main(["audit", "export", "crate"]) == 1
    assert main(["audit", "export", "crate", "--with-faults"]) == 0
    capsys.readouterr()
    assert main(["audit", "check", "crate"]) == 1
    assert "LEAK" in capsys.readouterr().out


@pytest.fixture
def crate(tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said) -> Path:
    """A crate of a clean tree, where there is no working copy."""
    place = tree.parent / "received"
    place.mkdir()
    assert main(["audit", "export", str(place / "crate")]) == 0
    monkeypatch.chdir(place)
    capsys.readouterr()
    return place / "crate"


def zip_of(folder: Path, name: str = "crate.zip") -> Path:
    return Path(shutil.make_archive(name.removesuffix(".zip"), "zip", folder.parent, folder.name))


def test_a_clean_crate_is_clean_as_folder_and_as_zip(crate: Path, capsys: Said) -> None:
    assert main(["audit", "check", "crate"]) == 0
    assert "judged 17 of 17 stages" in capsys.readouterr().out
    assert (crate / VERDICT).is_file()
    zip_of(crate)
    shutil.rmtree(crate)
    assert main(["audit", "check", "crate.zip"]) == 0
    assert [path.name for path in Path().iterdir()] == ["crate.zip"]


def test_two_exports_are_equal(crate: Path, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert main(["audit", "export", "../second"]) == 0
    for path in crate.rglob("*"):
        if path.is_file():
            other = tree.parent / "second" / path.relative_to(crate)
            assert other.read_bytes() == path.read_bytes()


def test_606_a_zip_that_was_changed(crate: Path) -> None:
    flip(str(crate / "reports/tables/table1.csv"))
    report = check_crate(zip_of(crate))
    assert [(one.kind, one.path) for one in report.findings] == [
        ("TAMPERED", "reports/tables/table1.csv")
    ]


def with_member(archive: Path, name: str, mode: int = 0o100644) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(member, "/etc/hostname")


MEMBERS = {
    "607 above": ("../outside.txt", 0o100644),
    "608 absolute": ("/tmp/outside-of-a-crate.txt", 0o100644),
    "609 link": ("crate/link", 0o120777),
    "610 in between": ("crate/../../outside.txt", 0o100644),
    "611 twice": (f"crate/{METADATA.upper()}", 0o100644),
    "612 backslash": ("..\\outside.txt", 0o100644),
}


@pytest.mark.parametrize("attack", MEMBERS)
def test_a_zip_that_leaves_its_folder(attack: str, crate: Path, tmp_path: Path) -> None:
    name, mode = MEMBERS[attack]
    archive = zip_of(crate)
    with_member(archive, name, mode)
    before = sorted(tmp_path.rglob("outside*"))
    with pytest.raises(InputError, match="crate.zip: "):
        check_crate(archive)
    assert sorted(tmp_path.rglob("outside*")) == before
    assert not Path("/tmp/outside-of-a-crate.txt").exists()


def test_613_a_bomb(crate: Path) -> None:
    archive = zip_of(crate)
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("crate/zeros", bytes(40_000_000))
    with pytest.raises(InputError, match="more than a crate of its size"):
        check_crate(archive)


def test_617_two_crates_in_a_zip(crate: Path) -> None:
    """It was clean, and nothing said which of the two had been judged."""
    archive = zip_of(crate)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.write(crate / "ro-crate-metadata.json", "zz/ro-crate-metadata.json")
    with pytest.raises(InputError, match="holds crate, zz, and an export is one folder"):
        check_crate(archive)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no zip"])
def test_614_no_zip(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        check_crate(tmp_path / "x.zip")


def test_615_links_and_pipes_in_a_crate(crate: Path) -> None:
    (crate / "results/passwd").symlink_to("/etc/passwd")
    os.mkfifo(crate / "results/pipe")
    (crate / ".dvcignore").write_text("*\n")  # would hide all that is added
    (crate / "results/added.csv").write_text("x")
    found = {(one.kind, one.path) for one in check_crate(crate).findings}
    assert found == {
        ("ORPHAN", name)
        for name in ("results/passwd", "results/pipe", ".dvcignore", "results/added.csv")
    }


def test_616_metadata_that_is_nested_or_no_file(crate: Path) -> None:
    (crate / METADATA).write_bytes(b"[" * 200_000)
    with pytest.raises(InputError, match="not as textbcs audit export writes it"):
        check_crate(crate)


PLACES: dict[str, tuple[list[str], str]] = {
    "618 a file and a folder of one name": (
        ["crate/a", "crate/a/b"],
        "the member 'crate/a/b' cannot be",
    ),
    "619 a long name": (["crate/" + "a" * 5000], "cannot be unpacked: File name too long"),
    "620 deep folders": (["crate/" + "d/" * 2000 + "x"], "more than 100 folders"),
}


@pytest.mark.parametrize("attack", PLACES)
def test_a_zip_whose_names_find_no_place_is_named_as_it_was_given(
    attack: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    names, words = PLACES[attack]
    with zipfile.ZipFile("a.zip", "w") as opened:
        for name in names:
            opened.writestr(name, "x")
    with pytest.raises(InputError, match=words) as caught:
        check_crate(Path("a.zip"))
    said = str(caught.value)
    assert said.startswith("a.zip: ")
    assert "damaged" not in said
    assert "textbcs-crate-" not in said
    assert len(said) < 250


def test_641_another_method_of_packing_is_no_damage(crate: Path) -> None:
    archive = zip_of(crate)
    content = bytearray(archive.read_bytes())
    place = content.find(b"PK\1\2")
    while place >= 0:
        content[place + 10 : place + 12] = b"\x63\0"  # AES, which nobody unpacks here
        place = content.find(b"PK\1\2", place + 4)
    archive.write_bytes(content)
    with pytest.raises(InputError, match="not read here .*; zip it with deflate"):
        check_crate(archive)


def test_642_metadata_in_a_zip_is_named_with_the_zip(crate: Path) -> None:
    (crate / METADATA).write_text("{}")
    with pytest.raises(
        InputError, match=rf"/received/crate\.zip/{METADATA}: not as textbcs audit export"
    ):
        check_crate(zip_of(crate))
