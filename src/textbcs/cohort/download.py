"""Stage `download`: bring the chosen series into data/raw and record every file's hash.

Reads data/cohort/series.csv and patients.csv and, through the archive's back end, the archive;
writes data/raw/<patient>/<series_uid>/<sop_uid>.dcm (volume.nii.gz where that is the series) and
data/cohort/files.csv. Raw files are no declared output: a stage that needs them calls `restore` first,
which brings back what is missing and accepts only what has the recorded hash.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.cohort.archive import Archive, Instance, open_archive
from textbcs.cohort.fetching import check_space, each_series
from textbcs.cohort.incoming import RAW as RAW
from textbcs.io import InputError, read_csv, sha256_bytes, sha256_file, write_bytes, write_csv

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage

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
    """Bring in the phases of `cohort.phases` and the segmentations that `masks.sources` describe.

    A killed download goes on where it was: files that are there and right are not written again.

    Raises:
        InputError: the archive lacks a listed series or some of its instances, does not give them
            whole and right, or the disk is too small.
    """
    import pandas as pd

    series = read_series_table(stage.input(SERIES))
    patients = read_patients(stage.input(PATIENTS))
    chosen = select(series, patients, stage.params["cohort"], stage.params["masks"])
    archive = open_archive(stage.params)
    keys = zip(chosen["patient"], chosen["series_uid"], strict=True)
    jobs = [(str(patient), str(series_uid)) for patient, series_uid in keys]
    check_space(archive, jobs, [int(size) for size in chosen["bytes"]])
    stage.log(f"{len(jobs)} series, {chosen['bytes'].sum() / 1e9:.1f} GB")
    with stage.progress(total=int(chosen["bytes"].sum()), desc="download", unit="B") as bar:
        found = each_series(archive, jobs, lambda *job: _copy(archive, *job), bar.update)
    rows: list[list[Any]] = []
    for copied, (_, series_uid), count in zip(found, jobs, chosen["instances"], strict=True):
        if len(copied) != count:
            raise InputError(
                f"series {series_uid}: the archive gives {len(copied)} files of {count}; "
                "restore the archive and run again"
            )
        rows += copied
    files = pd.DataFrame(rows, columns=list(FILE_COLUMNS))
    order = ["patient", "series_uid", "instance_number", "sop_uid"]
    write_csv(stage.output(FILES), files.sort_values(order, ignore_index=True))


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
        """Whether a series is an image to fetch or a segmentation that a source describes."""
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
        InputError: the archive no longer has a file, has it with another content, or does not answer.
    """
    missing = _missing(files)
    if missing.empty:
        return
    archive = open_archive(params)
    wanted = {str(row.path): str(row.sha256) for row in missing.itertuples()}
    keys = (
        missing[["patient", "series_uid"]].drop_duplicates().sort_values(["patient", "series_uid"])
    )
    jobs = [(str(row.patient), str(row.series_uid)) for row in keys.itertuples()]
    each_series(archive, jobs, lambda *job: _bring_back(archive, wanted, *job), lambda _: None)
    gone = _missing(files)
    if not gone.empty:
        raise InputError(
            f"{RAW / gone['path'].iloc[0]}: missing here and in the archive; restore the archive, or "
            "run the stages from cohort again"
        )


def _missing(files: "pd.DataFrame") -> "pd.DataFrame":
    """The rows whose file is not there with its size; readers check the hash."""
    there = zip(files["path"], files["bytes"], strict=True)
    return files[[not _is_whole(RAW / path, size) for path, size in there]]


def _is_whole(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _copy(archive: Archive, patient: str, series_uid: str) -> list[list[Any]]:
    """Bring in a series, or find it here, and give the rows of its files."""
    rows = []
    for instance in archive.fetch(patient, series_uid):
        path = Path(patient, series_uid, instance.name)
        digest = _place(instance, RAW / path)
        number = instance.instance_number
        rows.append(
            [patient, series_uid, instance.sop_uid, number, str(path), instance.size, digest]
        )
    return rows


def _bring_back(
    archive: Archive, wanted: Mapping[str, str], patient: str, series_uid: str
) -> list[list[Any]]:
    """Put the wanted files of a series where they belong."""
    for instance in archive.fetch(patient, series_uid):
        path = Path(patient, series_uid, instance.name)
        if expected := wanted.get(str(path)):
            _place(instance, RAW / path, expected)
    return []


def _place(instance: Instance, target: Path, expected: str = "") -> str:
    """Copy a file, or move it where it was fetched for that, and give its sha256.

    Raises:
        InputError: it is not the `expected` one; nothing was placed then.
    """
    content = b"" if instance.sha256 else instance.read()
    digest = instance.sha256 or sha256_bytes(content)
    if expected and digest != expected:
        raise InputError(
            f"{target}: the archive now has other content than files.csv records; "
            "restore the archive, or run the stages from cohort again"
        )
    if instance.sha256:
        target.parent.mkdir(parents=True, exist_ok=True)
        instance.path.replace(target)
    elif not _is_whole(target, len(content)) or sha256_file(target) != digest:
        write_bytes(target, content, durable=False)
    return digest
