"""The requests of the page: a study is opened, scrolled and asked; what is foreign or wrong is refused."""

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from studies import phantom

from textbcs.outline.chosen_prompt import PromptWish, read_prompt
from textbcs.outline.drawing import draw
from textbcs.serving import open_studies
from textbcs.serving.app import application
from textbcs.serving.page_files import page_files
from textbcs.serving.request_guard import OwnNames, RequestGuard
from textbcs.study.reading import find_study, read_study
from textbcs.study.study_files import Wish

HOST = "127.0.0.1:8765"
LEFT = "location left; shape round; size large; number one"
RIGHT = "location right; shape round; size large; number one"


@pytest.fixture(scope="module")
def client(studies: Any) -> Iterator[TestClient]:
    app = application(studies, OwnNames("127.0.0.1", 8765), page_files())
    with TestClient(app, base_url=f"http://{HOST}") as found:
        yield found


def opened(client: TestClient, name: str = "studies/one") -> dict[str, Any]:
    answer = client.post("/api/studies", json={"name": name})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def asked(client: TestClient, study: str, text: str | None) -> tuple[str, dict[str, Any]]:
    """Ask and wait for all of the answer; its address and state."""
    answer = client.post(f"/api/studies/{study}/answers", json={"text": text, "slice": 4})
    assert answer.status_code == 200, answer.text
    address = f"/api/studies/{study}/answers/{answer.json()['answer']}"
    for _ in range(2000):
        told = client.get(address).json()
        if told["fault"] or (told["finished"] and told["checked"]):
            return address, told
        time.sleep(0.01)
    raise AssertionError(told)


