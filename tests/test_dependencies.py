"""`dvc.yaml` names the code of every stage: the folders of what it imports, no more and no fewer."""

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from import_closure import closure

from textbcs.settings.params import flatten, read_yaml
from textbcs.settings.presets import preset_names, read_preset
from textbcs.stages.modules import module_names

DEFINITIONS = read_yaml("dvc.yaml")["stages"]
SOURCE = "src/textbcs"
MODULES = module_names()
# Surround a stage, or are no stage: what they do changes no byte of a result, so an edit re-runs nothing.
WITHOUT_EFFECT = {
    f"{SOURCE}/settings": "checks the parameters, which DVC compares value by value",
    f"{SOURCE}/stage": "says what a stage may touch, and writes down what ran",
    f"{SOURCE}/commands": "what people type",
    f"{SOURCE}/lineage": "reads what stages have left",
}
# A trained model in use: what stages do not import of it, the commands do.
IN_USE = tuple(
    f"{SOURCE}/{name}/" for name in ("package", "study", "outline", "validation", "serving")
)
METHODS = Path(SOURCE, "models")
COMMON = f"{SOURCE}/models/common"
NAMES = sorted({path.parent.name for path in METHODS.glob("*/__init__.py")} - {"common"})
REGISTRY = f"{COMMON}/registry.py"  # imports the folder of the method that it is asked for
SHARED = ("train", "predict")  # stages that are one function, with a matrix each
FIRST = re.compile(r"\$\{([\w.]+)\}")


def own(method: str) -> str:
    """Where a method's own code lies."""
    return f"{METHODS.as_posix()}/{method}"


def folder_of(definition: dict[str, Any]) -> str | None:
    """The one method's folder that a stage's registry may import from; None: from all."""
    if "method" in definition.get("matrix", {}):
        return own("${item.method}")
    is_variant = "variant" in definition.get("matrix", {}) or "${gradcam.with}" in str(definition)
    return own("textbcs") if is_variant else None


def folder(file: str, method: str | None) -> str | None:
    """The folder that stands in dvc.yaml for a module; a stage's own module stands for itself.

    Args:
        file: the module.
        method: the folder of the one method that the stage runs, or None for all.
    """
    parts = PurePosixPath(file).relative_to(SOURCE).parts
    if len(parts) == 1 or f"{SOURCE}/{parts[0]}" in WITHOUT_EFFECT:
        return None
    if parts[0] == "stages":
        return f"{SOURCE}/stages/{parts[1]}" if parts[1] in SHARED else file
    if parts[0] == "models" and (len(parts) == 2 or parts[1] in NAMES):
        return METHODS.as_posix() if len(parts) == 2 or method is None else method
    return PurePosixPath(file).parent.as_posix()


def expected(name: str, definition: dict[str, Any]) -> set[str]:
    """The folders of a stage's modules; of a method's own, where the registry imports one."""
    files = closure(MODULES[name])
    assert not [file for file in files if any(file.startswith(own(m) + "/") for m in NAMES)], name
    method = folder_of(definition)
    if REGISTRY in files:
        files = files.union(*(closure(f"textbcs.models.{one}") for one in NAMES))
    folders = {found for file in files if (found := folder(file, method))}
    if METHODS.as_posix() in folders:  # holds the others
        folders -= {found for found in folders if found.startswith(f"{METHODS.as_posix()}/")}
    return folders


def code(name: str) -> list[str]:
    """The code that dvc.yaml names for a stage."""
    return [dep for dep in DEFINITIONS[name]["deps"] if dep.startswith("src/")]


@pytest.mark.parametrize("name", DEFINITIONS)
def test_code_is_the_folders_of_the_imports(name: str) -> None:
    assert set(code(name)) == expected(name, DEFINITIONS[name])


def test_a_person_can_read_the_definition() -> None:
    assert all(len(code(name)) <= 10 for name in DEFINITIONS)
    lines = Path("dvc.yaml").read_text().splitlines()
    assert len(lines) <= 20 * len(DEFINITIONS)
    assert sum(line.count("src/textbcs") for line in lines) <= 7 * len(DEFINITIONS)
    for line in lines:
        assert sum(name in re.findall(r"\w+", line) for name in NAMES if name != "textbcs") == 0


@pytest.mark.parametrize("method", NAMES)
def test_a_method_imports_no_other(method: str) -> None:
    foreign = {
        file
        for file in closure(f"textbcs.models.{method}")
        if any(file.startswith(own(other) + "/") for other in NAMES if other != method)
    }
    assert foreign == set()


def test_every_stage_has_a_command_and_back() -> None:
    assert set(MODULES) == set(DEFINITIONS)
    for name, definition in DEFINITIONS.items():
        items = " ".join(f"${{item.{key}}}" for key in definition.get("matrix", {}))
        assert definition["cmd"] == f"exec workflow/stage {name} {items}".strip()


@pytest.mark.parametrize("name", ["train", "predict"])
def test_a_replicate_is_the_same_stage_with_other_seeds(name: str) -> None:
    own, twin = (DEFINITIONS[one] for one in (name, f"{name}_replicate"))
    assert twin["matrix"] == {"method": "${replicates.methods}", "seed": "${replicates.seeds}"}
    assert (twin["params"], twin["deps"]) == (own["params"], own["deps"])
    receipts = [out.replace(f"/{name}@", f"/{name}_replicate@") for out in own["outs"]]
    assert twin["outs"] == receipts


def test_every_module_belongs_to_a_stage_or_has_no_effect_on_one() -> None:
    reached = set().union(*(closure(module) for module in MODULES.values()))
    reached |= {path.as_posix() for method in NAMES for path in Path(own(method)).glob("*.py")}
    # `settings` runs the module of this name beside every method (settings/methods.py).
    for part in ("", ".settings"):
        reached |= set().union(*(closure(f"textbcs.models.{method}{part}") for method in NAMES))
    reached |= {path for path in closure("textbcs.cli") if path.startswith(IN_USE)}
    modules = {p.as_posix() for p in Path(SOURCE).rglob("*.py") if p.name != "__init__.py"}
    apart = {path for path in modules if path.startswith(tuple(f"{f}/" for f in WITHOUT_EFFECT))}
    assert modules - reached - apart == {
        f"{SOURCE}/cli.py",
        f"{SOURCE}/stages/__main__.py",
        f"{SOURCE}/stages/modules.py",
    }


def test_no_stage_reaches_what_is_no_stage() -> None:
    """The audit reads what stages have left; a stage that imported it would run again with every check."""
    for module in MODULES.values():
        for apart in ("lineage", "commands"):
            assert not any(path.startswith(f"{SOURCE}/{apart}/") for path in closure(module))


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
        listed = first[rows.strip("${}")] if isinstance(rows, str) else rows
        first[f"item.{name}"] = next(iter(listed), None)
    return FIRST.sub(lambda match: str(first[match[1]]), key)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_param_key_exists_in_every_preset(name: str) -> None:
    for preset in preset_names():
        values = read_preset(preset)
        for key in DEFINITIONS[name].get("params", []):
            node = values
            matrix = DEFINITIONS[name].get("matrix", {})
            named = [rows for rows in matrix.values() if isinstance(rows, str)]
            if not all(flatten(values)[rows.strip("${}")] for rows in named):
                continue  # the preset runs no such stage
            for part in filled(key, values, matrix).split("."):
                assert part in node, f"{preset}: {key}"
                node = node[part]
