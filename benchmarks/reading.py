"""What a series of 160 x 448 x 448 costs to read, and patients of that size to cut: ratios of one run.

Reading: files to a float32 LPS volume, as the stage `slices` does it (each file hashed), against
SimpleITK's ImageSeriesReader with DICOMOrient, one thread each, in turn, on the same files, which lie
in the page cache. The target is at most 1.2 times SimpleITK; the floor reads the bytes once. Cutting:
the stage on copies of that patient, with one process and with two, in turn; the target is a peak below
1500 MB a process. SimpleITK is no dependency (`pip install textbcs[bench]`); without it its rows are
left out.

    python benchmarks/reading.py [--rounds 9] [--patients 8]

Writes `benchmarks/results/reading.json`.
"""

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import numpy as np
import pandas as pd
from pipeline import processor

from textbcs.base import io
from textbcs.imaging.nifti import nifti_bytes
from textbcs.imaging.series_volumes import read_grid, read_series
from textbcs.phantom.dicom_headers import raw_planes
from textbcs.phantom.mr_series import phase_series
from textbcs.phantom.patient import make_patient
from textbcs.phantom.settings import Settings
from textbcs.settings.presets import read_preset
from textbcs.stage.definition import Definition
from textbcs.stage.pool import JOBS
from textbcs.stage.receipt import Stage
from textbcs.stages.data.slices import run as extract_slices

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/reading.json"
SHAPE = (160, 448, 448)
TOLERANCE = 0.05
HASHED, OURS, FLOOR = "textbcs", "textbcs, not hashed", "bytes alone"
# The same type as ours; the type that is stored; and with the search for the series' files.
FLOAT, NATIVE, LISTED = (
    "simpleitk, float32",
    "simpleitk, uint16",
    "simpleitk, float32, files sought",
)


def main() -> None:
    """Write the series, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--patients", type=int, default=8)
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--extract", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        write_series(options.write)
    elif options.extract:
        extract(Path(options.extract[0]), options.extract[1])
    else:
        measure(options.rounds, options.patients)


def measure(rounds: int, patients: int) -> None:
    """All measurements. What needs memory runs in other processes: Linux counts a parent's peak as its
    child's, so this one has to stay small until the extraction is over."""
    with tempfile.TemporaryDirectory(prefix="textbcs-") as name:
        folder = Path(name)
        run("--write", name)
        result = {
            "machine": {
                "cores": os.cpu_count(),
                "cpu": processor(),
                "load_average": round(os.getloadavg()[0], 1),
                "python": platform.python_version(),
            },
            "shape": SHAPE,
            "extraction": extraction(folder, patients),
            "reading": reading(sorted((folder / "series").iterdir()), rounds),
        }
    print(json.dumps(result, indent=2))
    io.write_json(RESULT, result)


def run(*arguments: str, jobs: str = "1") -> str:
    """This file in a process of its own; what it prints."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {JOBS: jobs, "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout


def write_series(folder: Path) -> None:
    """A phantom patient of the size: the files of her first post-contrast phase and her mask."""
    section = read_preset("phantom", ROOT / "presets")["phantom"]
    section |= {"slices": SHAPE[0], "matrix": SHAPE[1], "post_phases": 1}
    settings = Settings.of(section)
    patient = make_patient(settings, 1)
    for number, content in phase_series(settings, patient, raw_planes(patient), 1):
        io.write_bytes(folder / f"series/1-{number:03d}.dcm", content, durable=False)
    affine = read_grid(sorted((folder / "series").iterdir()), TOLERANCE).affine
    io.write_bytes(folder / "mask.nii.gz", nifti_bytes(patient.mask.astype(np.uint8), affine))


def reading(paths: list[Path], rounds: int) -> dict[str, Any]:
    """Medians of every reader over the rounds, in ms, and the ratios of the rounds' CPU times."""
    hashes = [io.sha256_file(path) for path in paths]
    cases: dict[str, Callable[[], Any]] = {
        HASHED: lambda: read_series(paths, TOLERANCE, hashes).volume.array,
        OURS: lambda: read_series(paths, TOLERANCE).volume.array,
        **simpleitk(paths),
        FLOOR: lambda: sum(len(path.read_bytes()) for path in paths),
    }
    wanted = cases[OURS]()
    for name in set(cases) - {FLOOR}:  # equal, and the first, slower reading is over
        np.testing.assert_array_equal(as_array(cases[name]()), wanted, err_msg=name)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for number in range(rounds):
        order = list(cases.items())
        first = number % len(order)  # what runs first finds the memory given back
        for name, case in order[first:] + order[:first]:
            start = time.perf_counter(), time.process_time()
            case()
            taken[name].append((time.perf_counter() - start[0], time.process_time() - start[1]))
    result: dict[str, Any] = {
        "rounds": rounds,
        "megabytes": round(sum(path.stat().st_size for path in paths) / 1e6, 1),
        "target_ratio": 1.2,
    }
    for name, times in taken.items():
        wall, cpu = (
            round(1e3 * statistics.median(column), 1) for column in zip(*times, strict=True)
        )
        result[name] = {"wall_ms": wall, "cpu_ms": cpu}
        if name not in (HASHED, OURS):
            pairs = zip(taken[HASHED], times, strict=True)
            ratio = statistics.median(ours[1] / theirs[1] for ours, theirs in pairs)
            result[name]["textbcs_over_this"] = round(ratio, 2)
    return result


