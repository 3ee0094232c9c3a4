"""Damaged files by the thousand: each is read rightly, or refused in one line that names it.

Every input is a small valid file with damage: bits turned, bytes replaced, blocks cut, doubled or zeroed;
elements, header fields, lines, members of archives and values taken away or replaced by odd ones. Where
the format has a checksum, what is accepted has to equal the undamaged file; elsewhere it has to equal what
an independent reader (pydicom, nibabel, pynrrd, Pillow, ElementTree, csv) makes of the damaged bytes. A
traceback, a line without the file's name, a file that is left after a refusal, more than 10 s of CPU time
or 2 GiB are failures.

    python benchmarks/fuzz_intake.py [--inputs 20000] [--seed 1] [--jobs 2]
    python benchmarks/fuzz_intake.py --only nifti:17        # one input again, kept in a folder

Writes `benchmarks/results/fuzz_intake.json`. `tests/intake/test_fuzz.py` tries a few hundred.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import textbcs  # noqa: F401  # isort: skip  # chooses the kernels before numpy is loaded
import fuzz_dicom
import fuzz_masks
import fuzz_params
import fuzz_pictures
import fuzz_tables
import fuzz_volumes
import fuzz_zips
import numpy as np
from fuzz_damage import EQUAL, FAILED, REFUSED, Outcome, bound_memory, trial
from numpy.random import Generator
from tqdm import tqdm

from textbcs.base import io

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks/results/fuzz_intake.json"
FORMATS: dict[str, Callable[[Path, Generator], str]] = {
    "dicom": fuzz_dicom.single_frames,
    "dicom_compressed": fuzz_dicom.compressed,
    "dicom_enhanced": fuzz_dicom.many_frames,
    "dicom_jpeg": fuzz_dicom.jpeg,
    "dicom_seg": fuzz_masks.segmentation,
    "nifti": fuzz_volumes.nifti,
    "nifti_gz": fuzz_volumes.nifti_gz,
    "nrrd": fuzz_volumes.nrrd,
    "seg_nrrd": fuzz_masks.seg_nrrd,
    "png": fuzz_pictures.png,
    "tiff_jpeg_bmp": fuzz_pictures.others,
    "csv": fuzz_tables.text,
    "xlsx": fuzz_tables.workbook,
    "params": fuzz_params.params,
    "zip": fuzz_zips.series_zip,
}
_BLOCK = 20
_SAID = 300  # characters of a failure that the result keeps


def main() -> None:
    """Try the inputs and write the counts; exit code 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--only", metavar="FORMAT:NUMBER", help="one input, whose files are kept")
    options = parser.parse_args()
    if options.only:
        name, number = options.only.split(":")
        folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{name}-{number}-"))
        print(folder, attempt(name, int(number), options.seed, folder), sep="\n")
        return
    result = run(options.formats, options.inputs, options.seed, options.jobs)
    print(json.dumps(result, indent=2))
    if set(options.formats) == set(FORMATS):
        io.write_json(RESULT, result)
    sys.exit(any(one["failures"] for one in result["formats"].values()))


def attempt(name: str, number: int, seed: int, folder: Path) -> Outcome:
    """Try one input; the same name, number and seed make the same input.

    Args:
        name: of the format.
        number: of the input.
        seed: of the run.
        folder: an empty one for the input's files.
    """
    rng = np.random.default_rng([seed, zlib.crc32(name.encode()), number])
    return trial(FORMATS[name], folder, rng)


def run(names: list[str], inputs: int, seed: int, jobs: int) -> dict[str, Any]:
    """Try inputs of all formats, as many of each."""
    each = -(-inputs // len(names))
    work = [
        (name, range(first, min(first + _BLOCK, each)), seed)
        for first in range(0, each, _BLOCK)
        for name in names
    ]
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    slowest = dict.fromkeys(names, 0.0)
    failures: list[str] = []
    with ProcessPoolExecutor(jobs, initializer=bound_memory) as pool:
        outcomes = (outcome for block in pool.map(_block, work) for outcome in block)
        for name, number, outcome in tqdm(outcomes, total=each * len(names), unit="input"):
            counts[name][outcome.kind] += 1
            slowest[name] = max(slowest[name], outcome.seconds)
            if outcome.kind == FAILED:
                failures.append(f"{name}:{number} {outcome.words[:_SAID]}")
                tqdm.write(failures[-1])
    from pipeline import processor

    return {
        "machine": {
            "cores": os.cpu_count(),
            "cpu": processor(),
            "python": platform.python_version(),
        },
        "inputs": each * len(names),
        "seed": seed,
        "formats": {
            name: {
                "inputs": each,
                "equal": counts[name][EQUAL],
                "refused": counts[name][REFUSED],
                "failures": counts[name][FAILED],
                "slowest_cpu_s": round(slowest[name], 2),
            }
            for name in names
        },
        "failed": failures,
    }


def _block(work: tuple[str, range, int]) -> list[tuple[str, int, Outcome]]:
    """The outcomes of some inputs of one format."""
    return list(_outcomes(*work))


def _outcomes(name: str, numbers: range, seed: int) -> Iterator[tuple[str, int, Outcome]]:
    for number in numbers:
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            yield name, number, attempt(name, number, seed, Path(folder))


if __name__ == "__main__":
    main()
