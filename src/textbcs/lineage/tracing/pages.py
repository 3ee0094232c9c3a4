"""`textbcs audit pages`: a page a table, with an anchor for every cell, for links from the report.

Reads what a trace reads; writes `reports/trace/<table>.html`, which git ignores and no stage knows:
pages tell what lies here now, commits and times included. A cell's anchor is `r<row>.<column>`, rows counted
from 1: `reports/trace/table1.html#r2.dice_slice_mean`.
"""

import html
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, write_text
from textbcs.lineage.records.findings import some, visible
from textbcs.lineage.records.graph import Graph
from textbcs.lineage.records.hashing import hash_files
from textbcs.lineage.records.show import as_tree
from textbcs.lineage.tracing import cells
from textbcs.lineage.tracing.trace import Files, trace_cell

FOLDER = Path("reports/trace")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; margin: 2rem; }
pre { overflow-x: auto; font-size: .8rem; background: #f6f6f6; padding: .8rem; }
:target { background: #ffe08a; }
"""


def write_pages(graph: Graph, folder: Path = FOLDER) -> list[Path]:
    """Write a page for every table that a stage has written; return the pages.

    Raises:
        InputError: no stage has written a table.
    """
    wanted = {
        item.path: ("sha256",)
        for receipt in graph.active()
        for item in (*receipt.inputs, *receipt.outputs)
    }
    files = Files(hash_files(wanted))
    pages = []
    for path in tables(graph):
        page = folder / f"{Path(path).stem}.html"
        text = "\n".join(_page(graph, path, files)) + "\n"
        write_text(page, text.encode("utf-8", "backslashreplace").decode())
        pages.append(page)
    if not pages:
        raise InputError(f"{cells.TABLES}: no stage has written a table; run snakemake first")
    return pages


def tables(graph: Graph) -> Iterator[str]:
    """The tables that are here and that some stage has written."""
    for receipt in graph.active():
        for item in receipt.outputs:
            is_table = item.path.startswith(cells.TABLES) and item.path.endswith(".csv")
            if is_table and Path(item.path).is_file():
                yield item.path


def _page(graph: Graph, path: str, files: Files) -> Iterator[str]:
    """The page of a table's origins, in pieces of HTML."""
    table = cells.read_table(path)
    title = html.escape(path)
    yield '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    yield f"<title>{title}</title><style>{_STYLE}</style></head><body><h1>{title}</h1>"
    for number in range(len(table)):
        traces = [trace_cell(graph, path, f"#{number + 1}", str(c), files) for c in table.columns]
        yield f"<h2>Row {number + 1}: {html.escape(str(table.iloc[number, 0]))}</h2><ul>"
        yield from (_cell(number + 1, trace) for trace in traces)
        # The cells of a row share their chain; the one that rests on the most slices shows it.
        longest = max(traces, key=lambda trace: (len(trace["slices"]), len(trace["stages"])))
        yield f"</ul><pre>{html.escape(chr(10).join(as_tree(longest)))}</pre>"
        yield from _way(longest)
    yield "</body></html>"


def _way(trace: Mapping[str, Any]) -> Iterator[str]:
    """Every stage behind a row with its command, commit and files, each hash in full, down to the series."""
    files = [item for one in trace["stages"] for item in (*one["reads"], *one["writes"])]
    wrong = sorted({item["path"] for item in files if item["state"] != "ok"})
    gaps = list(trace["without_receipt"])
    verdict = "verified: every file on the way was hashed now and is what its receipt says"
    if wrong or gaps:
        verdict = f"NOT verified: {some([*wrong, *gaps])}"
    yield f"<p>{html.escape(visible(verdict))}</p><details><summary>The whole way</summary><ol>"
    for stage in trace["stages"]:
        commit = stage["commit"] or "not known"
        loose = " with uncommitted changes" if stage["uncommitted"] else ""
        head = (
            f"{stage['address']}: {stage['command']}; commit {commit}{loose}; on {stage['device']}"
        )
        yield f"<li>{html.escape(visible(head))}<ul>"
        for verb, items in (("wrote", stage["writes"]), ("read", stage["reads"])):
            for item in items:
                maker = f", made by {item['made_by']}" if item.get("made_by") else ""
                line = f"{verb} {item['path']} sha256 {item['sha256']} ({item['state']}){maker}"
                yield f"<li>{html.escape(visible(line))}</li>"
        yield "</ul></li>"
    yield "</ol><ul>"
    for one in trace["dicom"]:
        line = (
            f"DICOM series {one['series_uid']}, study {one['study_uid']}, {one['role']} ({one['split']}), "
            f"{len(one['sop_uids'])} instances, {one['doi'] or one['source']}"
        )
        yield f"<li>{html.escape(visible(line))}</li>"
    yield "</ul></details>"


def _cell(number: int, trace: Mapping[str, Any]) -> str:
    """One cell: its value, whether it follows from its rows, and what it rests on."""
    column = trace["cell"]["column"]
    again = trace["recomputed"]
    text = f"{column} = {trace['value'] or '-'}"
    if again is not None:
        text += " (the same from its rows)" if str(again) == trace["value"] else f" (rows: {again})"
    instances = sum(len(one["sop_uids"]) for one in trace["dicom"] if one["role"] == "scored")
    text += f"; {len(trace['slices'])} slices, {instances} scored DICOM instances; from "
    reads = [item["path"] for item in trace["stages"][0]["reads"]]
    text += ", ".join(reads[:4]) + (f" and {len(reads) - 4} more" if len(reads) > 4 else "")
    anchor = html.escape(f"r{number}.{column}", quote=True)
    return f'<li id="{anchor}">{html.escape(text)}</li>'
