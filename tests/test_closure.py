"""`dvc.yaml` names the code of every stage: not a module less than it imports, and none more."""

import re
from pathlib import Path
from typing import Any

import pytest
from closure import closure

from textbcs.cli import STAGES
from textbcs.params import flatten, read_yaml

DEFINITIONS = read_yaml("dvc.yaml")["stages"]

# Wrapped around a stage in cli.py, or no stage: what they do changes no byte of a result, so editing
# them must re-run nothing.
AUDIT = "src/textbcs/lineage"
WRAPPERS = {
    "src/textbcs/arguments.py": "reads the command line",
    "src/textbcs/clean.py": "deletes what was written",
    "src/textbcs/cli.py": "starts the stage",
    "src/textbcs/cohort/estimate.py": "prints what a download would fetch",
    "src/textbcs/definition.py": "reads what the stage may touch",
    "src/textbcs/faults.py": "says what is wrong with the parameters",
    "src/textbcs/networks.py": "checks the parameters of networks",
    "src/textbcs/params.py": "checks the parameters that DVC compares value by value",
    "src/textbcs/pool.py": "spreads work over processes and keeps its order",
    "src/textbcs/presets.py": "edits params.yaml",
    "src/textbcs/process.py": "ties the stage's life to its parent's",
    "src/textbcs/prompts/template.py": "writes an empty table for readers",
    "src/textbcs/receipt.py": "writes down what ran",
    "src/textbcs/reporting/compare.py": "prints tables that are written",
    "src/textbcs/runinfo.py": "writes down when, where and at what cost",
}


METHODS = Path("src/textbcs/models")
NAMES = sorted({path.parent.name for path in METHODS.glob("*/__init__.py")} - {"blocks"})
FIRST = re.compile(r"\$\{([\w.]+)\}")
# Data that a module reads from beside itself.
DATA = {
    "src/textbcs/prompts/paraphrase.py": ["src/textbcs/prompts/paraphrases.yaml"],
    "src/textbcs/models/pinned.py": ["src/textbcs/models/pinned.yaml"],
    "src/textbcs/reporting/page.py": [
        f"src/textbcs/reporting/{name}" for name in ("page.css", "page.js", "viewer.html")
    ],
    "src/textbcs/reporting/runs.py": ["src/textbcs/reporting/paper.yaml"],
}
REGISTRY = "src/textbcs/models/registry.py"  # imports the folder of the method that it is asked for


def own(method: str) -> str:
    """Where a method's own code lies."""
    return f"{METHODS.as_posix()}/{method}"


def folder_of(definition: dict[str, Any]) -> str | None:
    """The one method's folder that a stage's registry may import from."""
    if "method" in definition.get("matrix", {}):
        return own("${item.method}")
    variants = "variant" in definition.get("matrix", {}) or "${gradcam.with}" in str(definition)
    # Without a matrix: all rows of the ablation in one stage.
    variants |= definition["cmd"].endswith("_variants")
    return own("textbcs") if variants else None


def expected(name: str, definition: dict[str, Any]) -> set[str]:
    """The stage's modules, the blocks of all methods, and the folder of its own method."""
    files = closure(STAGES[name][0].split(":")[0])
    assert not [file for file in files if any(file.startswith(own(m) + "/") for m in NAMES)], name
    if REGISTRY in files:
        folder = folder_of(definition)
        for method in NAMES:
            files |= closure(f"textbcs.models.{method}")
        files = {file for file in files if not any(file.startswith(own(m) + "/") for m in NAMES)}
        files |= {folder} if folder else set(map(own, NAMES))
    files |= {data for file in files for data in DATA.get(file, ())}
    return files - set(WRAPPERS)


@pytest.mark.parametrize("name", STAGES)
def test_deps_are_the_import_closure(name: str) -> None:
    declared = {dep for dep in DEFINITIONS[name]["deps"] if dep.startswith("src/")}
    assert declared == expected(name, DEFINITIONS[name])


