"""Limits: how slowly the body of a request may come, how large a form may be, and how full the disk.

Also the text of a refusal for a visitor: without flags of the command line, and in Korean too.
"""

import asyncio
import shutil
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive

from avcore.errors import NetflipsError
from avcore.texts import parse_json
from avcore.words import clause, known_clause
from netflips.serve.settings import Settings

OPENAI = "/v1"
"""Where addresses for OpenAI's clients begin."""
_SERVERS_FAULT = 500
RESERVE_OF_JOBS = 0.5
"""Share of the disk's reserve that jobs leave free: uploads stop first."""
TOO_FULL = NetflipsError("there is too little room on the server's disk", hint="try again later")
_MOST_FORM = 4 << 20
_NOT_DONE = "the server could not do it"
_WAYS_OUT = {
    "it has no sound to take the voice from": "choose a recording as the Voice",
    "there is no usable speech to take the voice from": "choose a recording as the Voice",
    "the utterances lie where hardly anybody speaks": "see whether the subtitles fit the video, or choose a recording as the Voice",
}
"""What a visitor can do where the command's hint is a flag."""


class RefusedError(Exception):
    """A request of a visitor is refused. status: of the answer; error: what is said."""

    def __init__(self, status: int, error: NetflipsError | str) -> None:
        self.status, self.error = status, NetflipsError(error) if isinstance(error, str) else error
        super().__init__(str(self.error))


def require_disk(settings: Settings, more: int = 0, reserve: float = 1.0) -> None:
    """Raise RefusedError where the disk has no space for so many bytes more. reserve: share of the reserve to leave free."""
    if shutil.disk_usage(settings.work_dir).free - more < settings.reserve_bytes * reserve:
        raise RefusedError(507, TOO_FULL)


class Paced:
    """Reads the body of a request within time limits. Only the time that the server waits counts, not the time that it works.

    Calling it raises RefusedError where the body stands still or comes too slowly.
    """

    def __init__(self, receive: Receive, settings: Settings) -> None:
        self._receive, self._settings = receive, settings
        self._waited_s, self._came, self._is_whole = 0.0, 0, False

    async def __call__(self) -> Message:
        """Return the next part of the body; after its end, the message that the visitor is gone, without a time limit."""
        if self._is_whole:
            return await self._receive()

        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._settings.idle_s):
                message = await self._receive()
        except TimeoutError as error:
            raise RefusedError(408, NetflipsError("the upload stood still", hint="send it again")) from error

        self._waited_s += clock() - began
        self._came += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)

        if self._waited_s >= self._settings.rate_s and not self._is_whole:
            if self._came < self._settings.rate_bytes * self._waited_s:
                raise RefusedError(408, NetflipsError("the upload came too slowly", hint="send it again"))
            self._waited_s, self._came = 0.0, 0
        return message


async def read_form(request: Request, nothing: str = "") -> Mapping[str, Any]:
    """Return the JSON object that was sent. nothing: the text that an empty body stands for. Raises RefusedError."""
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > _MOST_FORM:
            raise RefusedError(413, "the form is too large")

    try:
        form = parse_json(body.decode() or nothing)
    except UnicodeDecodeError as error:
        raise RefusedError(400, NetflipsError("the form is no JSON", expected="UTF-8")) from error
    except ValueError as error:
        raise RefusedError(400, NetflipsError("the form is no JSON", found=error)) from error

    if not isinstance(form, dict):
        raise RefusedError(400, "the form is no JSON object")
    return form


def bilingual(error: NetflipsError) -> dict[str, str]:
    """Return an error in both languages, each in one line, for a visitor, who has no flags: parts that name one are left out."""
    where = "" if error.path is None else f"{error.path}: "
    expected = None if error.expected is None else f"expected {error.expected}"
    found = None if error.found is None else f"found {error.found}"
    parts = [f"{where}{error.what}", expected, found, error.hint, _WAYS_OUT.get(error.what)]
    what = known_clause(error.what) or f"{clause(_NOT_DONE)} ({error.what})"
    hints = (error.hint, _WAYS_OUT.get(error.what))
    ways = [known for hint in hints if hint and "--" not in hint and (known := known_clause(hint))]
    return {
        "error": "; ".join(part for part in parts if part and "--" not in part),
        "error_ko": f"{'. '.join([f'{where}{what}', *ways])}.",
    }


def refusal(status: int, error: NetflipsError | str, path: str) -> Response:
    """Return the answer that refuses a request. path: what was asked for; below `OPENAI`, errors have the form of OpenAI's."""
    content: dict[str, Any] = bilingual(NetflipsError(error) if isinstance(error, str) else error)
    if path.startswith(f"{OPENAI}/"):
        kind = "invalid_request_error" if status < _SERVERS_FAULT else "server_error"
        content = {"error": {"message": content["error"], "type": kind, "param": None, "code": None}}
    return JSONResponse(content, status_code=status)
