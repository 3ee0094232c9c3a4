"""Parameters: the values that change a result, read from `params.yaml` and checked before any job.

What a key may hold is declared in the modules `data`, `training` and `study` and beside each method;
`combinations` says which of them make no sense together. A fault is one line with the key's path, its
value and what is allowed.
"""

import os
from collections.abc import Iterable, Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textbcs.base.io import InputError, existing
from textbcs.settings import data, study, training
from textbcs.settings.checking import first_fault, keyed
from textbcs.settings.combinations import impossible
from textbcs.settings.methods import declared_methods, declared_variants

if TYPE_CHECKING:
    from ruamel.yaml import YAML

Params = dict[str, Any]

ROOT = "run in the root of the checkout"  # what to do where a file of the repository is missing


def declaration() -> Any:
    """The type of all parameters: a `TypedDict` of the sections, in the order of the file."""
    return keyed(
        "Parameters",
        {
            "cohort": data.Cohort,
            "phantom": data.Phantom,
            "masks": data.Masks,
            "split": data.Split,
            "slices": data.Slices,
            "prompts": data.Prompts,
            "text": data.TextEncoding,
            "seeds": study.Seeds,
            "replicates": study.Replicates,
            "training": training.Training,
            "search": training.Search,
            "methods": declared_methods(),
            "variants": declared_variants(),
            "tables": study.Tables,
            "volumes": study.Volumes,
            "evaluation": study.Evaluation,
            "robustness": study.Robustness,
            "gradcam": study.GradCAM,
        },
    )


def load_params(path: str | os.PathLike[str] = "params.yaml") -> Params:
    """Read and check a parameter file.

    Args:
        path: a YAML file with every section.

    Returns:
        The nested values.

    Raises:
        InputError: the file is missing, is no YAML, or holds a fault (the first one is named).
    """
    return checked(read_yaml(path), path)


def checked(values: Params, path: str | os.PathLike[str]) -> Params:
    """The same values, if they may be used.

    Args:
        values: all parameters.
        path: where they come from, for the message.

    Raises:
        InputError: the first fault.
    """
    fault = fault_of(values)
    if fault:
        raise InputError(f"{path}: {fault}")
    return values


def fault_of(values: Params) -> str | None:
    """The first fault of the parameters as `key = value: what is allowed`, or None."""
    return first_fault(values, declaration()) or next(iter(impossible(values)), None)


def read_yaml(path: str | os.PathLike[str], loader: "YAML | None" = None) -> Params:
    """Read a YAML 1.2 mapping, as DVC reads it (duplicate keys are a fault, `5e-7` is a number).

    Args:
        path: the file.
        loader: another than the one for plain values.

    Raises:
        InputError: the file is missing, is no UTF-8 or no YAML, or is no mapping.
    """
    advice = f"{ROOT}, or: textbcs use phantom" if Path(path).name == "params.yaml" else ROOT
    try:
        text = existing(path, advice).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); save it as UTF-8") from error
    try:
        values = loader.load(text) if loader else deepcopy(_plain_values(text))
    except Exception as error:  # ruamel passes on the ValueError of a date, and RecursionError
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid YAML: {reason}") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected sections with keys, found {type(values).__name__}")
    return values


@lru_cache(4)
def _plain_values(text: str) -> Any:
    """What a YAML text says; kept, since the pure reader takes half a second for `dvc.yaml`."""
    from ruamel.yaml import YAML

    return YAML(typ="safe", pure=True).load(text)


def select(values: Mapping[str, Any], keys: Iterable[str]) -> Params:
    """The part of the parameters that a stage declares.

    Args:
        values: all parameters.
        keys: dotted keys such as `methods.unet`.

    Returns:
        Nested values that hold those keys and nothing else.

    Raises:
        InputError: a key does not exist.
    """
    chosen: Params = {}
    for key in keys:
        source: Any = values
        target = chosen
        parts = key.split(".")
        for depth, part in enumerate(parts):
            if not isinstance(source, Mapping) or part not in source:
                raise InputError(f"params.yaml: {key} is missing; dvc.yaml names it for a stage")
            source = source[part]
            if depth == len(parts) - 1:
                target[part] = source
            else:
                target = target.setdefault(part, {})
    return chosen


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values as `dotted.key -> value`; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{name}.")
        else:
            flat[name] = value
    return flat
