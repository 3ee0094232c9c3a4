"""`textbcs audit trace`: from a cell of a table, or any file, back to the DICOM instances behind it.

Each file on the way is hashed. Raw files are not read: their list has every SOPInstanceUID.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, existing, read_csv, records, sha256_file
from textbcs.lineage.records.bounded import read_record
from textbcs.lineage.records.data_tables import SPLITS, slices_of
from textbcs.lineage.records.graph import Graph, Item, Receipt
from textbcs.lineage.records.hashing import Hashes, hash_files
from textbcs.lineage.records.run_rows import rows_of
from textbcs.lineage.records.stage_roles import LEARNS, PREDICTS
from textbcs.lineage.tracing import cells, volume_cells
from textbcs.stage.definition import covered
from textbcs.stage.run_information import FOLDER

if TYPE_CHECKING:
    import pandas as pd

Facts = dict[str, Any]


@dataclass
class Files:
    """Tables that were read and hashes that were made, kept while several things are traced.

    Attributes:
        hashes: of all files that receipts name; None: each trace hashes what it needs.
        tables: rows by path.
    """

    hashes: Hashes | None = None
    tables: dict[str, list[Facts]] = field(default_factory=dict)

    def rows(self, path: str) -> list[Facts]:
        """The rows of a table of the tree; none where it is absent."""
        if path not in self.tables:
            try:
                self.tables[path] = records(read_csv(path))
            except InputError:
                self.tables[path] = []
        return self.tables[path]


# Who writes here has predicted or scored.
_SCORED = ("results/predictions", "results/evaluation", "results/volumes", "results/volume_scores")
# What a cell of these columns is about; other columns rest on tumour slices, or on all.
_NEGATIVE = ("false_alarm_share", "tumour_free_slices")


def trace_cell(
    graph: Graph, table: str, row: str, column: str, files: Files | None = None
) -> Facts:
    """The chain behind one cell.

    Args:
        graph: the stages.
        table: path or name of a table.
        row: name or number of its row.
        column: its column.
        files: what earlier traces of the same tree have read.

    Returns:
        `target`, `value`, `recomputed` (where there is a rule), `stages` (the table's first, each with
        what it read), `slices` (scored ones, a record each), `dicom` (series with their instances).

    Raises:
        InputError: there is no such table, row or column.
    """
    files = files or Files()
    path, receipt = cells.find_table(graph, table)
    frame = cells.read_table(existing(path))
    if column not in frame.columns:
        raise InputError(f"{path}: no column {column!r}; there are {', '.join(frame.columns)}")
    number = cells.find_row(frame, path, row)
    values = {str(key): str(value) for key, value in frame.iloc[number].items()}
    items = cells.sources(receipt, path, values, column)
    found = _trace(graph, path, receipt, items, files)
    runs = {item.path: read_csv(item.path) for item in items if item.path.endswith("/slices.csv")}
    kind = "negative" if column in _NEGATIVE else "tumour" if column in cells.FORMULAS else ""
    found["cell"] = {"row": next(iter(values.values())), "column": column}
    found["value"] = values[column]
    # A row of differences rests on two methods' runs; its rule is in `rules.gaps`.
    alone = bool(runs) and "minuend" not in values
    again = cells.recompute(column, list(runs.values()), receipt.params) if alone else ()
    if any(item.path == volume_cells.PATIENTS for item in items):
        patients = read_csv(volume_cells.PATIENTS)
        again = volume_cells.recompute(path, values, column, patients, receipt.params)
    same = [one for one in again if str(one) == values[column]]
    found["recomputed"] = next(iter([*same, *again]), None)
    found["slices"] = list(_scored(runs, kind, files))
    used = {row["sop_uid"] for row in found["slices"]} if found["slices"] else None
    found["dicom"] = list(_dicom(found["stages"], used, files))
    return found


def trace_file(graph: Graph, path: str) -> Facts:
    """The chain behind one file, in the same form; `slices` stays empty.

    Args:
        graph: the stages.
        path: of the file, or the name of a table.

    Raises:
        InputError: no stage has written the file, and no list names it.
    """
    path = cells.locate(graph, path)
    address = graph.makers.of(path)
    receipt = graph.receipts.get(address or "")
    if receipt is None or receipt.output(path) is None:
        if path.startswith("data/raw/"):
            return _raw_file(graph, path)
        raise InputError(
            f"{path}: no receipt names it; name a table, or a file below data/, results/ or reports/"
        )
    files = Files()
    receipt = receipt.only([rows_of(path)])
    found = _trace(graph, path, receipt, receipt.inputs, files)
    found["dicom"] = list(_dicom(found["stages"], None, files))
    return found


def _raw_file(graph: Graph, path: str) -> Facts:
    """A raw file: its row in the list of files, and who made that list."""
    listing = "data/cohort/files.csv"
    rows = records(read_csv(listing, ["path"], {"path": str}))
    row = next((one for one in rows if f"data/raw/{one['path']}" == path), None)
    if row is None:
        raise InputError(f"{path}: {listing} does not name it")
    found = trace_file(graph, listing)
    dicom = [one for one in found["dicom"] if one["series_uid"] == row["series_uid"]]
    for one in dicom:
        one["sop_uids"] = [row["sop_uid"]]
    return {**found, "target": path, "dicom": dicom}


def _trace(graph: Graph, path: str, receipt: Receipt, items: Iterable[Item], files: Files) -> Facts:
    """Target and stages: the receipt's own, reduced to `items`, then all above those."""
    chosen = tuple(items)
    above = graph.upstream(chosen)
    above.pop(receipt.address, None)
    chain = [receipt, *_readers_first(graph, above)]
    reads = {one.address: chosen if one is receipt else one.inputs for one in chain}
    wanted = {
        item.path: ("sha256",) for one in chain for item in (*reads[one.address], *one.outputs)
    }
    hashes = files.hashes or hash_files(wanted)
    stages = [_stage(graph, one, reads[one.address], hashes) for one in chain]
    made_by = {item["made_by"] for one in stages for item in one["reads"]} - {None}
    return {
        "target": path,
        "stages": stages,
        "without_receipt": sorted(made_by - {one["address"] for one in stages}),
        "slices": [],
        "dicom": [],
    }