def simpleitk(paths: list[Path]) -> dict[str, Callable[[], Any]]:
    """SimpleITK's ways to the volume; none, and a line that says so, where it is not installed."""
    try:
        import SimpleITK
    except ImportError:
        print("SimpleITK is not installed (pip install textbcs[bench]): not compared", flush=True)
        return {}
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    folder = str(paths[0].parent)
    ordered = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(folder)

    def read(kind: int | None, listed: bool = False) -> Any:
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder) if listed else ordered)
        if kind is not None:
            reader.SetOutputPixelType(kind)
        return SimpleITK.DICOMOrient(reader.Execute(), "LPS")

    return {
        FLOAT: lambda: read(SimpleITK.sitkFloat32),
        NATIVE: lambda: read(None),
        LISTED: lambda: read(SimpleITK.sitkFloat32, listed=True),
    }


def as_array(volume: Any) -> np.ndarray:
    """Voxels of a reader's volume (z, y, x)."""
    if isinstance(volume, np.ndarray):
        return volume
    import SimpleITK

    return SimpleITK.GetArrayFromImage(volume)


def extraction(folder: Path, count: int) -> dict[str, Any]:
    """Wall times of the stage with one and two processes, in turn, and the memory of a process."""
    write_cohort(folder, count)
    runs: dict[str, list[dict[str, float]]] = {"1": [], "2": []}
    for jobs in ("1", "2") * 2:
        runs[jobs].append(stage_run(folder, "post1", jobs))
    subtraction = stage_run(folder, "sub", "2")
    best = {jobs: min(found, key=lambda run: run["wall_s"]) for jobs, found in runs.items()}
    return {
        "patients": count,
        "one_process": best["1"],
        "two_processes": best["2"],
        "speed_up": round(best["1"]["wall_s"] / best["2"]["wall_s"], 2),
        "peak_mb_of_a_process": max(best["1"]["peak_mb"], best["2"]["peak_mb"]),
        "peak_mb_of_a_process_subtraction": subtraction["peak_mb"],
        "target_mb": 1500,
    }


def write_cohort(folder: Path, count: int) -> None:
    """What the stage `slices` reads: `count` patients with copies of the one series, twice each."""
    content = [(path.name, path.read_bytes()) for path in sorted((folder / "series").iterdir())]
    mask = (folder / "mask.nii.gz").read_bytes()
    series, files = [], []
    for number in range(count):
        name = f"p{number:02d}"
        io.write_bytes(folder / f"data/masks/{name}.nii.gz", mask, durable=False)
        for phase in ("post1", "pre"):
            uid = f"1.{number}.{len(phase)}"
            series.append((name, uid, phase))
            for file, body in content:
                path = f"{name}/{uid}/{file}"
                io.write_bytes(folder / "data/raw" / path, body, durable=False)
                files.append((name, uid, path, len(body), io.sha256_bytes(body)))
    tables = {
        "cohort/series.csv": (series, "patient series_uid phase"),
        "cohort/files.csv": (files, "patient series_uid path bytes sha256"),
        "masks/masks.csv": ([(row[0], "expert") for row in series[::2]], "patient source"),
        "splits/split.csv": (
            [(row[0], ("val", "test", "train")[min(n, 2)]) for n, row in enumerate(series[::2])],
            "patient split",
        ),
    }
    for path, (rows, columns) in tables.items():
        io.write_csv(folder / "data" / path, pd.DataFrame(rows, columns=columns.split()))


def stage_run(folder: Path, phase: str, jobs: str) -> dict[str, float]:
    """One run of the stage in a process of its own."""
    measured: dict[str, float] = json.loads(run("--extract", str(folder), phase, jobs=jobs))
    return measured


def extract(folder: Path, phase: str) -> None:
    """Run the stage in a folder and print what it cost; `peak_mb` is that of the largest process."""
    params = read_preset("duke", ROOT / "presets")
    params["slices"]["phase"] = phase
    start = time.monotonic()
    with chdir(folder):
        stage = Stage(Definition("slices", (), ("data",), ("data",)), params, ["slices"])
        extract_slices(stage)
    wall = time.monotonic() - start
    here, below = (
        resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    cpu = sum(one.ru_utime + one.ru_stime for one in (here, below))
    peak = max(here.ru_maxrss, below.ru_maxrss) / 1024
    print(json.dumps({"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mb": round(peak)}))


if __name__ == "__main__":
    main()