@pytest.mark.parametrize("method", NAMES)
def test_a_method_imports_no_other(method: str) -> None:
    foreign = {
        file
        for file in closure(f"textbcs.models.{method}")
        if any(file.startswith(own(other) + "/") for other in NAMES if other != method)
    }
    assert foreign == set()


def test_every_stage_has_a_command_and_back() -> None:
    assert set(STAGES) == set(DEFINITIONS)
    for name, definition in DEFINITIONS.items():
        items = " ".join(f"${{item.{key}}}" for key in definition.get("matrix", {}))
        assert definition["cmd"] == f"exec workflow/stage {name} {items}".strip()


@pytest.mark.parametrize("name", ["train", "evaluate"])
def test_a_replicate_is_the_same_stage_with_other_seeds(name: str) -> None:
    own, twin = (DEFINITIONS[one] for one in (name, f"{name}_replicate"))
    assert STAGES[name][0] == STAGES[f"{name}_replicate"][0]
    assert twin["matrix"] == {"method": "${replicates.methods}", "seed": "${replicates.seeds}"}
    assert (twin["params"], twin["deps"]) == (own["params"], own["deps"])
    receipts = [out.replace(f"/{name}@", f"/{name}_replicate@") for out in own["outs"]]
    assert twin["outs"] == receipts


def test_wrappers_exist() -> None:
    assert all(Path(path).is_file() for path in WRAPPERS)


def test_every_module_belongs_to_a_stage_or_wraps_one() -> None:
    reached = set().union(*(closure(verb.split(":")[0]) for verb, _ in STAGES.values()))
    reached |= {path.as_posix() for method in NAMES for path in Path(own(method)).glob("*.py")}
    reached |= set().union(*(closure(f"textbcs.models.{method}") for method in NAMES))
    modules = {p.as_posix() for p in Path("src/textbcs").rglob("*.py") if p.name != "__init__.py"}
    audit = {path for path in modules if path.startswith(f"{AUDIT}/")}
    assert modules - reached - set(WRAPPERS) == audit


def test_no_stage_reaches_the_audit() -> None:
    """It reads what stages have left; a stage that imported it would run again with every check."""
    for verb, _ in STAGES.values():
        assert not any(path.startswith(f"{AUDIT}/") for path in closure(verb.split(":")[0]))


def test_closure_sees_imports_in_functions_and_skips_those_for_types(tmp_path, monkeypatch) -> None:
    package = tmp_path / "src/textbcs"
    package.mkdir(parents=True)
    (package / "a.py").write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from textbcs import c\n"
        "def f():\n    from textbcs.b import g\n"
        "TABLE = {'d': 'textbcs.d:verb'}\n"
    )
    (package / "b.py").write_text("import numpy\n")
    (package / "c.py").write_text("")
    (package / "d.py").write_text("")
    monkeypatch.chdir(tmp_path)
    assert closure("textbcs.a") == {f"src/textbcs/{name}.py" for name in "abd"}


def filled(key: str, values: dict[str, Any], matrix: dict[str, str]) -> str:
    """A parameter's key with the first value of its list, if it has one, in the place of a matrix value."""
    first = flatten(values)
    for name, rows in matrix.items():
        first[f"item.{name}"] = next(iter(first[rows.strip("${}")]), None)
    return FIRST.sub(lambda match: str(first[match[1]]), key)


@pytest.mark.parametrize("name", STAGES)
def test_every_param_key_exists_in_every_preset(name: str) -> None:
    for preset in Path("presets").glob("*.yaml"):
        values = read_yaml(preset)
        for key in DEFINITIONS[name]["params"]:
            node = values
            matrix = DEFINITIONS[name].get("matrix", {})
            for part in filled(key, values, matrix).split("."):
                assert part in node, f"{preset}: {key}"
                node = node[part]
