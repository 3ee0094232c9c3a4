"""The first difference between two files, in the words of what they hold."""

from pathlib import Path

import numpy as np
import pytest

from textbcs.base.io import write_bytes, write_tensors
from textbcs.lineage.replay.difference import first_difference


@pytest.mark.parametrize(
    ("name", "before", "after", "words"),
    [
        ("a.csv", b"x,y\n1,2\n", b"x,y\n1,3\n", "row 1, y: '2' here, '3' when it is run again"),
        ("a.csv", b"x,y\n1,2\n", b"x,z\n1,2\n", "row 0, y: 'y' here"),
        ("a.csv", b"x\n1\n2\n", b"x\n1\n", "row 2: not written again"),
        ("a.csv", b"x\n1\n", b"x\r\n1\n", "byte 2"),
        ("a.csv", b"\xff", b"x", "byte 1"),
        ("a.html", b"abcd", b"abXd", "byte 3"),
        ("a.html", b"abcd", b"abcdef", "byte 5"),
        ("a.safetensors", b"none", b"nope", "byte 3"),
    ],
)
def test_the_place_is_named(
    name: str, before: bytes, after: bytes, words: str, tmp_path: Path
) -> None:
    for folder, content in (("one", before), ("two", after)):
        write_bytes(tmp_path / folder / name, content)
    assert first_difference(tmp_path / "one" / name, tmp_path / "two" / name).startswith(words)


def test_a_value_of_a_tensor(tmp_path: Path) -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    other = values.copy()
    other[1, 1] = 9
    write_tensors(tmp_path / "one.safetensors", {"a": values, "b": values})
    write_tensors(tmp_path / "two.safetensors", {"a": values, "b": other})
    write_tensors(tmp_path / "three.safetensors", {"a": values})
    one, two, three = (tmp_path / f"{name}.safetensors" for name in ("one", "two", "three"))
    assert (
        first_difference(one, two) == "tensor b, value 5 of 6: 4.0 here, 9.0 when it is run again"
    )
    assert first_difference(one, three) == "tensor b: not written again"
