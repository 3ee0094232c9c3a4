"""Objects arrive as they are, and what a server did not store is said."""

from pathlib import Path

import pytest
from dicomweb import remote
from studies import write_study

from textbcs.base.io import InputError
from textbcs.study.dicomweb.address import read_address
from textbcs.study.dicomweb.storing import store


def test_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEXTBCS_BACKOFF_S", "0.01")
    folder = write_study(tmp_path / "study")
    paths = sorted(folder.rglob("*.dcm"))[:2]
    with remote(folder) as state:
        address = read_address(state.address)
        store(address, paths)
        assert state.stored == [path.read_bytes() for path in paths]
        assert state.asked[0][:2] == ("POST", f"/dicom-web/studies/{state.study}")
        state.fault = "refuse one"
        with pytest.raises(InputError, match=r"did not store 1 of 2 files \(reason A700H"):
            store(address, paths)
        state.fault = "403"
        with pytest.raises(InputError, match=r"wants a name and password \(403\)"):
            store(address, paths)
