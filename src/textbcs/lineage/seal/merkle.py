"""A Merkle tree over the files of a run, so that one hash stands for all and a short path proves one.

As in RFC 6962, section 2.1, with SHA-256. The leaves are the lines that `sha256sum` prints,
`<sha256>  <path>` with a line feed, in the order of the paths' bytes; a line feed or a backslash in a path is
escaped as there.

    leaf(line)        = SHA-256(0x00 || line)
    node(left, right) = SHA-256(0x01 || left || right)
    root(lines)       = leaf, of one line; else node(root(first k), root(rest)), k the largest power of two
                        below their number
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence


def lines_of(digests: Mapping[str, str]) -> list[bytes]:
    """The leaves' lines.

    Args:
        digests: path -> sha256 in hexadecimal.
    """
    paths = sorted(digests, key=lambda path: path.encode("utf-8", "surrogateescape"))
    return [_line(path, digests[path]) for path in paths]


def _line(path: str, digest: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace("\n", "\\n")
    mark = "\\" if escaped != path else ""
    return f"{mark}{digest}  {escaped}\n".encode("utf-8", "surrogateescape")


def root(lines: Sequence[bytes]) -> str:
    """The hash of the tree, in hexadecimal; that of no bytes where there is no line."""
    if not lines:
        return hashlib.sha256().hexdigest()
    return _root(lines).hex()


def proof(lines: Sequence[bytes], place: int) -> list[tuple[str, str]]:
    """What a leaf's hash is joined with on the way to the root: (`left` or `right`, hash), the leaf's first.

    Args:
        lines: of all leaves.
        place: of the leaf, from 0.
    """
    if len(lines) == 1:
        return []
    half = _half(len(lines))
    if place < half:
        return [*proof(lines[:half], place), ("right", _root(lines[half:]).hex())]
    return [*proof(lines[half:], place - half), ("left", _root(lines[:half]).hex())]


def climbed(line: bytes, steps: Iterable[tuple[str, str]]) -> str:
    """The root that a leaf's line and its proof lead to, in hexadecimal."""
    found = _leaf(line)
    for side, digest in steps:
        other = bytes.fromhex(digest)
        found = _node(other, found) if side == "left" else _node(found, other)
    return found.hex()


def _root(lines: Sequence[bytes]) -> bytes:
    if len(lines) == 1:
        return _leaf(lines[0])
    half = _half(len(lines))
    return _node(_root(lines[:half]), _root(lines[half:]))


def _half(count: int) -> int:
    return 1 << ((count - 1).bit_length() - 1)


def _leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()
