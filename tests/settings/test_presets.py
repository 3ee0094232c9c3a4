"""Presets: what `textbcs use` writes, and how an overlay says what differs."""

import re
from pathlib import Path

import pytest

from textbcs.base.io import InputError
from textbcs.settings.params import load_params
from textbcs.settings.presets import (
    preset_names,
    preset_text,
    presets_below,
    read_preset,
    use_preset,
)

COMPLETE = """\
# How it is read.

# The default.

a: 1 # one
b:
  c: [1, 2] # pair
  d: {x: 1, y: 2.0e-3} # flow
  e: null # none

# Above f.
f:
  g: "text" # last of f

# Above h.
h: true
"""


def laid(tmp_path: Path, overlay: str) -> str:
    """The text and, below it, a check that the values are those of a merge without comments."""
    (tmp_path / "phantom.yaml").write_text(COMPLETE)
    (tmp_path / "other.yaml").write_text(f"# Laid over.\n\n# The other.\n\n{overlay}")
    return preset_text("other", tmp_path)


def test_the_default_is_the_phantom_preset_as_use_writes_it() -> None:
    assert preset_text("phantom") == Path("presets/phantom.yaml").read_text()
    assert Path("params.yaml").read_text() == preset_text("phantom")


@pytest.mark.parametrize("name", preset_names())
def test_use_writes_what_is_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(preset_text(name))
    assert load_params(tmp_path / "params.yaml") == read_preset(name)


@pytest.mark.parametrize("name", sorted({*preset_names()} - {"phantom"}))
def test_an_overlay_holds_nothing_that_is_the_same(name: str) -> None:
    text = Path(f"presets/{name}.yaml").read_text()
    overlay = read_yaml_without_tags(text)
    assert same(overlay, read_preset(presets_below(name)[0])) == []


def read_yaml_without_tags(text: str) -> dict:
    from ruamel.yaml import YAML

    values: dict = YAML(typ="safe", pure=True).load(text.replace("!absent", '"!absent"'))
    return values


def same(overlay: dict, complete: dict, where: str = "") -> list[str]:
    """Dotted keys of values that the complete preset has too."""
    found = []
    for key, value in overlay.items():
        if isinstance(value, dict) and isinstance(complete.get(key), dict) and complete[key]:
            found += same(value, complete[key], f"{where}{key}.")
        elif key in complete and complete[key] == value:
            found.append(f"{where}{key}")
    return found


def test_a_mapping_is_merged_and_anything_else_replaces(tmp_path: Path) -> None:
    text = laid(tmp_path, "b:\n  c: [3] # single\n  d: {y: 5, z: 6}\n  e: 7\n")
    assert read_preset("other", tmp_path) == {
        "a": 1,
        "b": {"c": [3], "d": {"x": 1, "y": 5, "z": 6}, "e": 7},
        "f": {"g": "text"},
        "h": True,
    }
    for line in ("  c: [3] # single", "  d: {x: 1, y: 5, z: 6} # flow", "  e: 7 # none"):
        assert f"\n{line}\n" in text
    assert text.startswith("# How it is read.\n\n# The other.\n\na: 1 # one\n")
    assert "\n\n# Above f.\nf:\n" in text


def test_a_list_of_mappings_replaces_with_its_comments(tmp_path: Path) -> None:
    text = laid(tmp_path, "b:\n  c:\n    - k: 1 # kk\n      m: 2\n    # More.\n  e: 3\n")
    assert read_preset("other", tmp_path)["b"]["c"] == [{"k": 1, "m": 2}]
    assert "  c: # pair\n    - k: 1 # kk\n      m: 2\n    # More.\n  d: {x: 1," in text


