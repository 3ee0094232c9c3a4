"""How a command ends where its input is bad: one line of visible text, exit code 2."""

from pathlib import Path

import pytest

from textbcs.base.io import InputError, existing
from textbcs.stage.command import exit_code, one_line


def said(error: Exception, capsys: pytest.CaptureFixture[str]) -> str:
    def command() -> int:
        raise error

    assert exit_code(command) == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a\nb.csv", r"a\nb.csv"),
        ("a\r\nb.csv", r"a\r\nb.csv"),
        ("a  b.csv", "a  b.csv"),
        ("\x1b[2Jgone.csv", r"\x1b[2Jgone.csv"),
        ("a\x07\x7f\x9b.csv", r"a\x07\x7f\x9b.csv"),
        ("right\u202eleft.csv", r"right\u202eleft.csv"),
        ("line\u2028.csv", r"line\u2028.csv"),
        ("latin\udcfc.csv", r"latin\xfc.csv"),
        ("Müller 乳房.csv", "Müller 乳房.csv"),
    ],
)
def test_a_name_of_any_characters_stays_one_line(
    name: str, shown: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError) as refused:
        existing(tmp_path / name)
    told = said(refused.value, capsys)
    assert told.startswith(f"error: {tmp_path}/{shown}: ")
    assert told.endswith("\n")
    assert told[:-1].isprintable()
    with pytest.raises(OSError, match="No such file") as missing:
        (tmp_path / name).read_bytes()
    assert said(missing.value, capsys) == f"error: {tmp_path}/{shown}: No such file or directory\n"


def test_every_character_is_visible_and_tells_itself_apart() -> None:
    characters = [chr(number) for number in [*range(1, 0x3000), *range(0xD800, 0xE000)]]
    shown = [one_line(f"a{one}b") for one in characters]
    assert all(one.isprintable() for one in shown)
    # Only a byte that is no UTF-8 and the character of its number look alike.
    assert len(set(shown)) >= len(characters) - 0x80


def test_what_ends_well_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(lambda: None) == 0
    assert exit_code(lambda: 3) == 3
    assert capsys.readouterr().err == ""


def test_a_temporary_file_is_named_by_what_it_was_to_be(capsys: pytest.CaptureFixture[str]) -> None:
    refused = PermissionError(13, "Permission denied", "folder/.params.yaml.ifc6265g.part")
    assert said(refused, capsys) == "error: folder/params.yaml: Permission denied\n"
