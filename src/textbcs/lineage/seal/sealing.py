"""`textbcs audit seal`, and `verify --against`: one hash over all receipts and outputs, as they lie here."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textbcs.base.io import InputError, write_bytes
from textbcs.lineage.records.bounded import read_regular
from textbcs.lineage.records.findings import Finding, counted, short, some
from textbcs.lineage.records.graph import Graph
from textbcs.lineage.records.hashing import hash_files
from textbcs.lineage.records.tree import Tree
from textbcs.lineage.seal import merkle

LIST = Path("seal.sha256")
_ROOT = re.compile(r"[0-9a-f]{64}")
_MOST = 1 << 30  # bytes of a list


def digests_here(tree: Tree) -> dict[str, str]:
    """Path -> sha256 of every receipt and every output, as they are now; what is not here is left out."""
    paths = [path for one in tree.graph.active() for path in _paths(tree.graph, one.address)]
    return {path: digest for path in paths if (digest := tree.sha256(path)) is not None}


def _paths(graph: Graph, address: str) -> Iterator[str]:
    receipt = graph.receipts[address]
    yield receipt.path
    yield from (item.path for item in receipt.outputs)


def root_of(digests: Mapping[str, str]) -> str:
    """The seal of some files."""
    return merkle.root(merkle.lines_of(digests))


def write_list(digests: Mapping[str, str], path: Path = LIST) -> None:
    """Write what is sealed, so that `sha256sum -c` checks it."""
    write_bytes(path, b"".join(merkle.lines_of(digests)))


def read_list(path: Path = LIST) -> dict[str, str]:
    """Path -> sha256 of a written list; nothing where there is none that can be read."""
    try:
        lines = read_regular(path, _MOST).decode("utf-8", "surrogateescape").splitlines()
    except InputError:
        return {}
    pairs = (line.partition("  ") for line in lines if not line.startswith("\\"))
    return {path: digest for digest, _, path in pairs if _ROOT.fullmatch(digest)}


def check_seal(tree: Tree, wanted: str) -> Iterator[Finding]:
    """Whether receipts and outputs are those of a seal.

    Args:
        tree: the hashed tree.
        wanted: the root that was printed.

    Raises:
        InputError: it is no such hash.
    """
    wanted = wanted.strip().lower()
    if not _ROOT.fullmatch(wanted):
        raise InputError(
            f"--against {wanted!r}: a seal has 64 hexadecimal digits; textbcs audit seal prints it"
        )
    here = digests_here(tree)
    found = root_of(here)
    if found == wanted:
        return
    detail = f"the seal of what lies here is {found}, not {wanted}"
    listed = read_list()
    if root_of(listed) == wanted:
        changed = sorted(
            path for path in listed.keys() | here.keys() if listed.get(path) != here.get(path)
        )
        for path in changed:
            before, now = short(listed.get(path, "")), short(here.get(path, ""))
            yield Finding(
                "SEAL", tree.node(path), path, f"was {before} when it was sealed, is {now}"
            )
        detail += f"; changed: {counted(len(changed), 'file')}: {some(changed)}"
    else:
        detail += f"; the list of that seal ({LIST}) would tell which files differ"
    yield Finding("SEAL", "", str(LIST), detail)


def way_to_seal(graph: Graph, path: str) -> dict[str, Any] | None:
    """How a file is proved to belong to the seal of what the receipts say; None where no receipt names it.

    Args:
        graph: the stages.
        path: an output, or a receipt.
    """
    receipts = hash_files({one.path: ("sha256",) for one in graph.active()})
    digests = {name: one.sha256 for name, one in receipts.digests.items()}
    digests |= {item.path: item.sha256 for one in graph.active() for item in one.outputs}
    if path not in digests:
        return None
    lines = merkle.lines_of(digests)
    place = lines.index(merkle.lines_of({path: digests[path]})[0])
    return {
        "root": merkle.root(lines),
        "leaf": lines[place].decode("utf-8", "surrogateescape"),
        "place": place + 1,
        "leaves": len(lines),
        "path": [{"side": side, "sha256": digest} for side, digest in merkle.proof(lines, place)],
    }
