"""FORGED-LOCK, STALE and UNKNOWN-CODE: receipts against dvc.lock, the tree as it is now, and git."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from textbcs.base.io import InputError
from textbcs.lineage.records.findings import Finding, Remark, counted, short, some
from textbcs.lineage.records.graph import Receipt, difference
from textbcs.lineage.records.hashing import folder_md5
from textbcs.lineage.records.history import committed, is_shallow, show
from textbcs.lineage.records.lock_file import LOCK, Locked
from textbcs.lineage.records.tree import KEPT_BY_DVC, Tree, cached, files_of, modules_of
from textbcs.settings.params import flatten, select
from textbcs.stage.definition import Definition
from textbcs.stage.receipt import ENVIRONMENT

_DEFINITION = "dvc.yaml"
# No stage depends on them, and what is run again is started by them.
_STARTERS = ("workflow/stage", "workflow/own_code.py")
_IGNORED = ".dvcignore"


def check_lock(tree: Tree) -> Iterator[Finding]:
    """dvc.lock against the receipts, and the receipts themselves by the md5 that the lock has."""
    graph = tree.graph
    if graph.lock_fault:
        yield Finding("UNREADABLE", "", str(LOCK), f"{graph.lock_fault}; git checkout {LOCK}")
    if graph.lock is None:
        if graph.receipts and not graph.lock_fault:
            yield Finding("MISSING", "", str(LOCK), "there are receipts but no lock file")
        return
    yield from _without_entry(tree)
    for receipt in graph.active():
        locked = graph.lock.get(receipt.address)
        if locked is None:
            continue
        lies = [*_lies(tree, receipt, locked), *_undefined(tree, receipt, locked)]
        if lies:
            yield Finding("FORGED-LOCK", receipt.address, str(LOCK), "; ".join(lies))
        yield from _receipt_itself(tree, receipt, locked)


def _without_entry(tree: Tree) -> Iterator[Finding]:
    """Stages that have run and that the lock does not name: one finding, since a cut lock lacks many."""
    if tree.graph.lock is None:
        return
    names = [one.address for one in tree.graph.active() if one.address not in tree.graph.lock]
    if names:
        have = "has" if len(names) == 1 else "have"
        detail = f"has no entry for {some(names)}, which {have} run"
        if len(names) > 1:
            detail += f"; if it was cut off: git checkout {LOCK}"
        yield Finding("FORGED-LOCK", names[0], str(LOCK), detail)


def check_lock_in_export(tree: Tree) -> Iterator[Finding]:
    """dvc.lock against the definitions and the receipts' parameters, where most files are not here."""
    if tree.graph.lock_fault:
        yield Finding("UNREADABLE", "", str(LOCK), tree.graph.lock_fault)
    yield from _without_entry(tree)
    for receipt in tree.graph.active():
        locked = (tree.graph.lock or {}).get(receipt.address)
        if locked is None:
            continue
        changed = difference(receipt.params, locked.params)
        lies = [f"parameters: the receipt has {some(changed)} in the lock"] if changed else []
        lies += _undefined(tree, receipt, locked)
        found, md5 = tree.digest(receipt.path), locked.outs.get(receipt.path)
        if found is not None and md5 != found.md5:
            lies.append(
                f"{receipt.path}: md5 is {short(found.md5)}, the lock says {short(md5 or '')}"
            )
        if lies:
            yield Finding("FORGED-LOCK", receipt.address, str(LOCK), "; ".join(lies))


def _undefined(tree: Tree, receipt: Receipt, locked: Locked) -> Iterator[str]:
    """What the lock says of a stage and its definition denies, where the stage ran as it is defined."""
    definition = tree.graph.definitions[receipt.address]
    if not receipt.ran_as(definition):
        return
    if locked.command != definition.command:
        yield f"command: {locked.command!r} in the lock, {definition.command!r} in {_DEFINITION}"
    for section, listed, defined in (
        ("dep", locked.deps, definition.inputs),
        ("out", locked.outs, definition.outputs),
    ):
        names = {name.rstrip("/") for name in defined}
        known = {name.rstrip("/") for name in listed}
        if names - known:
            yield f"the lock has no {section} {some(sorted(names - known))}"
        if known - names:
            yield f"{section} {some(sorted(known - names))}: {_DEFINITION} does not name it"
    for path, (size, files) in locked.extent.items():
        md5 = locked.outs.get(path) or locked.deps.get(path)
        here = _extent_now(tree, path) if md5 == _md5_now(tree, path) else None
        if here is not None and (size, files or here[1]) != here:
            yield f"{path}: {size} bytes in {files or 1} files, of that content it has {here[0]} in {here[1]}"


