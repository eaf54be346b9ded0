"""The page's server: which address answers with what."""

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from avcore.errors import NetflipsError, OutputError
from avcore.files import SOUND_SUFFIXES, VIDEO_SUFFIXES
from avcore.texts import parse_json
from netflips.serve.auth import POLICY, Access
from netflips.serve.jobs import Job
from netflips.serve.limits import TOO_FULL, RefusedError, refusal
from netflips.serve.results import files_of, results
from netflips.serve.service import SAMPLE, Service
from netflips.serve.settings import Settings
from netflips.serve.uploads import PICTURE_SUFFIXES

LOG = logging.getLogger("netflips")

_MEDIA = {"video": VIDEO_SUFFIXES, "audio": SOUND_SUFFIXES, "image": PICTURE_SUFFIXES}
_OTHER_NAMES = {
    ".m4v": "mp4", ".mov": "quicktime", ".mkv": "x-matroska", ".avi": "x-msvideo", ".mpg": "mpeg", ".ts": "mp2t", ".mts": "mp2t",
    ".wmv": "x-ms-wmv", ".flv": "x-flv", ".3gp": "3gpp", ".mp3": "mpeg", ".opus": "ogg", ".m4a": "mp4", ".jpg": "jpeg",
    ".tif": "tiff",
}  # fmt: skip
"""Media types (IANA) that are not called as the ending is."""
_TEXTS = {
    ".json": "application/json",
    ".vtt": "text/vtt; charset=utf-8",
    **dict.fromkeys((".srt", ".txt", ".jsonl"), "text/plain; charset=utf-8"),
}
_UNKNOWN = "application/octet-stream"
_MOST_FORM = 4 << 20
_MOST_HEAD = 1 << 18
"""Bytes of a head. Cookies of all programs on a host come with it, 4 KB each."""
_SHUTDOWN_S = 2
_MOST_DIGITS = 18
_BEAT_S = 2.0
"""Between signs of life where nothing changes: the page says within 5 s that a server has stopped, or the network before it."""
_CLEAN_EVERY_S = 600.0
_SAME_S = 60.0


