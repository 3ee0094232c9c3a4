"""A violation of a JSON schema in words: the key, its value and what is allowed."""

from collections.abc import Mapping
from typing import Any


def first_fault(values: Mapping[str, Any], schema: Mapping[str, Any]) -> str | None:
    """The first violation of the schema as `key = value: what is allowed`, or None."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(schema).iter_errors(values))
    if error is None:
        return None
    where = ".".join(str(part) for part in error.absolute_path)
    rules = error.schema if isinstance(error.schema, Mapping) else {}
    if error.validator == "additionalProperties":
        allowed = sorted(rules.get("properties", {}))
        unknown = sorted(set(error.instance) - set(allowed))[0]
        key = f"{where}.{unknown}" if where else unknown
        return (
            f"{key} = {error.instance[unknown]!r}: unknown key; allowed here: {', '.join(allowed)}"
        )
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{where + '.' if where else ''}{missing} is missing: {_allowed(rules, missing)}"
    return f"{where} = {error.instance!r}: {_allowed(rules)}"


def _allowed(rules: Mapping[str, Any], key: str | None = None) -> str:
    """What a schema node allows, in words; `key` selects one of its properties."""
    node = rules.get("properties", {}).get(key, {}) if key else rules
    words = []
    if "enum" in node:
        words.append("one of " + ", ".join(str(value) for value in node["enum"]))
    if "const" in node:
        words.append(str(node["const"]))
    if "type" in node:
        kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
        words.append(" or ".join(kinds))
    limits = {
        "minimum": "at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
        "multipleOf": "a multiple of",
        "pattern": "matching",
    }
    words += [f"{text} {node[name]}" for name, text in limits.items() if name in node]
    least, most = node.get("minItems"), node.get("maxItems")
    if least is not None or most is not None:
        words.append(_items(least, most))
    if node.get("uniqueItems"):
        words.append("no value twice")
    if "description" in node:
        words.append(f"({node['description']})")
    return "allowed: " + ", ".join(words)


def _items(least: int | None, most: int | None) -> str:
    """How many items an array may have, in words."""
    if least == most or (least is not None and most is not None):
        count = str(most) if least == most else f"{least} to {most}"
    else:
        count = f"at least {least}" if most is None else f"at most {most}"
    return f"{count} item{'' if count.split()[-1] == '1' else 's'}"
