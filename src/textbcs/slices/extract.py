"""Cut each patient's volume into 2-D slices, per split.

Reads the cohort's file list, the raw DICOM of one phase (restored where missing), the masks and the
split; writes `data/slices/{train,val,test}` and `data/slices/excluded.csv`, which names every tumour
slice that was left out and why. A tumour-free sample is cut for test patients only.
"""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textbcs.cohort.dicom import Series, read_series
from textbcs.cohort.download import RAW, restore
from textbcs.cohort.masks import read_mask
from textbcs.geometry import spacing
from textbcs.io import InputError, read_csv, write_csv
from textbcs.slices.laterality import BOTH, lesion_side, midline
from textbcs.slices.resize import SquareGrid, clip_to_unit
from textbcs.slices.splits import SPLITS, read_split
from textbcs.slices.store import COLUMNS, Shard, write_shard

if TYPE_CHECKING:
    import pandas as pd

    from textbcs.receipt import Stage


@dataclass
class Cut:
    """Slices in the making: rows and arrays in step, and what was left out."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: list[NDArray[np.float16]] = field(default_factory=list)
    masks: list[NDArray[np.uint8]] = field(default_factory=list)
    native_masks: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    excluded: list[dict[str, Any]] = field(default_factory=list)


def extract_slices(stage: "Stage") -> None:
    """Cut all patients of the split and write the three shards."""
    options = stage.params["slices"]
    stage.seed = options["seed"]
    split = read_split(str(stage.input("data/splits/split.csv")))
    sources = read_csv(stage.input("data/masks/masks.csv"), ["patient", "source"])
    source = dict(zip(sources["patient"], sources["source"], strict=True))
    cuts = {name: Cut() for name in SPLITS}
    patients = _patients(stage, sorted(split))
    for patient, series in stage.progress(patients, total=len(split), desc="slices"):
        mask = read_mask(stage.input(f"data/masks/{patient}.nii.gz"), series["fixed"].volume)
        cut = cuts[split[patient]]
        cut_patient(patient, series, mask, source[patient], options, split[patient] == "test", cut)
    for name, cut in cuts.items():
        write_shard(stage, name, _shard(cut, name))
        stage.log(f"{name}: {len(cut.rows)} slices, {len(cut.excluded)} left out")
    _write_excluded(stage, cuts)


def _patients(stage: "Stage", patients: list[str]) -> Iterator[tuple[str, dict[str, Series]]]:
    """Each patient's series: `fixed` gives the grid and SOP instances, `pre` is there for `sub`."""
    series = read_csv(stage.input("data/cohort/series.csv"), ["patient", "series_uid", "phase"])
    files = read_csv(stage.input("data/cohort/files.csv"), ["patient", "series_uid", "path"])
    by_series = dict(list(files.groupby("series_uid")))
    phase = stage.params["slices"]["phase"]
    wanted = {"fixed": "post1", "pre": "pre"} if phase == "sub" else {"fixed": phase}
    for patient in patients:
        found = {}
        for role, name in wanted.items():
            uids = series.loc[
                (series["patient"] == patient) & (series["phase"] == name), "series_uid"
            ]
            if len(uids) != 1 or uids.iloc[0] not in by_series:
                raise InputError(
                    f"data/cohort/files.csv: patient {patient} has no fetched series of phase {name}; "
                    "check cohort.phases and run the stage download again"
                )
            found[role] = _read(by_series[uids.iloc[0]], stage.params)
        yield patient, found


def _read(files: "pd.DataFrame", params: Mapping[str, Any]) -> Series:
    restore(files, params)
    return read_series([Path(RAW) / path for path in files["path"]])


def cut_patient(
    patient: str,
    series: Mapping[str, Series],
    mask: NDArray[np.uint8],
    mask_source: str,
    options: Mapping[str, Any],
    is_test: bool,
    cut: Cut,
) -> None:
    """Cut one patient and append to `cut`.

    Args:
        patient: identifier.
        series: `fixed`, and `pre` where the phase is a subtraction; LPS volumes of one shape.
        mask: (z, y, x) on the grid of `fixed`.
        mask_source: where the mask comes from.
        options: parameters of `slices`.
        is_test: also cut tumour-free slices and keep native masks.
        cut: where the slices go.
    """
    fixed = series["fixed"]
    volume = clip_to_unit(_intensity(series, patient), options["clip_percentiles"])
    step = spacing(fixed.volume.affine)
    grid = SquareGrid(
        (volume.shape[1], volume.shape[2]), (float(step[1]), float(step[0])), options["size"]
    )
    # The midline in millimetres is the same on both grids; columns follow from each grid's pixel size.
    centre = (volume.shape[2] - 1) / 2
    square_midline = (midline(volume) - centre) * float(step[0]) / grid.spacing + (
        options["size"] - 1
    ) / 2
    with_lesion = [int(z) for z in np.flatnonzero(mask.any(axis=(1, 2)))]
    sides: dict[int, str] = {}
    for z in with_lesion:
        verdict, reason = _judge(grid.mask(mask[z]), square_midline, grid.spacing**2, options)
        if reason:
            left_out = {
                "patient": patient,
                "sop_uid": fixed.sop_uids[z],
                "z_index": z,
                "reason": reason,
            }
            cut.excluded.append(left_out)
        else:
            sides[z] = verdict
    chosen = {z: ("tumour", sides[z]) for z in _selected(sorted(sides), options)}
    if is_test and chosen:
        chosen |= dict.fromkeys(
            _tumour_free(patient, len(mask), with_lesion, options), ("negative", "")
        )
    for z, (kind, side) in sorted(chosen.items()):
        row = _row(patient, fixed, z, kind, side, mask_source, grid)
        row["midline_col"] = square_midline
        cut.rows.append(row)
        cut.images.append(grid.image(volume[z]).astype(np.float16))
        cut.masks.append(grid.mask(mask[z]))
        if is_test:
            cut.native_masks[row["slice_id"]] = mask[z] > 0


