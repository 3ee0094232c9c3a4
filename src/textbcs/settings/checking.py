"""Values against their declaration: the first that does not fit, as `key = value: what is allowed`.

A declaration is a type: a `TypedDict` for keys that are known, `dict[name, ...]` for keys that people
choose, `list`, `tuple`, `Literal`, a union, or a scalar, each with `Annotated` limits (`ranges.py`) and
a meaning. Types are meant strictly: 14.0 and true are no integers, and a number is finite. What no library
could use further on is refused whatever is declared: numbers beyond 32 bits, texts that no file can hold.
"""

import math
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

_NAMES: Mapping[Any, str] = {
    int: "integer",
    float: "number",
    str: "string",
    bool: "boolean",
    list: "array",
    tuple: "array",
    dict: "mapping",
    NoneType: "null",
}
_SHOWN = 120  # characters of a value in a message
# Networks compute in float32, and tables and libraries count in integers of fixed width.
_LARGEST_INTEGER = 2**32 - 1
_LARGEST_NUMBER = 1e38
_LONGEST_TEXT = 2000  # characters


class _Declared(NamedTuple):
    """A declaration taken apart.

    Attributes:
        type: without its limits.
        origin: `list` of `list[int]`; the type itself where it takes no arguments.
        arguments: of the type.
        limits: which its values keep to.
        meaning: in words; "" where its name says it.
    """

    type: Any
    origin: Any
    arguments: tuple[Any, ...]
    limits: tuple[Any, ...]
    meaning: str


def first_fault(value: Any, declaration: Any) -> str | None:
    """The first violation in words, or None.

    Args:
        value: as read from YAML.
        declaration: a type; see the module's text.
    """
    return next(_faults(value, declaration, ()), None)


def optional(settings: Any, without: Iterable[str] = ()) -> Any:
    """A declaration with the same keys, of which each may be left out.

    Args:
        settings: a `TypedDict`.
        without: keys that it lacks.
    """
    kinds = {key: kind for key, kind in settings.__annotations__.items() if key not in without}
    return keyed(settings.__name__, kinds, total=False)


def keyed(name: str, kinds: Mapping[str, Any], total: bool = True) -> Any:
    """A `TypedDict` whose keys are known only at run time.

    Args:
        name: of the type.
        kinds: the declaration of each key.
        total: whether every key is needed.
    """
    from typing import TypedDict

    return TypedDict(name, dict(kinds), total=total)  # type: ignore[misc, operator]


def allowed(declaration: Any) -> str:
    """What a declaration allows, in words."""
    declared = _taken_apart(declaration)
    meaning = f" ({declared.meaning})" if declared.meaning else ""
    return f"allowed: {_words(declared)}{meaning}"


def _taken_apart(declaration: Any) -> _Declared:
    notes: tuple[Any, ...] = ()
    while get_origin(declaration) in (Annotated, NotRequired):
        notes = (*getattr(declaration, "__metadata__", ()), *notes)
        declaration = get_args(declaration)[0]
    origin = dict if is_typeddict(declaration) else get_origin(declaration) or declaration
    limits = tuple(note for note in notes if not isinstance(note, str))
    meaning = next((note for note in reversed(notes) if isinstance(note, str)), "")
    return _Declared(declaration, origin, get_args(declaration), limits, meaning)


def _words(declared: _Declared) -> str:
    if declared.origin is Literal:
        choices = ", ".join(str(choice) for choice in declared.arguments)
        return choices if len(declared.arguments) == 1 else f"one of {choices}"
    if declared.origin in (Union, UnionType):
        return " or ".join(_words(_taken_apart(choice)) for choice in declared.arguments)
    limits = [str(limit) for limit in declared.limits]
    if declared.origin is tuple:
        limits.append(f"{len(declared.arguments)} items")
    return ", ".join([_NAMES[declared.origin], *limits])


