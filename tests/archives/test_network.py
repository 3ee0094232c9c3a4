"""Settings of the network from the environment."""

import pytest

from textbcs.archives.network import Network
from textbcs.base.io import InputError


def test_the_environment_sets_the_network(monkeypatch) -> None:
    assert Network.from_environment() == Network()
    monkeypatch.setenv("TEXTBCS_CONNECTIONS", "3")
    monkeypatch.setenv("TEXTBCS_TIMEOUT_S", "0.5")
    assert Network.from_environment() == Network(connections=3, read_s=0.5)
    for text in ("0", "-1", "many", "nan", "inf", "0.5"):
        monkeypatch.setenv("TEXTBCS_CONNECTIONS", text)
        with pytest.raises(InputError, match="TEXTBCS_CONNECTIONS"):
            Network.from_environment()
