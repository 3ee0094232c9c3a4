"""Settings of the network from the environment; the IDC back end against another S3 than our own, moto's.

moto does not install beside the locked packages: it has an environment of its own (own_environments.py).
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests
from own_environments import S3_SERVER, programs
from remote import BUCKET, expected, fetch, nothing_left, raw_is_right, remote_place

from textbcs.archives.incoming import RAW
from textbcs.archives.network import Network
from textbcs.base.io import InputError
from textbcs.cohort.cohort_tables import read_files

# moto wants a signature but does not check it; our client sends none, as to a public bucket.
SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
PUBLIC = (
    '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", '
    '"Action": "s3:*", "Resource": "*"}]}'
)


@pytest.fixture
def moto(tmp_path: Path) -> Iterator[str]:
    """The address of a running server."""
    program = programs(*S3_SERVER) / "moto_server"
    log = tmp_path / "moto.log"
    with log.open("w") as stream:
        process = subprocess.Popen([program, "-p", "0"], stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield address_in(log, process)
    finally:
        process.terminate()
        process.wait()


def address_in(log: Path, process: "subprocess.Popen[bytes]") -> str:
    """The address that a starting server says it has."""
    for _ in range(600):
        said = log.read_text()
        if "Running on " in said:
            return said.split("Running on ")[1].split()[0].rstrip("/")
        assert process.poll() is None, said
        time.sleep(0.1)
    raise AssertionError(f"moto_server did not start: {log.read_text()}")


def test_the_same_files_as_from_a_folder(
    moto: str, finished: Path, tmp_path: Path, params: dict[str, Any]
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with remote_place("idc", finished, folder, params) as (own, place):
        for query, body in (("", ""), ("?policy", PUBLIC)):
            requests.put(f"{moto}/{BUCKET}{query}", body, headers=SIGNED, timeout=30)
        for key, content in own.objects.items():
            sent = requests.put(f"{moto}/{key}", content, headers=SIGNED, timeout=30)
            assert sent.ok, sent.text
        place["cohort"]["address"] = moto
        fetch(place)
        pd.testing.assert_frame_equal(read_files(), expected(finished))
        assert own.asked == []
        # What is lost comes again, and nothing else.
        lost = next(RAW.rglob("*.dcm"))
        lost.unlink()
        fetch(place)
        assert lost.is_file()
        assert raw_is_right(read_files())
        assert nothing_left()


def test_the_environment_sets_the_network(monkeypatch) -> None:
    assert Network.from_environment() == Network()
    monkeypatch.setenv("TEXTBCS_CONNECTIONS", "3")
    monkeypatch.setenv("TEXTBCS_TIMEOUT_S", "0.5")
    assert Network.from_environment() == Network(connections=3, read_s=0.5)
    for text in ("0", "-1", "many", "nan", "inf", "0.5"):
        monkeypatch.setenv("TEXTBCS_CONNECTIONS", text)
        with pytest.raises(InputError, match="TEXTBCS_CONNECTIONS"):
            Network.from_environment()
