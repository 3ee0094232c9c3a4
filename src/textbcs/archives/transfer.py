"""Fetching over HTTP: streams to a `.part` file, resumes it, tries again a bounded number of times.

A part belongs to one version of an object (its ETag) and grows only by a 206 answer that continues it
exactly; any other answer starts it at 0, so two versions are never joined. Timeouts, resets, 408, 425,
429 and 5xx are tried again after exponential waits with jitter, or after what Retry-After asks for.
Reads the network; writes below the folder that the caller names.
"""

import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar

import requests
from urllib3.exceptions import HTTPError

from textbcs.archives.network import Network
from textbcs.base.io import sha256_bytes

_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_BLOCK = 1 << 16
_SLOWEST_BYTES_S = 1024
_FAULTS = (requests.RequestException, HTTPError, HTTPException, ConnectionError, TimeoutError)
_Result = TypeVar("_Result")


class TransferError(Exception):
    """A transfer that failed for good, in one line."""


class ChangedError(TransferError):
    """An object is not the version that was listed."""


class _AgainError(Exception):
    """An attempt that failed and may succeed later; `wait` is what the server asks for, in s."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class Client:
    """GET requests with retries; safe to share between threads.

    Attributes:
        stop: set it to end all waits and transfers soon.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.stop = threading.Event()
        self._local = threading.local()

    def read(
        self, url: str, query: Mapping[str, str], limit: int, parse: Callable[[bytes], _Result]
    ) -> _Result:
        """A small answer, such as a listing, as `parse` reads it.

        Args:
            url, query: what to get.
            limit: most bytes to accept.
            parse: raises ValueError where the body is not what was asked for.

        Raises:
            TransferError: no good answer after all attempts, or a longer one.
        """

        def once() -> _Result:
            """One attempt; what `parse` refuses is worth another."""
            body = bytearray()
            with self._get(url, query, {}) as response:
                self._stream(response, body.extend, limit)
            try:
                return parse(bytes(body))
            except ValueError as error:
                raise _AgainError(f"an answer that is no listing ({error})") from error

        return self._persist(url, once)

    def save(
        self,
        url: str,
        query: Mapping[str, str],
        target: Path,
        limit: int,
        size: int | None = None,
        etag: str = "",
    ) -> None:
        """Fetch a file to `target`, which appears complete or not at all.

        Args:
            url, query: what to get.
            target: the file; its part lies beside it and survives a failure where it can be resumed.
            limit: most bytes to accept.
            size: exact number of bytes, if known.
            etag: the version that is wanted, if known; only then a part is resumed.

        Raises:
            ChangedError: the server has another version.
            TransferError: anything else that attempts did not cure.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.{sha256_bytes(etag.encode())[:8]}.part")
        for other in target.parent.glob(f"{target.name}.*.part"):
            if other != part or not etag:
                other.unlink()
        try:
            self._persist(url, lambda: self._save_once(url, query, part, limit, size, etag))
        except BaseException:
            if not etag:  # what it continues would be unknown
                part.unlink(missing_ok=True)
            raise
        part.replace(target)

    def _save_once(
        self,
        url: str,
        query: Mapping[str, str],
        part: Path,
        limit: int,
        size: int | None,
        etag: str,
    ) -> None:
        """One attempt: continue the part or begin it; it is whole where this returns."""
        start = part.stat().st_size if etag and part.exists() else 0
        if size is not None and start > size:
            part.unlink()
            start = 0
        if start and start == size:
            return
        headers = {"Range": f"bytes={start}-"} if start else {}
        with self._get(url, query, headers) as response:
            start = _checked_start(response, part, start, size, etag)
            with part.open("ab" if start else "wb") as file:

                def write(block: bytes) -> None:
                    file.write(block)
                    file.flush()  # a kill then loses nothing that came

                received = self._stream(response, write, limit - start)
        if size is not None and start + received != size:
            if start + received > size:
                part.unlink()
            raise _AgainError(f"{start + received} bytes of {size}")

    def _get(
        self, url: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> requests.Response:
        """An answer whose body is not read yet: 200, 206, or 416 where a range was asked for."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        network = self.network
        response: requests.Response = self._local.session.get(
            url,
            params=dict(query),
            headers={"Accept-Encoding": "identity", **headers},
            stream=True,
            timeout=(network.connect_s, network.read_s),
        )
        status = response.status_code
        if status in (200, 206) or (status == 416 and headers):
            if "text/html" in response.headers.get("Content-Type", "").lower():
                response.close()
                raise _AgainError("an HTML page in place of data")
            return response
        wait = _retry_after(response.headers.get("Retry-After", ""))
        response.close()
        if status in _PASSING:
            raise _AgainError(f"HTTP {status}", wait)
        raise TransferError(f"{url}: HTTP {status}")

    def _stream(
        self, response: requests.Response, write: Callable[[bytes], object], limit: int
    ) -> int:
        """Pass the body on as it comes, within the limits of size and time; return its length."""
        if response.headers.get("Content-Encoding", "identity") != "identity":
            raise TransferError(f"{response.url}: the body is encoded although that was declined")
        received, window, since = 0, 0, time.monotonic()
        while block := response.raw.read1(_BLOCK, decode_content=False):
            received += len(block)
            window += len(block)
            if received > limit:
                raise TransferError(f"{response.url}: more than the {limit} bytes that are allowed")
            write(block)
            if self.stop.is_set():
                raise TransferError(f"{response.url}: stopped")
            elapsed = time.monotonic() - since
            if elapsed > self.network.read_s:
                if window < _SLOWEST_BYTES_S * elapsed:
                    raise _AgainError(f"slower than {_SLOWEST_BYTES_S} bytes a second")
                window, since = 0, time.monotonic()
        return received  # urllib3 raises where it is not the Content-Length

    def _persist(self, url: str, action: Callable[[], _Result]) -> _Result:
        """Run an attempt until it succeeds, at most `attempts` times."""
        network = self.network
        for attempt in range(1, network.attempts + 1):
            wait = 0.0
            try:
                return action()
            except _AgainError as error:
                reason, wait = str(error), error.wait
            except _FAULTS as error:
                reason = _plain(error)
            if wait > network.longest_wait_s:
                raise TransferError(f"{url}: {reason}, and asks for a wait of {wait:.0f} s")
            if attempt < network.attempts:
                doubled = min(network.backoff_s * 2 ** (attempt - 1), network.longest_wait_s)
                # Jitter keeps parallel connections from coming back together.
                if self.stop.wait(max(wait, 0) + doubled * random.uniform(0.5, 1.5)):
                    raise TransferError(f"{url}: stopped")
        raise TransferError(f"{url}: {reason} ({network.attempts} attempts)")


