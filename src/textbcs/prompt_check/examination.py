"""Is a word of this case's prompt wrong? For one new case as for a validation or test patient."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from textbcs.dataset.prompt_grammar import Prompt, parse
from textbcs.prompt_check.answers import ask, slices_to_look_at
from textbcs.prompt_check.counterfactuals import counterfactual
from textbcs.prompt_check.detector import Detector
from textbcs.prompt_check.features import Features, FirstPass, case_features, largest_finding_mm3
from textbcs.prompt_check.peaks import peak_voxels

if TYPE_CHECKING:
    from textbcs.models.common.contract import Segmenter
    from textbcs.models.common.prompt_embeddings import PromptTable

# What a feature is about, for the reason that people read.
_ABOUT = {
    "similarity": "how alike image and text are",
    "peak": "how sure the network is with another word",
    "peak_without_prompt": "what the network finds without a prompt",
    "peak_first_pass": "what a network finds that reads no text",
    "as_without_prompt": "what the network finds without a prompt",
    "as_first_pass": "what a network finds that reads no text",
    "volume_first_pass": "the volume of what a network finds that reads no text",
}
_MOST_REASONS = 3


@dataclass(frozen=True)
class Examination:
    """What the detector says of a case's prompt.

    Attributes:
        wrong: by slot, the probability in [0, 1] that its word is wrong, at even odds.
        rejected: whether to warn, and to ask with the automatic prompt instead.
        reason: why, in one line of words.
    """

    wrong: dict[str, float]
    rejected: bool
    reason: str


def first_pass(
    codes: NDArray[np.uint8],
    automatic: str,
    *,
    voxel_mm3: float,
    midline_column: float,
    sides: str,
    thresholds_mm3: tuple[float, float],
) -> FirstPass:
    """What a network without text found in a volume, as the detector wants it.

    Args:
        codes: (z, S, S), its coded foreground probability.
        automatic: the automatic prompt; "" where nothing was found.
        voxel_mm3: volume of a voxel.
        midline_column: what divides left and right.
        sides: `cohort.sides`.
        thresholds_mm3: up to which volumes a case is small and medium.
    """
    voxels = peak_voxels(voxel_mm3)
    return FirstPass(
        codes=codes,
        slices=slices_to_look_at(codes, midline_column, voxels),
        midline_column=midline_column,
        left_is_larger=sides != "image",
        peak_voxels=voxels,
        largest_mm3=largest_finding_mm3(codes, voxel_mm3),
        thresholds_mm3=thresholds_mm3,
        prompt=parse(automatic) if automatic else None,
    )


def prompt_features(
    model: "Segmenter",
    table: "PromptTable",
    image: NDArray[np.float16],
    asked: Mapping[str, tuple[Prompt, tuple[str, ...]]],
    first: FirstPass,
    channels: int,
) -> dict[str, dict[str, Features]]:
    """The features of the words of one or several prompts of a case; equal texts are asked once.

    Args:
        model: the trained network, which reads text.
        table: embeddings of every prompt of the grammar and of the empty one, on the network's device.
        image: (z, S, S) in [0, 1]; on `first.slices` the network is asked.
        asked: by name, a prompt and the slots whose words are wanted.
        first: what was found without text.
        channels: of the image that the network takes.

    Returns:
        Features by name of the prompt and slot.

    Raises:
        InputError: a prompt has no embedding.
    """
    others = {
        name: {slot: counterfactual(prompt, slot, first.prompt) for slot in slots}
        for name, (prompt, slots) in asked.items()
    }
    texts = ["", *(prompt.text for prompt, _ in asked.values())]
    texts += [other.text for own in others.values() for other in own.values()]
    answers = ask(model, table, image[first.slices], texts, channels)
    return {
        name: case_features(slots, prompt, others[name], answers, first)
        for name, (prompt, slots) in asked.items()
    }


def examine(
    model: "Segmenter",
    table: "PromptTable",
    image: NDArray[np.float16],
    text: str,
    first: FirstPass,
    detector: Detector,
    channels: int,
) -> Examination:
    """Ask a network with the case's prompt and with other words, and judge each word.

    At most six passes over four slices at most: the prompt, the empty one, another word in each slot.

    Args:
        model: the trained network of the detector.
        table: as `prompt_features` takes it.
        image: (z, S, S) in [0, 1], the whole volume.
        text: the case's prompt; "" where none is given, which no word of can be wrong.
        first: what was found without text.
        detector: of this network.
        channels: of the image that the network takes.

    Raises:
        PromptError: the text does not follow the grammar.
        InputError: it has no embedding.
    """
    if not text:
        return Examination({}, False, "no prompt was given")
    prompt = parse(text)
    asked = {"own": (prompt, prompt.slots)}
    return judge(
        prompt, prompt_features(model, table, image, asked, first, channels)["own"], first, detector
    )


def judge(
    prompt: Prompt, features: Mapping[str, Features], first: FirstPass, detector: Detector
) -> Examination:
    """What the detector says, with its reason.

    Args:
        prompt: the case's.
        features: of its words, by slot.
        first: what was found without text.
        detector: of the network that answered.
    """
    wrong = detector.wrong(features)
    slot = max(wrong, key=lambda name: wrong[name])
    rejected = wrong[slot] > detector.threshold
    word = f"{slot} {getattr(prompt, slot)}"
    limit = f"{wrong[slot]:.2f}, warning above {detector.threshold:.2f}"
    if not rejected:
        return Examination(wrong, False, f"no word stands out; most doubtful is {word} ({limit})")
    return Examination(
        wrong,
        True,
        f"{word} is probably wrong ({limit}), by {_why(slot, features[slot], first, detector)}",
    )


def _why(slot: str, features: Features, first: FirstPass, detector: Detector) -> str:
    """What speaks most against a word."""
    parts = detector.slots[slot].reasons(features)
    told: dict[str, None] = {}
    for name in sorted(parts, key=lambda name: -parts[name]):
        if parts[name] > 0 and len(told) < _MOST_REASONS:
            if name == "automatic" and first.prompt is not None:
                told[f"the automatic prompt ({getattr(first.prompt, slot)})"] = None
            elif name != "automatic":
                told[_ABOUT.get(name, _ABOUT.get(name.rsplit("_", 1)[0], name))] = None
    return "; ".join(told) or "the network's answers"
