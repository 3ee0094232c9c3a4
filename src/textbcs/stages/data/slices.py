"""Cut each patient's volume into 2-D slices, per split.

Reads the cohort's file list, the raw files of one phase (restored where missing), the masks and the
split; writes `data/slices/{train,val,test}` and `data/slices/excluded.csv`, which names every tumour
slice that was left out and why. A tumour-free sample is cut for test patients only.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import InputError, read_csv, records, write_csv
from textbcs.dataset.slice_store import COLUMNS, Shard, write_shard
from textbcs.dataset.split_table import SPLITS, read_split
from textbcs.slices.cutting import Cut, Task, cut_task
from textbcs.stage.pool import allowed_jobs, each

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage


def run(stage: "Stage") -> None:
    """Cut all patients of the split and write the three shards; several at once if allowed."""
    stage.seed = stage.params["slices"]["seed"]
    split = read_split(str(stage.input("data/splits/split.csv")))
    tasks = _tasks(stage, split)
    cuts = {name: Cut() for name in SPLITS}
    with closing(each(cut_task, tasks, allowed_jobs())) as found:
        bar = stage.progress(found, total=len(tasks), desc="slices")
        for task, own in zip(tasks, bar, strict=True):
            cuts[split[task.patient]].add(own)
    for name, cut in cuts.items():
        write_shard(stage, name, _shard(cut, name))
        stage.log(f"{name}: {len(cut.rows)} slices, {len(cut.excluded)} left out")
    _write_excluded(stage, cuts)


def _tasks(stage: "Stage", split: Mapping[str, str]) -> list[Task]:
    """What has to be cut, by patient."""
    series = read_csv(stage.input("data/cohort/series.csv"), ["patient", "series_uid", "phase"])
    files = read_csv(
        stage.input("data/cohort/files.csv"), ["patient", "series_uid", "path", "sha256"]
    )
    masks = read_csv(stage.input("data/masks/masks.csv"), ["patient", "source"])
    source = dict(zip(masks["patient"], masks["source"], strict=True))
    files_of = {str(uid): own for uid, own in files.groupby("series_uid")}
    uid_of = {(row["patient"], row["phase"]): row["series_uid"] for row in records(series)}
    phase = stage.params["slices"]["phase"]
    tasks = []
    for name in sorted(split):
        found = []
        for role in ("post1", "pre") if phase == "sub" else (phase,):
            uid = uid_of.get((name, role))
            if uid not in files_of:
                raise InputError(
                    f"data/cohort/files.csv: patient {name} has no fetched series of phase {role}; "
                    "check cohort.phases and run the stage download again"
                )
            found.append(files_of[uid])
        mask, test = stage.input(f"data/masks/{name}.nii.gz"), split[name] == "test"
        tasks.append(Task(name, tuple(found), mask, source[name], test, stage.params))
    return tasks


def _shard(cut: Cut, split: str) -> Shard:
    """A split's slices in one piece; InputError where there is none."""
    import pandas as pd

    if not cut.rows:
        reasons = Counter(str(row["reason"]) for row in cut.excluded)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        why = f"left out: {told}" if told else "no mask touches one"
        raise InputError(
            f"slices: no tumour slice in {split} ({why}); change what leaves them out, or add patients"
        )
    table = pd.DataFrame(cut.rows)
    table["row"] = range(len(table))
    return Shard(table[list(COLUMNS)], np.stack(cut.images), np.stack(cut.masks), cut.native_masks)


def _write_excluded(stage: "Stage", cuts: Mapping[str, Cut]) -> None:
    import pandas as pd

    rows = [{"split": name, **row} for name, cut in cuts.items() for row in cut.excluded]
    table = pd.DataFrame(rows, columns=["split", "patient", "sop_uid", "z_index", "reason"])
    write_csv(stage.output("data/slices/excluded.csv"), table)
