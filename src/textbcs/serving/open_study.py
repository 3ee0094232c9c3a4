"""A study that is open on the page: its pictures, and what a package says of it under several prompts."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textbcs.base.io import InputError
from textbcs.dataset.volume_store import native_spacing_of
from textbcs.evaluation.volumes.patient_scores import to_native
from textbcs.outline.chosen_prompt import (
    ChosenPrompt,
    PromptWish,
    StatedPrompt,
    choose_prompt,
    needs_first_pass,
)
from textbcs.outline.drawing import Outline, outlined
from textbcs.outline.page.study_viewer import (
    LEVELS,
    aspect,
    probability_shades,
    shown_phases,
    vacuity_shades,
)
from textbcs.outline.prediction import calibrated, to_native_grid
from textbcs.package.reading import Package
from textbcs.reporting.page.viewer import grey_png
from textbcs.serving.slice_queue import BROKEN, AskedSlices, SliceQueue
from textbcs.slices.resize import SquareGrid
from textbcs.slices.volume_cutting import whole_volume
from textbcs.study.reading import Study
from textbcs.volumes.coded_maps import Codes, above, code

MASK, PROBABILITY, VACUITY = "mask", "probability", "vacuity"
MOST_ANSWERS = 4  # of a study that are kept
MOST_SHOWN_BYTES = (
    1 << 30
)  # of all phases; of a larger study only the phase that the network is shown
_WHITE = np.uint8(255)


class Answer:
    """What a package says of a study under one prompt; it grows slice by slice.

    Args:
        stated: the user's prompt, or that the automatic one is wanted.
    """

    def __init__(self, stated: StatedPrompt) -> None:
        self.stated = stated
        self.slices: AskedSlices | None = None  # None: the automatic prompt is not known yet
        self.prompt: ChosenPrompt | None = None
        self.outline: Outline | None = None
        self.checked = False  # whether the detector has had its word
        self.fault = ""


class OpenStudy:
    """A study with the answers to its prompts.

    Args:
        study: as it was read.
        package: that is asked.
        queue: which asks it.
    """

    def __init__(self, study: Study, package: Package, queue: SliceQueue) -> None:
        self.package, self._queue = package, queue
        volume = whole_volume(study.patient, dict(package.slices), package.sides)
        self._image, self.facts = volume.image, volume.facts
        self.phases = _pictures(study)
        self.aspect = aspect(study)
        # The pictures are made; the voxels need not stay in memory.
        empty = np.zeros((0, 0, 0), np.float32)
        self.study = replace(study, patient=replace(study.patient, intensity=empty))
        _, row_mm, col_mm = native_spacing_of(self.facts)
        self._grid = SquareGrid(study.grid.shape[1:], (row_mm, col_mm), int(self.facts["size"]))
        self._lock, self._settling = threading.Lock(), threading.Lock()
        self._answers: OrderedDict[int, Answer] = OrderedDict()
        self._count = 0
        self._first: AskedSlices | None = None
        if needs_first_pass(StatedPrompt(None, ""), package):
            self._first = AskedSlices(self._image, "", first=True, wanted=len(self._image) // 2)
            queue.put(self._first, behind=True)

    @property
    def slices(self) -> int:
        """How many slices it has."""
        return len(self._image)

    def ask(self, stated: StatedPrompt, z: int) -> int:
        """Ask with a prompt, the slice `z` first; what was asked before is asked no further.

        Returns:
            The number of the answer.
        """
        answer = Answer(stated)
        with self._lock:
            self._count += 1
            number = self._count
            self._answers[number] = answer
            if stated.prompt is None and self._first is not None:
                self._queue.want(self._first, z)
                self._queue.put(self._first)
            else:
                text = stated.prompt.text if stated.prompt else ""
                self._begin(answer, ChosenPrompt(text, stated.source, text or None), z)
            while len(self._answers) > MOST_ANSWERS:
                self._forget(self._answers.popitem(last=False)[1])
        self.settle_aside()
        return number

    def _begin(self, answer: Answer, prompt: ChosenPrompt, z: int) -> None:
        """Ask with a prompt that is known; slices that were asked with it before are taken as they are."""
        same = [
            other.slices
            for other in self._answers.values()
            if other.slices is not None and other.slices.text == prompt.text
        ]
        answer.prompt = prompt
        answer.slices = same[0] if same else AskedSlices(self._image, prompt.text)
        self._queue.want(answer.slices, z)
        self._queue.put(answer.slices)

    def _is_newest(self, answer: Answer) -> bool:
        return self._answers.get(self._count) is answer

    def answer(self, number: int) -> Answer:
        """An answer; InputError where it is kept no longer."""
        if number not in self._answers:
            raise InputError("this answer is kept no longer; ask again")
        return self._answers[number]

    def settle_aside(self) -> None:
        """`settle`, in a thread of its own: nobody who asks with another prompt waits for it."""
        threading.Thread(target=self.settle, daemon=True).start()

    def settle(self) -> None:
        """Draw the conclusions of what has been finished since: automatic prompts, outlines, warnings."""
        with self._settling:
            for answer in list(self._answers.values()):
                try:
                    self._settle(answer)
                except InputError as error:
                    answer.fault = str(error)
                except Exception as error:  # see SliceQueue
                    answer.fault = f"{BROKEN} ({type(error).__name__})"

    def _settle(self, answer: Answer) -> None:
        first = self._first
        codes = first.maps.codes if first is not None and first.finished and first.maps else None
        if answer.slices is None:
            assert first is not None
            answer.fault = first.fault
            # Whoever has asked otherwise since wants no automatic prompt any more.
            if codes is None or not self._is_newest(answer):
                return
            chosen = self._chosen(answer, codes)
            with self._lock:
                if self._is_newest(answer):
                    answer.checked = True
                    self._begin(answer, chosen, first.wanted)
        asked, prompt = answer.slices, answer.prompt
        if asked is None or prompt is None:
            return
        answer.fault = asked.fault
        answer.checked |= first is None or bool(first.fault)
        if not asked.finished or asked.maps is None:
            return
        if codes is not None and not answer.checked:
            prompt = self._chosen(answer, codes)
            answer.prompt, answer.outline = prompt, None
        if answer.outline is None:
            answer.outline = outlined(self.study, self.package, prompt, asked.maps, self.facts)
        answer.checked |= codes is not None

    def _chosen(self, answer: Answer, codes: Codes) -> ChosenPrompt:
        """The prompt with the detector's words on it; what was typed is asked whatever they are."""
        wish = PromptWish(fallback=False)
        return choose_prompt(answer.stated, wish, self.package, self._image, self.facts, codes)

    def phase_png(self, name: str, z: int) -> bytes:
        """A slice of a phase as a PNG; InputError where there is none."""
        if name not in self.phases or not 0 <= z < self.slices:
            raise InputError("no such slice")
        return grey_png(self.phases[name][z], 8)

    def is_ready(self, number: int, z: int) -> bool:
        """Whether a slice is answered; if not it is put before the others.

        Raises:
            InputError: no such answer or slice, or the network cannot be asked.
        """
        answer = self.answer(number)
        if not 0 <= z < self.slices:
            raise InputError("no such slice")
        if answer.fault:
            raise InputError(answer.fault)
        asked = answer.slices
        if asked is not None and asked.done[z]:
            return True
        waiting = asked or self._first
        if waiting is not None:
            self._queue.want(waiting, z)
        return False

    def layer_png(self, number: int, name: str, z: int) -> bytes:
        """A slice of a layer as a PNG; until all slices are done, small components are part of the mask.

        Raises:
            InputError: no such layer, or the slice is not done.
        """
        answer = self.answer(number)
        asked = answer.slices
        if name not in (MASK, PROBABILITY, VACUITY) or asked is None or not asked.done[z]:
            raise InputError("no such slice")
        return grey_png(self._layer(answer, asked, name, z), 8)

    def _layer(self, answer: Answer, asked: AskedSlices, name: str, z: int) -> NDArray[np.uint8]:
        """A slice of a layer on the native grid, as shades of grey."""
        assert asked.maps is not None
        outline, one = answer.outline, slice(z, z + 1)
        if name == MASK:
            if outline is not None:
                mask = outline.mask[z]
            else:
                found = above(code(asked.maps.probability[one]), self.package.point.threshold)
                mask = to_native(found, self.facts)[0]
            return np.where(mask, _WHITE, np.uint8(0))
        steps = _WHITE // np.uint8(LEVELS - 1)
        if name == VACUITY:
            if asked.maps.vacuity is None:
                raise InputError("this network has no vacuity")
            return vacuity_shades(to_native_grid(asked.maps.vacuity[one], self._grid)[0]) * steps
        cooled = calibrated(asked.maps.probability[one], self.package.temperature)
        return probability_shades(to_native_grid(cooled, self._grid)[0]) * steps

    def progress(self, answer: Answer) -> tuple[int, str]:
        """How many slices of an answer are done, and what is being asked: `first pass` or `network`."""
        asked = answer.slices
        if asked is None:
            return (int(self._first.done.sum()) if self._first is not None else 0), "first pass"
        return int(asked.done.sum()), "network"

    def marked(self, answer: Answer) -> list[int]:
        """Marked voxels of every slice, of those that are done."""
        if answer.outline is not None:
            return [int(count) for count in answer.outline.mask.sum(axis=(1, 2))]
        asked = answer.slices
        if asked is None or asked.maps is None:
            return [0] * self.slices
        share = np.prod(self.study.grid.shape[1:]) / asked.maps.probability[0].size
        counts = (asked.maps.probability >= self.package.point.threshold).sum(axis=(1, 2))
        return [round(float(count * share)) for count in counts * asked.done]

    def close(self) -> None:
        """Ask nothing more about it."""
        with self._lock:
            while self._answers:
                self._forget(self._answers.popitem()[1])
        if self._first is not None:
            self._queue.drop(self._first)

    def _forget(self, answer: Answer) -> None:
        """Ask nothing more for an answer, unless another one is of the same slices."""
        others = [other.slices for other in self._answers.values() if other is not answer]
        if answer.slices is not None and not any(one is answer.slices for one in others):
            self._queue.drop(answer.slices)


def _pictures(study: Study) -> Mapping[str, NDArray[np.uint8]]:
    """Every phase as shades of grey; of a very large study only the one that the network is shown."""
    size = int(np.prod(study.grid.shape)) * len(study.files.phases)
    only = study.files.shown if size > MOST_SHOWN_BYTES else ""
    return {name: shades for name, shades in shown_phases(study, 1) if not only or name == only}


def description(opened: OpenStudy) -> dict[str, Any]:
    """What the page's viewer needs to begin."""
    _, rows, cols = opened.study.grid.shape
    return {
        "slices": opened.slices,
        "size": [rows, cols],
        "aspect": opened.aspect,
        "phases": [{"name": name} for name in opened.phases],
        "shown": opened.study.files.shown,
        "start": opened.slices // 2,
        "marked": [0] * opened.slices,
        "layers": {MASK: False, PROBABILITY: False, VACUITY: False},
        "warnings": [*opened.study.doubts, *opened.study.files.warnings],
    }
