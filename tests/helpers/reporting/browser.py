"""A real Chromium without a window, for tests of pages."""

import json
import os
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for path in map(shutil.which, NAMES) if path), None)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"none of {', '.join(NAMES)} is installed; the page is not opened"
)


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Chromium on arguments, with a profile of its own and no network but this machine's addresses."""
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        "--enable-logging=stderr",
        "--v=0",
        f"--user-data-dir={folder / 'profile'}",
    ]
    return subprocess.run(
        [str(BROWSER), *options, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
        env={**os.environ, "HOME": str(folder)},
    )


def seen_by(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a driver left in the root element's `data-seen`, and the browser's log."""
    found = re.search(r'data-seen="([^"]*)"', done.stdout)
    assert found, f"the page never became ready: {done.stderr[-2000:]}"
    seen: dict[str, Any] = json.loads(unescape(found[1]))
    return seen | {"log": done.stderr}
