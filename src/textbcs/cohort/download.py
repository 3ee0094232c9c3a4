"""Stage `download`: copy the chosen series into data/raw and record every file's hash.

Reads data/cohort/series.csv and patients.csv and, through the archive's back end, the archive;
writes data/raw/<patient>/<series_uid>/<sop_uid>.dcm and data/cohort/files.csv. Raw files are no
declared output: a stage that needs them calls `restore` first, which brings back what is missing and
accepts only what has the recorded hash.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.cohort.archive import Archive, open_archive
from textbcs.io import InputError, read_csv, sha256_bytes, sha256_file, write_bytes, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

RAW = Path("data/raw")
SERIES = Path("data/cohort/series.csv")
PATIENTS = Path("data/cohort/patients.csv")
FILES = Path("data/cohort/files.csv")
FILE_COLUMNS = (
    "patient",
    "series_uid",
    "sop_uid",
    "instance_number",
    "path",
    "bytes",
    "sha256",
)
_TEXT = {"patient": str, "series_uid": str, "sop_uid": str, "path": str, "sha256": str}


def download(stage: "Stage") -> None:
    """Copy the phases of `cohort.phases` and the segmentations that `masks.sources` describe.

    A killed download goes on where it was: files that are there and right are not written again.

    Raises:
        InputError: the archive lacks a listed series or some of its instances.
    """
    import pandas as pd

    series = read_series_table(stage.input(SERIES))
    patients = read_patients(stage.input(PATIENTS))
    chosen = select(series, patients, stage.params["cohort"], stage.params["masks"])
    archive = open_archive(stage.params)
    rows: list[list[Any]] = []
    with stage.progress(total=int(chosen["instances"].sum()), desc="download") as bar:
        for one in chosen.itertuples():
            copied = _copy(archive, str(one.patient), str(one.series_uid), bar)
            if len(copied) != one.instances:
                raise InputError(
                    f"series {one.series_uid}: the archive gives {len(copied)} files of "
                    f"{one.instances}; restore the archive and run again"
                )
            rows += copied
    files = pd.DataFrame(rows, columns=list(FILE_COLUMNS))
    keys = ["patient", "series_uid", "instance_number", "sop_uid"]
    write_csv(stage.output(FILES), files.sort_values(keys, ignore_index=True))


def select(
    series: "pd.DataFrame",
    patients: "pd.DataFrame",
    cohort: Mapping[str, Any],
    masks: Mapping[str, Any],
) -> "pd.DataFrame":
    """The rows of `series` that are needed: chosen phases and masks of patients not excluded."""
    eligible = set(patients.loc[patients["excluded"] == "", "patient"])
    described_by = [one["description"] for one in masks["sources"] if one["kind"] == "dicom_seg"]
    patterns = [re.compile(pattern) for pattern in described_by]

    def needed(patient: str, phase: str, description: str) -> bool:
        described = any(pattern.search(description) for pattern in patterns)
        return patient in eligible and (
            phase in cohort["phases"] or (phase == "mask" and described)
        )

    keys = zip(series["patient"], series["phase"], series["description"], strict=True)
    return series.loc[[needed(*key) for key in keys]]


def read_series_table(path: Path = SERIES) -> "pd.DataFrame":
    """`series.csv` with identifiers and texts as text, empty for missing."""
    texts = ["patient", "study_uid", "series_uid", "modality", "phase", "description"]
    table = read_csv(path, texts, dtype=dict.fromkeys(texts, str))
    table[texts] = table[texts].fillna("")
    return table


def read_patients(path: Path = PATIENTS) -> "pd.DataFrame":
    """`patients.csv`, all text, empty for missing."""
    columns = ["patient", "manufacturer", "field_strength_t", "position"]
    columns += ["tumour_location", "multifocal", "excluded"]
    return read_csv(path, columns, dtype=dict.fromkeys(columns, str)).fillna("")


def read_files(path: Path = FILES) -> "pd.DataFrame":
    """`files.csv` with its identifiers as text."""
    return read_csv(path, FILE_COLUMNS, dtype=_TEXT)


def restore(files: "pd.DataFrame", params: Mapping[str, Any]) -> None:
    """Bring back raw files that are missing or cut short; call it before reading any.

    Args:
        files: rows of `files.csv`, as many as are going to be read.
        params: sections `cohort` and, where `cohort.kind` is `phantom`, `phantom`.

    Raises:
        InputError: the archive no longer has a file, or has it with another content.
    """
    there = zip(files["path"], files["bytes"], strict=True)
    missing = files[[not _is_whole(RAW / path, size) for path, size in there]]
    if missing.empty:
        return
    archive = open_archive(params)
    for (patient, series_uid), rows in missing.groupby(["patient", "series_uid"], sort=True):
        wanted = rows.set_index("sop_uid")
        for instance in archive.fetch(str(patient), str(series_uid)):
            if instance.sop_uid not in wanted.index:
                continue
            content = instance.read()
            row = wanted.loc[instance.sop_uid]
            if sha256_bytes(content) != row["sha256"]:
                raise InputError(
                    f"{RAW / row['path']}: the archive now has other content than files.csv records; "
                    "restore the archive, or run the stages from cohort again"
                )
            write_bytes(RAW / row["path"], content, durable=False)
    there = zip(missing["path"], missing["bytes"], strict=True)
    lost = [path for path, size in there if not _is_whole(RAW / path, size)]
    if lost:
        raise InputError(f"{RAW / lost[0]}: missing here and in the archive; restore the archive")


def _is_whole(path: Path, size: int) -> bool:
    """Whether a file is there with its size; readers check the hash."""
    return path.is_file() and path.stat().st_size == size


def _copy(archive: Archive, patient: str, series_uid: str, bar: Any) -> list[list[Any]]:
    """Copy a series, or find it copied, and give the rows of its files."""
    rows = []
    for instance in archive.fetch(patient, series_uid):
        content = instance.read()
        digest = sha256_bytes(content)
        path = Path(patient, series_uid, f"{instance.sop_uid}.dcm")
        target = RAW / path
        if not _is_whole(target, len(content)) or sha256_file(target) != digest:
            write_bytes(target, content, durable=False)
        number = instance.instance_number
        rows.append(
            [patient, series_uid, instance.sop_uid, number, str(path), len(content), digest]
        )
        bar.update(1)
    return rows
