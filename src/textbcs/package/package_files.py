"""What lies in a package, by name, and what it is sealed with.

`package.json` holds every setting and names every other file with its size and sha256, so the sha256 of
`package.json` stands for the whole package.
"""

import json
from collections.abc import Mapping
from typing import Any

from textbcs.base.io import sha256_bytes

FORMAT = "textbcs package"
VERSION = 1
FOLDER = "results/packages"  # of the pipeline's own packages

SETTINGS = "package.json"
WEIGHTS = "model.safetensors"
FIRST_WEIGHTS = (
    "first_pass.safetensors"  # not where the network reads no text: it is its own first pass
)
PROMPTS = "prompts.csv"
EMBEDDINGS = "embeddings.safetensors"
DETECTOR = "detector.json"  # `null` where there is none
CARD = "README.md"
LICENCE = "licence.txt"
RECEIPTS = "receipts/"
ALWAYS = (WEIGHTS, PROMPTS, EMBEDDINGS, DETECTOR, CARD, LICENCE)


def json_bytes(value: Any) -> bytes:
    """A value as indented JSON with sorted keys and a final newline."""
    text = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    return (text + "\n").encode()


def sealed(settings: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, bytes]:
    """All files of a package by name, `package.json` among them.

    Args:
        settings: what `package.json` says, without `format`, `version` and `files`.
        files: the content of every other file, by its name in the package.
    """
    listed = {
        name: {"bytes": len(content), "sha256": sha256_bytes(content)}
        for name, content in sorted(files.items())
    }
    whole = {"format": FORMAT, "version": VERSION, **settings, "files": listed}
    return {SETTINGS: json_bytes(whole), **dict(sorted(files.items()))}
