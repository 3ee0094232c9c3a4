"""Combinations of parameters that make no sense: what the declaration of a single one cannot say."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from textbcs.base.io import NONE
from textbcs.base.variants import BASE
from textbcs.settings.methods import (
    impossible_networks,
    reading_methods,
    reads_text,
    variant_network,
)

Params = dict[str, Any]


def impossible(values: Params) -> Iterable[str]:
    """Combinations that no run could use, each as `key = value: what is allowed`.

    Args:
        values: all parameters, each of which is allowed alone.
    """
    rows = list(_impossible_rows(values))
    yield from rows
    yield from _impossible_replicates(values)
    if not rows:  # the next rules look up what the rows name
        yield from _impossible_questions(values)
        yield from impossible_networks(values)
    yield from _impossible_slices(values["slices"], values["cohort"]["phases"])
    yield from _impossible_phantom(values)
    if values["prompts"]["source"] != "derive" and values["prompts"]["table"] == NONE:
        yield (
            f"prompts.source = {values['prompts']['source']!r}: needs a table of people's words in "
            "prompts.table"
        )
    if values["prompts"]["source"] == "report" and values["cohort"]["sides"] == "none":
        yield (
            "cohort.sides = 'none': reports are read with a side; with prompts.source = 'report' "
            "allowed: patient, image"
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


def _impossible_slices(slices: Mapping[str, Any], phases: list[str]) -> Iterable[str]:
    """Sizes that the networks cannot halve, empty ranges, and a phase that is not fetched."""
    size = slices["size"]
    if size % 16:
        yield f"slices.size = {size}: the networks halve an image four times; allowed: multiples of 16"
    low, high = slices["clip_percentiles"]
    if low >= high:
        yield f"slices.clip_percentiles = [{low}, {high}]: allowed: the first below the second"
    if slices["phase"] == "sub" and "pre" not in phases:
        yield "slices.phase = 'sub': subtraction needs 'pre' in cohort.phases"
    phase = {"sub": "post1"}.get(slices["phase"], slices["phase"])
    if phase not in phases:
        yield (f"slices.phase = {slices['phase']!r}: needs {phase!r} in cohort.phases = {phases}")


def _impossible_phantom(values: Params) -> Iterable[str]:
    """Probabilities that do not sum to 1, and cohorts too small to be divided."""
    if abs(sum(values["phantom"]["tumours"]) - 1) > 1e-9:
        yield f"phantom.tumours = {values['phantom']['tumours']}: probabilities; allowed: sum 1"
    if values["cohort"]["kind"] == "phantom" and values["phantom"]["patients"] < 10:
        yield (
            f"phantom.patients = {values['phantom']['patients']}: a phantom cohort needs at least 10 "
            "patients, so that train, val and test each get one"
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
    if BASE not in tables["table1"]:
        yield f"tables.table1: needs {BASE!r}, which all variants change"
    for name in sorted(set(methods) & set(variants)):
        yield f"variants.{name}: a method has this name too; choose another"


def _impossible_replicates(values: Params) -> Iterable[str]:
    """Trainings once more of what is not trained, or with a seed that it has had already."""
    repeated, tables = values["replicates"], values["tables"]
    for position, name in enumerate(repeated["methods"]):
        if name not in tables["table1"]:
            yield f"replicates.methods.{position} = {name!r}: allowed: a name in tables.table1"
    if BASE not in repeated["methods"]:
        yield (
            f"replicates.methods = {repeated['methods']}: needs {BASE!r}, which the others are held against"
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
            known = "" if key == "first_pass" else f": {', '.join(reading_methods())}"
            yield f"robustness.{key} = {name!r}: allowed: {need}{known}"
    for key in ("without", "with"):
        name = values["gradcam"][key]
        if not variants:  # what stands here is never asked: the stage says that nothing was run
            if name != BASE:
                yield f"gradcam.{key} = {name!r}: with tables.variants = [] allowed: {BASE}"
            continue
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
        if "labels" in entry and "segment" in entry:
            yield f"{where}.labels = {entry['labels']}: not with segment; allowed: one of both"
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
    kind, archive, address = cohort["kind"], str(cohort["archive"]), str(cohort["address"])
    if (kind in ("folder", "nifti")) != (archive != NONE):
        allowed = "a folder" if archive == NONE else NONE
        yield f"cohort.archive = {archive!r}: with kind {kind} allowed: {allowed}"
    elif "://" in archive:
        yield f"cohort.archive = {archive!r}: allowed: a folder; an address stands in cohort.address"
    remote = kind in ("idc", "nbia")
    if remote != address.startswith(("https://", "http://")) or (address and not remote):
        allowed = "an address (https://...)" if remote else "''"
        yield f"cohort.address = {address!r}: with kind {kind} allowed: {allowed}"
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
    tabled = cohort["series"] != NONE
    if described is None:
        if cohort["kind"] == "nifti" and not tabled:
            yield "cohort.descriptions is missing: kind nifti needs it to tell phases by file names"
        return
    for phase, pattern in described.items():
        yield from _no_expression(f"cohort.descriptions.{phase}", pattern)
    for phase in cohort["phases"]:
        if phase not in described and not tabled:
            yield (
                f"cohort.phases = {cohort['phases']}: {phase} is missing in cohort.descriptions; "
                f"allowed: {', '.join(described)}"
            )
