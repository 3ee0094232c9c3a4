"""One commented YAML file laid over another: its values, and the comments that explain them.

A mapping is merged key by key; any other value replaces, with its comment where it has one; a key with the
tag `!absent` is taken away. ruamel.yaml keeps a comment in a token of the entry before it, so the token of
an entry holds the comment on its line and, after that, all that stands above the next entry.
"""

from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, TaggedScalar
from ruamel.yaml.error import CommentMark
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.tokens import CommentToken

from textbcs.base.io import InputError

ABSENT = "!absent"
_PLACE = 2  # of the token of what follows a key, among the four of an entry


class _Representer(RoundTripRepresenter):
    """Writes null as `null`. A class of its own, since what is registered holds for all who share one."""


_Representer.add_representer(
    type(None), lambda writer, _: writer.represent_scalar("tag:yaml.org,2002:null", "null")
)


def round_trip() -> YAML:
    """A reader and writer that keeps comments, quotes and the style of mappings."""
    yaml = YAML()
    yaml.Representer = _Representer
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.preserve_quotes = True
    return yaml


def lay_over(base: CommentedMap, overlay: Any) -> None:
    """Change `base` to what results; both are mappings that `round_trip` has read.

    Raises:
        InputError: a key is to be taken away that `base` lacks.
    """
    added = [key for key in overlay if key not in base]
    below = _take_below(base) if added else ""
    for key, value in overlay.items():
        if isinstance(value, TaggedScalar) and value.tag.value == ABSENT:
            if key not in base:
                raise InputError(f"{key}: {ABSENT}, but the file below has no such key")
            del base[key]
            continue
        old = base.get(key)
        if isinstance(value, CommentedMap) and isinstance(old, CommentedMap) and old:
            lay_over(old, value)
        else:
            base[key] = value
        _explain(base, key, _comment(overlay, key).partition("\n")[0])
    if added:
        _take_below(base)
        _put_below(base, below)


def _comment(node: CommentedMap, key: Any) -> str:
    """What follows an entry: the comment on its line, then the lines above the next entry."""
    place = node.ca.items.get(key)
    token = place[_PLACE] if place else None
    return token.value if token else ""


def _set_comment(node: CommentedMap, key: Any, text: str) -> None:
    """Replace what follows an entry; comments begin one space behind it."""
    place = node.ca.items.setdefault(key, [None, None, None, None])
    place[_PLACE] = (
        CommentToken(text, CommentMark(0)) if text.strip("\n") or "\n\n" in text else None
    )


def _explain(node: CommentedMap, key: Any, line: str) -> None:
    """Put a comment on an entry's line, if there is one; what stands above the next entry stays."""
    old, _, below = _comment(node, key).partition("\n")
    if line or old or below:
        _set_comment(node, key, f"{line or old}\n{below}")


def _last(node: CommentedMap) -> tuple[CommentedMap, Any]:
    """The mapping and key of the last line of a mapping."""
    key = next(reversed(node))
    value = node[key]
    is_block = isinstance(value, CommentedMap) and value and not value.fa.flow_style()
    return _last(value) if is_block else (node, key)


def _take_below(node: CommentedMap) -> str:
    """Take away the lines that stand below a mapping, such as the title of the next section."""
    holder, key = _last(node)
    line, _, below = _comment(holder, key).partition("\n")
    if below:
        _set_comment(holder, key, f"{line}\n")
    return below


def _put_below(node: CommentedMap, below: str) -> None:
    """The opposite of `_take_below`."""
    holder, key = _last(node)
    if below:
        line = _comment(holder, key).partition("\n")[0]
        _set_comment(holder, key, f"{line}\n{below}")
