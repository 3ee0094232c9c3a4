"""The page in a real Chromium, against a real server on a port of this machine."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from browser import needs_browser, run

from textbcs.serving.app import application
from textbcs.serving.page_files import page_files
from textbcs.serving.request_guard import OwnNames
from textbcs.serving.server import address_of, listen

DRIVER = (Path(__file__).parent / "serving_driver.js").read_bytes()
LEFT = "location left; shape round; size small; number one"


class Driven:
    """An application whose page drives itself.

    The last script of the page is kept back until the driver has sent what it saw: so long the browser takes
    the page for unfinished, and waits.
    """

    def __init__(self, app: Any) -> None:
        self.app, self.seen, self.ended = app, {}, asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope.get("path") == "/seen":
            content, more = b"", True
            while more:
                message = await receive()
                content, more = content + message.get("body", b""), message.get("more_body", False)
            self.seen = json.loads(content)
            self.ended.set()
        elif scope.get("path") == "/last.js":
            await asyncio.wait_for(self.ended.wait(), 100)
        else:
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/javascript")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def driven(studies: Any) -> Iterator[tuple[str, Driven]]:
    """The address of a server, and what drives its page."""
    files = page_files()
    (page, html), (script, kind) = files["/"], files["/page.js"]
    files["/page.js"] = script + DRIVER, kind
    files["/"] = page.replace(b"</body>", b'<script src="/last.js"></script></body>'), html
    listening = listen("127.0.0.1", 0)
    names = OwnNames("127.0.0.1", listening.getsockname()[1])
    app = Driven(application(studies, names, files))
    settings = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", http="h11")
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield address_of("127.0.0.1", listening), app
    server.should_exit = True
    thread.join(10)


@needs_browser
def test_a_study_is_opened_scrolled_and_asked_twice(
    driven: tuple[str, Driven], tmp_path: Path
) -> None:
    address, app = driven
    done = run(tmp_path, "--dump-dom", address)
    seen = app.seen
    assert seen, f"the page was never driven: {done.stderr[-2000:]}"
    assert seen["errors"] == [], {name: str(value)[:300] for name, value in seen.items()}
    picture, status = 1, 2
    assert seen["package"].startswith("textbcs-s1 (")
    assert "studies/one" in seen["offered"]
    assert "holds no DICOM file" in seen["refused"]
    assert seen["opened"][0].startswith("10 slices, pre, post1")
    assert seen["opened"][3].startswith("Slice 6 of 10, from the feet up; post1")
    assert seen["written"] == LEFT.replace("left", "right")
    assert "location right; shape round; size small; number one (given)" in seen["first"]
    assert f"{LEFT} (given)" in seen["second"]
    assert seen["right"][picture] != seen["opened"][2]
    assert seen["left"][picture] != seen["right"][picture], "another prompt, another map"
    assert seen["next"][status].startswith("Slice 7 of 10")
    assert seen["phase"][picture] != seen["next"][picture]
    assert "lefft" in seen["wrong"]
    assert "left" in seen["wrong"]
    assert "(automatic)" in seen["automatic"] or "Empty prompt" in seen["automatic"]
