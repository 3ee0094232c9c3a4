"""What `textbcs predict` does where the study is on a DICOMweb server: before it, and after it."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from textbcs.stage.command import one_line

if TYPE_CHECKING:
    from textbcs.study.dicomweb.address import Address


def address_of(arguments: argparse.Namespace) -> "Address | None":
    """The study's address; None where it is a file or folder.

    Raises:
        InputError: options that do not fit one another.
    """
    from textbcs.base.io import InputError
    from textbcs.study.dicomweb.address import is_address, read_address

    if is_address(arguments.study):
        if arguments.batch:
            raise InputError("--batch takes a folder of studies, no address")
        return read_address(arguments.study)
    if arguments.store:
        form = "https://host/dicom-web/studies/UID"
        raise InputError(f"--store needs a study on a DICOMweb server: {form}")
    return None


@contextmanager
def download_bar(address: "Address") -> Iterator[Callable[[int, int | None], None]]:
    """A progress bar of the images that come from a server."""
    from tqdm import tqdm

    what = f"{address.host}: images"
    with tqdm(desc=what, unit="image", disable=None, dynamic_ncols=True, leave=False) as bar:

        def told(done: int, total: int | None) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield told


def store_result(address: "Address", out: Path) -> str:
    """Store the DICOM objects of a result beside its study, and say so.

    Raises:
        InputError: there is none, or the server did not take all.
    """
    from textbcs.base.io import InputError
    from textbcs.outline.result_files import dicom_files
    from textbcs.study.dicomweb.storing import store

    paths = dicom_files(out)
    if not paths:
        raise InputError(f"{out}: has no DICOM file that could be stored: use the NIfTI files")
    try:
        store(address, paths)
    except InputError as error:
        raise InputError(f"{error}; the result is in {out}") from error
    return f"stored {', '.join(one.name for one in paths)} at {one_line(address.url)}"