def pixels(client: TestClient, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return np.asarray(Image.open(io.BytesIO(answer.content)))


def outlined(package: Any, folder: Path, text: str | None) -> Any:
    """What `textbcs predict` draws."""
    study = read_study(find_study(folder / "one", Wish.of(package)))
    wish = PromptWish(text, fallback=False)
    return draw(study, package, read_prompt(wish, package, "one"), wish)


@pytest.mark.parametrize("text", [LEFT, None])
def test_a_prompt_gives_what_predict_gives(
    client: TestClient, package: Any, folder: Path, text: str | None
) -> None:
    data = opened(client)
    assert (data["slices"], data["size"]) == (10, [48, 48])
    assert [one["name"] for one in data["phases"]][:2] == ["pre", "post1"]
    address, told = asked(client, data["study"], text)
    expected = outlined(package, folder, text)
    assert told["text"] == expected.prompt.text
    assert told["lesions"] == expected.measurements.number_of_lesions
    assert told["marked"] == expected.mask.sum(axis=(1, 2)).tolist()
    assert set(told["warnings"]) == {*expected.doubts, *expected.notes}
    for z in range(10):
        assert np.array_equal(pixels(client, f"{address}/mask/{z}.png") > 0, expected.mask[z])
        share = pixels(client, f"{address}/probability/{z}.png") / 255
        assert np.abs(share - expected.probability[z]).max() < 1 / 25
    pixels(client, f"{address}/vacuity/0.png")


def test_phases_are_the_studys_own(client: TestClient) -> None:
    study = opened(client)["study"]
    for phase, name in enumerate(("pre", "post1")):
        found = pixels(client, f"/api/studies/{study}/phases/{name}/3.png").astype(float)
        own = phantom().phases[phase][3].astype(float)
        assert np.corrcoef(found.ravel(), own.ravel())[0, 1] > 0.98


def test_another_prompt_is_another_answer_and_the_oldest_is_forgotten(client: TestClient) -> None:
    study = opened(client)["study"]
    first, _ = asked(client, study, LEFT)
    other, _ = asked(client, study, RIGHT)
    maps = [pixels(client, f"{one}/probability/4.png") for one in (first, other)]
    assert not np.array_equal(*maps)
    again, _ = asked(client, study, LEFT)
    assert again not in (first, other)
    assert np.array_equal(pixels(client, f"{again}/probability/4.png"), maps[0])
    for _ in range(3):
        asked(client, study, RIGHT)
    assert "kept no longer" in client.get(first).json()["error"]


@pytest.mark.parametrize(
    ("text", "told"),
    [("location lleft; shape round; size large; number one", "nearest|left"),
     ("nonsense", "is not 'location …"),
     ("shape round; size large; number one", "no location is stated"),
     ("<script>" * 20, "is not|characters")],
)  # fmt: skip
def test_a_wrong_prompt_is_one_line(client: TestClient, text: str, told: str) -> None:
    study = opened(client)["study"]
    answer = client.post(f"/api/studies/{study}/answers", json={"text": text, "slice": 0})
    assert answer.status_code == 400
    message = answer.json()["error"]
    assert any(one in message for one in told.split("|"))
    assert not message.startswith("--prompt")


@pytest.mark.parametrize(
    ("address", "body"),
    [("/api/studies", {"name": 7}), ("/api/studies", {}), ("/api/studies", []),
     ("/api/studies", {"name": "../studies/one"}), ("/api/studies", {"name": "/etc/passwd"}),
     ("/api/studies", {"name": "studies/none"}), ("/api/studies/x/answers", {"text": LEFT, "slice": 0}),
     ("/api/studies/S/answers", {"text": LEFT, "slice": 99}),
     ("/api/studies/S/answers", {"text": LEFT, "slice": True}),
     ("/api/studies/S/answers", {"text": 5, "slice": 0})],
)  # fmt: skip
def test_wrong_requests_are_refused_in_one_line(
    client: TestClient, folder: Path, address: str, body: Any
) -> None:
    answer = client.post(address.replace("/S/", f"/{opened(client)['study']}/"), json=body)
    assert answer.status_code == 400
    message = answer.json()["error"]
    assert message
    assert "\n" not in message
    assert str(folder.parent) not in message


def test_what_is_no_json_or_too_long_is_refused(client: TestClient) -> None:
    kind = {"content-type": "application/json"}
    for content in (b"{", b"[" * 50_000, b"{}" + b" " * 100_000, b"\xff"):
        answer = client.post("/api/studies", content=content, headers=kind)
        assert answer.status_code == 400


def test_pictures_that_are_none_are_refused(client: TestClient) -> None:
    study = opened(client)["study"]
    address, _ = asked(client, study, LEFT)
    for wrong in (f"{address}/mask/10.png", f"{address}/other/0.png",
                  f"/api/studies/{study}/phases/post9/0.png", f"/api/studies/{study}/phases/pre/10.png",
                  f"/api/studies/{study}/answers/99/mask/0.png"):  # fmt: skip
        assert client.get(wrong).status_code == 400
    assert client.get(f"/api/studies/{study}/phases/pre/-1.png").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "evil.example:8765"}, 403), ({"host": "127.0.0.1:80"}, 403), ({"host": "127.0.0.1"}, 403),
     ({"host": "127.0.0.1:8765.evil.example"}, 403), ({"host": "192.0.2.7:8765"}, 403),
     ({"origin": "http://evil.example"}, 403), ({"origin": "null"}, 403),
     ({"origin": "https://127.0.0.1:8765"}, 403), ({"origin": "http://127.0.0.1:9999"}, 403),
     ({"sec-fetch-site": "cross-site"}, 403), ({"sec-fetch-site": "same-site"}, 403),
     ({"content-type": "text/plain"}, 415), ({"content-type": "multipart/form-data"}, 415),
     ({"content-type": "application/x-www-form-urlencoded"}, 415),
     ({"host": "localhost:8765"}, 400), ({"host": "[::1]:8765"}, 400),
     ({"origin": f"http://{HOST}"}, 400), ({"sec-fetch-site": "same-origin"}, 400)],
)  # fmt: skip
def test_foreign_requests_are_refused(
    client: TestClient, headers: dict[str, str], status: int
) -> None:
    """400 is the application's own word on an unknown study: the request has passed."""
    own = {"content-type": "application/json", **headers}
    answer = client.post("/api/studies", content=b'{"name": "unknown"}', headers=own)
    assert answer.status_code == status
    assert "access-control-allow-origin" not in answer.headers


def test_no_other_site_gets_leave_to_ask(client: TestClient) -> None:
    headers = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    assert client.options("/api/studies", headers=headers).status_code == 403
    assert client.options("/api/studies").status_code == 405
    assert client.put("/api/studies").status_code == 405
    # A link that somebody follows opens the page; a frame or script of another site does not.
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    answer = client.get("/", headers=link)
    assert answer.status_code == 200
    assert answer.headers["x-frame-options"] == "DENY"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert client.get("/api/package", headers={**link, "sec-fetch-mode": "cors"}).status_code == 403