def _faults(value: Any, declaration: Any, path: tuple[Any, ...]) -> Iterator[str]:
    declared = _taken_apart(declaration)
    if declared.origin in (Union, UnionType):
        yield from _faults_of_choices(value, declared, path)
    elif not _fits(value, declared):
        yield _line(path, value, allowed(declaration))
    elif _unusable(value):
        yield _line(path, value, f"allowed: {_unusable(value)}")
    elif is_typeddict(declared.type):
        yield from _faults_of_keys(value, declared.type, path)
    elif declared.origin is dict:
        name, kind = declared.arguments
        for key in value:
            yield from _faults(key, name, (*path, key))
        for key, item in value.items():
            yield from _faults(item, kind, (*path, key))
    elif declared.origin in (list, tuple):
        kinds = declared.arguments if declared.origin is tuple else declared.arguments * len(value)
        for place, (item, kind) in enumerate(zip(value, kinds, strict=True)):
            yield from _faults(item, kind, (*path, place))


def _fits(value: Any, declared: _Declared) -> bool:
    """Whether a value has the declared type, apart from what it contains, and keeps to the limits."""
    if declared.origin is Literal:
        return any(type(value) is type(one) and value == one for one in declared.arguments)
    if declared.origin is float:
        right = type(value) is int or (type(value) is float and math.isfinite(value))
    elif declared.origin is tuple:
        right = isinstance(value, list) and len(value) == len(declared.arguments)
    else:
        right = type(value) is declared.origin
    return right and all(limit.holds(value) for limit in declared.limits)


def _unusable(value: Any) -> str:
    """What is allowed instead of a number or a text that the stages could not work with; "" for others."""
    if type(value) is int and abs(value) > _LARGEST_INTEGER:
        return f"integers from -{_LARGEST_INTEGER} to {_LARGEST_INTEGER}"
    if type(value) is float and abs(value) > _LARGEST_NUMBER:
        return f"numbers from -{_LARGEST_NUMBER:g} to {_LARGEST_NUMBER:g}"
    if type(value) is str:
        if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
            return "a text of one line, without control characters"
        if len(value) > _LONGEST_TEXT:
            return f"a text of at most {_LONGEST_TEXT} characters"
    return ""


def _faults_of_choices(value: Any, declared: _Declared, path: tuple[Any, ...]) -> Iterator[str]:
    """Where a value is none of several kinds; mappings are told apart by their key `kind`."""
    choices = declared.arguments
    if all(is_typeddict(choice) for choice in choices):
        kinds = {get_args(choice.__annotations__["kind"])[0]: choice for choice in choices}
        tag = Literal[tuple(kinds)]  # type: ignore[valid-type]
        if type(value) is not dict:
            yield _line(path, value, f"allowed: {_NAMES[dict]}")
        elif "kind" not in value:
            yield f"{_dotted((*path, 'kind'))} is missing: {allowed(tag)}"
        elif value["kind"] not in tuple(kinds):  # a tuple: it may be a list, which no mapping takes
            yield _line((*path, "kind"), value["kind"], allowed(tag))
        else:
            yield from _faults(value, kinds[value["kind"]], path)
    elif all(next(_faults(value, choice, path), None) for choice in choices):
        meaning = f" ({declared.meaning})" if declared.meaning else ""
        yield _line(path, value, f"allowed: {_words(declared)}{meaning}")


def _faults_of_keys(value: dict[Any, Any], settings: Any, path: tuple[Any, ...]) -> Iterator[str]:
    kinds = settings.__annotations__
    unknown = sorted((key for key in value if key not in kinds), key=str)
    for key in unknown:
        known = ", ".join(sorted(kinds)) or "nothing"
        yield _line((*path, key), value[key], f"unknown key; allowed here: {known}")
    for key in kinds:
        if key not in value and key in settings.__required_keys__:
            yield f"{_dotted((*path, key))} is missing: {allowed(kinds[key])}"
    for key, kind in kinds.items():
        if key in value:
            yield from _faults(value[key], kind, (*path, key))


def _line(path: tuple[Any, ...], value: Any, text: str) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        text = text.replace("allowed: number", "allowed: finite number")
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
    return f"{_dotted(path)} = {shown}: {text}"


def _dotted(path: tuple[Any, ...]) -> str:
    return ".".join(_key(str(part)) for part in path)


def _key(name: str) -> str:
    """A key as part of one line, whatever characters it has."""
    shown = name if name.isprintable() else repr(name)[1:-1]
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
