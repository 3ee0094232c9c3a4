"""The studies that are open at a time: a few, so that memory stays bounded; the oldest makes room."""

import secrets
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.outline.prediction import Maps, network
from textbcs.package.reading import Package
from textbcs.serving.allowed_paths import AllowedPaths
from textbcs.serving.open_study import OpenStudy
from textbcs.serving.slice_queue import AskedSlices, SliceQueue
from textbcs.serving.uploaded_zip import Limits, unpack
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish
from textbcs.volumes.predicted_patients import ask

MOST_STUDIES = 2
_SOURCE = "asked"


class OpenStudies:
    """Opens studies and keeps the last ones.

    Args:
        package: that is asked.
        paths: what may be opened.
        threads: with which a slice is asked.
        limits: of uploads.
    """

    def __init__(self, package: Package, paths: AllowedPaths, threads: int, limits: Limits) -> None:
        self.package, self.paths, self.limits = package, paths, limits
        path = str(package.source.path.absolute())
        # Loaded here, once, before threads would each begin to.
        networks = {first: network(path, package.sha256, first) for first in self._passes()}
        self._queue = SliceQueue(_asker(networks, package.channels, threads), self._finished)
        self._opening = threading.Lock()
        self._studies: OrderedDict[str, OpenStudy] = OrderedDict()

    def _passes(self) -> tuple[bool, ...]:
        return (False, True) if self.package.reads_text else (False,)

    def open_path(self, name: str) -> tuple[str, OpenStudy]:
        """Open a study of this machine; its key and the study.

        Raises:
            InputError: it must not be opened, or is no study.
        """
        return self._open(self.paths.find(name))

    def open_zip(self, archive: Path) -> tuple[str, OpenStudy]:
        """Open a study that came as a zip, of which nothing is kept on the disk.

        Raises:
            InputError: the zip is damaged, unsafe or too large, or holds no study.
        """
        with tempfile.TemporaryDirectory(prefix="textbcs-study-") as folder:
            inside = Path(folder).resolve() / "study"
            inside.mkdir()
            try:
                return self._open(unpack(archive, inside, self.limits))
            except InputError as error:
                raise InputError(str(error).replace(f"{inside}", "the zip")) from error

    def _open(self, path: Path) -> tuple[str, OpenStudy]:
        with self._opening:  # one at a time, for the memory that reading takes
            found = read_study(find_study(path, Wish.of(self.package)))
            opened, key = OpenStudy(found, self.package, self._queue), secrets.token_urlsafe(12)
            self._studies[key] = opened
            while len(self._studies) > MOST_STUDIES:
                self._studies.popitem(last=False)[1].close()
        return key, opened

    def study(self, key: str) -> OpenStudy:
        """An open study; InputError where it is open no longer."""
        found = self._studies.get(key)
        if found is None:
            raise InputError("this study is open no longer; open it again")
        return found

    def close_study(self, key: str) -> None:
        """Close a study, if it is open."""
        found = self._studies.pop(key, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        """Close all, and end the threads."""
        for key in list(self._studies):
            self.close_study(key)
        self._queue.close()

    def _finished(self, slices: AskedSlices) -> None:
        """Tell the studies that there may be something new."""
        for opened in list(self._studies.values()):
            opened.settle_aside()


def _asker(
    networks: dict[bool, tuple[Any, Any]], channels: int, threads: int
) -> Callable[[bool, NDArray[np.float16], str], Maps]:
    """Asks a network about some slices."""

    def asked(first: bool, image: NDArray[np.float16], text: str) -> Maps:
        import torch

        # Loading a network sets one thread, for the bytes of what is written; nothing is written here.
        torch.set_num_threads(threads)
        model, table = networks[first]
        maps, unsure = ask(
            model, table, image, {_SOURCE: [text] * len(image)}, channels, (_SOURCE,)
        )
        return Maps(maps[_SOURCE], unsure.get(_SOURCE))

    return asked