def build_app(settings: Settings, desk: Service | None = None) -> Starlette:
    """Return the whole server as an ASGI application. desk: what does the work, made from the settings where none is given.

    state.trouble says why it could not begin.
    """
    desk = desk or Service(settings)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        asyncio.get_running_loop().set_exception_handler(_Trouble())
        try:
            await desk.open()
        except Exception as error:
            app.state.trouble = error
            raise
        cleaning = asyncio.create_task(_clean(desk))
        yield
        cleaning.cancel()
        with suppress(asyncio.CancelledError):
            await cleaning
        await desk.close()

    routes: list[BaseRoute] = [
        Route("/about", _about),
        Route("/uploads", _upload, methods=["POST"]),
        Route("/example", _example, methods=["POST"]),
        Route("/sample/{name}", _sample),
        Route("/jobs", _jobs),
        Route("/jobs", _new_job, methods=["POST"]),
        Route("/jobs/{id}", _job),
        Route("/jobs/{id}", _remove, methods=["DELETE"]),
        Route("/jobs/{id}/stop", _stop, methods=["POST"]),
        Route("/jobs/{id}/again", _again, methods=["POST"]),
        Route("/jobs/{id}/edited", _edited, methods=["POST"]),
        Route("/events", _events),
        Route("/jobs/{id}/files/{name}", _file),
        Mount("/", StaticFiles(packages=[("netflips.serve", "page")], html=True)),
    ]
    app = Starlette(
        routes=routes,
        middleware=[Middleware(Access, settings=settings)],
        exception_handlers=dict.fromkeys((RefusedError, NetflipsError, ClientDisconnect, OSError), _refused),
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


def make_server(app: Starlette) -> uvicorn.Server:
    """Return a server for the page. What else a bare port needs on the open internet, a reverse proxy gives (docs/page.md)."""
    settings: Settings = app.state.desk.settings
    config = uvicorn.Config(
        app, http="h11", ws="none", loop="asyncio", h11_max_incomplete_event_size=_MOST_HEAD, proxy_headers=False,
        limit_concurrency=settings.most_connections, timeout_graceful_shutdown=_SHUTDOWN_S, log_level="critical", access_log=False,
        server_header=False,
    )  # fmt: skip
    return uvicorn.Server(config)


class _Trouble:
    """What goes wrong outside of any request, such as a lack of open files: one line, and the same one once a minute."""

    def __init__(self) -> None:
        self._told: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        text = f"{context.get('message')}: {context.get('exception')}"
        if loop.time() - self._told.get(text, -_SAME_S) >= _SAME_S:
            self._told = {text: loop.time()}
            LOG.error("%s", text)


async def _clean(desk: Service) -> None:
    while True:
        await desk.clean()
        await asyncio.sleep(_CLEAN_EVERY_S)


async def _refused(request: Request, error: Exception) -> Response:
    """Return what cannot be is answered with one line as JSON."""
    if isinstance(error, RefusedError):
        return refusal(error.status, error.text)
    if isinstance(error, ClientDisconnect):
        return refusal(400, "the upload broke off")
    if isinstance(error, NetflipsError) and not isinstance(error, OutputError):
        return refusal(400, str(error))
    if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    LOG.error("%s", error)  # the server's own files cannot be written
    return refusal(507, TOO_FULL)


def _desk(request: Request) -> Service:
    desk: Service = request.app.state.desk
    return desk


def _asked_job(request: Request) -> Job:
    """Return the job of the address. Raises RefusedError where there is none."""
    job = _desk(request).queue.jobs.get(request.path_params["id"])
    if job is None:
        raise RefusedError(404, "this job is not there any more")
    return job


async def _about(request: Request) -> Response:
    return JSONResponse(_desk(request).about())


async def _upload(request: Request) -> Response:
    asked = request.query_params
    told = request.headers.get("content-length", "")[:_MOST_DIGITS]
    length = int(told) if told.isdecimal() else None
    upload = await _desk(request).uploads.receive(
        request.stream(), asked.get("name", ""), asked.get("as", ""), request["visitor"], length
    )
    return JSONResponse(_desk(request).shown(upload), status_code=201)


async def _example(request: Request) -> Response:
    upload = await _desk(request).example(request.query_params.get("as", "video"), request["visitor"])
    return JSONResponse(_desk(request).shown(upload), status_code=201)


async def _sample(request: Request) -> Response:
    """Return the example, or the dub of it that comes with NetfLips."""
    if request.path_params["name"] not in SAMPLE:
        raise RefusedError(404, "there is no such example")
    return FileResponse(str(files("netflips.serve") / request.path_params["name"]), media_type="video/mp4")


async def _jobs(request: Request) -> Response:
    queue = _desk(request).queue
    return JSONResponse({"jobs": [queue.facts(job) for job in queue.of_visitor(request["visitor"])[::-1]]})


async def _new_job(request: Request) -> Response:
    form = await _form(request)
    job = _desk(request).new_job(form, request["visitor"])
    return JSONResponse(_desk(request).queue.facts(job), status_code=201)


async def _form(request: Request, nothing: str = "") -> Mapping[str, Any]:
    """Return the JSON object that was sent; nothing: what an empty body stands for. Raises RefusedError."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > _MOST_FORM:
            raise RefusedError(413, "the form is too large")
    try:
        form = parse_json(body.decode() or nothing)
    except UnicodeDecodeError as error:
        raise RefusedError(400, "the form is no JSON; expected UTF-8") from error
    except ValueError as error:
        raise RefusedError(400, f"the form is no JSON; found {error}") from error
    if not isinstance(form, dict):
        raise RefusedError(400, "the form is no JSON object")
    return form


async def _job(request: Request) -> Response:
    job, queue = _asked_job(request), _desk(request).queue
    found = results(job, queue.folders.of(job.id))
    before, seen = queue.jobs.get(job.made_by), {job.id}
    while before is not None and before.id not in seen and "utterances" in found:  # what its sentences said in earlier dubs
        seen.add(before.id)
        said = results(before, queue.folders.of(before.id)).get("utterances", [])
        for row, take in zip(found["utterances"], said, strict=False):
            row["takes"] += [{name: take[name] for name in ("said", "told")}, *take["takes"]]
        before = queue.jobs.get(before.made_by)
    return JSONResponse(queue.facts(job) | found)


async def _remove(request: Request) -> Response:
    await _desk(request).remove(_asked_job(request))
    return Response(status_code=204)


async def _stop(request: Request) -> Response:
    job = _asked_job(request)
    await _desk(request).queue.stop(job)
    return JSONResponse(_desk(request).queue.facts(job))


async def _again(request: Request) -> Response:
    form, desk = await _form(request, "{}"), _desk(request)
    job = _asked_job(request)  # only now: it may have been removed while the form was on its way
    desk.go_on(job, form)
    return JSONResponse(desk.queue.facts(job))


async def _edited(request: Request) -> Response:
    form = await _form(request)
    return JSONResponse(_desk(request).edited(_asked_job(request), form))


async def _events(request: Request) -> Response:
    """Server-sent events: the facts of all jobs of a visitor whenever they change: browsers keep few connections to one server."""
    queue, visitor = _desk(request).queue, request["visitor"]

    async def lines() -> AsyncIterator[str]:
        async for facts in queue.changes(lambda: queue.of_visitor(visitor), _BEAT_S):
            yield "event: alive\ndata:\n\n" if facts is None else f"data: {json.dumps(facts)}\n\n"

    # A proxy such as nginx that waits for more would keep the signs of life back.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


async def _file(request: Request) -> Response:
    job, folders = _asked_job(request), _desk(request).queue.folders
    folder, name = folders.of(job.id), request.path_params["name"]
    found = next((one for one in files_of(job, folder) if one["name"] == name), None)
    if found is None:
        raise RefusedError(404, "this job has no such file")
    media_type = "text/html" if found["shows"] == "page" else _type_of(name)
    # A report says itself which script it has, our own; anything else here is no page, and nothing in it runs.
    policy = "frame-ancestors 'self'" if found["shows"] == "page" else f"{POLICY}; sandbox"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}
    is_shown = "download" not in request.query_params and media_type != _UNKNOWN
    return FileResponse(
        folder / name, headers=headers, media_type=media_type, filename=found["as"],
        content_disposition_type="inline" if is_shown else "attachment",
    )  # fmt: skip


def _type_of(name: str) -> str:
    """Return what a browser may show a file as, by the ending that we gave it; what is in no list is only saved."""
    ending = Path(name).suffix
    kind = next((kind for kind, endings in _MEDIA.items() if ending in endings), "")
    return f"{kind}/{_OTHER_NAMES.get(ending, ending[1:])}" if kind else _TEXTS.get(ending, _UNKNOWN)
