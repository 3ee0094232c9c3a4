"""The requests of the page and their answers: JSON and PNG in, no traceback and no patient out.

`GET /api/package`, `POST /api/studies` (a name as JSON, or a zip), `DELETE /api/studies/S`,
`GET /api/studies/S/phases/NAME/Z.png`, `POST /api/studies/S/answers`, `GET /api/studies/S/answers/N` and
`GET /api/studies/S/answers/N/LAYER/Z.png`.
"""

import asyncio
import json
import sys
import tempfile
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from textbcs.base.io import InputError
from textbcs.dataset.prompt_grammar import VOCABULARY
from textbcs.outline.chosen_prompt import AUTOMATIC, PromptWish, StatedPrompt, read_prompt
from textbcs.outline.summary import DOUBTFUL, OK
from textbcs.serving.open_studies import OpenStudies
from textbcs.serving.open_study import MASK, PROBABILITY, VACUITY, Answer, OpenStudy, description
from textbcs.serving.request_guard import ZIP, OwnNames, RequestGuard
from textbcs.slices.laterality import NO_SIDES
from textbcs.stage.command import one_line

MOST_JSON = 1 << 16  # bytes
_PATIENCE_S, _GLANCE_S = 10.0, 0.03
Endpoint = Callable[[Request], Awaitable[Response]]
Files = Mapping[str, tuple[bytes, str]]


def application(studies: OpenStudies, names: OwnNames, files: Files) -> RequestGuard:
    """The application.

    Args:
        studies: that it opens.
        names: under which it may be addressed.
        files: of the page: path -> content and type.
    """
    requests = Requests(studies)
    one, answers = "/api/studies/{study}", "/api/studies/{study}/answers"
    routes = [
        Route("/api/package", requests.package),
        Route("/api/studies", requests.open, methods=["POST"]),
        Route(one, requests.close, methods=["DELETE"]),
        Route(one + "/phases/{name}/{z:int}.png", requests.phase),
        Route(answers, requests.ask, methods=["POST"]),
        Route(answers + "/{answer:int}", requests.answer),
        Route(answers + "/{answer:int}/{name}/{z:int}.png", requests.layer),
        *(Route(path, _file(*file)) for path, file in files.items()),
    ]
    return RequestGuard(Starlette(routes=routes), names)


def _file(content: bytes, kind: str) -> Endpoint:
    async def answer(_: Request) -> Response:
        return Response(content, media_type=kind)

    return answer


def said(endpoint: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """Whatever goes wrong is one line for the page; of the unforeseen only its place is printed here."""

    @wraps(endpoint)
    async def answer(self: "Requests", request: Request) -> Response:
        try:
            return await endpoint(self, request)
        except InputError as error:
            message = self.studies.paths.without_folders(str(error)).removeprefix("--prompt: ")
            return JSONResponse({"error": one_line(message)}, 400)
        except ClientDisconnect:
            return Response(status_code=400)
        except Exception as error:  # its message may quote what names a patient
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(frame.filename).name}:{frame.lineno}"
            print(f"error: {type(error).__name__} at {place}", file=sys.stderr, flush=True)
            return JSONResponse({"error": "something unforeseen went wrong; see the terminal"}, 500)

    return answer