def test_a_key_can_be_added_and_taken_away(tmp_path: Path) -> None:
    text = laid(tmp_path, "b:\n  c: !absent\nf:\n  i: {j: 1} # new\n  k: 2\nl: 3\n")
    assert read_preset("other", tmp_path) == {
        "a": 1,
        "b": {"d": {"x": 1, "y": 2.0e-3}, "e": None},
        "f": {"g": "text", "i": {"j": 1}, "k": 2},
        "h": True,
        "l": 3,
    }
    # What stands above a section stays above it.
    assert (
        '  g: "text" # last of f\n  i: {j: 1} # new\n  k: 2\n\n# Above h.\nh: true\nl: 3\n' in text
    )


def test_an_overlay_may_lie_over_another(tmp_path: Path) -> None:
    laid(tmp_path, "b:\n  c: [3]\n  e: 7 # seven\n")
    head = "# Laid over other.yaml: key by key.\n\n# The third.\n\n"
    (tmp_path / "third.yaml").write_text(f"{head}b:\n  c: [4] # four\n")
    assert presets_below("third", tmp_path) == ["other", "phantom"]
    assert read_preset("third", tmp_path)["b"] == {"c": [4], "d": {"x": 1, "y": 2.0e-3}, "e": 7}
    text = preset_text("third", tmp_path)
    assert text.startswith("# How it is read.\n\n# The third.\n\na: 1 # one\n")
    assert "  c: [4] # four\n" in text
    assert "  e: 7 # seven\n" in text


def test_overlays_that_lie_over_each_other_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text(COMPLETE)
    for one, other in (("first", "second"), ("second", "first")):
        (tmp_path / f"{one}.yaml").write_text(f"# Laid over {other}.yaml: x.\n\n# It.\n\na: 2\n")
    with pytest.raises(
        InputError, match=r"second.yaml: laid over first.yaml, which is laid over it"
    ):
        preset_text("first", tmp_path)
    (tmp_path / "lost.yaml").write_text("# Laid over nobody.yaml: x.\n\n# It.\n\na: 2\n")
    with pytest.raises(InputError, match=r"nobody.yaml: file is missing"):
        preset_text("lost", tmp_path)


@pytest.mark.parametrize(
    ("overlay", "words"),
    [
        ("z: !absent\n", "other.yaml: z: !absent, but"),
        ("a: [\n", "other.yaml: not valid YAML"),
        ("- 1\n", "other.yaml: expected sections"),
    ],
)
def test_a_faulty_overlay_is_one_line(tmp_path: Path, overlay: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)) as caught:
        laid(tmp_path, overlay)
    assert "\n" not in str(caught.value)


def test_a_preset_begins_with_what_it_is_for(tmp_path: Path) -> None:
    (tmp_path / "phantom.yaml").write_text(COMPLETE)
    (tmp_path / "bare.yaml").write_text("a: 2\n")
    with pytest.raises(InputError, match=r"bare.yaml: begin with two paragraphs of comments"):
        preset_text("bare", tmp_path)


def test_use_shows_what_changed_and_can_be_dry(tmp_path: Path, monkeypatch) -> None:
    phantom, tiny = preset_text("phantom"), preset_text("tiny")
    (tmp_path / "presets").symlink_to(Path("presets").resolve())
    monkeypatch.chdir(tmp_path)
    Path("params.yaml").write_text(phantom)
    lines = use_preset("tiny", dry_run=True)
    assert "phantom.patients: 160 -> 14" in lines
    assert "variants.evidence_e1.loss.lambda_evidence: 0.1 -> (absent)" in lines
    assert Path("params.yaml").read_text() == phantom
    assert use_preset("tiny")[:-1] == lines[:-1]
    assert use_preset("tiny") == ["params.yaml is now presets/tiny.yaml (0 values differ)"]
    Path("params.yaml").write_text("split: [")
    unknown, last = use_preset("tiny")
    assert "not valid YAML" in unknown
    assert last == "params.yaml is now presets/tiny.yaml (replaced whole)"
    assert Path("params.yaml").read_text() == tiny
    with pytest.raises(
        InputError, match="no preset 'dukes'.*duke, fractions, own, own_first, phantom, tiny"
    ):
        use_preset("dukes")
