"""Stage `download`: bring the chosen series into data/raw and record every file's hash.

Reads data/cohort/series.csv and patients.csv and, through the archive's back end, the archive;
writes data/raw/<patient>/<series_uid>/<sop_uid>.dcm (volume.nii.gz where that is the series) and
data/cohort/files.csv. Raw files are no declared output: a stage that needs them calls `restore` first,
which brings back what is missing and accepts only what has the recorded hash.
"""

from typing import TYPE_CHECKING, Any

from textbcs.archives.archive import open_archive
from textbcs.archives.fetching import check_space, each_series
from textbcs.archives.raw_files import copy_series
from textbcs.base.io import InputError, write_csv
from textbcs.cohort.cohort_tables import (
    FILE_COLUMNS,
    FILES,
    PATIENTS,
    SERIES,
    read_patients,
    read_series_table,
    select,
)

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
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
        found = each_series(archive, jobs, lambda *job: copy_series(archive, *job), bar.update)
    rows: list[list[Any]] = []
    for copied, (patient, series_uid), count in zip(found, jobs, chosen["instances"], strict=True):
        if len(copied) != count:
            raise InputError(
                f"{archive.own_folder or 'the archive'}: has {len(copied)} files of {count} of series "
                f"{series_uid} of patient {patient}; put them back, or run the stages from cohort again"
            )
        rows += copied
    files = pd.DataFrame(rows, columns=list(FILE_COLUMNS))
    order = ["patient", "series_uid", "instance_number", "sop_uid"]
    write_csv(stage.output(FILES), files.sort_values(order, ignore_index=True))