def _lies(tree: Tree, receipt: Receipt, locked: Locked) -> Iterator[str]:
    """What the lock says of a stage and its receipt denies."""
    changed = difference(receipt.params, locked.params)
    if changed:
        yield f"parameters: the receipt has {some(changed)} in the lock"
    written = {item.path: item.sha256 for item in receipt.outputs}
    for out, md5 in locked.outs.items():
        if out == receipt.path:
            continue
        inside = _inside(written, out)
        here = _md5_now(tree, out)
        if not inside:
            yield f"out {out}: the receipt does not name it"
        elif (
            here not in (None, md5)
            and all(tree.is_authentic(path) for path in inside)
            and not _has_more(tree, out, inside)
        ):
            yield f"out {out}: md5 {short(md5)}, but what the stage wrote has {short(here or '')}"
    read = {item.path: item.sha256 for item in receipt.inputs} | dict(receipt.code)
    for dep, md5 in locked.deps.items():
        inside = _inside(read, dep)
        here = _md5_now(tree, dep) if inside else None
        if here is None:
            continue
        other = [path for path in inside if tree.sha256(path) != read[path]]
        if other and here == md5:
            yield f"dep {dep}: as it is now, but the stage ran on another {some(other)}"
        elif not other and here != md5 and (inside == [dep] or not _has_more(tree, dep, inside)):
            yield f"dep {dep}: md5 {short(md5)}, but what the stage read has {short(here)}"


def _inside(paths: Mapping[str, str], folder: str) -> list[str]:
    """Those paths that are the folder, or lie in it."""
    if folder in paths:
        return [folder]
    above = folder.rstrip("/") + "/"
    return [path for path in paths if path.startswith(above)]


def _receipt_itself(tree: Tree, receipt: Receipt, locked: Locked) -> Iterator[Finding]:
    """A receipt whose md5 is not the lock's: one of the two was edited."""
    found, md5 = tree.digest(receipt.path), locked.outs.get(receipt.path)
    if found is None or md5 is None or found.md5 == md5:
        return
    before = tree.committed_lock.get(receipt.address)
    is_lock = cached(found.md5).is_file() or (
        before is not None and before.outs.get(receipt.path) == found.md5
    )
    kind, path = ("FORGED-LOCK", str(LOCK)) if is_lock else ("TAMPERED", receipt.path)
    detail = f"{receipt.path}: md5 is {short(found.md5)}, dvc.lock says {short(md5)}"
    yield Finding(kind, receipt.address, path, detail)


def _md5_now(tree: Tree, path: str) -> str | None:
    """DVC's hash of a file or folder as it is now."""
    if path not in tree.md5s:
        tree.md5s[path] = _md5_of(tree, path)
    return tree.md5s[path]


def _md5_of(tree: Tree, path: str) -> str | None:
    found = tree.digest(path)
    if found:
        return found.md5
    if not Path(path).is_dir():
        return None
    files: dict[str, str] = {}
    for file in tree.folders.files(path):
        one = tree.digest(file)
        if one is None or not one.md5:
            return None
        files[file.removeprefix(f"{path.rstrip('/')}/")] = one.md5
    return folder_md5(files)


def _extent_now(tree: Tree, path: str) -> tuple[int, int] | None:
    """Bytes and number of files of a file or folder as it is now."""
    digests = [tree.digest(name) for name in files_of(path, tree.folders)]
    sizes = [one.bytes for one in digests if one is not None]
    return (sum(sizes), len(sizes)) if len(sizes) == len(digests) else None


def _has_more(tree: Tree, out: str, inside: list[str]) -> bool:
    """Whether a folder holds files that the receipt does not name: ORPHANs, named as such."""
    files = {path for path in tree.folders.files(out) if not path.endswith(f"/{KEPT_BY_DVC}")}
    return bool(files - set(inside))


def _within(path: str, folder: str) -> bool:
    return path == folder or PurePosixPath(path).is_relative_to(folder)


def check_stale(tree: Tree, forged: set[str]) -> Iterator[Finding]:
    """Stages that ran on something else than there is now.

    Args:
        tree: the hashed tree.
        forged: stages whose lock entry is forged: theirs is that fault, and a re-run heals both.
    """
    for receipt in tree.graph.active():
        reasons = [] if receipt.address in forged else list(_reasons(tree, receipt))
        if reasons:
            yield Finding("STALE", receipt.address, receipt.path, "; ".join(reasons))