@pytest.mark.parametrize(
    ("host", "header", "passes"),
    [("0.0.0.0", "192.0.2.7:80", True), ("0.0.0.0", "192.0.2.7", True), ("box.lan", "box.lan:80", True),
     ("0.0.0.0", "evil.example:80", False), ("::", "[2001:db8::1]:80", True), ("::", "[::1]", True)],
)  # fmt: skip
def test_names_of_a_server_that_others_reach(host: str, header: str, passes: bool) -> None:
    assert OwnNames(host, 80).has(header) == passes


def study_zip(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.dcm")):
            archive.write(path, f"Doe^Jane/{path.relative_to(folder)}")
    return content.getvalue()


def upload(client: TestClient, content: bytes) -> Any:
    return client.post("/api/studies", content=content, headers={"content-type": "application/zip"})


def test_a_study_comes_as_a_zip_and_leaves_nothing_on_the_disk(
    client: TestClient, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = upload(client, study_zip(folder / "one"))
    assert found.status_code == 200, found.text
    assert found.json()["slices"] == 10
    _, told = asked(client, found.json()["study"], LEFT)
    assert told["finished"]
    outside = io.BytesIO()
    with zipfile.ZipFile(outside, "w") as archive:
        archive.writestr("../Doe.dcm", b"x")
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("Doe.dcm", bytes(20_000_000))
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("Doe.dcm", b"no DICOM")
    for content, why in (
        (outside.getvalue(), "points outside"),
        (bomb.getvalue(), "unpacks to more"),
        (empty.getvalue(), "the zip"),
        (bytes(2_000_001), "larger than 2 MB"),
        (b"", "no readable zip"),
    ):
        answer = upload(client, content)
        assert answer.status_code == 400
        assert why in answer.json()["error"]
        assert str(tmp_path) not in answer.text
    assert list(tmp_path.iterdir()) == []


def test_a_length_that_is_not_stated_is_counted(client: TestClient) -> None:
    def blocks() -> Iterator[bytes]:
        for _ in range(30):
            yield bytes(100_000)

    answer = client.post(
        "/api/studies", content=blocks(), headers={"content-type": "application/zip"}
    )
    assert (answer.status_code, "larger than 2 MB" in answer.json()["error"]) == (400, True)


def test_few_studies_stay_open(client: TestClient) -> None:
    keys = [opened(client)["study"] for _ in range(open_studies.MOST_STUDIES + 1)]
    assert client.get(f"/api/studies/{keys[0]}/phases/pre/0.png").status_code == 400
    assert client.get(f"/api/studies/{keys[-1]}/phases/pre/0.png").status_code == 200
    client.delete(f"/api/studies/{keys[-1]}")
    assert (
        "open no longer" in client.get(f"/api/studies/{keys[-1]}/phases/pre/0.png").json()["error"]
    )


def test_the_unforeseen_shows_no_traceback_and_no_name(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def strange(*_: Any) -> Any:
        raise RuntimeError("Doe^Jane")

    monkeypatch.setattr(open_studies, "read_study", strange)
    answer = client.post("/api/studies", json={"name": "studies/one"})
    assert answer.status_code == 500
    told = capsys.readouterr()
    for text in (answer.text, told.out, told.err):
        assert "Doe" not in text
        assert "Traceback" not in text
    assert told.err.startswith("error: RuntimeError at test_app.py:")


def test_the_page_offers_words_and_studies(client: TestClient, package: Any) -> None:
    told = client.get("/api/package").json()
    assert [slot for slot, _ in told["words"]] == ["location", "shape", "size", "number"]
    assert told["words"][0][1] == ["left", "right"]
    assert told["studies"] == ["studies", "studies/none", "studies/one"]
    assert told["sha256"] == package.sha256
    for path in ("/", "/page.css", "/page.js"):
        assert client.get(path).status_code == 200
    assert client.get("/../pyproject.toml").status_code == 404
    assert isinstance(client.app, RequestGuard)
