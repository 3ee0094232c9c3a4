"""Counts as part of a sentence."""

from collections.abc import Mapping

_MOST_NAMED = 4


def most_frequent(counts: Mapping[str, int], most: int = _MOST_NAMED) -> str:
    """What is counted as `12 x text, 3 x empty file`: the most frequent first, then by name.

    Args:
        counts: how often there is what.
        most: how many are named; of the others only their number is said.
    """
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    named = [f"{count} x {what}" for what, count in ordered[:most]]
    more = sum(count for _, count in ordered[most:])
    return ", ".join(named) + (f", {more} others" if more else "")
