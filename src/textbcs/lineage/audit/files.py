"""TAMPERED and MISSING: every file against the receipt or the list that names it."""

from collections.abc import Iterator
from pathlib import Path

from textbcs.lineage.records.findings import Finding, Remark, short, some
from textbcs.lineage.records.tree import (
    LISTED,
    Tree,
    cache_objects,
    is_pointer,
    listed_files,
    listed_outside,
)


def check_outputs(tree: Tree) -> Iterator[Finding]:
    """Outputs that are gone or are not what their receipt says."""
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            found = tree.digest(item.path)
            if item.path in tree.hashes.unreadable:
                reason = tree.hashes.unreadable[item.path]
                yield Finding("MISSING", receipt.address, item.path, f"cannot be read: {reason}")
            elif found is None:
                detail = f"{receipt.address} wrote it; dvc checkout or another run restores it"
                yield Finding("MISSING", receipt.address, item.path, detail)
            elif found.sha256 != item.sha256:
                detail = (
                    f"sha256 is {short(found.sha256)}, its receipt says {short(item.sha256)} "
                    f"({found.bytes} bytes, were {item.bytes})"
                )
                if is_pointer(item.path):
                    detail += "; it is a pointer of Git LFS: git lfs pull"
                yield Finding("TAMPERED", receipt.address, item.path, detail)


def check_sizes(tree: Tree) -> Iterator[Finding]:
    """Sizes that receipts give, where the files are what they say."""
    for receipt in tree.graph.active():
        for item in (*receipt.outputs, *receipt.inputs):
            found = tree.digest(item.path)
            if found and found.sha256 == item.sha256 and found.bytes != item.bytes:
                detail = f"says {item.bytes} bytes of {item.path}, which has {found.bytes}"
                yield Finding("TAMPERED", receipt.address, receipt.path, detail, (item.path,))


def check_outside_inputs(tree: Tree) -> Iterator[Finding]:
    """Inputs that no stage makes and that are gone."""
    seen: set[str] = set()
    for receipt in tree.graph.active():
        for item in receipt.inputs:
            outside = item.stage is None and tree.graph.makers.of(item.path) is None
            if outside and item.path not in seen and tree.digest(item.path) is None:
                seen.add(item.path)
                detail = "an input from outside the pipeline; put it back to check it"
                yield Finding("MISSING", receipt.address, item.path, detail)


def check_receipts(tree: Tree) -> Iterator[Finding]:
    """Receipts that are gone, cannot be read, or belong to no stage."""
    graph = tree.graph
    for path, reason in graph.unreadable.items():
        address = Path(path).stem
        kind = "TAMPERED" if address in graph.definitions else "ORPHAN"
        yield Finding(kind, address, path, f"receipt cannot be used: {reason}")
    for address, receipt in graph.receipts.items():
        if address not in graph.definitions:
            left = [item.path for item in receipt.outputs if tree.digest(item.path)]
            detail = "dvc.yaml and params.yaml define no such stage (any more)"
            if left:
                detail += f"; left with {len(left)} of its files: {some(left)}"
            yield Finding("ORPHAN", address, receipt.path, detail)
    for address, definition in graph.definitions.items():
        path = definition.receipt
        if address in graph.receipts or path in graph.unreadable:
            continue
        locked = graph.lock is not None and address in graph.lock
        made = [out for out in definition.outputs if Path(out).exists()]
        if locked or made:
            yield Finding("MISSING", address, path, "there are results but no receipt of them")


def check_listed(tree: Tree) -> Iterator[Finding | Remark]:
    """Raw files against the lists that stand for them; one that is absent can be restored."""
    absent: dict[str, int] = {}
    total: dict[str, int] = {}
    listings = {stage: listing for listing, _, stage in LISTED}
    for path, stage, row in listed_files(tree.lists):
        total[stage] = total.get(stage, 0) + 1
        found = tree.digest(path)
        if found is None:
            absent[stage] = absent.get(stage, 0) + 1
        elif found.sha256 != row["sha256"]:
            detail = (
                f"sha256 is {short(found.sha256)}, {listings[stage]} says {short(row['sha256'])}"
            )
            yield Finding("TAMPERED", stage, path, detail, (listings[stage],))
    for listing, stage, path in listed_outside(tree.lists):
        yield Finding(
            "TAMPERED", stage, listing, f"the path {path!r} leaves its folder", (listing,)
        )
    for stage, count in absent.items():
        folder = next(folder for _, folder, name in LISTED if name == stage)
        yield Remark(
            f"{count} of {total[stage]} files of {folder} are not here; a stage that needs them "
            "restores them"
        )


def check_cache(tree: Tree) -> Iterator[Finding | Remark]:
    """DVC's objects against their own names: DVC restores a damaged one without a word."""
    users = _users(tree)
    objects = cache_objects()
    if not objects and tree.graph.receipts:
        yield Remark("DVC's cache is empty or not here: what it would restore was not looked at")
    for path in objects:
        found = tree.digest(path)
        name = "".join(path.split("/")[-2:])
        if found and found.md5 != name.removesuffix(".dir"):
            address, out = users.get(name, ("", ""))
            what = f"the object of {out}" if out else "an object"
            detail = f"{what} in DVC's cache has md5 {short(found.md5)}; delete it, then dvc fetch"
            yield Finding("TAMPERED", address, path, detail)


def _users(tree: Tree) -> dict[str, tuple[str, str]]:
    """md5 -> (stage, path) of what the receipts and dvc.lock name."""
    users: dict[str, tuple[str, str]] = {}
    for address, stage in (tree.graph.lock or {}).items():
        users |= {md5: (address, path) for path, md5 in stage.outs.items()}
    for receipt in tree.graph.active():
        for item in receipt.outputs:
            found = tree.digest(item.path)
            if found and found.sha256 == item.sha256:
                users.setdefault(found.md5, (receipt.address, item.path))
    return users
