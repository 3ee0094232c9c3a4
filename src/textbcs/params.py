"""Parameters: the values that change a result, read from `params.yaml` and checked before any job.

`workflow/schemas/params.schema.json` says what a key may hold; `impossible` says which combinations
of keys make no sense. A fault is one line with the key's path, its value and what is allowed.
"""

import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from textbcs.faults import first_fault
from textbcs.io import NONE, InputError, existing
from textbcs.networks import READS_TEXT, impossible_networks, reads_text, variant_network

Params = dict[str, Any]

SCHEMA = Path("workflow/schemas/params.schema.json")
ROOT = "run in the root of the checkout"  # what to do where a file of the repository is missing


def load_params(
    path: str | os.PathLike[str] = "params.yaml", schema: str | os.PathLike[str] = SCHEMA
) -> Params:
    """Read and check a parameter file.

    Args:
        path: a YAML file with every section that the schema requires.
        schema: the JSON schema.

    Returns:
        The nested values.

    Raises:
        InputError: the file is missing, is no YAML, or holds a fault (the first one is named).
    """
    values = read_yaml(path)
    rules = json.loads(existing(schema, ROOT).read_text(encoding="utf-8"))
    fault = first_fault(values, rules)
    fault = fault or next(iter(impossible(values)), None)
    if fault:
        raise InputError(f"{path}: {fault}")
    return values


