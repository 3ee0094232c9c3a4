"""ORPHAN: whatever lies where only stages write, and belongs to none of them."""

import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from textbcs.lineage.records.data_tables import FILES
from textbcs.lineage.records.findings import Finding, Remark, some
from textbcs.lineage.records.folders import Entry
from textbcs.lineage.records.tree import (
    KEPT_BY_DVC,
    LISTED,
    RUNINFO,
    Tree,
    cache_folder,
    listed_files,
    managed_entries,
)
from textbcs.stage.definition import covered
from textbcs.stage.ignored_files import LIST

_OF_STAGES = ("data", "results", "reports")
_MARK = ".snakemake_timestamp"  # Snakemake leaves it in folders that it made
# What commands write into reports/, beside the stages' folders.
_OF_COMMANDS = ("reports/trace", "reports/earlier", "reports/prompts_template")


def check_orphans(tree: Tree) -> Iterator[Finding]:
    """Files, folders, links and all else that no stage has written."""
    known = _known(tree)
    above = {parent.as_posix() for path in known for parent in Path(path).parents}
    named: list[str] = []  # a stranger's folder stands for what lies in it
    for root in _OF_STAGES:
        if Path(root).is_symlink():
            detail = f"is a link to {Path(root).readlink()}, which no stage writes through"
            yield Finding("ORPHAN", "", root, detail)
    for one in managed_entries(tree.graph, tree.folders):
        if covered(one.path, tuple(named)):
            continue
        detail = _detail(tree, one, known, above)
        if detail:
            named += [one.path] if one.kind == "folder" else []
            yield Finding("ORPHAN", tree.node(one.path), one.path, detail)
    for path, reason in tree.folders.unreadable.items():
        yield Finding("UNREADABLE", tree.node(path), path, f"the folder cannot be read: {reason}")


def _known(tree: Tree) -> set[str]:
    """The files that a receipt names as outputs, and the receipts."""
    graph = tree.graph
    known = set(tree.recorded) | {receipt.path for receipt in graph.receipts.values()}
    gone = [one for address, one in graph.receipts.items() if address not in graph.definitions]
    known |= {item.path for receipt in gone for item in receipt.outputs}
    return known | set(graph.unreadable)


def _detail(tree: Tree, one: Entry, known: set[str], above: set[str]) -> str:
    """Why something does not belong there, in words; the empty string where it does."""
    address = tree.node(one.path)
    if one.target and not _is_cached(one):
        whither = "leads nowhere" if one.kind == "lost" else f"leads to {one.target}"
        return f"is a link, which no stage writes, and {whither}"
    if one.name == KEPT_BY_DVC:
        return "" if _keeps_outputs(tree, one) else "is no list of outputs, as DVC writes one here"
    if one.kind == "folder":
        made = one.path in above or _is_declared(tree, one.path)
        files = tree.folders.files(one.path)
        return "" if made or (files and tree.node(one.path)) else _folder(files)
    if one.kind != "file":
        return f"is {one.kind}, which no stage writes"
    if one.path in known or (address and address not in tree.graph.receipts):
        return ""  # its maker has no receipt: that is the fault, and it is named
    return f"not among the outputs of {address}" if address else "no stage writes it"


def _folder(files: list[str]) -> str:
    return f"a folder of no stage, with {some(files)}" if files else "an empty folder of no stage"


def _is_declared(tree: Tree, folder: str) -> bool:
    """Whether a folder is an output, or one lies in it."""
    outs = tree.graph.makers.paths
    return folder in outs or any(out.startswith(f"{folder}/") for out in outs)


def _is_cached(one: Entry) -> bool:
    """Whether a link leads to an object of DVC's cache, as with `cache.type symlink`."""
    if one.kind != "file":
        return False
    return Path(one.path).resolve().is_relative_to(cache_folder().resolve())


def _keeps_outputs(tree: Tree, one: Entry) -> bool:
    """Whether a `.gitignore` holds what DVC writes there: the names of outputs beside it."""
    folder = one.path.rpartition("/")[0]
    if one.kind != "file":
        return False
    try:
        lines = Path(one.path).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError):
        return False
    outs = {out for out in tree.graph.makers.paths if out.rpartition("/")[0] == folder}
    return bool(lines) and all(f"{folder}{line}" in outs for line in lines)


def check_reports(tree: Tree) -> Iterator[Finding]:
    """Folders of reports/ that neither a stage nor a command makes; single files are judged as orphans."""
    for one in tree.folders.entries("reports"):
        own = _is_declared(tree, one.path) or one.path in _OF_COMMANDS
        if one.kind == "folder" and not own:
            detail = _folder(tree.folders.files(one.path))
            yield Finding("ORPHAN", "", one.path, detail)


def check_unlisted(tree: Tree) -> Iterator[Finding]:
    """Files among the raw ones that no list names: nobody can say whence they are."""
    listed = {path for path, _, _ in listed_files(tree.lists)}
    for listing, folder, stage in LISTED:
        if not Path(listing).is_file() or tree.node(listing) not in tree.graph.receipts:
            continue
        what = "images" if listing == FILES else "files"
        others = [
            one.path
            for one in tree.folders.below(folder)
            if one.path not in listed and one.kind != "folder" and one.name != KEPT_BY_DVC
        ]
        if others:
            detail = f"{len(others)} {what} that {listing} does not name: {some(others)}"
            yield Finding("ORPHAN", stage, folder, detail)


def check_runinfo_folder(tree: Tree) -> Iterator[Finding]:
    """What lies among the run information and tells of no stage."""
    stages = {one.stage for one in tree.graph.definitions.values()}
    for one in tree.folders.entries(RUNINFO.as_posix()):
        address = one.name.removesuffix(".json")
        is_told = one.name.endswith(".json") and address.partition("@")[0] in stages
        if one.kind != "file" or one.target or not is_told:
            yield Finding("ORPHAN", "", one.path, "tells of no stage")


def check_ignored(tree: Tree) -> Iterator[Finding | Remark]:
    """Whatever lies among results under a name that `.dvcignore` lists.

    What could be taken for a result is a fault, since no stage writes such a name; what editors and desktops
    leave is told.
    """
    kinds = {PurePosixPath(path).suffix for path in tree.recorded} - {""}
    told = []
    for path in sorted(tree.folders.ignored):
        name = path.rpartition("/")[2]
        if not covered(path, _OF_STAGES) or (name == _MARK and _is_empty(path)):
            continue
        if PurePosixPath(path).suffix in kinds and not name.startswith((".", "~")):
            detail = f"no stage writes it, and {LIST} lists such names, so DVC does not see it"
            yield Finding("ORPHAN", tree.node(path), path, detail)
        else:
            told.append(path)
    if told:
        yield Remark(f"among results, of no stage, with a name that {LIST} lists: {some(told, 9)}")


def _is_empty(path: str) -> bool:
    """Whether a file is a mark: a file without content, and no link."""
    try:
        found = Path(path).lstat()
    except OSError:
        return False
    return stat.S_ISREG(found.st_mode) and not found.st_size
