"""The server: the routes of the page, of its JSON API (docs/api_http.md), and of speech as OpenAI's clients ask for it."""

import asyncio
import errno
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from avcore.errors import NetflipsError, OutputError
from avcore.files import SOUND_SUFFIXES, VIDEO_SUFFIXES
from netflips.serve.access import POLICY, Access
from netflips.serve.exports import exports_of, files_to_export, zipped
from netflips.serve.jobs import DONE, Job
from netflips.serve.limits import OPENAI, TOO_FULL, RefusedError, read_form, refusal
from netflips.serve.openai_speech import speech
from netflips.serve.results import files_of, results
from netflips.serve.service import SAMPLE, Service
from netflips.serve.settings import Settings
from netflips.serve.uploads import IMAGE_SUFFIXES

API = "/api/v1"
"""Where the JSON API begins, which the page uses as any program does."""
LOG = logging.getLogger("netflips")

_MEDIA = {"video": VIDEO_SUFFIXES, "audio": SOUND_SUFFIXES, "image": IMAGE_SUFFIXES}
_OTHER_NAMES = {
    ".m4v": "mp4", ".mov": "quicktime", ".mkv": "x-matroska", ".avi": "x-msvideo", ".mpg": "mpeg", ".ts": "mp2t", ".mts": "mp2t",
    ".wmv": "x-ms-wmv", ".flv": "x-flv", ".3gp": "3gpp", ".mp3": "mpeg", ".opus": "ogg", ".m4a": "mp4", ".jpg": "jpeg",
    ".tif": "tiff",
}  # fmt: skip
"""Media types (IANA) whose names differ from the file ending."""
_TEXTS = {
    ".json": "application/json",
    ".vtt": "text/vtt; charset=utf-8",
    ".ttml": "application/ttml+xml; charset=utf-8",
    **dict.fromkeys((".srt", ".txt", ".jsonl"), "text/plain; charset=utf-8"),
}
_UNKNOWN = "application/octet-stream"
_MOST_HEAD = 1 << 18
"""Most bytes of a request's head, which includes the cookies of all programs on the host, 4 KB each."""
_ERRORS = (RefusedError, HTTPException, NetflipsError, ClientDisconnect, OSError)
_NOWHERE = {404: "there is nothing at this address", 405: "this address takes another method"}
_SHUTDOWN_S = 2
_MOST_DIGITS = 18
_BEAT_S = 2.0
"""Seconds between heartbeats when nothing changes: the page shows within 5 s that the server or the network is down."""
_CLEAN_EVERY_S = 600.0
_SAME_S = 60.0


