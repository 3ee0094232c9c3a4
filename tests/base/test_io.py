import hashlib
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from textbcs.base import io
from textbcs.base.io import InputError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    io.write_text(target, "old")
    with pytest.raises(RuntimeError), io.atomic(target) as file:
        file.write(b"new")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_identifiers_stay_text(tmp_path: Path) -> None:
    io.write_text(tmp_path / "t.csv", "patient,n\n007,007\n,1\n")
    table = io.read_csv(tmp_path / "t.csv")
    assert table["patient"].tolist()[0] == "007"
    assert table["patient"].isna().tolist() == [False, True]
    assert table["n"].tolist() == [7, 1]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    target = tmp_path / "x"
    io.write_text(target, "old")
    with io.atomic(target) as file:
        file.write(b"n" * 100_000)
        file.flush()
        assert target.read_text() == "old"
    assert target.stat().st_size == 100_000


def test_write_follows_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        io.write_text(tmp_path / "x", "")
    finally:
        os.umask(old)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_a_read_only_target_is_replaced(tmp_path: Path) -> None:
    # DVC links outputs read-only into the workspace; the object behind the link must not change.
    cached = tmp_path / "cached"
    cached.write_text("old")
    cached.chmod(0o444)
    os.link(cached, tmp_path / "x")
    io.write_text(tmp_path / "x", "new")
    assert (cached.read_text(), (tmp_path / "x").read_text()) == ("old", "new")


def test_tables_round_trip_to_the_last_bit(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"patient": ["a", "b"], "value": [0.1 + 0.2, 1e-17 / 3], "text": ['x, "y"', None]}
    )
    io.write_csv(tmp_path / "t.csv", table)
    back = io.read_csv(tmp_path / "t.csv", ["patient"])
    assert back["value"].tolist() == table["value"].tolist()
    assert back["text"].isna().tolist() == [False, True]
    assert b"\r" not in (tmp_path / "t.csv").read_bytes()


def test_na_is_a_name_and_not_a_gap(tmp_path: Path) -> None:
    io.write_text(tmp_path / "t.csv", "patient,source\nNA,None\n")
    assert io.read_csv(tmp_path / "t.csv").to_dict("records") == [
        {"patient": "NA", "source": "None"}
    ]


def test_tensors_are_deterministic_and_round_trip(tmp_path: Path) -> None:
    arrays = {"b": np.arange(6, dtype=np.float16).reshape(2, 3).T, "a": np.ones(2, np.uint8)}
    io.write_tensors(tmp_path / "1", arrays)
    io.write_tensors(tmp_path / "2", dict(reversed(arrays.items())))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()
    back = io.read_tensors(tmp_path / "1")
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


@pytest.mark.parametrize(
    ("read", "content", "words"),
    [
        (io.read_json, b"{", "not valid JSON"),
        (io.read_tensors, b"garbage of some length", "damaged"),
        (io.read_csv, b"", "not a readable table"),
    ],
)
def test_damaged_files_are_one_line_with_their_name(tmp_path: Path, read, content, words) -> None:
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path / "f")
    assert str(tmp_path / "f") in str(caught.value)


def test_missing_file_and_column_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none.csv: file is missing"):
        io.read_csv(tmp_path / "none.csv")
    io.write_text(tmp_path / "t.csv", "a,b\n1,2\n")
    with pytest.raises(InputError, match="column 'c' is missing"):
        io.read_csv(tmp_path / "t.csv", ["a", "c"])


def test_sha256_agrees_with_hashlib_across_blocks(tmp_path: Path) -> None:
    content = os.urandom((1 << 20) + 17)
    (tmp_path / "f").write_bytes(content)
    assert io.sha256_file(tmp_path / "f") == hashlib.sha256(content).hexdigest()