def _reasons(tree: Tree, receipt: Receipt) -> Iterator[str]:
    """Why a stage would have to run again: inputs, outputs, parameters or code that are others now."""
    graph = tree.graph
    for item in receipt.inputs:
        address = graph.makers.of(item.path)
        maker = graph.receipts.get(address) if address else None
        if maker is not None:
            made = maker.output(item.path)
            # A receipt, which the stage `package` reads, cannot name its own sha256.
            written = tree.sha256(item.path) if item.path == maker.path else made and made.sha256
            if written != item.sha256:
                yield f"read another {item.path} than {maker.address} has written since"
        elif address is None:
            now = tree.sha256(item.path)
            if now is not None and now != item.sha256:
                yield f"{item.path} has changed since"
    definition = graph.definitions[receipt.address]
    if receipt.definition and not receipt.ran_as(definition):
        yield f"{_DEFINITION} defines it otherwise now"
    for out in definition.outputs:
        if out != receipt.path and not any(_within(item.path, out) for item in receipt.outputs):
            yield f"dvc.yaml now wants {out} of it"
    try:
        now_params = flatten(select(graph.params, definition.keys))
    except InputError as error:
        yield str(error)
    else:
        changed = difference(receipt.params, now_params)
        if changed:
            yield f"parameters have changed since: {some(changed)}"
    if receipt.code:
        now_code = {path: tree.sha256(path) for path in modules_of(tree, definition)}
        edited = sorted(
            path
            for path in receipt.code.keys() | now_code.keys()
            if receipt.code.get(path) != now_code.get(path)
        )
        if edited:
            yield f"code has changed since: {some(edited)}"
        else:
            yield from _other_files(tree, receipt, definition)


def _other_files(tree: Tree, receipt: Receipt, definition: Definition) -> Iterator[str]:
    """Folders of unchanged modules in which DVC finds something else than when the stage ran."""
    locked = (tree.graph.lock or {}).get(receipt.address)
    deps = locked.deps if locked else {}
    for folder in definition.code:
        md5, here = deps.get(folder), _md5_now(tree, folder)
        if None not in (md5, here) and md5 != here:
            beside = [path for path in tree.folders.files(folder) if not path.endswith(".py")]
            yield f"{folder} holds other files than then: see {some(beside) or 'what was deleted'}"


def check_code(tree: Tree) -> Iterator[Finding | Remark]:
    """Recorded modules and environments that are in no commit, once each, at the first stage."""
    users: dict[tuple[str, str], list[str]] = {}
    for receipt in tree.graph.active():
        under = receipt.environment.get(ENVIRONMENT)
        said = {**receipt.loaded, **({ENVIRONMENT: under} if under else {})}
        for path, digest in (*receipt.code.items(), *said.items()):
            users.setdefault((path, digest), []).append(receipt.address)
    known = committed(set(users))
    if known.fault:
        if users:
            detail = f"{known.fault}: whether the code that ran is committed is not known"
            yield Finding("NO-HISTORY", "", ".git", detail)
        return
    if known.lost:
        detail = (
            f"of the history, {counted(len(known.lost), 'object')} not here, such as {min(known.lost)}; "
            "fetch them (git fetch --refetch), or look at a whole clone"
        )
        yield Finding("NO-HISTORY", "", ".git", detail)
    unknown = {key: names for key, names in users.items() if key not in known.versions}
    if unknown and is_shallow():
        yield Remark(
            f"the history is shallow: not in it: {counted(len(unknown), 'module version')}"
        )
        return
    for (path, digest), names in unknown.items() if not known.lost else ():
        ran = "ran under" if path == ENVIRONMENT else "ran"
        detail = f"{some(names)} {ran} a version (sha256 {short(digest)}) that is in no commit"
        yield Finding("UNKNOWN-CODE", names[0], path, detail)


def check_definition_file(tree: Tree) -> Iterator[Finding]:
    """Which stages there are, which files are none, and what starts stages, against the last commit."""
    for path in (_DEFINITION, _IGNORED, *_STARTERS):
        committed_text, here = show("HEAD", f"./{path}"), Path(path)
        if committed_text is None and path in _STARTERS and not here.exists():
            continue  # nothing can be run again here, and `replay` says so
        if committed_text is None and show("HEAD", "./params.yaml") is None:
            continue  # no history, which has its own name, or none of this folder
        if committed_text is None or not here.is_file() or here.read_bytes() != committed_text:
            detail = "is not as the last commit has it; commit it, or git checkout it"
            yield Finding("UNKNOWN-CODE", "", path, detail)


def check_older(tree: Tree) -> Iterator[Remark]:
    """Receipts that name no code, and stages that dvc.lock knows and nothing defines."""
    old = [receipt.address for receipt in tree.graph.active() if not receipt.code]
    if old:
        yield Remark(
            f"an older version, naming no code: {counted(len(old), 'receipt')}: {some(old)}"
        )
    behind = (tree.graph.lock or {}).keys() - tree.graph.definitions.keys()
    if behind:
        yield Remark(f"dvc.lock also has stages that are defined no more: {some(sorted(behind))}")
