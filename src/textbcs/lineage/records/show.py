"""A trace as people read it: a tree of lines, or a graph in Graphviz's language. Reads no file."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from textbcs.intake.series_uids import whole_uid
from textbcs.lineage.records.findings import short, some, visible

Facts = Mapping[str, Any]


def as_tree(trace: Facts, limit: int = 5) -> list[str]:
    """The trace as lines; at most `limit` slices, series and instances of each kind are written out."""
    head = str(trace["target"])
    if "cell" in trace:
        head += f"  row {trace['cell']['row']}, {trace['cell']['column']} = {trace['value'] or '-'}"
        if trace["recomputed"] is not None:
            head += f"  (from its rows again: {trace['recomputed']})"
    stages = {stage["address"]: stage for stage in trace["stages"]}
    lines = [head, *_branch(trace["stages"][0], stages, "", set())]
    if trace.get("without_receipt"):
        lines.append(
            f"! the chain is broken: no usable receipt of {some(trace['without_receipt'])}"
        )
    if trace["slices"]:
        lines.append(f"scored slices: {len(trace['slices'])}")
        lines += [f"  {line}" for one in trace["slices"][:limit] for line in _slice(one)]
        lines += _more(trace["slices"], limit)
    by_role: dict[tuple[str, str], list[Facts]] = {}
    for series in trace["dicom"]:
        by_role.setdefault((series["role"], series["split"]), []).append(series)
    for (role, split), group in by_role.items():
        count = sum(len(one["sop_uids"]) for one in group)
        lines.append(f"DICOM {role} ({split}): {len(group)} series, {count} instances")
        lines += [f"  {line}" for one in group[:limit] for line in _series(one, limit)]
        lines += _more(group, limit)
    lines += _seal(trace.get("seal"))
    return [visible(line) for line in lines]


def _seal(way: Facts | None) -> Iterator[str]:
    """The path from a file to the seal, with every hash in full."""
    if way:
        yield f"seal: {way['root']}, of {way['leaves']} lines; this is line {way['place']}:"
        yield f"  {way['leaf'].rstrip()}"
        yield from (f"  joined on the {step['side']} with {step['sha256']}" for step in way["path"])


def _more(things: Sequence[object], limit: int) -> list[str]:
    return [f"  and {len(things) - limit} more (--json has all)"] if len(things) > limit else []


def _branch(
    stage: Facts, stages: Mapping[str, Facts], indent: str, seen: set[str]
) -> Iterator[str]:
    """A stage's line, then what it read, by maker; a stage is written out once."""
    yield f"{indent}└─ {_head(stage)}"
    if stage["address"] in seen:
        return
    seen.add(stage["address"])
    inner = indent + "   "
    wrong = [one["path"] for one in stage["writes"] if one["state"] != "ok"]
    if wrong:
        yield f"{inner}! not as its receipt says: {some(wrong)}"
    if any(one["path"].endswith(".safetensors") for one in stage["writes"]):
        yield f"{inner}wrote {some((_named(one) for one in stage['writes']), 4)}"
    groups: dict[str | None, list[Facts]] = {}
    for item in stage["reads"]:
        groups.setdefault(item["made_by"], []).append(item)
    for maker, items in groups.items():
        yield f"{inner}├─ {some((_named(one) for one in items), 2)}"
        if maker is not None and maker not in stages:
            yield f"{inner}│  ! {maker} has no receipt that can be used: what is behind this is not known"
        elif maker is not None:
            if maker in seen:
                yield f"{inner}│  └─ {maker} (see above)"
            else:
                yield from _branch(stages[maker], stages, inner + "│  ", seen)


def _named(item: Facts) -> str:
    state = "" if item["state"] == "ok" else f" [{item['state']}]"
    return f"{item['path']} {short(item['sha256'])}{state}"


def _head(stage: Facts) -> str:
    """The line that names a stage and how it ran."""
    parts = [stage["address"], stage["device"]]
    if stage["seed"] is not None:
        parts.append(f"seed {stage['seed']}")
    if stage["commit"]:
        edited = " with uncommitted changes" if stage["uncommitted"] else ""
        parts.append(f"commit {stage['commit'][:12]}{edited}")
    parts.append(f"{len(stage['params'])} parameters")
    return ", ".join(parts)


def _slice(one: Facts) -> Iterator[str]:
    """The lines of a slice: its scores, prompt, mask and DICOM origin."""
    scores = ", ".join(
        f"{path} row {s['row']}: dice {s['dice']}" for path, s in one["scores"].items()
    )
    yield f"{one['slice_id']} ({one['split']})  {scores}"
    prompt, mask = one["prompt"], one["mask"]
    yield f"  prompt row {prompt['row']} ({prompt['source']}): {prompt['text']}"
    yield f"  mask {mask['source']}, from {mask['origin']}"
    yield f"  series {one['series_uid']}"
    yield f"  SOP instance {one['sop_uid']}  {one['file']['path']} {short(one['file']['sha256'] or '')}"


def _series(one: Facts, limit: int) -> Iterator[str]:
    origin = ", ".join(str(one[key]) for key in ("source", "doi", "licence") if one[key])
    yield f"{one['patient']}  series {one['series_uid']}  study {one['study_uid']}  ({origin})"
    yield f"  SOP instances: {some(one['sop_uids'], limit)}"


def as_dot(trace: Facts) -> str:
    """The trace as a directed graph: files are boxes, stages ellipses, DICOM series at the end."""
    lines = ["digraph lineage {", "  rankdir=RL;", "  node [fontsize=10];"]
    edges: dict[tuple[str, str], None] = {}
    target = str(trace["target"])
    if "cell" in trace:
        target += f"\n{trace['cell']['row']}, {trace['cell']['column']} = {trace['value']}"
    boxes = {target: "box, style=bold"}
    edges[target, trace["stages"][0]["address"]] = None
    for stage in trace["stages"]:
        boxes[stage["address"]] = "ellipse"
        groups: dict[str | None, list[str]] = {}
        for item in stage["reads"]:
            groups.setdefault(item["made_by"], []).append(item["path"])
        for maker, paths in groups.items():
            name = some(paths, 2)
            boxes[name] = "box"
            edges[stage["address"], name] = None
            if maker:
                edges[name, maker] = None
    first = next((s["address"] for s in trace["stages"] if s["address"] == "download"), None)
    for series in trace["dicom"]:
        urn, count = f"urn:oid:{whole_uid(series['series_uid'])}", len(series["sop_uids"])
        name = f"{urn}\n{count} instances, {series['role']}"
        boxes[name] = "folder"
        edges[first or trace["stages"][-1]["address"], name] = None
    lines += [f"  {_quoted(name)} [shape={shape}];" for name, shape in boxes.items()]
    lines += [f"  {_quoted(one)} -> {_quoted(two)};" for one, two in edges]
    return "\n".join([*lines, "}"])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