def read_yaml(path: str | os.PathLike[str]) -> Params:
    """Read a YAML 1.2 mapping, as DVC reads it (duplicate keys are a fault, `5e-7` is a number).

    Raises:
        InputError: the file is missing, is no UTF-8 or no YAML, or is no mapping.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    advice = f"{ROOT}, or: textbcs use phantom" if Path(path).name == "params.yaml" else ROOT
    try:
        text = existing(path, advice).read_text(encoding="utf-8")
        values = YAML(typ="safe", pure=True).load(text)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    except YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid YAML: {reason}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected sections with keys, found {type(values).__name__}")
    return values


def impossible(values: Params) -> Iterable[str]:
    """Combinations that the schema cannot express, as the same one-line faults."""
    rows = list(_impossible_rows(values))
    yield from rows
    yield from _impossible_replicates(values)
    if not rows:  # the next rules look up what the rows name
        yield from _impossible_questions(values)
        yield from impossible_networks(values)
    size = values["slices"]["size"]
    if size % 16:
        yield f"slices.size = {size}: the networks halve an image four times; allowed: multiples of 16"
    low, high = values["slices"]["clip_percentiles"]
    if low >= high:
        yield f"slices.clip_percentiles = [{low}, {high}]: allowed: the first below the second"
    if values["slices"]["phase"] == "sub" and "pre" not in values["cohort"]["phases"]:
        yield "slices.phase = 'sub': subtraction needs 'pre' in cohort.phases"
    phase = {"sub": "post1"}.get(values["slices"]["phase"], values["slices"]["phase"])
    if phase not in values["cohort"]["phases"]:
        yield (
            f"slices.phase = {values['slices']['phase']!r}: needs {phase!r} in cohort.phases = "
            f"{values['cohort']['phases']}"
        )
    if abs(sum(values["phantom"]["tumours"]) - 1) > 1e-9:
        yield f"phantom.tumours = {values['phantom']['tumours']}: probabilities; allowed: sum 1"
    if values["cohort"]["kind"] == "phantom" and values["phantom"]["patients"] < 10:
        yield (
            f"phantom.patients = {values['phantom']['patients']}: a phantom cohort needs at least 10 "
            "patients, so that train, val and test each get one"
        )
    if values["prompts"]["source"] != "derive" and values["prompts"]["table"] == NONE:
        yield (
            f"prompts.source = {values['prompts']['source']!r}: needs a table of people's words in "
            "prompts.table"
        )
    yield from _impossible_archives(values["cohort"])
    yield from _impossible_descriptions(values["cohort"])
    yield from _impossible_masks(values)
    tolerances = values["evaluation"]["nsd_tolerances_mm"]
    if tolerances != sorted(tolerances):
        yield (
            f"evaluation.nsd_tolerances_mm = {tolerances}: allowed: ascending, since the first is "
            "tested as the strictest"
        )


def _impossible_rows(values: Params) -> Iterable[str]:
    """Rows of tables that name nothing, and methods whose code dvc.yaml would not find."""
    methods, variants, tables = values["methods"], values["variants"], values["tables"]
    for position, name in enumerate(tables["table1"]):
        if name not in methods:
            yield (
                f"tables.table1.{position} = {name!r}: no such method; "
                f"allowed: {', '.join(sorted(methods))}"
            )
    for position, name in enumerate(tables["variants"]):
        if name not in variants:
            yield (
                f"tables.variants.{position} = {name!r}: no such variant; "
                f"allowed: {', '.join(sorted(variants))}"
            )
    if tables["reference"] != "textbcs":
        yield (
            f"tables.reference = {tables['reference']!r}: allowed: textbcs, since the paper's claims and "
            "the tables' titles are about it"
        )
    if "textbcs" not in tables["table1"]:
        yield "tables.table1: needs 'textbcs', which all variants change"
    for name in sorted(set(methods) & set(variants)):
        yield f"variants.{name}: a method has this name too; choose another"
    for name, method in methods.items():
        model = method["network"]["model"]
        if model != name:
            yield f"methods.{name}.network.model = {model!r}: allowed: {name}, the method's own folder"


def _impossible_replicates(values: Params) -> Iterable[str]:
    """Trainings once more of what is not trained, or with a seed that it has had already."""
    repeated, tables = values["replicates"], values["tables"]
    for position, name in enumerate(repeated["methods"]):
        if name not in tables["table1"]:
            yield f"replicates.methods.{position} = {name!r}: allowed: a name in tables.table1"
    if tables["reference"] not in repeated["methods"]:
        yield (
            f"replicates.methods = {repeated['methods']}: needs {tables['reference']!r}, which the others "
            "are held against"
        )
    for position, seed in enumerate(repeated["seeds"]):
        if seed in values["seeds"]:
            yield (
                f"replicates.seeds.{position} = {seed}: every method is trained with it already; allowed: "
                f"others than seeds = {values['seeds']}"
            )


def _impossible_questions(values: Params) -> Iterable[str]:
    """Robustness and heat maps of networks that are not trained, or not what is asked of them."""
    table1, methods, variants = (
        values["tables"]["table1"], values["methods"], values["tables"]["variants"]
    )  # fmt: skip
    probed = values["robustness"]
    for key, name in (
        ("first_pass", probed["first_pass"]),
        *((f"methods.{place}", name) for place, name in enumerate(probed["methods"])),
    ):
        if name not in table1:
            yield f"robustness.{key} = {name!r}: allowed: a name in tables.table1"
        elif reads_text(methods[name]["network"]) != (key != "first_pass"):
            need = "one that reads no text" if key == "first_pass" else "those that read the prompt"
            known = "" if key == "first_pass" else f": {', '.join(sorted(READS_TEXT))} (with svli)"
            yield f"robustness.{key} = {name!r}: allowed: {need}{known}"
    for key in ("without", "with"):
        name = values["gradcam"][key]
        wanted = f"a variant {key} svli and without evidential that tables.variants lists"
        if name not in variants:
            yield f"gradcam.{key} = {name!r}: allowed: {wanted}"
            continue
        network = variant_network(values, name)
        if network["svli"] != (key == "with") or network["evidential"]:
            yield f"gradcam.{key} = {name!r}: allowed: {wanted}"


def _impossible_masks(values: Params) -> Iterable[str]:
    """Sources of masks that lack what they read, or leave nobody to validate and test on."""
    masks, cohort = values["masks"], values["cohort"]
    for place, entry in enumerate(masks["sources"]):
        where = f"masks.sources.{place}"
        if entry["kind"] == "dicom_seg":
            yield from _no_expression(f"{where}.description", entry["description"])
        if entry["kind"] == "nifti" and masks["nifti_directory"] == NONE:
            yield f"{where}.kind = 'nifti': needs a folder in masks.nifti_directory"
        if entry.get("join") == "tcia_series_uid" and masks["nifti_table"] == NONE:
            yield f"{where}.join = 'tcia_series_uid': needs a table in masks.nifti_table"
        if entry["kind"] == "box":
            if cohort["boxes"] == NONE:
                yield f"{where}.kind = 'box': needs a table in cohort.boxes"
            if not {"pre", "post1"} <= set(cohort["phases"]):
                yield f"{where}.kind = 'box': needs 'pre' and 'post1' in cohort.phases"
    if {entry["source"] for entry in masks["sources"]} <= set(masks["train_only"]):
        yield (
            f"masks.train_only = {masks['train_only']}: covers all of masks.sources; allowed: a part, "
            "so that val and test have patients"
        )


def _impossible_archives(cohort: Mapping[str, Any]) -> Iterable[str]:
    """Combinations of an archive's kind and what names it."""
    kind, archive = cohort["kind"], str(cohort["archive"])
    if (kind in ("idc", "nbia")) != archive.startswith(("https://", "http://")):
        allowed = "an address (https://...)" if kind in ("idc", "nbia") else "a folder"
        yield f"cohort.archive = {archive!r}: with kind {kind} allowed: {allowed}"
    if kind in ("idc", "nbia") and not cohort["collection"]:
        yield f"cohort.collection = '': kind {kind} needs the collection's name"
    index, version = str(cohort["index"]), str(cohort["index_version"])
    ending = {"idc": ".parquet", "nbia": ".tcia"}.get(kind)
    if index != NONE and not (ending and index.endswith(ending)):
        allowed = f"a {ending} file or {NONE!r}" if ending else repr(NONE)
        yield f"cohort.index = {index!r}: with kind {kind} allowed: {allowed}"
    elif (kind == "idc" and index == NONE) != bool(version):
        allowed = "a version of idc-index-data" if kind == "idc" and index == NONE else "''"
        yield f"cohort.index_version = {version!r}: with kind {kind} and this index allowed: {allowed}"


