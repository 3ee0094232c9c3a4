"""A parameter file is parsed once a process; each reader has values of its own."""

from pathlib import Path

from textbcs.settings import params


def test_a_file_that_is_read_twice_gives_values_of_their_own(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("a: {b: [1, 2]}\n")
    first = params.read_yaml(file)
    first["a"]["b"].append(3)
    assert params.read_yaml(file) == {"a": {"b": [1, 2]}}
    file.write_text("a: {b: [5]}\n")
    assert params.read_yaml(file) == {"a": {"b": [5]}}
