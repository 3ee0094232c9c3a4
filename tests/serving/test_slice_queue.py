"""The order in which slices are asked, and that nothing that goes wrong leaves anybody waiting."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from textbcs.base.io import InputError
from textbcs.outline.prediction import Maps
from textbcs.serving.slice_queue import AskedSlices, SliceQueue


def volume(slices: int, start: int = 0) -> Any:
    """A volume whose slices hold their number."""
    numbers = np.arange(start, start + slices, dtype=np.float16)
    return np.broadcast_to(numbers[:, None, None], (slices, 4, 4))


class Network:
    """Answers with what it is shown, one slice each time that it is let."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.asked: list[tuple[str, int]] = []
        self.let = threading.Semaphore(0)
        self.fails = fails

    def __call__(self, first: bool, image: Any, text: str) -> Maps:
        self.let.acquire()
        self.asked.append((text, int(image[0, 0, 0])))
        if self.fails:
            raise self.fails
        return Maps(image.astype(np.float32) / 100, None)


@contextmanager
def running(network: Network, ended: Any = lambda _: None) -> Iterator[SliceQueue]:
    queue = SliceQueue(network, ended)
    try:
        yield queue
    finally:
        for _ in range(1000):
            network.let.release()
        queue.close()


def until(condition: Any) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.002)


def let(network: Network, count: int) -> None:
    """Let so many slices be answered, one after the other."""
    for _ in range(count):
        before = len(network.asked)
        network.let.release()
        until(lambda before=before: len(network.asked) > before)


def test_the_slice_that_is_looked_at_comes_first_then_its_neighbours() -> None:
    network, slices = Network(), AskedSlices(volume(7), "a", wanted=4)
    with running(network) as queue:
        queue.put(slices)
        let(network, 3)
        queue.want(slices, 0)
        until(lambda: slices.started.sum() == 4)  # one was under way
        let(network, 4)
        until(lambda: slices.finished)
    assert [z for _, z in network.asked[:3]] == [4, 3, 5]
    assert [z for _, z in network.asked[4:]] == [0, 1, 6] or 0 in [z for _, z in network.asked[3:5]]
    assert slices.maps is not None
    assert np.array_equal(slices.maps.probability, volume(7).astype(np.float32) / 100)


def test_a_new_prompt_takes_the_place_of_the_old_one_and_what_is_behind_waits() -> None:
    network, ended = Network(), []
    old, new = AskedSlices(volume(5), "old"), AskedSlices(volume(3), "new")
    behind = AskedSlices(volume(2), "behind", first=True)
    with running(network, ended=ended.append) as queue:
        queue.put(behind, behind=True)
        until(lambda: behind.started.any())
        queue.put(old)
        let(network, 2)
        until(lambda: old.started.sum() == 2)
        queue.put(new)
        let(network, 1)
        until(lambda: new.started.any())
        let(network, 4)
        until(lambda: behind.finished)
        assert [text for text, _ in network.asked] == [
            "behind",
            "old",
            "old",
            *["new"] * 3,
            "behind",
        ]
        assert ended == [new, behind]
        assert old.done.sum() == 2
        # What is asked again goes on where it was left.
        queue.put(old)
        let(network, 3)
        until(lambda: old.finished)
    assert [z for text, z in network.asked if text == "old"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("error", "told"),
    [(InputError("out.zip: is damaged"), "out.zip: is damaged"),
     (RuntimeError("Jane Doe"), "the network could not be asked (RuntimeError)")],
)  # fmt: skip
def test_a_network_that_fails_is_said_and_the_thread_lives_on(error: Exception, told: str) -> None:
    network, ended = Network(error), []
    slices, other = AskedSlices(volume(3), "a"), AskedSlices(volume(1), "b")
    with running(network, ended=ended.append) as queue:
        queue.put(slices)
        let(network, 1)
        until(lambda: ended == [slices])
        assert slices.fault == told
        assert slices.next() is None
        network.fails = None
        queue.put(other)
        let(network, 1)
        until(lambda: other.finished)


def test_what_is_dropped_is_asked_no_more() -> None:
    network, slices = Network(), AskedSlices(volume(3), "a")
    with running(network) as queue:
        queue.put(slices)
        let(network, 1)
        until(lambda: slices.started.sum() == 2)
        queue.drop(slices)
        let(network, 1)
        until(lambda: slices.done.sum() == 2)
    assert len(network.asked) == 2
