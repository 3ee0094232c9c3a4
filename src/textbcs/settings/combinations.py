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
_SHOWN = 120  # characters of a value in a line, as where a single parameter is wrong


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
        yield from _impossible_volumes(values)
        yield from impossible_networks(values)
    yield from _impossible_slices(values["slices"], values["cohort"]["phases"])
    yield from _impossible_phantom(values)
    if values["prompts"]["source"] != "derive" and values["prompts"]["table"] == NONE:
        yield (
            f"prompts.source = {_shown(values['prompts']['source'])}: needs a table of people's words in "
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
            f"evaluation.nsd_tolerances_mm = {_shown(tolerances)}: allowed: ascending, since the first is "
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
        where = f"slices.phase = {_shown(slices['phase'])}"
        yield f"{where}: needs {phase!r} in cohort.phases = {_shown(phases)}"


def _impossible_phantom(values: Params) -> Iterable[str]:
    """Probabilities that do not sum to 1, and cohorts too small to be divided."""
    if abs(sum(values["phantom"]["tumours"]) - 1) > 1e-9:
        yield f"phantom.tumours = {_shown(values['phantom']['tumours'])}: probabilities; allowed: sum 1"
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
                f"tables.table1.{position} = {_shown(name)}: no such method; "
                f"allowed: {', '.join(sorted(methods))}"
            )
    for key in ("variants", "for_use"):
        for position, name in enumerate(tables[key]):
            if name not in variants:
                yield (
                    f"tables.{key}.{position} = {_shown(name)}: no such variant; "
                    f"allowed: {', '.join(sorted(variants))}"
                )
    for name in sorted(set(tables["variants"]) & set(tables["for_use"])):
        yield f"tables.for_use: {name!r} is in tables.variants too; allowed: in one of them"
    if BASE not in tables["table1"]:
        yield f"tables.table1: needs {BASE!r}, which all variants change"
    for name in sorted(set(methods) & set(variants)):
        yield f"variants.{name}: a method has this name too; choose another"


def _impossible_replicates(values: Params) -> Iterable[str]:
    """Trainings once more of what is not trained, or with a seed that it has had already."""
    repeated, tables = values["replicates"], values["tables"]
    for position, name in enumerate(repeated["methods"]):
        if name not in tables["table1"]:
            yield f"replicates.methods.{position} = {_shown(name)}: allowed: a name in tables.table1"
    if BASE not in repeated["methods"]:
        yield (
            f"replicates.methods = {_shown(repeated['methods'])}: needs {BASE!r}, which the others are "
            "held against"
        )
    for position, seed in enumerate(repeated["seeds"]):
        if seed in values["seeds"]:
            yield (
                f"replicates.seeds.{position} = {seed}: every method is trained with it already; allowed: "
                f"others than seeds = {_shown(values['seeds'])}"
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
            yield f"robustness.{key} = {_shown(name)}: allowed: a name in tables.table1"
        elif reads_text(methods[name]["network"]) != (key != "first_pass"):
            need = "one that reads no text" if key == "first_pass" else "those that read the prompt"
            known = "" if key == "first_pass" else f": {', '.join(reading_methods())}"
            yield f"robustness.{key} = {_shown(name)}: allowed: {need}{known}"
    for key in ("without", "with"):
        name = values["gradcam"][key]
        if not variants:  # what stands here is never asked: the stage says that nothing was run
            if name != BASE:
                yield f"gradcam.{key} = {_shown(name)}: with tables.variants = [] allowed: {BASE}"
            continue
        wanted = f"a variant {key} svli and without evidential that tables.variants lists"
        if name not in variants:
            yield f"gradcam.{key} = {_shown(name)}: allowed: {wanted}"
            continue
        network = variant_network(values, name)
        if network["svli"] != (key == "with") or network["evidential"]:
            yield f"gradcam.{key} = {_shown(name)}: allowed: {wanted}"


def _impossible_volumes(values: Params) -> Iterable[str]:
    """Networks that are not trained, or stand among those that read text and do not, and odd thresholds."""
    volumes, tables = values["volumes"], values["tables"]
    for key, allowed in (("methods", "table1"), ("variants", "for_use")):
        for kind, names in volumes[key].items():
            for position, name in enumerate(names):
                where = f"volumes.{key}.{kind}.{position} = {_shown(name)}"
                if name not in tables[allowed]:
                    yield f"{where}: allowed: a name in tables.{allowed}"
                    continue
                own = key == "methods"
                network = (
                    values["methods"][name]["network"] if own else variant_network(values, name)
                )
                if reads_text(network) != (kind == "text"):
                    need = "reads the prompt" if kind == "text" else "reads no text"
                    yield f"{where}: allowed: one that {need}"
    listed = {name for names in volumes["variants"].values() for name in names}
    for name in sorted(set(tables["for_use"]) - listed):
        yield f"tables.for_use: {name!r} stands in neither list of volumes.variants; add it to one"
    without_text = [*volumes["methods"]["image"], *volumes["variants"]["image"]]
    if volumes["first_pass"] not in without_text:
        yield (
            f"volumes.first_pass = {_shown(volumes['first_pass'])}: allowed: a name in volumes.methods.image "
            "or volumes.variants.image"
        )
    elif volumes["variants"]["text"] and volumes["first_pass"] not in volumes["variants"]["image"]:
        yield (
            f"volumes.first_pass = {_shown(volumes['first_pass'])}: allowed with a network in "
            "volumes.variants.text: a name in volumes.variants.image, which is packed beside it"
        )
    for key in ("thresholds", "smallest_mm3"):
        if volumes[key] != sorted(volumes[key]):
            yield f"volumes.{key} = {_shown(volumes[key])}: allowed: ascending"
    for position, threshold in enumerate(volumes["thresholds"]):
        if threshold * 256 % 1:
            yield (
                f"volumes.thresholds.{position} = {threshold}: allowed: multiples of 1/256, which is "
                "how finely maps of volumes are kept"
            )


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
            yield f"{where}.labels = {_shown(entry['labels'])}: not with segment; allowed: one of both"
        if entry.get("join") == "tcia_series_uid" and masks["nifti_table"] == NONE:
            yield f"{where}.join = 'tcia_series_uid': needs a table in masks.nifti_table"
        if entry["kind"] == "box":
            if cohort["boxes"] == NONE:
                yield f"{where}.kind = 'box': needs a table in cohort.boxes"
            if not {"pre", "post1"} <= set(cohort["phases"]):
                yield f"{where}.kind = 'box': needs 'pre' and 'post1' in cohort.phases"
    if {entry["source"] for entry in masks["sources"]} <= set(masks["train_only"]):
        yield (
            f"masks.train_only = {_shown(masks['train_only'])}: covers all of masks.sources; allowed: a "
            "part, so that val and test have patients"
        )


def _impossible_archives(cohort: Mapping[str, Any]) -> Iterable[str]:
    """Combinations of an archive's kind and what names it."""
    kind, archive, address = cohort["kind"], str(cohort["archive"]), str(cohort["address"])
    if (kind in ("folder", "nifti")) != (archive != NONE):
        allowed = "a folder" if archive == NONE else NONE
        yield f"cohort.archive = {_shown(archive)}: with kind {kind} allowed: {allowed}"
    elif "://" in archive:
        yield f"cohort.archive = {_shown(archive)}: allowed: a folder; an address stands in cohort.address"
    remote = kind in ("idc", "nbia")
    if remote != address.startswith(("https://", "http://")) or (address and not remote):
        allowed = "an address (https://...)" if remote else "''"
        yield f"cohort.address = {_shown(address)}: with kind {kind} allowed: {allowed}"
    if kind in ("idc", "nbia") and not cohort["collection"]:
        yield f"cohort.collection = '': kind {kind} needs the collection's name"
    index, version = str(cohort["index"]), str(cohort["index_version"])
    ending = {"idc": ".parquet", "nbia": ".tcia"}.get(kind)
    if index != NONE and not (ending and index.endswith(ending)):
        allowed = f"a {ending} file or {NONE!r}" if ending else repr(NONE)
        yield f"cohort.index = {_shown(index)}: with kind {kind} allowed: {allowed}"
    elif (kind == "idc" and index == NONE) != bool(version):
        allowed = "a version of idc-index-data" if kind == "idc" and index == NONE else "''"
        yield f"cohort.index_version = {_shown(version)}: with kind {kind} and this index allowed: {allowed}"


def _shown(value: Any) -> str:
    """A value as it stands in a line, cut where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _no_expression(key: str, pattern: str) -> Iterable[str]:
    try:
        re.compile(pattern)
    except re.error as error:
        yield f"{key} = {_shown(pattern)}: no regular expression ({error})"


def _impossible_descriptions(cohort: Mapping[str, Any]) -> Iterable[str]:
    """Phases without a description, where the data's own names are given; what is no expression."""
    described = cohort.get("descriptions")
    if cohort["kind"] == "nifti" and cohort["boxes"] != NONE:
        yield f"cohort.boxes = {_shown(cohort['boxes'])}: with kind nifti allowed: {NONE}"
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
                f"cohort.phases = {_shown(cohort['phases'])}: {phase} is missing in cohort.descriptions; "
                f"allowed: {', '.join(described)}"
            )
