"""The server: a socket on this machine, and the application behind it until it is interrupted."""

import socket

from textbcs.base.io import InputError
from textbcs.serving.app import application
from textbcs.serving.open_studies import OpenStudies
from textbcs.serving.page_files import page_files
from textbcs.serving.request_guard import OwnNames

_MOST_CONNECTIONS = 64
_WAITING = 32


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Args:
        host: address or name to listen on.
        port: 0 for any that is free.

    Raises:
        InputError: the port is taken or must not be used, or the host is not this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host}: no address of this machine; use 127.0.0.1") from error
    family, kind, protocol, _, address = found[0]
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        opened.listen(_WAITING)
    except OSError as error:
        opened.close()
        raise InputError(
            f"--port {port}: cannot be used on {host} ({error.strerror}); choose another with --port"
        ) from error
    return opened


def address_of(host: str, listening: socket.socket) -> str:
    """The address that a browser opens."""
    name = f"[{host}]" if ":" in host else host
    return f"http://{name}:{listening.getsockname()[1]}/"


def serve(studies: OpenStudies, host: str, listening: socket.socket) -> None:
    """Answer requests until interrupted; logs nothing, as addresses hold what users type."""
    import uvicorn

    names = OwnNames(host, int(listening.getsockname()[1]))
    settings = uvicorn.Config(
        application(studies, names, page_files()),
        log_config=None,
        access_log=False,
        log_level="critical",
        lifespan="off",
        ws="none",
        http="h11",
        loop="asyncio",
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
    )
    try:
        uvicorn.Server(settings).run(sockets=[listening])
    finally:
        studies.close()
