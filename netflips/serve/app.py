"""The page's server: access control by token and by the page that a request comes from, and the routes behind it."""

import asyncio
import errno
import hashlib
import hmac
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from avcore.errors import NetflipsError, OutputError
from avcore.files import SOUND_SUFFIXES, VIDEO_SUFFIXES
from avcore.notes import shown
from avcore.texts import parse_json
from netflips.serve.jobs import Job, is_id, new_id
from netflips.serve.limits import TOO_FULL, Paced, RefusedError, refusal
from netflips.serve.results import files_of, results
from netflips.serve.service import SAMPLE, Service
from netflips.serve.settings import LOCAL_HOSTS, Settings
from netflips.serve.uploads import IMAGE_SUFFIXES

LOG = logging.getLogger("netflips")

# Access control, around everything

_TOKEN, _VISITOR = "netflips-token", "netflips-visitor"
"""Names of cookies. The port is appended, because browsers send the cookies of a host to all its ports."""
_A_YEAR_S = 31_536_000
_PORT_DIGITS = 5
_SAFE = ("GET", "HEAD", "OPTIONS")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'"
)
"""Nothing is loaded from another server, and only scripts that come with NetfLips run."""
_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
_ASK = """<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>NetfLips</title>
<form method="get" action="/">
<p><label>Token / 토큰 <input name="token" type="password" autofocus></label> <button>OK</button></p>
</form>
"""


class Access:
    """ASGI middleware around the whole page. It sets scope["visitor"], the id of the visitor's browser."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._key = secrets.token_bytes(32)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        headers = Headers(scope=scope)
        port = _parts(f"//{headers.get('host', '')}").netloc.rpartition(":")[2]
        ending = f"-{port}" if port.isdecimal() and len(port) <= _PORT_DIGITS else ""
        found = [one for one in _cookies(headers, _VISITOR + ending) if is_id(one)]
        visitor = scope["visitor"] = (found or [new_id()])[0]

        is_told = False

        async def sending(message: Message) -> None:
            nonlocal is_told
            is_told = True
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    told.setdefault(name, value)
                told.setdefault("Content-Security-Policy", POLICY)
                if not found:
                    told.append("Set-Cookie", _cookie(_VISITOR + ending, visitor))
            await send(message)

        try:
            answer = self._refusal(scope, headers, _TOKEN + ending)
            await (answer or self._app)(scope, Paced(receive, self._settings), sending)
        except Exception as error:
            if not isinstance(error, RefusedError):
                LOG.error("%s %s: %s: %s", scope["method"], shown(scope["path"]), type(error).__name__, error)
            if not is_told:
                await refusal(500, "the server could not do it")(scope, receive, sending)

    def _refusal(self, scope: Scope, headers: Headers, name: str) -> Response | None:
        """Return the answer to a request that is refused; None = it may pass. name: of the cookie of visitors with the token."""
        host = headers.get("host", "")
        if not self._settings.token and _parts(f"//{host}").hostname not in LOCAL_HOSTS:
            return refusal(421, "this server answers to localhost only")  # another site's name that leads here
        if scope["method"] not in _SAFE and not _is_own_page(headers, host):
            return refusal(403, "this comes from another site's page")

        if not self._settings.token:
            return None
        proofs = _cookies(headers, name)
        if any(hmac.compare_digest(one.encode(), self._proof().encode()) for one in proofs) or self._bears_token(headers):
            return None

        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["path"] == "/" and scope["method"] == "GET":
            if given and self._is_token(given):
                # Away from the address with the token, which would stay in the browser's history.
                answer = RedirectResponse("/", status_code=303)
                answer.headers.append("Set-Cookie", _cookie(name, self._proof()))
                return answer
            return HTMLResponse(_ASK, status_code=401)
        return refusal(401, "the token is missing; open the address that the server printed")

    def _is_token(self, given: str) -> bool:
        # In constant time: how long a refusal takes says nothing about how much of a guess is right.
        return hmac.compare_digest(given.encode(), self._settings.token.encode())

    def _bears_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and self._is_token(given.strip())

    def _proof(self) -> str:
        """Return the value of the cookie of visitors with the token. It is valid for this run of the server."""
        return hmac.new(self._key, self._settings.token.encode(), hashlib.sha256).hexdigest()


def _is_own_page(headers: Headers, host: str) -> bool:
    """Return whether a request comes from our page, or from no page at all (a program)."""
    origin = headers.get("origin")
    if origin is not None:
        return _parts(origin).netloc == host != ""
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


def _parts(address: str) -> SplitResult:
    """Return the parts of an address; they are empty where it is invalid or names a user."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")
    is_host = re.fullmatch(r"(\[[^][@]*\]|[^][@:]*)(:\d*)?", parts.netloc)
    return parts if is_host else SplitResult("", "", "", "", "")


def _cookie(name: str, value: str) -> str:
    return f"{name}={value}; Path=/; Max-Age={_A_YEAR_S}; HttpOnly; SameSite=Lax"


def _cookies(headers: Headers, name: str) -> Sequence[str]:
    """Return all values of a cookie. Cookies of other programs on the host may have any form: JSON, blanks, any letters."""
    pairs = (one.strip().partition("=") for line in headers.getlist("cookie") for one in line.split(";"))
    return [value.strip().strip('"') for given, _, value in pairs if given == name]


# Routes

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
    **dict.fromkeys((".srt", ".txt", ".jsonl"), "text/plain; charset=utf-8"),
}
_UNKNOWN = "application/octet-stream"
_MOST_FORM = 4 << 20
_MOST_HEAD = 1 << 18
"""Most bytes of a request's head, which includes the cookies of all programs on the host, 4 KB each."""
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
    """Return the job that the address names. Raises RefusedError where there is none."""
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
    """Return the example video, or its dub, both of which come with NetfLips."""
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
    """Return the JSON object that was sent. nothing: the text that an empty body stands for. Raises RefusedError."""
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
    while before is not None and before.id not in seen and "utterances" in found:  # texts of its sentences in earlier dubs
        seen.add(before.id)
        said = results(before, queue.folders.of(before.id)).get("utterances", [])
        for row, take in zip(found["utterances"], said, strict=False):
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
    form, desk = await _form(request, "{}"), _desk(request)
    job = _asked_job(request)  # only now: it may have been removed while the form was on its way
    desk.go_on(job, form)
    return JSONResponse(desk.queue.facts(job))


async def _edited(request: Request) -> Response:
    form = await _form(request)
    return JSONResponse(_desk(request).edited(_asked_job(request), form))


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
