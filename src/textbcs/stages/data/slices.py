"""Cut each patient's volume into 2-D slices, per split.

Reads the cohort's file list, the raw files of one phase (restored where missing), the masks and the
split; writes `data/slices/{train,val,test}`, each split's tumour slices and, of test patients, a sample of
tumour-free ones; `data/slices/train_free`, a sample of tumour-free slices of training patients;
`data/slices/cases.csv`, what each patient's whole volume says of her lesions; and `data/slices/excluded.csv`,
which names every tumour slice that was left out and why.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np

from textbcs.base.io import InputError, write_csv
from textbcs.dataset.slice_store import CASES, COLUMNS, FREE, Shard, write_shard
from textbcs.dataset.split_table import SPLITS, TEST, TRAIN, read_split
from textbcs.slices.case_lesions import Case
from textbcs.slices.cutting import Cut, Task, cut_task
from textbcs.slices.patient_volumes import recorded_patients
from textbcs.stage.pool import allowed_jobs, each

if TYPE_CHECKING:
    from textbcs.stage.receipt import Stage

NEGATIVES = {TRAIN: "training_negatives_per_patient", TEST: "negatives_per_patient"}


def run(stage: "Stage") -> None:
    """Cut all patients of the split and write the shards; several at once if allowed."""
    stage.seed = stage.params["slices"]["seed"]
    split = read_split(str(stage.input("data/splits/split.csv")))
    tasks = _tasks(stage, split)
    cuts = {name: Cut() for name in SPLITS}
    with closing(each(cut_task, tasks, allowed_jobs())) as found:
        bar = stage.progress(found, total=len(tasks), desc="slices")
        for task, own in zip(tasks, bar, strict=True):
            cuts[split[task.source.patient]].add(own)
    for name, cut in cuts.items():
        own = [row for row in range(len(cut.rows)) if name == TEST or _is_tumour(cut, row)]
        write_shard(stage, name, _shard(cut, own, name, stage.params["slices"]["size"]))
        stage.log(f"{name}: {len(own)} slices, {len(cut.excluded)} left out")
    train = cuts[TRAIN]
    free = [row for row in range(len(train.rows)) if not _is_tumour(train, row)]
    write_shard(stage, FREE, _shard(train, free, FREE, stage.params["slices"]["size"]))
    stage.log(f"{FREE}: {len(free)} slices")
    _write_excluded(stage, cuts)
    _write_cases(stage, cuts)


def _tasks(stage: "Stage", split: Mapping[str, str]) -> list[Task]:
    """What has to be cut, by patient."""
    tasks = []
    for source in recorded_patients(stage, split):
        part = split[source.patient]
        negatives = stage.params["slices"][NEGATIVES[part]] if part in NEGATIVES else 0
        tasks.append(Task(source, part == TEST, negatives))
    return tasks


def _is_tumour(cut: Cut, row: int) -> bool:
    return bool(cut.rows[row]["kind"] == "tumour")


def _shard(cut: Cut, own: Sequence[int], name: str, size: int) -> Shard:
    """The slices `own` of a split in one piece; InputError where there is none, but for tumour-free ones."""
    import pandas as pd

    if not own and name != FREE:
        reasons = Counter(str(row["reason"]) for row in cut.excluded)
        told = "; ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
        why = f"left out: {told}" if told else "no mask touches one"
        raise InputError(
            f"slices: no tumour slice in {name} ({why}); change what leaves them out, or add patients"
        )
    table = pd.DataFrame([cut.rows[row] for row in own], columns=[*COLUMNS])
    table["row"] = range(len(table))
    images = np.zeros((len(own), size, size), dtype=np.float16)
    masks = np.zeros((len(own), size, size), dtype=np.uint8)
    for place, row in enumerate(own):
        images[place], masks[place] = cut.images[row], cut.masks[row]
    return Shard(table, images, masks, cut.native_masks)


def _write_cases(stage: "Stage", cuts: Mapping[str, Cut]) -> None:
    import pandas as pd

    rows = [{"split": name, **row} for name, cut in cuts.items() for row in cut.cases]
    table = pd.DataFrame(rows, columns=["split", "patient", *(one.name for one in fields(Case))])
    write_csv(stage.output(CASES), table)


def _write_excluded(stage: "Stage", cuts: Mapping[str, Cut]) -> None:
    import pandas as pd

    rows = [{"split": name, **row} for name, cut in cuts.items() for row in cut.excluded]
    table = pd.DataFrame(rows, columns=["split", "patient", "sop_uid", "z_index", "reason"])
    write_csv(stage.output("data/slices/excluded.csv"), table)
