"""`textbcs import-images`: 2-D images with drawn masks as volumes that `cohort.kind: nifti` reads.

Writes `images/<patient>/image.nii.gz` and `masks/<patient>.nii.gz`, a slice for each image of the patient, so
that all of them stay in one split, and `images.csv`, which leads from each slice back to its files. All files
are read before anything is written, and every problem is named, not the first alone.
"""

import argparse
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, write_bytes, write_csv
from textbcs.commands.arguments import add_command, number
from textbcs.commands.image_folders import MASK_NAMES, PATIENT, pair_up

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from textbcs.commands.image_folders import Found, Pair

IMAGE = "image"  # every volume's name, for cohort.descriptions
_SLICE_MM = 1.0  # between the images of a patient; nothing measures along it
_COLUMNS = (
    "patient", "slice", "name", "image", "masks", "rows", "columns", "top", "left", "type",
    "inside_pixels",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """How files are read.

    Attributes:
        spacing_mm: of a pixel, rows and columns.
        colour: colours become grey by their luminance.
        threshold: inside a mask is what is brighter; None: a mask has two values.
    """

    spacing_mm: float
    colour: bool
    threshold: float | None


@dataclass(frozen=True)
class Facts:
    """What the first reading of an image found, for the second and the table."""

    pair: "Pair"
    shape: tuple[int, int]
    type: str
    inside: int


def add_import(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    text = "turn 2-D images with masks (PNG, JPEG, TIFF, BMP) into volumes for cohort.kind: nifti"
    parser = add_command(commands, "import-images", text)
    parser.add_argument("images", type=Path, help="folder of the images, with all below it")
    parser.add_argument("masks", type=Path, help="folder of the masks; may be the same")
    parser.add_argument("--out", type=Path, required=True, help="a new folder to write")
    parser.add_argument(
        "--spacing",
        type=number(float, 1e-4, 100),
        metavar="MM",
        help="side of a pixel in mm (1: sizes then count in pixels)",
    )
    parser.add_argument(
        "--patient",
        default=PATIENT,
        metavar="PATTERN",
        help="regular expression, looked for in an image's name; its group is the patient (%(default)s)",
    )
    parser.add_argument(
        "--mask-names",
        default=MASK_NAMES,
        metavar="PATTERN",
        help="regular expression of a mask's name; its group is the image's name (%(default)s)",
    )
    parser.add_argument("--colour", action="store_true", help="turn colours to grey by luminance")
    parser.add_argument(
        "--threshold",
        type=number(float, -1e9, 1e9),
        metavar="LEVEL",
        help="inside a mask is what is brighter than this; left out: a mask has two values",
    )
    parser.add_argument("--dry-run", action="store_true", help="read and check all, write nothing")
    parser.set_defaults(run=_run, anywhere=True)


def _run(arguments: argparse.Namespace) -> None:
    found = pair_up(arguments.images, arguments.masks, arguments.patient, arguments.mask_names)
    options = Options(arguments.spacing or 1.0, arguments.colour, arguments.threshold)
    for line in import_images(found, arguments.out, options, arguments.dry_run):
        print(line)
    if arguments.spacing is None:
        print(
            "a pixel counts as 1 mm, since --spacing says nothing else: mm in params.yaml are pixels"
        )


def import_images(found: "Found", out: Path, options: Options, dry_run: bool = False) -> list[str]:
    """Read all images and masks, and write the volumes.

    Args:
        found: which files belong together.
        out: a folder that does not exist or is empty.
        options: how files are read.
        dry_run: write nothing.

    Returns:
        Lines that say what was done.

    Raises:
        InputError: there are problems: each has been printed as a line of its own, nothing is written.
    """
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f"{out}: exists already; delete it, or give --out a new name")
    facts, problems = _check(found.pairs, options)
    problems = [*found.problems, *problems]
    if problems:
        for problem in problems:
            print(problem, file=sys.stderr)
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise InputError(
            f"{count} with images and masks, each on a line above; nothing was written"
        )
    if not dry_run:
        _write(facts, out, options)
    return list(_summary(found, facts, out, dry_run))


def _check(pairs: Sequence["Pair"], options: Options) -> tuple[list[Facts], list[str]]:
    """Read every file once: what is known of each image, and every problem."""
    facts: list[Facts] = []
    problems: list[str] = []
    for pair in _bar(pairs, "check"):
        try:
            image, inside = _read(pair, options)
        except InputError as error:
            problems += str(error).split("\n")
            continue
        shape = (int(image.shape[0]), int(image.shape[1]))
        facts.append(Facts(pair, shape, image.dtype.name, int(inside.sum())))
    for patient, own in groupby(facts, key=lambda one: one.pair.patient):
        if len(types := sorted({one.type for one in own})) > 1:
            problems.append(
                f"patient {patient}: images of the types {' and '.join(types)} cannot share one scale of "
                "grey; export them alike"
            )
    return facts, problems


def _read(pair: "Pair", options: Options) -> "tuple[NDArray[Any], NDArray[np.uint8]]":
    """An image (rows, columns) and the union of its masks; InputError with a line for each problem."""
    import numpy as np

    from textbcs.commands.plain_images import read_drawn_mask, read_image

    problems: list[str] = []
    image, inside = None, None
    try:
        image = read_image(pair.image, options.colour)
    except InputError as error:
        problems.append(str(error))
    for path in pair.masks:
        try:
            mask = read_drawn_mask(path, options.threshold)
        except InputError as error:
            problems.append(str(error))
            continue
        if image is not None and mask.shape != image.shape:
            sizes = " and ".join(f"{one.shape[1]} x {one.shape[0]}" for one in (mask, image))
            problems.append(f"{path}: {sizes} pixels of {pair.image.name} do not agree")
        else:
            inside = mask if inside is None or inside.shape != mask.shape else inside | mask
    if not problems and inside is not None and inside.all():
        problems.append(f"{pair.image}: its masks together cover the whole image")
    if problems or image is None or inside is None:
        raise InputError("\n".join(problems))
    return image, np.asarray(inside)


def _write(facts: Sequence[Facts], out: Path, options: Options) -> None:
    """Write everything beside `out`, then give it that name: there is all of it or nothing."""
    import numpy as np
    import pandas as pd

    from textbcs.imaging.nifti import nifti_bytes

    part = out.absolute().with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    side = options.spacing_mm
    affine = np.diag([side, side, _SLICE_MM, 1.0])  # LPS: columns run to the left, rows to the back
    rows: list[list[Any]] = []
    try:
        for patient, group in groupby(_bar(facts, "write"), key=lambda one: one.pair.patient):
            own = list(group)
            volume, mask, places = _stack([_read(one.pair, options) for one in own])
            write_bytes(
                part / "images" / patient / f"{IMAGE}.nii.gz", nifti_bytes(volume, affine), False
            )
            write_bytes(part / "masks" / f"{patient}.nii.gz", nifti_bytes(mask, affine), False)
            rows += [_row(n, *both) for n, both in enumerate(zip(own, places, strict=True), 1)]
        write_csv(part / "images.csv", pd.DataFrame(rows, columns=list(_COLUMNS)))
        if out.is_dir():
            out.rmdir()
        part.replace(out)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _stack(
    images: "Sequence[tuple[NDArray[Any], NDArray[np.uint8]]]",
) -> "tuple[NDArray[Any], NDArray[np.uint8], list[tuple[int, int]]]":
    """Images of one type and their masks as volumes (z, y, x), and the first row and column of each.

    Smaller images lie in the middle; around them is the darkest value of all.
    """
    import numpy as np

    height, width = (max(image.shape[axis] for image, _ in images) for axis in (0, 1))
    least = min(image.min() for image, _ in images)
    volume = np.full((len(images), height, width), least, images[0][0].dtype)
    masks = np.zeros(volume.shape, np.uint8)
    places = []
    for z, (image, mask) in enumerate(images):
        top, left = (height - image.shape[0]) // 2, (width - image.shape[1]) // 2
        part = (z, slice(top, top + image.shape[0]), slice(left, left + image.shape[1]))
        volume[part], masks[part] = image, mask
        places.append((top, left))
    return volume, masks, places


def _row(number: int, one: Facts, place: tuple[int, int]) -> list[Any]:
    """A slice's row of images.csv."""
    masks = "; ".join(str(path) for path in one.pair.masks)
    return [one.pair.patient, number, one.pair.name, str(one.pair.image), masks, *one.shape, *place,
            one.type, one.inside]  # fmt: skip


def _summary(found: "Found", facts: Sequence[Facts], out: Path, dry_run: bool) -> Iterator[str]:
    patients = len({one.pair.patient for one in facts})
    types = ", ".join(f"{name} {count}" for name, count in sorted(_count(facts).items()))
    empty = sum(one.inside == 0 for one in facts)
    united = sum(len(one.pair.masks) > 1 for one in facts)
    verb = "would hold" if dry_run else "holds"
    yield f"{out} {verb} {patients} patients with {len(facts)} images ({types})"
    if united:
        yield f"images with several masks, which are united: {united}"
    if empty:
        yield f"images with an empty mask, so without a tumour: {empty}"
    changed = next((one.pair for one in facts if one.pair.name != one.pair.patient), None)
    if changed is not None:
        yield f"names: {changed.name!r} is patient {changed.patient}; images.csv lists all"
    if found.ignored:
        kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(found.ignored.items()))
        yield f"left aside, no images: {found.ignored.total()} files ({kinds})"
    if not dry_run:
        yield (
            f"params.yaml: cohort.kind nifti, cohort.archive {out}/images, cohort.descriptions.post1 "
            f"'^{IMAGE}$', masks.nifti_directory {out}/masks"
        )


def _count(facts: Iterable[Facts]) -> Counter[str]:
    return Counter(one.type for one in facts)


def _bar(items: "Sequence[Any]", name: str) -> "Iterable[Any]":
    """A progress bar on a terminal, silent elsewhere."""
    from tqdm import tqdm

    bar: Iterable[Any] = tqdm(items, desc=name, disable=None, leave=False)
    return bar
