"""Archives on the loopback interface that misbehave on demand: S3 as the IDC uses it, and NBIA v4."""

import hashlib
import io
import json
import re
import socket
import struct
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

FOREVER = 10**9
PAGE = b"<!DOCTYPE html><html><body>Please log in, Mr Eve Smith</body></html>"


@dataclass
class Fault:
    """What goes wrong with requests whose path matches, and how many times."""

    kind: str
    match: str = "."
    times: int = 1


@dataclass
class Server:
    """A running server: what it serves, what goes wrong, and what it was asked."""

    url: str = ""
    objects: dict[str, bytes] = field(default_factory=dict)
    series: list[dict[str, Any]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)

    def fault(self, path: str, while_packing: bool = False) -> str:
        with self.lock:
            for one in self.faults:
                now = (one.kind == "wrong MD5") == while_packing
                if now and one.times and re.search(one.match, path):
                    one.times -= 1
                    return one.kind
        return ""


class Handler(BaseHTTPRequestHandler):
    """Answers and faults that both kinds of server share."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    state: Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        with self.state.lock:
            self.state.asked.append((self.path, self.headers.get("Range", "")))
        try:
            self.answer(unquote(urlsplit(self.path).path), parse_qs(urlsplit(self.path).query))
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def answer(self, path: str, query: dict[str, list[str]]) -> None:
        raise NotImplementedError

    def send(self, body: bytes, kind: str, etag: str = "", length: bool = True) -> None:
        """Send a body, as well as the fault of the moment lets it."""
        fault = self.state.fault(self.path)
        if fault in ("503", "429"):
            self.head(int(fault), {"Content-Length": "0", "Retry-After": "0"})
        elif fault == "busy for an hour":
            self.head(429, {"Content-Length": "0", "Retry-After": "3600"})
        elif fault == "html":
            self.head(200, {"Content-Length": str(len(PAGE)), "Content-Type": "text/html"})
            self.wfile.write(PAGE)
        elif fault == "html in disguise":
            self.head(200, {"Content-Length": str(len(PAGE)), "Content-Type": kind})
            self.wfile.write(PAGE)
        elif fault == "silent":
            time.sleep(1.0)
            self.close_connection = True
        else:
            self.send_body(body, kind, etag, length, fault)

    def send_body(self, body: bytes, kind: str, etag: str, length: bool, fault: str) -> None:
        if fault == "wrong bytes":
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
        status, headers = 200, {"Content-Type": kind}
        if etag:
            headers["ETag"] = '"another"' if fault == "another etag" else f'"{etag}"'
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if wanted and etag and fault != "range ignored":
            start, status = int(wanted[1]), 206
            told = start + 1 if fault == "another range" else start
            headers["Content-Range"] = f"bytes {told}-{len(body) - 1}/{len(body)}"
            body = body[start:]
        if length:
            headers["Content-Length"] = str(len(body))
        else:
            self.close_connection = True
        self.head(status, headers)
        if fault == "reset":
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(0.05)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif fault == "slow":
            for place in range(0, len(body), 50):
                self.wfile.write(body[place : place + 50])
                time.sleep(0.1)
        else:
            self.wfile.write(body)

    def head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class S3Handler(Handler):
    """ListObjectsV2 in pages of seven, and GET with Range, path style."""

    def answer(self, path: str, query: dict[str, list[str]]) -> None:
        if "list-type" not in query:
            body = self.state.objects.get(path.lstrip("/"))
            if body is None:
                self.head(404, {"Content-Length": "0"})
                return
            self.send(body, "application/dicom", hashlib.md5(body).hexdigest())
            return
        bucket, prefix = path.strip("/"), query["prefix"][0]
        keys = sorted(
            key.removeprefix(f"{bucket}/")
            for key in self.state.objects
            if key.startswith(f"{bucket}/{prefix}")
        )
        start = int(query.get("continuation-token", ["0"])[0])
        self.send(self.listing(bucket, keys, start).encode(), "application/xml")

    def listing(self, bucket: str, keys: list[str], start: int, page: int = 7) -> str:
        rows = ""
        for key in keys[start : start + page]:
            body = self.state.objects[f"{bucket}/{key}"]
            rows += (
                f"<Contents><Key>{escape(key)}</Key><Size>{len(body)}</Size>"
                f"<ETag>&quot;{hashlib.md5(body).hexdigest()}&quot;</ETag></Contents>"
            )
        more = start + page < len(keys)
        rows += f"<IsTruncated>{str(more).lower()}</IsTruncated>"
        if more:
            rows += f"<NextContinuationToken>{start + page}</NextContinuationToken>"
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        return f'<?xml version="1.0"?><ListBucketResult xmlns="{space}">{rows}</ListBucketResult>'


class NbiaHandler(Handler):
    """getSeries and getImageWithMD5Hash; an unknown parameter is a 400, as on the real server."""

    allowed: ClassVar = {
        "getSeries": {"Collection", "PatientID", "SeriesInstanceUID", "Modality", "format"},
        "getImageWithMD5Hash": {"SeriesInstanceUID"},
    }

    def answer(self, path: str, query: dict[str, list[str]]) -> None:
        verb = path.removeprefix("/nbia-api/services/v4/")
        if verb not in self.allowed or set(query) - self.allowed[verb]:
            self.head(400, {"Content-Length": "0"})
        elif verb == "getSeries":
            rows = [row for row in self.state.series if row["Collection"] == query["Collection"][0]]
            self.send(json.dumps(rows).encode() if rows else b"", "application/json")
        else:
            folder = query["SeriesInstanceUID"][0] + "/"
            found = [body for key, body in sorted(self.state.objects.items()) if folder in key]
            # Made while it is sent: neither a length nor a version is known.
            wrong = self.state.fault(self.path, while_packing=True)
            self.send(zip_of(found, b"!" if wrong else b""), "application/zip", length=False)


def zip_of(bodies: list[bytes], salt: bytes = b"") -> bytes:
    """A series as getImageWithMD5Hash packs it; salt makes its MD5 wrong."""
    stream, table = io.BytesIO(), "Filename,MD5Hash\n"
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as opened:
        for number, body in enumerate(bodies, start=1):
            name = f"{number:08d}.dcm"
            opened.writestr(name, body)
            table += f"{name},{hashlib.md5(body + salt).hexdigest()}\n"
        opened.writestr("md5hashes.csv", table)
    return stream.getvalue()


@contextmanager
def serve(handler: type[Handler]) -> Iterator[Server]:
    """A server in a thread, on a free port of the loopback interface."""
    state = Server()
    bound = type("Bound", (handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), bound) as server:
        server.daemon_threads = True
        server.block_on_close = False
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def archive_files(folder: Path) -> Iterator[tuple[Any, bytes]]:
    """Dataset without pixels and content of every DICOM file below a folder."""
    import pydicom

    for path in sorted(folder.rglob("*.dcm")):
        yield pydicom.dcmread(path, stop_before_pixels=True), path.read_bytes()
