"""A tiny DICOMweb server on loopback that misbehaves on demand, and a real Orthanc."""

import json
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import pydicom

BOUNDARY = "a-boundary"
ORTHANC = shutil.which("Orthanc")
PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
NO_ORTHANC = "Orthanc with its DICOMweb plugin is not installed (orthanc, orthanc-dicomweb)"


@dataclass
class Remote:
    """A server that holds a study.

    Attributes:
        url: of the service.
        series: SeriesInstanceUID -> modality and the files.
        fault: what goes wrong; "" for nothing.
        asked: method, path and Authorization of each request.
        stored: what came by STOW-RS.
    """

    url: str = ""
    series: dict[str, tuple[str, list[bytes]]] = field(default_factory=dict)
    study: str = ""
    fault: str = ""
    times: int = 10**9
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    stored: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{self.url}/studies/{self.study}"

    def load(self, folder: Path) -> None:
        """Take the files of a study."""
        for path in sorted(folder.rglob("*.dcm")):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            own = self.series.setdefault(str(header.SeriesInstanceUID), (header.Modality, []))
            own[1].append(path.read_bytes())
            self.study = str(header.StudyInstanceUID)


def multipart(contents: list[bytes]) -> bytes:
    head = f"--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(head + one + b"\r\n" for one in contents) + f"--{BOUNDARY}--\r\n".encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Remote

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.note()
        if self.refused():
            return
        path = self.path.partition("?")[0]
        if path.endswith("/series"):
            rows = [
                {
                    "0020000E": {"vr": "UI", "Value": [uid]},
                    "00080060": {"vr": "CS", "Value": [modality]},
                    "00201209": {"vr": "IS", "Value": [len(files)]},
                }
                for uid, (modality, files) in self.state.series.items()
            ]
            if self.state.fault == "no study":
                self.answer(204, b"", "")
            else:
                self.answer(200, json.dumps(rows).encode(), "application/dicom+json")
            return
        files = self.state.series[path.rpartition("/")[2]][1]
        self.images(files)

    def images(self, files: list[bytes]) -> None:
        fault = self.state.fault
        kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'
        if fault == "few":
            files = files[:-1]
        elif fault == "many":
            files = [*files, files[0]]
        elif fault == "twice":
            files = [*files[:-1], files[0]]
        elif fault == "no DICOM":
            files = [b"x" * 200] * len(files)
        elif fault == "foreign":
            other = next(own for _, own in self.state.series.values() if own != files)
            files = (other * len(files))[: len(files)]
        body = multipart(files)
        if fault == "html":
            self.answer(200, b"<html>Log in, Mrs Doe</html>", "text/html")
        elif fault == "cut":
            self.answer(200, body, kind, sent=body[: len(body) // 2])
        elif fault == "half":
            self.answer(200, body[: len(body) // 2], kind)
        elif fault == "endless":
            self.answer(200, b"", kind, length=10**12)
            try:
                for _ in range(10**6):
                    self.wfile.write(b"x" * (1 << 16))
            except OSError:
                self.close_connection = True
        elif fault == "slow":
            self.answer(200, b"", kind, length=10**6)
            try:
                for _ in range(100):
                    self.wfile.write(b"x")
                    time.sleep(0.05)
            except OSError:
                self.close_connection = True
        else:
            self.answer(200, body, kind)

    def do_POST(self) -> None:
        self.note()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.refused():
            return
        mark = self.headers["Content-Type"].partition("boundary=")[2]
        files = [
            part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")
            for part in body.split(f"--{mark}".encode())[1:-1]
        ]
        self.state.stored += files
        uids = [str(pydicom.dcmread(BytesIO(one)).SOPInstanceUID) for one in files]
        rows: dict[str, Any] = {
            "00081199": {"vr": "SQ", "Value": [item(uid) for uid in uids]},
        }
        status = 200
        if self.state.fault == "refuse one":
            rows["00081199"]["Value"].pop()
            reason = {"00081197": {"vr": "US", "Value": [0xA700]}}
            rows["00081198"] = {"vr": "SQ", "Value": [item(uids[-1]) | reason]}
            status = 202
        self.answer(status, json.dumps(rows).encode(), "application/dicom+json")

    def note(self) -> None:
        self.state.asked.append((self.command, self.path, self.headers.get("Authorization", "")))

    def refused(self) -> bool:
        fault = self.state.fault
        if self.state.times <= 0:
            return False
        if fault in ("401", "403", "404", "503", "418"):
            self.state.times -= 1
            self.answer(int(fault), b"Mrs Doe", "text/plain")
        elif fault == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://evil.example/studies")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif fault == "silent":
            time.sleep(0.6)
            self.close_connection = True
        elif fault == "no list":
            self.answer(200, b"<html>", "text/html")
        elif fault == "other list":
            self.answer(200, b'{"a": 1}', "application/json")
        else:
            return False
        return True

    def answer(
        self, status: int, body: bytes, kind: str, sent: bytes | None = None, length: int = 0
    ) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length or len(body)))
        self.end_headers()
        self.wfile.write(body if sent is None else sent)
        if sent is not None:
            self.close_connection = True


def item(uid: str) -> dict[str, Any]:
    return {"00081155": {"vr": "UI", "Value": [uid]}}


@contextmanager
def remote(folder: Path) -> Iterator[Remote]:
    """The tiny server with the study of a folder."""
    state = Remote()
    state.load(folder)
    own = type("Own", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), own)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}/dicom-web"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def orthanc(folder: Path) -> Iterator[str]:
    """A real Orthanc with its own settings and an empty store below `folder`; its DICOMweb address."""
    assert ORTHANC is not None
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "StorageDirectory": str(folder / "store"),
        "IndexDirectory": str(folder / "index"),
        "HttpPort": port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": True,
        "RegisteredUsers": {"reader": "secret"},
        "DicomServerEnabled": False,
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings), encoding="utf-8")
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [ORTHANC, str(folder / "orthanc.json")], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            _wait(port, process, folder / "log.txt")
            yield f"http://127.0.0.1:{port}/dicom-web"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise AssertionError(log.read_text(encoding="utf-8", errors="replace"))
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/system", timeout=1)
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("Orthanc did not start")