class Requests:
    """The endpoints.

    Args:
        studies: that they open.
    """

    def __init__(self, studies: OpenStudies) -> None:
        self.studies = studies

    @said
    async def package(self, _: Request) -> Response:
        """The package, its words, and the studies that are offered."""
        package = self.studies.package
        known = package.settings["prompts"]["vocabulary"] if package.reads_text else {}
        sided = package.sides != NO_SIDES
        # In the order of the grammar, which is not that of the package's file.
        slots = [slot for slot in VOCABULARY if slot in known and (sided or slot != "location")]
        found = {
            "name": package.name,
            "sha256": package.sha256,
            "reads_text": package.reads_text,
            "words": [[slot, list(known[slot])] for slot in slots],
            "studies": await run_in_threadpool(self.studies.paths.listed),
            "most_bytes": self.studies.limits.most_bytes,
        }
        return JSONResponse(found)

    @said
    async def open(self, request: Request) -> Response:
        """Open a study: `{"name": …}`, or the bytes of a zip."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind == ZIP:
            with tempfile.TemporaryDirectory(prefix="textbcs-upload-") as folder:
                archive = Path(folder, "study.zip")
                await _save(request, archive, self.studies.limits.most_bytes)
                key, opened = await run_in_threadpool(self.studies.open_zip, archive)
        else:
            name = _word(await _json(request), "name")
            key, opened = await run_in_threadpool(self.studies.open_path, name)
        return JSONResponse({"study": key, **description(opened)})

    @said
    async def close(self, request: Request) -> Response:
        """Close a study."""
        self.studies.close_study(request.path_params["study"])
        return JSONResponse({})

    @said
    async def phase(self, request: Request) -> Response:
        """A slice of a phase."""
        opened = self._study(request)
        name, z = request.path_params["name"], request.path_params["z"]
        return _png(await run_in_threadpool(opened.phase_png, name, z))

    @said
    async def ask(self, request: Request) -> Response:
        """Ask with a prompt: `{"text": …, "slice": z}`; without a text with the automatic one."""
        opened, wanted = self._study(request), await _json(request)
        z = wanted.get("slice", 0)
        if type(z) is not int or not 0 <= z < opened.slices:
            raise InputError("no such slice")
        text = None if wanted.get("text") is None else _word(wanted, "text")
        stated = StatedPrompt(None, AUTOMATIC)
        if text is not None or not opened.package.reads_text:
            stated = read_prompt(PromptWish(text, fallback=False), opened.package, "")
        number = await run_in_threadpool(opened.ask, stated, z)
        return JSONResponse({"answer": number})

    @said
    async def answer(self, request: Request) -> Response:
        """How far an answer is, and once all slices are done what it comes to."""
        opened = self._study(request)
        answer = opened.answer(request.path_params["answer"])
        return JSONResponse(await run_in_threadpool(_state, opened, answer))

    @said
    async def layer(self, request: Request) -> Response:
        """A slice of a layer; 503 where it is not done yet after some seconds. No thread waits for it."""
        opened, place = self._study(request), request.path_params
        number, z = place["answer"], place["z"]
        end = time.monotonic() + _PATIENCE_S
        while not opened.is_ready(number, z):
            if time.monotonic() > end or await request.is_disconnected():
                return Response(status_code=503)
            await asyncio.sleep(_GLANCE_S)
        return _png(await run_in_threadpool(opened.layer_png, number, place["name"], z))

    def _study(self, request: Request) -> OpenStudy:
        return self.studies.study(request.path_params["study"])


def _state(opened: OpenStudy, answer: Answer) -> dict[str, Any]:
    """An answer as JSON."""
    done, what = opened.progress(answer)
    prompt, outline = answer.prompt, answer.outline
    layers = {MASK: True, PROBABILITY: True, VACUITY: opened.package.has_evidence}
    found: dict[str, Any] = {
        "done": done,
        "of": opened.slices,
        "asks": what,
        "finished": outline is not None,
        "checked": answer.checked or not opened.package.reads_text,
        "fault": answer.fault,
        "text": None if prompt is None else prompt.text,
        "source": answer.stated.source,
        "layers": layers if answer.slices is not None else dict.fromkeys(layers, False),
        "marked": opened.marked(answer),
    }
    if outline is not None:
        measured = outline.measurements
        found |= {
            "volume_ml": measured.volume_ml,
            "largest_diameter_mm": measured.largest_diameter_mm,
            "side": measured.side,
            "lesions": measured.number_of_lesions,
            "flag": DOUBTFUL if outline.doubts else OK,
            "warnings": [*outline.doubts, *outline.notes],
        }
    return found


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png")


async def _json(request: Request) -> Mapping[str, Any]:
    """The object that a request holds."""
    content = b""
    async for block in request.stream():
        content += block
        if len(content) > MOST_JSON:
            raise InputError("the request is larger than any of the page's")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError("the request is no JSON") from error
    if not isinstance(found, dict):
        raise InputError("the request is no JSON object")
    return found


def _word(values: Mapping[str, Any], name: str) -> str:
    found = values.get(name)
    if not isinstance(found, str):
        raise InputError(f"the request has no {name}")
    return found


async def _save(request: Request, path: Path, most: int) -> None:
    """Write what a request holds to a file, up to a limit."""
    stated, left = request.headers.get("content-length", ""), most
    too_large = f"the zip is larger than {most / 1e6:.0f} MB; name the study's folder instead"
    if stated.isdigit() and len(stated) < 20 and int(stated) > most:
        raise InputError(too_large)
    with path.open("wb") as file:
        async for block in request.stream():
            left -= len(block)
            if left < 0:
                raise InputError(too_large)
            await run_in_threadpool(file.write, block)