def _checked_start(
    response: requests.Response, part: Path, start: int, size: int | None, etag: str
) -> int:
    """Where the body that is about to come belongs in the part."""
    version = response.headers.get("ETag", "").removeprefix("W/").strip('"')
    if etag and version and version != etag:
        part.unlink(missing_ok=True)
        raise ChangedError(f"{response.url}: has changed since it was listed")
    if response.status_code == 200:
        return 0
    # A 416 has no Content-Range of that form: the part is longer than what the server has.
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+)", response.headers.get("Content-Range", ""))
    fits = match and int(match[1]) == start and (size is None or int(match[3]) == size)
    if not start or not fits or not version:
        part.unlink(missing_ok=True)
        raise _AgainError("the server answers with another range than asked for")
    return start


def _retry_after(text: str) -> float:
    """Seconds that a Retry-After header asks for, 0 if none; RFC 9110, 10.2.3."""
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
        return max(0.0, (moment - datetime.now(UTC)).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def _plain(error: BaseException) -> str:
    """A network fault in few words, without object addresses."""
    kinds = {
        requests.exceptions.ConnectTimeout: "no connection in time",
        requests.exceptions.ReadTimeout: "no answer in time",
        requests.exceptions.ConnectionError: "the connection failed or was reset",
    }
    for kind, words in kinds.items():
        if isinstance(error, kind):
            return words
    return f"the transfer broke off ({type(error).__name__})"
