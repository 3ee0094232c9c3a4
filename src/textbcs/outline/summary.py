"""`summary.json`: an outline in numbers and words, without a patient's identity and without a time.

`summary.schema.json` beside this module says what it may hold; every summary is checked against it before it
is written. `made_from` tells whether a result is still that of its input, package and options.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textbcs.base.io import canonical_json, sha256_bytes
from textbcs.imaging.geometry import spacing
from textbcs.outline.chosen_prompt import ChosenPrompt
from textbcs.outline.drawing import Outline, Uncertainty
from textbcs.package.reading import Package
from textbcs.study.reading import Study

FORMAT = "textbcs-outline"
VERSION = 1
OK, DOUBTFUL = "ok", "doubtful"
SCHEMA = Path(__file__).with_name("summary.schema.json")


def software_version() -> str:
    """The version of this software; "unknown" where it is not installed."""
    try:
        return version("textbcs")
    except PackageNotFoundError:
        return "unknown"


def made_from(package: Package, fingerprint: str, options: dict[str, Any]) -> dict[str, str]:
    """What a result follows from; two equal ones have equal results.

    Args:
        package: that was asked.
        fingerprint: of the study's files.
        options: what else the user chose that changes a byte.
    """
    return {
        "textbcs": software_version(),
        "package_sha256": package.sha256,
        "input_sha256": fingerprint,
        "options_sha256": sha256_bytes(canonical_json(options).encode()),
    }


def summary(
    outline: Outline, origin: dict[str, str], more_notes: Sequence[str] = ()
) -> dict[str, Any]:
    """The summary of an outline.

    Args:
        outline: what is summed up.
        origin: as `made_from` gives it.
        more_notes: what else a person should know.

    Raises:
        ValueError: it has not the form that its schema promises.
    """
    found = {
        "format": FORMAT,
        "version": VERSION,
        "made_from": origin,
        "package": {"name": outline.package.name, "sha256": outline.package.sha256},
        "study": _study(outline.study),
        "prompt": _prompt(outline.prompt),
        "outline": outline.measurements.to_json(),
        "uncertainty": _uncertainty(outline.uncertainty, outline.package),
        "reliability": {
            "flag": DOUBTFUL if outline.doubts else OK,
            "reasons": list(outline.doubts),
        },
        "notes": [*outline.notes, *more_notes],
        "not_for": "not a medical device; not for diagnosis or treatment",
    }
    check_summary(found)
    return found


def check_summary(values: Any) -> None:
    """Check a summary against its schema.

    Raises:
        ValueError: it has another form.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    error = best_match(Draft202012Validator(schema).iter_errors(values))
    if error is not None:
        raise ValueError(f"summary.json: {error.json_path}: {error.message[:200]}")


def _study(study: Study) -> dict[str, Any]:
    steps = [round(float(step), 6) for step in spacing(study.grid.affine)[::-1]]
    return {
        "kind": study.files.kind,
        "phase": study.files.shown,
        "shape": list(study.grid.shape),
        "spacing_mm": steps,
        "manufacturer": study.acquisition.manufacturer or None,
        "field_strength_t": float(study.acquisition.field_strength_t or 0) or None,
    }


def _prompt(prompt: ChosenPrompt) -> dict[str, Any]:
    """The prompt that was used, where it came from, and what the detector says."""
    return {
        "text": prompt.text,
        "source": prompt.source,
        "stated": prompt.stated,
        "automatic": prompt.automatic,
        "detector": None if prompt.examination is None else asdict(prompt.examination),
    }


def _uncertainty(found: Uncertainty, package: Package) -> dict[str, Any]:
    empty = "nothing is outlined"
    no_vacuity = None
    if found.mean_vacuity is None:
        no_vacuity = empty if package.has_evidence else "the network has no evidential head"
    return {
        "mean_vacuity": found.mean_vacuity,
        "no_vacuity_because": no_vacuity,
        "mean_entropy_bits": found.mean_entropy_bits,
        "no_entropy_because": empty if found.mean_entropy_bits is None else None,
        "temperature": package.temperature,
    }
