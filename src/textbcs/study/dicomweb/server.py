"""Requests to a DICOMweb server: bounded in size, time and number, and never on to another host.

- TEXTBCS_DICOMWEB_TOKEN, or TEXTBCS_DICOMWEB_USER and TEXTBCS_DICOMWEB_PASSWORD, or `~/.netrc` say who asks.
  They are sent over an encrypted connection, or to this machine, alone; they stand in no message and no file.
- A redirect is not followed: it is said where it leads.
- Timeouts, broken connections, 408, 425, 429 and 5xx are tried again; `archives.network` says how often.
- An answer that is longer than it may be, or comes more slowly than a kilobyte a second, is given up.
"""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from textbcs.archives.network import Network
from textbcs.base.io import InputError
from textbcs.intake.spelling import plain
from textbcs.study.dicomweb.address import Address
from textbcs.study.dicomweb.multipart import AnswerError

if TYPE_CHECKING:
    from requests import Response
    from requests.auth import AuthBase

TOKEN, USER, PASSWORD = (f"TEXTBCS_DICOMWEB_{name}" for name in ("TOKEN", "USER", "PASSWORD"))
JSON = "application/dicom+json"
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_MOST_ATTEMPTS = 3  # somebody waits for the answer
_BLOCK = 1 << 16
_SLOWEST_BYTES_S = 1024
_LONGEST_LISTING = 64 << 20
_Result = TypeVar("_Result")


class _AgainError(Exception):
    """An attempt that failed and may succeed later."""


class Server:
    """A DICOMweb service.

    Attributes:
        address: of the study that is meant.
    """

    def __init__(self, address: Address, network: Network | None = None) -> None:
        import requests

        self.address = address
        self.network = network or Network.from_environment()
        self._session = requests.Session()
        self._auth = _credentials(address)
        if self._auth and not address.is_private:
            raise InputError(
                f"{address.base}: is not encrypted, so name and password are not sent; use https"
            )

    def listing(self, path: str, query: Mapping[str, str]) -> Any:
        """A JSON answer; None where there is none (204).

        Raises:
            InputError: no good answer, in a line.
        """

        def read(response: "Response") -> Any:
            body = b"".join(self.blocks(response, _LONGEST_LISTING))
            return None if response.status_code == 204 or not body else json_of(body, response)

        return self.ask("GET", path, read, headers={"Accept": JSON}, params=dict(query))

    def ask(
        self, method: str, path: str, read: Callable[["Response"], _Result], **request: Any
    ) -> _Result:
        """Send a request and read its answer, again where that may help.

        Args:
            method: `GET` or `POST`.
            path: below the base, with a slash before it.
            read: reads a good answer; AnswerError says what is wrong with it.
            request: as `requests` takes it.

        Raises:
            InputError: no good answer, in a line.
        """
        attempts = min(self.network.attempts, _MOST_ATTEMPTS)
        for attempt in range(1, attempts + 1):
            try:
                return self._once(method, path, read, request)
            except _AgainError as error:
                if attempt == attempts:
                    raise self.fault(str(error)) from error
                time.sleep(min(self.network.backoff_s * 2 ** (attempt - 1), 10.0))
            except AnswerError as error:
                raise self.fault(str(error)) from error
        raise AssertionError("attempts are at least 1")

    def fault(self, reason: str) -> InputError:
        """What is wrong, with the address before it."""
        return InputError(f"{self.address.url}: the server {reason}")

    def blocks(self, response: "Response", limit: int) -> Iterator[bytes]:
        """The body of an answer as it comes.

        Raises:
            AnswerError: it is longer than `limit` bytes, or comes too slowly.
        """
        start, received = time.monotonic(), 0
        for block in response.iter_content(_BLOCK):
            received += len(block)
            if received > limit:
                raise AnswerError(f"sends more than {limit >> 20} MB and is not done: given up")
            waited = time.monotonic() - start
            if waited > self.network.read_s and received < waited * _SLOWEST_BYTES_S:
                raise AnswerError("sends less than a kilobyte a second: given up")
            yield block

    def _once(
        self, method: str, path: str, read: Callable[["Response"], _Result], request: dict[str, Any]
    ) -> _Result:
        """One attempt."""
        import requests
        from urllib3.exceptions import HTTPError, ReadTimeoutError

        headers = {"Accept-Encoding": "identity", **request.get("headers", {})}
        told = {**request, "headers": headers, "auth": self._auth, "allow_redirects": False}
        limits = (self.network.connect_s, self.network.read_s)
        url = f"{self.address.base}{path}"
        try:
            with closing(
                self._session.request(method, url, stream=True, timeout=limits, **told)
            ) as response:
                self._check(response)
                return read(response)
        except requests.exceptions.SSLError as error:
            raise AnswerError("has a certificate that is not trusted") from error
        except requests.exceptions.Timeout as error:
            raise _AgainError("does not answer in time; is it running?") from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise _AgainError("sends half an answer: the connection broke") from error
        except (requests.exceptions.ConnectionError, HTTPError) as error:
            if any(isinstance(one, ReadTimeoutError) for one in error.args):
                raise _AgainError("does not answer in time; is it running?") from error
            raise _AgainError(
                "cannot be reached; check the address, and whether it runs"
            ) from error
        except requests.exceptions.RequestException as error:
            raise AnswerError(f"cannot be asked ({type(error).__name__})") from error

    def _check(self, response: "Response") -> None:
        """AnswerError or _AgainError for an answer that is none."""
        status = response.status_code
        if status in (401, 403):
            who = "refuses the name and password" if self._auth else "wants a name and password"
            raise AnswerError(
                f"{who} ({status}): set {TOKEN}, or {USER} and {PASSWORD}, or use ~/.netrc"
            )
        if 300 <= status < 400:
            where = plain(response.headers.get("Location", "nowhere"), 100)
            raise AnswerError(
                f"sends us on to {where} ({status}): name that address if you trust it"
            )
        if status == 404:
            raise AnswerError("has nothing there (404): check the address and the UID")
        if status in _PASSING:
            raise _AgainError(f"has trouble ({status}); try later")
        if status not in (200, 202, 204, 206, 409):
            raise AnswerError(f"refuses the request ({status})")


def json_of(body: bytes, response: "Response") -> Any:
    """The body of an answer as JSON; AnswerError where it is none."""
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        kind = plain(response.headers.get("Content-Type", "").partition(";")[0], 60)
        raise AnswerError(
            f"answers with {kind or 'something else'}, not with JSON: is it a DICOMweb address?"
        ) from error


def _credentials(address: Address) -> "AuthBase | None":
    """Who asks, by the environment or `~/.netrc`."""
    from requests.auth import AuthBase, HTTPBasicAuth
    from requests.utils import get_netrc_auth

    class Bearer(AuthBase):
        """A token."""

        def __init__(self, token: str) -> None:
            self.token = token

        def __call__(self, request: Any) -> Any:
            request.headers["Authorization"] = f"Bearer {self.token}"
            return request

    if token := os.environ.get(TOKEN, ""):
        return Bearer(token)
    if user := os.environ.get(USER, ""):
        return HTTPBasicAuth(user, os.environ.get(PASSWORD, ""))
    found = get_netrc_auth(address.base)
    return HTTPBasicAuth(*found) if found else None