def _readers_first(graph: Graph, receipts: Mapping[str, Receipt]) -> list[Receipt]:
    last = len(graph.order)
    return sorted(receipts.values(), key=lambda one: -graph.order.get(one.address, last))


def _stage(graph: Graph, receipt: Receipt, reads: Iterable[Item], hashes: Hashes) -> Facts:
    """What a stage read and wrote, and how it ran."""
    definition = graph.definitions.get(receipt.address)
    return {
        "address": receipt.address,
        "receipt": receipt.path,
        "command": definition.command if definition else " ".join(receipt.argv),
        "params": dict(receipt.params),
        "seed": receipt.seed,
        "device": receipt.device,
        "code": dict(receipt.code),
        **_run_information(receipt),
        "reads": [
            {
                **_file(item, hashes),
                "made_by": item.stage or graph.makers.of(item.path),
            }
            for item in reads
        ],
        "writes": [_file(item, hashes) for item in receipt.outputs],
    }


def _file(item: Item, hashes: Hashes) -> Facts:
    """A file as the receipt has it; `state`: as recorded, `changed`, or `absent`."""
    found = hashes.of(item.path)
    state = "absent" if found is None else "ok" if found.sha256 == item.sha256 else "changed"
    return {"path": item.path, "sha256": item.sha256, "bytes": item.bytes, "state": state}


def _run_information(receipt: Receipt) -> Facts:
    """Commit and time of the run, where run information belongs to this very receipt."""
    nothing: Facts = {"commit": None, "uncommitted": None, "started": None}
    try:
        facts = read_record(FOLDER / f"{receipt.address}.json")
        if facts["receipt"] != sha256_file(receipt.path):
            return nothing
        return {name: facts[name] for name in nothing}
    except (InputError, KeyError, TypeError, OSError):
        return nothing


