"""The receipts behind a package: from the files that it is made of back to the archive.

Each receipt is found by the sha256 of what its stage has written, so the chain is proved, not assumed. A
stage that worked for many runs has read the files of all; followed are those of the packed runs alone. What
a receipt says of people stays at home: names of patients, and paths on the machine.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from textbcs.base.io import InputError

RECEIPTS = "results/receipts"
WITHHELD = "withheld"
# Parameters that name patients.
_PATIENTS = ("cohort.patients", "cohort.exclude")
_OF_A_RUN = re.compile(r"results/\w+/(?P<run>[a-z0-9_]+-s\d+)(/.*)?")
Receipt = Mapping[str, Any]
File = tuple[str, str]  # path and sha256


def chain(
    files: Iterable[File], receipts: Mapping[str, Receipt], runs: Collection[str]
) -> dict[str, Receipt]:
    """The receipts behind some files, by the stage's address, sorted.

    Args:
        files: what a package was made of.
        receipts: those that there are, by the path of each.
        runs: the packed ones; files of others are not followed.

    Raises:
        InputError: a file is not what its stage has written.
    """
    makers: dict[str, dict[str, str]] = {}
    for path, receipt in receipts.items():
        for item in receipt["outputs"]:
            makers.setdefault(item["path"], {})[item["sha256"]] = path
    found: dict[str, Receipt] = {}
    queue = [file for file in files if _followed(file[0], runs)]
    seen = set(queue)
    while queue:
        name, digest = queue.pop()
        if name not in makers:
            continue  # a person's own, or a file of the repository
        if digest not in makers[name]:
            raise InputError(
                f"{name}: is not what its stage has written, by {RECEIPTS}; run snakemake --cores all "
                "and pack the run again"
            )
        receipt = receipts[makers[name][digest]]
        if receipt["stage"] not in found:
            found[receipt["stage"]] = receipt
            behind = {(item["path"], item["sha256"]) for item in receipt["inputs"]}
            fresh = {file for file in behind - seen if _followed(file[0], runs)}
            seen |= fresh
            queue += sorted(fresh)
    return dict(sorted(found.items()))


def _followed(path: str, runs: Collection[str]) -> bool:
    """Whether a file belongs to no run or to a packed one."""
    match = _OF_A_RUN.fullmatch(path)
    return match is None or match["run"] in runs


def read_receipt(content: bytes, path: str) -> Receipt:
    """A receipt.

    Raises:
        InputError: it cannot be read.
    """
    try:
        found = json.loads(content)
        if all(isinstance(found[key], list) for key in ("inputs", "outputs")) and found["stage"]:
            return dict(found)
    except (ValueError, KeyError, TypeError):
        pass
    raise InputError(f"{path}: no receipt of a stage; run the stage again")


def without_people(receipt: Receipt, patients: Collection[str], digest: str) -> dict[str, Any]:
    """A receipt as it may be handed on.

    Args:
        receipt: as the stage left it.
        patients: names that are not to be told.
        digest: sha256 of the receipt's file, by which its owner finds it again.

    Returns:
        The same with `receipt`, that sha256. In the path of a patient's file the first digits of the
        file's own sha256 stand for the name; parameters that name patients or a folder of the machine are
        `WITHHELD`.
    """
    params = {key: _param(key, value) for key, value in receipt["params"].items()}
    listed = {
        side: [{**item, "path": _path(item, patients)} for item in receipt[side]]
        for side in ("inputs", "outputs")
    }
    return {**receipt, "params": params, **listed, "receipt": digest}


def _param(key: str, value: Any) -> Any:
    if key in _PATIENTS and isinstance(value, list):
        return [WITHHELD] * len(value)
    if isinstance(value, str) and value.startswith(("/", "~", "\\", "..")):
        return WITHHELD
    return value


def _path(item: Mapping[str, Any], patients: Collection[str]) -> str:
    path = PurePosixPath(item["path"])
    if path.is_absolute() or ".." in path.parts:
        return f"{WITHHELD}/{item['sha256'][:12]}"
    own = path.name.partition(".")
    parts = [WITHHELD if part in patients else part for part in path.parts[:-1]]
    name = f"{item['sha256'][:12]}{own[1]}{own[2]}" if own[0] in patients else path.name
    return str(PurePosixPath(*parts, name))
