"""Slices that wait to be asked: the one that is looked at first, then its neighbours, then the others.

A prompt changes all but 0.4 % of what a network computes of a slice: TextBCS lets the text in after its first
convolution. So no encoding of the image is kept; what is kept is every answer. One slice is asked at a time,
by all CPUs that may be used: so the slice that is looked at comes soonest, and a new prompt waits for at most
one of the old. The last bits of a slice that is asked alone may differ from those of `textbcs predict`,
which asks in batches.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.outline.prediction import Maps

# Asks a package's first pass (True) or its network about slices, all with one text.
Ask = Callable[[bool, NDArray[np.float16], str], Maps]
BROKEN = "the network could not be asked"


@dataclass(eq=False)
class AskedSlices:
    """A volume that is asked with one text, slice by slice.

    Attributes:
        image: (z, S, S) in [0, 1].
        text: the prompt; "" for the empty one.
        first: the first pass is asked.
        wanted: the slice that is looked at.
        maps: what is known; of slices that are not done it means nothing.
        started, done: (z,) bool.
        fault: why it ended early, in words; "" if it did not.
    """

    image: NDArray[np.float16]
    text: str
    first: bool = False
    wanted: int = 0
    maps: Maps | None = None
    started: NDArray[np.bool_] = field(init=False)
    done: NDArray[np.bool_] = field(init=False)
    fault: str = ""

    def __post_init__(self) -> None:
        self.started = np.zeros(len(self.image), bool)
        self.done = np.zeros(len(self.image), bool)

    @property
    def finished(self) -> bool:
        """Every slice is done."""
        return bool(self.done.all())

    def next(self) -> int | None:
        """The slice to ask now: the nearest to the one that is looked at; None where all are under way."""
        left = np.flatnonzero(~self.started)
        return (
            int(left[np.abs(left - self.wanted).argmin()]) if left.size and not self.fault else None
        )

    def keep(self, z: int, found: Maps) -> None:
        """Take the maps of one slice."""
        if self.maps is None:
            probability = np.zeros(self.image.shape, np.float32)
            unsure = None if found.vacuity is None else np.ones(self.image.shape, np.float32)
            self.maps = Maps(probability, unsure)
        self.maps.probability[z] = found.probability[0]
        if found.vacuity is not None and self.maps.vacuity is not None:
            self.maps.vacuity[z] = found.vacuity[0]
        self.done[z] = True


class SliceQueue:
    """A thread that asks one slice at a time.

    Args:
        ask: asks a network; called from that thread alone.
        finished: called in it once a volume's last slice is done, or it has failed.
    """

    def __init__(
        self, ask: Ask, finished: Callable[[AskedSlices], object] = lambda _: None
    ) -> None:
        self._ask, self._finished = ask, finished
        self._changed = threading.Condition()
        self._first: AskedSlices | None = None
        self._behind: list[AskedSlices] = []
        self._open = True
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def put(self, slices: AskedSlices, behind: bool = False) -> None:
        """Ask a volume now, in the place of what was asked before; or behind it, when nothing else waits."""
        with self._changed:
            if behind:
                self._behind.append(slices)
            else:
                self._first = slices
            self._changed.notify_all()

    def drop(self, slices: AskedSlices) -> None:
        """Ask no more slices of a volume."""
        with self._changed:
            if self._first is slices:
                self._first = None
            if slices in self._behind:
                self._behind.remove(slices)

    def want(self, slices: AskedSlices, z: int) -> None:
        """Put a slice before the others of its volume."""
        with self._changed:
            slices.wanted = z

    def close(self) -> None:
        """End the thread after its slice."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        self._thread.join()

    def _work(self) -> None:
        while (task := self._take()) is not None:
            slices, z = task
            fault, found = "", None
            try:
                found = self._ask(slices.first, slices.image[z : z + 1], slices.text)
            except InputError as error:
                fault = str(error)
            except Exception as error:  # a thread that dies would leave the page waiting
                fault = f"{BROKEN} ({type(error).__name__})"
            with self._changed:
                if found is not None:
                    slices.keep(z, found)
                ended = slices.finished or bool(fault and not slices.fault)
                slices.fault = slices.fault or fault
                self._changed.notify_all()
            if ended:
                self._finished(slices)

    def _take(self) -> tuple[AskedSlices, int] | None:
        """The next slice, marked as under way; None at the end."""
        with self._changed:
            while self._open:
                for slices in (self._first, *self._behind):
                    if slices is not None and (z := slices.next()) is not None:
                        slices.started[z] = True
                        return slices, z
                self._changed.wait()
            return None
