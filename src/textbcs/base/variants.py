"""The configuration behind a run's name, a method or a variant of the proposed one; which are asked for more.

A variant (a row of the ablation, a cell of the loss weights' sweep) is written as what it changes,
so its other values cannot drift from the method's.
"""

from collections.abc import Mapping
from typing import Any

BASE = "textbcs"  # the proposed method, which every variant changes
RIVAL = "unet"  # the plain network that it is held against, with a recipe of its own
VOLUME_YARDSTICKS = ("nnunet", RIVAL)  # on whole volumes: the first of these that was run


def base_of(params: Mapping[str, Any], name: str) -> str:
    """The method whose search and initial weights the run `name` uses."""
    return BASE if name in params.get("variants", {}) else name


def configuration(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The `network`, `loss` and `training` blocks of a run, as far as `params` holds them.

    Args:
        params: a stage's parameters, with `methods.<name>`, or with the base method's blocks and
            `variants.<name>`, whose keys are laid over them.
        name: of a method or a variant.
    """
    method = dict(params["methods"][base_of(params, name)])
    changes: Mapping[str, Mapping[str, Any]] = params.get("variants", {}).get(name, {})
    for block, values in changes.items():
        if block in method:
            method[block] = {**method[block], **values}
    return method


def volume_methods(params: Mapping[str, Any]) -> list[str]:
    """The networks that are asked about whole volumes, in the order of the tables.

    Those of the paper that read no text, those that do, then likewise the ones for use.

    Args:
        params: `volumes.methods` and `volumes.variants`, each with `image` and `text`.
    """
    chosen = params["volumes"]
    return [
        name
        for kind in ("methods", "variants")
        for reads in ("image", "text")
        for name in chosen[kind][reads]
    ]


def examined_methods(params: Mapping[str, Any]) -> list[str]:
    """The networks that have a detector of wrong prompts: the paper's, and those for use that read text.

    Args:
        params: as for `volume_methods`.
    """
    paper = [name for name in params["volumes"]["methods"]["text"] if name == BASE]
    return [*paper, *params["volumes"]["variants"]["text"]]