def _scored(runs: "Mapping[str, pd.DataFrame]", kind: str, tables: Files) -> Iterator[Facts]:
    """A record for each test slice that some run scored: where it comes from and what it got."""
    slices = {row["slice_id"]: row for row in tables.rows(slices_of("test"))}
    prompts = {
        row["slice_id"]: {**row, "row": number}
        for number, row in enumerate(tables.rows("data/prompts/test.csv"), start=2)
    }
    masks = {row["patient"]: row for row in tables.rows("data/masks/masks.csv")}
    files = {row["sop_uid"]: row for row in tables.rows("data/cohort/files.csv")}
    split = {row["patient"]: row["split"] for row in tables.rows("data/splits/split.csv")}
    scores: dict[str, Facts] = {}
    for path, table in runs.items():
        for number, row in enumerate(records(table), start=2):
            if not kind or row["kind"] == kind:
                entry = scores.setdefault(row["slice_id"], {})
                entry[path] = {"row": number, "dice": _plain(row.get("dice"))}
    for slice_id, scored in scores.items():
        own = slices.get(slice_id, {})
        prompt, mask = prompts.get(slice_id, {}), masks.get(own.get("patient", ""), {})
        raw = files.get(own.get("sop_uid", ""), {})
        yield {
            "slice_id": slice_id,
            "patient": own.get("patient"),
            "split": split.get(own.get("patient", "")),
            "scores": scored,
            "prompt": {
                name: _plain(prompt.get(name))
                for name in ("row", "text", "source", "borrowed_from")
            },
            "mask": {name: _plain(mask.get(name)) for name in ("source", "origin")},
            "series_uid": own.get("series_uid"),
            "sop_uid": own.get("sop_uid"),
            "file": {name: _plain(raw.get(name)) for name in ("path", "sha256")},
        }


def _instances(split: str, read: set[str], tables: Files) -> Iterator[Facts]:
    """The instances of a split's slices and, where whole volumes were read, of their whole series."""
    cut = tables.rows(slices_of(split)) if slices_of(split) in read else []
    yield from cut
    volumes = volume_cells.volumes_of(split)
    if volumes in read:
        known = {row["sop_uid"] for row in cut}
        files = tables.rows("data/cohort/files.csv")
        yield from volume_cells.whole_series(tables.rows(volumes), files, known)


def _plain(value: Any) -> Any:
    """A cell for JSON: no numpy types, None for empty."""
    if value is None or value != value:
        return None
    return value.item() if hasattr(value, "item") else value


def _roles(stages: Iterable[Facts]) -> dict[str, str]:
    """Split -> what the chain did with its slices: `scored`, `learned from`, else `read`.

    The stage that writes prompts reads all splits; its reading counts where nothing scored or learned.
    """
    rank = ("read", "learned from", "scored")
    roles: dict[str, str] = {}
    for stage in stages:
        name = stage["address"].partition("@")[0]
        predicts = PREDICTS.fullmatch(name) is not None
        # A row without a network is learned and predicted in one stage: what it writes tells.
        scores = any(covered(item["path"], _SCORED) for item in stage["writes"])
        for split in SPLITS:
            kind = 1 if (scores and not predicts) or LEARNS.fullmatch(name) else 0
            kind = 2 if split == "test" and scores else kind
            tables = (slices_of(split), volume_cells.volumes_of(split))
            if any(item["path"] in tables for item in stage["reads"]):
                roles[split] = rank[max(kind, rank.index(roles.get(split, rank[0])))]
    told = {split: role for split, role in roles.items() if role != rank[0]}
    return told or roles


def _dicom(stages: Iterable[Facts], scored: set[str] | None, tables: Files) -> Iterator[Facts]:
    """The series behind a chain, with the instances used, the collection's DOI and its licence.

    Args:
        stages: of the chain; the slices that they scored, learned from or read count.
        scored: instances of the scored slices, or None for all of test.
    """
    roles = _roles(stages)
    facts = {row["series_uid"]: row for row in tables.rows("data/cohort/series.csv")}
    if not roles:  # before any slice: all that the list of files has
        rows = [("all", row) for row in tables.rows("data/cohort/files.csv")]
    else:
        read = {item["path"] for stage in stages for item in stage["reads"]}
        rows = [(name, row) for name in roles for row in _instances(name, read, tables)]
    series: dict[str, Facts] = {}
    for name, row in rows:
        if name == "test" and scored is not None and row["sop_uid"] not in scored:
            continue
        uid = row["series_uid"]
        about = facts.get(uid, {})
        one = series.setdefault(
            uid,
            {
                "patient": row["patient"],
                "study_uid": about.get("study_uid"),
                "series_uid": uid,
                "split": name,
                "role": roles.get(name, "listed"),
                **{key: _plain(about.get(key)) for key in ("source", "doi", "licence")},
                "sop_uids": [],
            },
        )
        one["sop_uids"].append(row["sop_uid"])
    yield from series.values()
