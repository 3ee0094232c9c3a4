"""The generated pages are those that `make docs` would write now."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", "docs/generate.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_the_pages_are_current(generate: ModuleType) -> None:
    for path, text in generate.pages().items():
        assert path.read_text(encoding="utf-8") == text, f"{path} is out of date: run `make docs`"


def test_nothing_else_is_there(generate: ModuleType) -> None:
    by_hand = Path(
        "docs/reference/engine_options.md"
    )  # tests/workflow/test_engine_options.py holds it
    assert set(Path("docs/reference").iterdir()) - {by_hand} == set(generate.pages())


def test_settings_keep_their_place_value_and_comment(generate: ModuleType) -> None:
    text = (
        "# The file.\n\n# Where.\ncohort:\n  kind: phantom # a | b\n  sources: # first wins\n"
        '    - source: expert\n      pattern: "^a#b$" # regular\n  box: { level: 0.5 }\n'
    )
    name, comment, body = next(generate.sections(text))
    assert (name, comment) == ("cohort", "Where.")
    assert [(one.key, one.value, one.meaning) for one in generate.settings(body)] == [
        ("cohort.kind", "phantom", "a | b"),
        ("cohort.sources", "", "first wins"),
        ("cohort.sources[].source", "expert", ""),
        ("cohort.sources[].pattern", '"^a#b$"', "regular"),
        ("cohort.box", "{ level: 0.5 }", ""),
    ]


def test_every_parameter_of_the_preset_is_on_the_page(generate: ModuleType) -> None:
    """Against the YAML itself: no line of the preset is overlooked."""
    from textbcs.settings.presets import read_preset

    page = Path("docs/reference/parameters.md").read_text(encoding="utf-8")
    for section, values in read_preset("phantom").items():
        names = values if isinstance(values, dict) else ()
        assert [name for name in names if f"`{section}.{name}" not in page] == []
        assert f"## {section}\n" in page