def _intensity(series: Mapping[str, Series], patient: str) -> NDArray[np.float32]:
    """The image that is shown to the networks: one phase, or post1 - pre where enhancement counts."""
    fixed = series["fixed"].volume
    # Before the subtraction: stored values are often unsigned, and a difference would wrap around.
    values = fixed.array.astype(np.float32)
    if "pre" not in series:
        return values
    pre = series["pre"].volume
    if pre.array.shape != fixed.array.shape or not np.allclose(pre.affine, fixed.affine, atol=1e-3):
        raise InputError(
            f"patient {patient}: pre and post1 lie on different grids; use slices.phase = post1 or "
            "exclude the patient with cohort.patients"
        )
    return values - pre.array.astype(np.float32)


def _judge(
    mask: NDArray[np.uint8], midline_column: float, pixel_mm2: float, options: Mapping[str, Any]
) -> tuple[str, str]:
    """Side of a tumour slice on the resized grid, or the reason to leave it out."""
    if mask.sum() * pixel_mm2 < options["minimum_lesion_mm2"]:
        return "", "lesion smaller than slices.minimum_lesion_mm2"
    side = lesion_side(mask, midline_column, options["minimum_component_mm2"] / pixel_mm2)
    if side is None:
        return "", "no component reaches slices.minimum_component_mm2"
    if side == BOTH:
        return "", "lesions in both breasts"
    return side, ""


def _selected(indices: list[int], options: Mapping[str, Any]) -> list[int]:
    """Which of a patient's tumour slices are used (`slices.selection`)."""
    if options["selection"] == "stride":
        return indices[:: options["stride"]]
    if options["selection"] == "max" and len(indices) > options["max_per_patient"]:
        places = np.linspace(0, len(indices) - 1, options["max_per_patient"])
        return [indices[round(float(place))] for place in places]
    return indices


def _tumour_free(
    patient: str, depth: int, with_lesion: list[int], options: Mapping[str, Any]
) -> list[int]:
    """A fixed random sample of slices that hold no lesion and touch none.

    Neighbours of lesion slices are left out: partial volume makes them neither tumour nor free of it.
    """
    near = {z + step for z in with_lesion for step in (-1, 0, 1)}
    free = [z for z in range(depth) if z not in near]
    count = min(options["negatives_per_patient"], len(free))
    generator = np.random.default_rng([options["seed"], zlib.crc32(patient.encode())])
    return sorted(int(z) for z in generator.choice(free, count, replace=False)) if count else []


def _row(
    patient: str, series: Series, z: int, kind: str, side: str, mask_source: str, grid: SquareGrid
) -> dict[str, Any]:
    return {
        "slice_id": f"{patient}-z{z:03d}",
        "patient": patient,
        "series_uid": series.series_uid,
        "sop_uid": series.sop_uids[z],
        "instance_number": series.instance_numbers[z],
        "z_index": z,
        "kind": kind,
        "side": side,
        "mask_source": mask_source,
        "spacing_row_mm": grid.spacing,
        "spacing_col_mm": grid.spacing,
        "native_rows": grid.native_shape[0],
        "native_cols": grid.native_shape[1],
        "native_spacing_row_mm": grid.native_spacing[0],
        "native_spacing_col_mm": grid.native_spacing[1],
    }


def _shard(cut: Cut, split: str) -> Shard:
    import pandas as pd

    if not cut.rows:
        raise InputError(
            f"slices: no tumour slice in {split}; lower slices.minimum_lesion_mm2 or add patients"
        )
    table = pd.DataFrame(cut.rows)
    table["row"] = range(len(table))
    return Shard(table[list(COLUMNS)], np.stack(cut.images), np.stack(cut.masks), cut.native_masks)


def _write_excluded(stage: "Stage", cuts: Mapping[str, Cut]) -> None:
    import pandas as pd

    rows = [{"split": name, **row} for name, cut in cuts.items() for row in cut.excluded]
    table = pd.DataFrame(rows, columns=["split", "patient", "sop_uid", "z_index", "reason"])
    write_csv(stage.output("data/slices/excluded.csv"), table)
