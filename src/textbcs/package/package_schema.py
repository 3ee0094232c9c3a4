"""What `package.json` and `detector.json` may hold; checked before anything is built."""

from collections.abc import Mapping
from typing import Any

from textbcs.dataset.prompt_grammar import VOCABULARY
from textbcs.package.package_files import ALWAYS, FIRST_WEIGHTS, FORMAT, VERSION
from textbcs.settings.checking import first_fault
from textbcs.settings.methods import impossible_network, method_names, reads_text, settings_of

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
_FILE = r"^(receipts/)?[A-Za-z0-9][A-Za-z0-9_.@-]{0,199}$"
_LARGEST = 4096  # of a network's whole number: wider ones do not exist, and a bad file asks for any
_LONGEST = 16  # lists of a network's settings

Schema = dict[str, Any]


def _object(optional: Mapping[str, Any] | None = None, **properties: Any) -> Schema:
    """A mapping with these keys, all needed, and perhaps some others."""
    return {
        "type": "object",
        "properties": {**properties, **(optional or {})},
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _number(least: float, most: float) -> Schema:
    return {"type": "number", "minimum": least, "maximum": most}


def _whole(least: int, most: int) -> Schema:
    return {"type": "integer", "minimum": least, "maximum": most}


def _list(items: Schema, least: int = 0, most: int = 1000) -> Schema:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


_TEXT: Schema = {"type": "string", "maxLength": 2000}
_RANGE = _list(_number(0, 1e6), 2, 2)
_SHA256: Schema = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NETWORK: Schema = {
    "type": "object",
    "properties": {"model": {"enum": method_names()}},
    "required": ["model"],
    "additionalProperties": {
        "anyOf": [
            {"type": ["boolean", "null"]},
            {"type": "string", "maxLength": 100},
            _number(0, _LARGEST),
            _list(_number(0, _LARGEST), 0, _LONGEST),
        ]
    },
}
_POINT = _object(
    threshold={"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    smallest_mm3=_number(0, 1e9),
    dice=_number(0, 1),
)
_RUN: dict[str, Schema] = {
    "run": {"type": "string", "pattern": _NAME},
    "method": {"type": "string", "pattern": _NAME},
    "seed": _whole(0, 2**32 - 1),
    "network": _NETWORK,
    "weights": _whole(1, 10**10),
    "point": _POINT,
}
_SLICES = _object(
    phase={"enum": ["pre", "post1", "post2", "post3", "post4", "sub"]},
    size={"type": "integer", "minimum": 16, "maximum": 1024, "multipleOf": 16},
    channels=_whole(1, 16),
    clip_percentiles=_list(_number(0, 100), 2, 2),
)
_SERIES = _object(
    spacing_tolerance=_number(0, 0.5),
    descriptions=_or_null({"type": "object", "additionalProperties": _TEXT, "maxProperties": 5}),
)
_PROMPTS = _object(
    rules=_object(irregular_below_solidity=_number(0, 1), ellipse_above_eccentricity=_number(0, 1)),
    thresholds_mm3=_list(_number(0, 1e9), 2, 2),
    minimum_lesion_mm3=_number(0, 1e9),
    vocabulary={"const": {slot: list(words) for slot, words in VOCABULARY.items()}},
    source=_TEXT,
)
_TRAINING = _object(
    cohort=_object(kind=_TEXT, collection=_TEXT, source=_TEXT, licence=_TEXT, doi=_TEXT),
    patients=_object(train=_whole(0, 10**7), val=_whole(0, 10**7), test=_whole(0, 10**7)),
    mask_sources=_list(_TEXT),
    spacing_mm=_object(row=_RANGE, column=_RANGE, slice=_RANGE),
    slices=_RANGE,
    field_strength_t=_list(_number(0, 100)),
    manufacturers=_list(_TEXT),
)
SCHEMA: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "package.json of a textbcs package",
    **_object(
        format={"const": FORMAT},
        version={"const": VERSION},
        **_RUN,
        text_dimension=_whole(1, 16384),
        temperature=_number(0.01, 100),
        first_pass=_or_null(_object(**_RUN)),
        slices=_SLICES,
        series=_SERIES,
        sides={"enum": ["patient", "image", "none"]},
        prompts=_PROMPTS,
        encoder=_object(encoder=_TEXT, origin=_TEXT, file=_TEXT, sha256=_SHA256),
        training=_TRAINING,
        files={
            "type": "object",
            "propertyNames": {"pattern": _FILE},
            "additionalProperties": _object(bytes=_whole(0, 2**34), sha256=_SHA256),
            "maxProperties": 1000,
            "required": sorted(ALWAYS),
        },
    ),
}
_FINITE = _number(-1e12, 1e12)
_SLOT = _object(
    features=_list(_TEXT, 0, 100),
    means=_list(_FINITE, 0, 100),
    scales=_list({"type": "number", "exclusiveMinimum": 0, "maximum": 1e12}, 0, 100),
    coefficients=_list(_FINITE, 0, 100),
    intercept=_FINITE,
)
DETECTOR_SCHEMA: Schema = _or_null(
    _object(
        slots={
            "type": "object",
            "properties": dict.fromkeys(VOCABULARY, _SLOT),
            "additionalProperties": False,
        },
        threshold=_number(0, 1),
        patients=_whole(0, 10**7),
        rejected_right_at_most=_number(0, 1),
    )
)


def settings_fault(settings: Any) -> str | None:
    """The first fault of `package.json`, in words, or None.

    Args:
        settings: what was read, anything.
    """
    if fault := schema_fault(settings, SCHEMA):
        return fault
    size = settings["slices"]["size"]
    for where, own in (("", settings), ("first_pass.", settings["first_pass"])):
        if own is not None and (fault := _network_fault(own["network"], size, f"{where}network")):
            return fault
    low, high = settings["slices"]["clip_percentiles"]
    if low >= high:
        return "slices.clip_percentiles: the first is not below the second"
    first = settings["first_pass"]
    if reads_text(settings["network"]) != (first is not None):
        return "first_pass: a network that reads text needs one, another has none"
    if first is not None and reads_text(first["network"]):
        return "first_pass.network: reads text, and is to be asked without any"
    if (FIRST_WEIGHTS in settings["files"]) != (first is not None):
        return f"files: {FIRST_WEIGHTS} and first_pass belong together"
    return None


def detector_fault(values: Any) -> str | None:
    """The first fault of `detector.json`, likewise."""
    if fault := schema_fault(values, DETECTOR_SCHEMA):
        return fault
    for slot, own in (values or {"slots": {}})["slots"].items():
        if len({len(own[key]) for key in ("features", "means", "scales", "coefficients")}) > 1:
            return f"slots.{slot}: lists of different lengths"
    return None


def schema_fault(value: Any, schema: Schema) -> str | None:
    """Where and why a value breaks a schema, in one line, or None."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(value))
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path) or "the file"
    return f"{where[:120]}: {error.message[:200]}"


def _network_fault(network: Mapping[str, Any], size: int, where: str) -> str | None:
    """What a method's own settings refuse."""
    fault = first_fault(dict(network), settings_of(network["model"]).Network)
    if fault:
        return f"{where}.{fault}"
    return next(iter(impossible_network(network, size, where)), None)
