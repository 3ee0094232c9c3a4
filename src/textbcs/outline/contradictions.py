"""Where a prompt and the outline that was made with it say different things, in words."""

from collections.abc import Mapping
from typing import Any

from textbcs.dataset.prompt_grammar import parse
from textbcs.prompts.cases import case_prompt
from textbcs.slices.case_lesions import Case

_PROMPT = {"given": "the given prompt", "report": "the report", "automatic": "the automatic prompt"}


def contradictions(
    text: str,
    source: str,
    case: Case | None,
    thresholds_mm3: tuple[float, float],
    rules: Mapping[str, Any],
) -> list[str]:
    """What a prompt says and the outline does not, a sentence for each attribute.

    Args:
        text: the prompt that was used; the empty one contradicts nothing.
        source: where it came from.
        case: the outline's lesions as a reader would describe them; None where there is none.
        thresholds_mm3: up to which volumes a case is small and medium.
        rules: how a prompt is worded (parameters of `prompts`).
    """
    if not text:
        return []
    prompt, who = parse(text), _PROMPT.get(source, "the prompt")
    if case is None:
        return [f"{who} tells of a lesion ({text}), and none was found"]
    found = case_prompt(case, thresholds_mm3, rules)
    lesions = "one lesion" if case.number == 1 else f"{found.number} lesions"
    sentences = {
        "location": f"the outline's largest lesion lies {found.location}",
        "number": f"the outline has {lesions}",
        "size": f"the outline's largest lesion is {found.size} ({case.volume_mm3 / 1000:.2f} ml)",
        "shape": f"the outline's largest lesion is {_shape(found.shape)}",
    }
    return [
        f"{who} says {slot} {getattr(prompt, slot)}, {sentence}"
        for slot, sentence in sentences.items()
        if getattr(prompt, slot) and getattr(prompt, slot) != getattr(found, slot)
    ]


def _shape(word: str) -> str:
    return "elliptic" if word == "ellipse" else word