def _no_expression(key: str, pattern: str) -> Iterable[str]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{key} = {pattern!r}: no regular expression ({error})"


def _impossible_descriptions(cohort: Mapping[str, Any]) -> Iterable[str]:
    """Phases without a description, where the data's own names are given; what is no expression."""
    described = cohort.get("descriptions")
    if cohort["kind"] == "nifti" and cohort["boxes"] != NONE:
        yield f"cohort.boxes = {cohort['boxes']!r}: with kind nifti allowed: {NONE}"
    if described is None:
        if cohort["kind"] == "nifti":
            yield "cohort.descriptions is missing: kind nifti needs it to tell phases by file names"
        return
    for phase, pattern in described.items():
        yield from _no_expression(f"cohort.descriptions.{phase}", pattern)
    for phase in cohort["phases"]:
        if phase not in described:
            yield (
                f"cohort.phases = {cohort['phases']}: {phase} is missing in cohort.descriptions; "
                f"allowed: {', '.join(described)}"
            )


def select(values: Mapping[str, Any], keys: Iterable[str]) -> Params:
    """The part of the parameters that a stage declares.

    Args:
        values: all parameters.
        keys: dotted keys such as `methods.unet`.

    Returns:
        Nested values that hold those keys and nothing else.

    Raises:
        InputError: a key does not exist.
    """
    chosen: Params = {}
    for key in keys:
        source: Any = values
        target = chosen
        parts = key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(source, Mapping) or part not in source:
                raise InputError(f"params.yaml: {key} is missing; dvc.yaml names it for a stage")
            source = source[part]
            if depth == len(parts) - 1:
                target[part] = source
            else:
                target = target.setdefault(part, {})
    return chosen


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as `dotted.key -> value`; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat
