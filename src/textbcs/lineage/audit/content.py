"""LEAK, DENOMINATOR and COUNTS: what stands in the tables, whoever wrote them.

The sums and rules are written here once more, apart from the stages that they judge.
"""

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, read_tensors, records
from textbcs.lineage.audit.runs import comparisons
from textbcs.lineage.records.data_tables import FILES, FLOW, SERIES, SPLIT, SPLITS, slices_of
from textbcs.lineage.records.findings import Finding, Remark, some
from textbcs.lineage.records.likeness import ALIKE, alike, grids
from textbcs.lineage.records.tree import Tree


def check_leaks(tree: Tree) -> Iterator[Finding | Remark]:
    """What is in two splits; a patient once found is not named again for all that is hers."""
    named: set[str] = set()

    def fresh(path: str, patient: str, detail: str, *evidence: str) -> Iterator[Finding]:
        if _key(patient) not in named:
            named.add(_key(patient))
            yield Finding("LEAK", tree.node(path), path, detail, (path, *evidence))

    split = _split(tree)
    for patient, places in split.items():
        if len(places) > 1:
            yield from fresh(SPLIT, patient, f"patient {patient} is in {_and(places)}")
    yield from _leaking_slices(tree, split, fresh)
    yield from _leaking_series(tree, split, fresh)
    yield from _leaking_pixels(tree, fresh)
    yield from _leaking_prompts(tree)


def _key(patient: Any) -> str:
    return str(patient).strip().casefold()


def _and(places: Iterable[str]) -> str:
    return " and ".join(sorted(set(places), key=lambda name: [*SPLITS, name].index(name)))


def _split(tree: Tree) -> dict[str, set[str]]:
    """Patient (without case and blanks) -> the splits that she is in."""
    table = tree.table(SPLIT)
    places: dict[str, set[str]] = {}
    for row in records(table) if table is not None else []:
        places.setdefault(_key(row["patient"]), set()).add(row["split"])
    return places


_Fresh = Callable[..., Iterator[Finding]]


def _leaking_slices(tree: Tree, split: dict[str, set[str]], fresh: _Fresh) -> Iterator[Finding]:
    """Patients, series and instances whose slices are in two splits, or not where split.csv says."""
    first: dict[tuple[str, str], str] = {}
    for name in SPLITS:
        table, path = tree.table(slices_of(name)), slices_of(name)
        for row in records(table) if table is not None else []:
            patient = row["patient"]
            if split and split.get(_key(patient)) != {name}:
                where = _and(split.get(_key(patient), {"no split"}))
                detail = f"patient {patient} has slices in {name}, split.csv says {where}"
                yield from fresh(path, patient, detail, SPLIT)
            for column in ("patient", "series_uid", "sop_uid"):
                value = _key(row[column])
                other = first.setdefault((column, value), name)
                if other != name:
                    detail = f"{column} {row[column]} has slices in {_and((other, name))}"
                    yield from fresh(path, patient, detail, slices_of(other))


def _leaking_series(
    tree: Tree, split: dict[str, set[str]], fresh: _Fresh
) -> Iterator[Finding | Remark]:
    """Studies, series and frames of reference of two patients who are in different splits."""
    table = tree.table(SERIES)
    if table is None:
        return
    rows = records(table)
    if "frame_of_reference_uid" not in table.columns:
        frames, unread = _frames_of_reference(tree)
        rows = [row | {"frame_of_reference_uid": frames.get(row["series_uid"], "")} for row in rows]
        for path, reason in unread:
            detail = f"{reason}; its frame of reference was not compared"
            yield Finding("TAMPERED", tree.node(FILES), path, detail, (FILES,))
        if not frames:
            yield Remark("frames of reference were not compared: they stand in raw files only")
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for row in rows:
        patient = row["patient"]
        own = next(iter(split.get(_key(patient), ())), "")
        for column in ("study_uid", "series_uid", "frame_of_reference_uid"):
            value = row.get(column)
            if not own or not isinstance(value, str) or not value:
                continue
            other, place = first.setdefault((column, value), (patient, own))
            if place != own:
                detail = f"{column} {value} is of {other} in {place} and of {patient} in {own}"
                yield from fresh(SERIES, patient, detail, SPLIT)


def _frames_of_reference(tree: Tree) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Series UID -> frame of reference, from the first raw file of each series that tells it; and of each
    series the first file that should be a DICOM instance and cannot be read, with why."""
    from textbcs.imaging.dicom_headers import read_header_or_reason

    table = tree.table(FILES)
    found: dict[str, str] = {}
    unread: dict[str, tuple[str, str]] = {}
    for row in records(table) if table is not None else []:
        path = Path("data/raw") / str(row["path"])
        # A volume of NIfTI or NRRD is no DICOM instance, and has no frame of reference.
        if row["series_uid"] in found or not _is_text(row["sop_uid"]) or not os.path.lexists(path):
            continue
        header = read_header_or_reason(path)
        if isinstance(header, str):
            unread.setdefault(row["series_uid"], (path.as_posix(), header))
        else:
            found[row["series_uid"]] = header.frame_of_reference
    return {uid: frame for uid, frame in found.items() if frame}, list(unread.values())


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _leaking_pixels(tree: Tree, fresh: _Fresh) -> Iterator[Finding]:
    """Images in two splits that are equal, or nearly so; a constant image says nothing."""
    first: dict[str, tuple[str, str]] = {}
    seen: list[tuple[str, list[dict[str, Any]], Any]] = []
    for name in SPLITS:
        table, path = tree.table(slices_of(name)), f"data/slices/{name}/slices.safetensors"
        if table is None or tree.digest(path) is None:
            continue
        try:
            images = read_tensors(path).get("image")
        except InputError:
            continue  # damaged: TAMPERED names it
        rows = records(table)
        for row, image in zip(rows, images if images is not None else (), strict=False):
            if image.min() == image.max():
                continue
            digest = hashlib.sha256(image.tobytes()).hexdigest()
            place, slice_id = first.setdefault(digest, (name, row["slice_id"]))
            if place != name:
                detail = f"slice {row['slice_id']} has the image of {slice_id} in {place}"
                yield from fresh(path, row["patient"], detail, slices_of(name))
        if images is not None and images.ndim == 3 and len(images) == len(rows):
            own = grids(images)
            yield from _alike(seen, name, rows, own, fresh)
            seen.append((name, rows, own))


def _alike(
    seen: Iterable[tuple[str, list[dict[str, Any]], Any]],
    name: str,
    rows: list[dict[str, Any]],
    own: Any,
    fresh: _Fresh,
) -> Iterator[Finding]:
    """Images of a split that are nearly images of a split before it."""
    for place, others, known in seen:
        for here, there, apart in alike(own, known):
            row, slice_id = rows[here], others[there]["slice_id"]
            detail = (
                f"slice {row['slice_id']} has nearly the image of {slice_id} in {place} "
                f"(distance {apart:.1g}, other images are above {ALIKE:g})"
            )
            path = f"data/slices/{name}/slices.safetensors"
            yield from fresh(path, row["patient"], detail, slices_of(name))


def _leaking_prompts(tree: Tree) -> Iterator[Finding]:
    """Prompts of slices of another split or patient; one finding a table."""
    for name in SPLITS:
        path = f"data/prompts/{name}.csv"
        prompts, slices = tree.table(path), tree.table(slices_of(name))
        if prompts is None or slices is None:
            continue
        patient_of = dict(zip(slices["slice_id"], slices["patient"], strict=True))
        faults = []
        for number, row in enumerate(records(prompts), start=2):
            owner = patient_of.get(row["slice_id"])
            lender = row.get("borrowed_from")
            if owner is None:
                faults.append(f"row {number}: slice {row['slice_id']} is not in {name}")
            elif _key(owner) != _key(row["patient"]):
                faults.append(f"row {number}: patient {row['patient']} for a slice of {owner}")
            elif isinstance(lender, str) and lender and patient_of.get(lender) != owner:
                faults.append(f"row {number}: prompt of slice {lender} for a slice of {owner}")
        if faults:
            yield Finding("LEAK", tree.node(path), path, some(faults), (path, slices_of(name)))


def check_denominators(tree: Tree) -> Iterator[Finding]:
    """Runs in one table that were scored on other slices than the rest."""
    whole = tree.table(slices_of("test"))
    named: set[str] = set()
    for table, runs in comparisons(tree.graph):
        scored = {}
        for run in runs:
            own = tree.table(run.path)
            if own is not None:
                scored[run.path] = frozenset(zip(own["slice_id"], own["kind"], strict=True))
        if len(set(scored.values())) < 2:
            continue
        common = Counter(scored.values()).most_common(1)[0][0]
        if whole is not None:
            all_slices = frozenset(zip(whole["slice_id"], whole["kind"], strict=True))
            common = all_slices if all_slices in scored.values() else common
        for path, own_slices in scored.items():
            if own_slices != common and path not in named:
                named.add(path)
                detail = (
                    f"{table.address} compares it with runs on {len(common)} slices; it has "
                    f"{len(own_slices)}, {len(common - own_slices)} of those are missing"
                )
                yield Finding("DENOMINATOR", tree.node(path), path, detail, (path,))


def check_counts(tree: Tree) -> Iterator[Finding]:
    """The flow table: in = left out + out, and out = what the slices' tables hold."""
    flow = tree.table(FLOW)
    if flow is None:
        return
    rows = records(flow)
    faults = []
    steps = {"patients": ("cohort", ""), "tumour_slices": ("slices", "slices")}
    for column, (source, within) in steps.items():
        came = _sum(rows, column, step=source, outcome="in")
        gone = _sum(rows, column, outcome="excluded", **({"step": within} if within else {}))
        went = _sum(rows, column, step="slices", outcome="out")
        if came != gone + went:
            words = column.replace("_", " ")
            faults.append(f"{came} {words} in, {gone} excluded, {went} out")
    for name in SPLITS:
        table = tree.table(slices_of(name))
        if table is None:
            continue
        tumour = table[table["kind"] == "tumour"]
        here = {
            "patients": tumour["patient"].nunique(),
            "tumour_slices": len(tumour),
            "tumour_free_slices": len(table) - len(tumour),
        }
        for column, count in here.items():
            said = _sum(rows, column, step="slices", outcome="out", split=name)
            if said != count:
                words = column.replace("_", " ")
                faults.append(f"{said} {words} of {name}, {slices_of(name)} has {count}")
    if faults:
        evidence = (FLOW, *(slices_of(name) for name in SPLITS))
        yield Finding("COUNTS", tree.node(FLOW), FLOW, "; ".join(faults), evidence)


def _sum(rows: Iterable[dict[str, Any]], column: str, **chosen: str) -> int:
    values = (
        row[column]
        for row in rows
        if all(row[name] == value for name, value in chosen.items()) and row[column] == row[column]
    )
    return int(sum(values))
