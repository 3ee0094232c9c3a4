"""How to treat servers: how many at once, how often, how long.

The environment may set TEXTBCS_CONNECTIONS, TEXTBCS_ATTEMPTS, TEXTBCS_TIMEOUT_S and TEXTBCS_BACKOFF_S:
they change no result.
"""

import os
from dataclasses import dataclass

from textbcs.base.io import InputError


@dataclass(frozen=True)
class Network:
    """How to treat servers.

    Attributes:
        connections: series fetched at once.
        attempts: per request, at least 1.
        connect_s, read_s: limits of a connection and of a silence, seconds.
        backoff_s: first wait; every further one is twice as long, up to `longest_wait_s`.
    """

    connections: int = 8
    attempts: int = 6
    connect_s: float = 10.0
    read_s: float = 60.0
    backoff_s: float = 1.0
    longest_wait_s: float = 120.0

    @classmethod
    def from_environment(cls) -> "Network":
        """The defaults, with what the environment sets.

        Raises:
            InputError: a variable is no positive number.
        """
        return cls(
            connections=int(_setting("TEXTBCS_CONNECTIONS", cls.connections)),
            attempts=int(_setting("TEXTBCS_ATTEMPTS", cls.attempts)),
            read_s=_setting("TEXTBCS_TIMEOUT_S", cls.read_s),
            backoff_s=_setting("TEXTBCS_BACKOFF_S", cls.backoff_s),
        )


def _setting(name: str, default: float) -> float:
    """A positive number of the environment, whole where the default is; InputError for another."""
    text = os.environ.get(name, "")
    try:
        value = float(text) if text else float(default)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf") or (isinstance(default, int) and value < 1):
        raise InputError(
            f"environment: {name} = {text!r} is no positive number; unset or correct it"
        )
    return value
