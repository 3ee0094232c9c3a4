"""Which requests are answered at all: those of the page itself, and none that another site can send.

A browser tells a server under which name it was addressed (`Host`) and which page asks (`Origin`,
`Sec-Fetch-Site`). A site that has its own name resolve to this machine is refused by the first, a form or
script of another site by the others; a POST besides has to be of a type that a browser sends to another
site only after a question, which is answered with no.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("localhost", "127.0.0.1", "::1")
JSON, ZIP = "application/json", "application/zip"
_METHODS = ("GET", "HEAD", "POST", "DELETE")
_OWN_SITE = ("same-origin", "none")
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name reaches this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True)
class OwnNames:
    """Under which names the server may be addressed.

    Attributes:
        host: on which it listens, as the user typed it.
        port: likewise.
    """

    host: str
    port: int

    def has(self, header: str) -> bool:
        """Whether a `Host` header names this server.

        Another site's name can be made to resolve to this machine, an address cannot be made another
        site's: so beside the typed name addresses are enough, where others than this machine may ask.
        """
        name, sign, port = header.rpartition(":")
        if not sign or header.endswith("]"):
            name, port = header, "80"
        if port != str(self.port):
            return False
        plain = name.removeprefix("[").removesuffix("]").lower()
        if plain in LOOPBACK or plain == self.host.lower():
            return True
        return not is_loopback(self.host) and _is_address(plain)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


class RequestGuard:
    """Refuses foreign requests, and adds `HEADERS` to every answer.

    Args:
        app: that answers the others.
        names: of the server.
    """

    def __init__(self, app: "ASGIApp", names: OwnNames) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """See ASGI."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return

        async def guarded(message: "Message") -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message.get("headers", []), *own]}
            await send(message)

        status, reason = self._fault(scope["method"], scope["headers"])
        if not status:
            await self._app(scope, receive, guarded)
            return
        await guarded(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [(b"content-type", b"text/plain; charset=utf-8")],
            }
        )
        await guarded({"type": "http.response.body", "body": reason.encode()})

    def _fault(self, method: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, str]:
        """Status and reason of a refusal; 0 where the request may pass."""
        found: dict[str, list[str]] = {}
        for name, value in headers:
            found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = found.get("host", [])
        if len(hosts) != 1 or not self._names.has(hosts[0]):
            return 403, "addressed under a foreign name"
        if any(origin != f"http://{hosts[0]}" for origin in found.get("origin", [])):
            return 403, "asked by a foreign page"
        if any(site not in _OWN_SITE for site in found.get("sec-fetch-site", [])):
            # A link to the page itself is followed from anywhere; it changes nothing and shows nothing to
            # the page that it stands on.
            opens = method == "GET" and found.get("sec-fetch-mode") == ["navigate"]
            if not opens:
                return 403, "asked by a foreign page"
        if method not in _METHODS:
            return 405, "no such method"
        kind = "".join(found.get("content-type", [])).partition(";")[0].strip().lower()
        if method == "POST" and kind not in (JSON, ZIP):
            return 415, f"send {JSON} or {ZIP}"
        return 0, ""