def build_app(settings: Settings, desk: Service | None = None) -> Starlette:
    """Return the whole server as an ASGI application. desk: the service behind it; None = one is made from the settings.

    If it cannot start, state.trouble has the error.
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

    api: list[BaseRoute] = [
        Route("/openapi.json", _openapi),
        Route("/about", _about),
        Route("/uploads", _upload, methods=["POST"]),
        Route("/example", _example, methods=["POST"]),
        Route("/jobs", _jobs),
        Route("/jobs", _new_job, methods=["POST"]),
        Route("/jobs/{id}", _job),
        Route("/jobs/{id}", _remove, methods=["DELETE"]),
        Route("/jobs/{id}/stop", _stop, methods=["POST"]),
        Route("/jobs/{id}/again", _again, methods=["POST"]),
        Route("/jobs/{id}/edited", _edited, methods=["POST"]),
        Route("/jobs/{id}/wave", _wave),
        Route("/jobs/{id}/exports/{name}", _export),
        Route("/events", _events),
        Route("/jobs/{id}/files/{name}", _file),
    ]
    routes: list[BaseRoute] = [
        Mount(API, routes=api),
        Route(f"{OPENAI}/audio/speech", speech, methods=["POST"]),
        Route("/sample/{name}", _sample),
        Mount("/", GZipMiddleware(StaticFiles(packages=[("netflips.serve", "page")], html=True))),
    ]

    app = Starlette(
        routes=routes,
        middleware=[Middleware(Access, settings=settings)],
        exception_handlers=dict.fromkeys(_ERRORS, _refused),
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


def make_server(app: Starlette) -> uvicorn.Server:
    """Return a server for the page. On the open internet it needs a reverse proxy in front (docs/page.md)."""
    settings: Settings = app.state.desk.settings
    config = uvicorn.Config(
        app, http="h11", ws="none", loop="asyncio", h11_max_incomplete_event_size=_MOST_HEAD, proxy_headers=False,
        limit_concurrency=settings.most_connections, timeout_graceful_shutdown=_SHUTDOWN_S, log_level="critical", access_log=False,
        server_header=False,
    )  # fmt: skip
    return uvicorn.Server(config)


class _Trouble:
    """Logs errors outside of any request, such as a lack of open files: in one line, and the same line once a minute."""

    def __init__(self) -> None:
        self._reported_s: dict[str, float] = {}

    def __call__(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        text = f"{context.get('message')}: {context.get('exception')}"
        if loop.time() - self._reported_s.get(text, -_SAME_S) >= _SAME_S:
            self._reported_s = {text: loop.time()}
            LOG.error("%s", text)


async def _clean(desk: Service) -> None:
    while True:
        await desk.clean()
        await asyncio.sleep(_CLEAN_EVERY_S)


async def _refused(request: Request, error: Exception) -> Response:
    """Return the answer to an error, one line as JSON. Raises errors of the system again, except that of a full disk."""
    path = request["path"]
    if isinstance(error, RefusedError):
        return refusal(error.status, error.error, path)
    if isinstance(error, HTTPException):
        answer = refusal(error.status_code, _NOWHERE.get(error.status_code, error.detail), path)
        answer.headers.update(error.headers or {})
        return answer
    if isinstance(error, ClientDisconnect):
        return refusal(400, "the upload broke off", path)
    if isinstance(error, NetflipsError) and not isinstance(error, OutputError):
        return refusal(400, error, path)
    if isinstance(error, OSError) and error.errno not in (errno.ENOSPC, errno.EDQUOT):
        raise error
    LOG.error("%s", error)  # the server's own files cannot be written
    return refusal(507, TOO_FULL, path)


def _desk(request: Request) -> Service:
    desk: Service = request.app.state.desk
    return desk


def _asked_job(request: Request) -> Job:
    """Return the job that the address names. Raises RefusedError where there is none."""
    job = _desk(request).queue.jobs.get(request.path_params["id"])
    if job is None:
        raise RefusedError(404, "this job is not there any more")
    return job


async def _openapi(request: Request) -> Response:
    return FileResponse(str(files("netflips.serve") / "openapi.json"), media_type="application/json")


async def _about(request: Request) -> Response:
    return JSONResponse(_desk(request).about())


async def _upload(request: Request) -> Response:
    asked = request.query_params
    stated = request.headers.get("content-length", "")[:_MOST_DIGITS]
    length = int(stated) if stated.isdecimal() else None

    sent = request.stream(), asked.get("name", ""), asked.get("as", "")
    upload = await _desk(request).uploads.receive(*sent, request["visitor"], length, is_new_visitor=request["is_new_visitor"])

    return JSONResponse(_desk(request).shown(upload), status_code=201)


async def _example(request: Request) -> Response:
    upload = await _desk(request).example(request.query_params.get("as", "video"), request["visitor"])
    return JSONResponse(_desk(request).shown(upload), status_code=201)


async def _sample(request: Request) -> Response:
    """Return the example video, or its dub, both of which come with NetfLips."""
    if request.path_params["name"] not in SAMPLE:
        raise RefusedError(404, "there is no such example")
    return FileResponse(str(files("netflips.serve") / request.path_params["name"]), media_type="video/mp4")


async def _jobs(request: Request) -> Response:
    queue = _desk(request).queue
    return JSONResponse({"jobs": [queue.facts(job) for job in queue.of_visitor(request["visitor"])[::-1]]})


async def _new_job(request: Request) -> Response:
    form = await read_form(request)
    job = _desk(request).new_job(form, request["visitor"])
    return JSONResponse(_desk(request).queue.facts(job), status_code=201)


async def _job(request: Request) -> Response:
    job, queue = _asked_job(request), _desk(request).queue
    found = results(job, queue.folders.of(job.id))

    before, seen = queue.jobs.get(job.made_by), {job.id}
    while before is not None and before.id not in seen and "utterances" in found:  # texts of its sentences in earlier dubs
        seen.add(before.id)
        before_it = results(before, queue.folders.of(before.id)).get("utterances", [])
        for row, take in zip(found["utterances"], before_it, strict=False):
            row["alternatives"] += [{name: take[name] for name in ("spoken", "corrected")}, *take["alternatives"]]
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
    form, desk = await read_form(request, "{}"), _desk(request)
    job = _asked_job(request)  # only now: it may have been removed while the form was on its way
    desk.go_on(job, form)
    return JSONResponse(desk.queue.facts(job))


async def _edited(request: Request) -> Response:
    form = await read_form(request)
    return JSONResponse(_desk(request).edited(_asked_job(request), form))


async def _wave(request: Request) -> Response:
    return FileResponse(await _desk(request).wave(_asked_job(request)), media_type="application/json")


async def _export(request: Request) -> Response:
    job, name = _asked_job(request), request.path_params["name"]
    folder = _desk(request).queue.folders.of(job.id)
    if job.state != DONE or name not in exports_of(folder):
        raise RefusedError(404, "this job has no such file")
    title = f"{Path(job.title).stem}_{job.values.get('target', 'dub')}"
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(f'{title}_{name}.zip')}"}
    return StreamingResponse(zipped(files_to_export(folder, name, title)), media_type="application/zip", headers=headers)


async def _events(request: Request) -> Response:
    """Return server-sent events with the facts of a visitor's jobs whenever they change. One stream has all jobs, because browsers
    keep few connections to a server."""
    queue, visitor = _desk(request).queue, request["visitor"]

    async def lines() -> AsyncIterator[str]:
        async for facts in queue.changes(lambda: queue.of_visitor(visitor), _BEAT_S):
            yield "event: alive\ndata:\n\n" if facts is None else f"data: {json.dumps(facts)}\n\n"

    # A proxy such as nginx that buffers the answer would hold the heartbeats back.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines(), media_type="text/event-stream", headers=headers)


async def _file(request: Request) -> Response:
    job, folders = _asked_job(request), _desk(request).queue.folders
    folder, name = folders.of(job.id), request.path_params["name"]
    found = next((one for one in files_of(job, folder) if one["name"] == name), None)
    if found is None:
        raise RefusedError(404, "this job has no such file")

    media_type = "text/html" if found["shows"] == "page" else _type_of(name)
    # A report has a policy of its own, for our script in it; any other file is no page, and nothing in it runs.
    policy = "frame-ancestors 'self'" if found["shows"] == "page" else f"{POLICY}; sandbox"
    headers = {"Cache-Control": "no-store", "Content-Security-Policy": policy}

    is_shown = "download" not in request.query_params and media_type != _UNKNOWN
    return FileResponse(
        folder / name, headers=headers, media_type=media_type, filename=found["as"],
        content_disposition_type="inline" if is_shown else "attachment",
    )  # fmt: skip


def _type_of(name: str) -> str:
    """Return the media type of a file, by the ending that we gave it; unknown types are only downloaded."""
    ending = Path(name).suffix
    kind = next((kind for kind, endings in _MEDIA.items() if ending in endings), "")
    return f"{kind}/{_OTHER_NAMES.get(ending, ending[1:])}" if kind else _TEXTS.get(ending, _UNKNOWN)
