"""`POST /v1/audio/speech` and `GET /v1/models` as OpenAI's clients ask for them: a job of `netflips say` that is waited for."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import av
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from avcore.errors import UsageError
from netflips.serve.fields import Text
from netflips.serve.jobs import DONE, Job
from netflips.serve.kinds import KINDS
from netflips.serve.limits import RefusedError, read_form
from netflips.serve.service import Service

MODEL = "netflips-say"
RATE = 24_000
"""Samples a second of all formats, as of OpenAI's: players of `pcm` know no other."""
_BEAT_S = 1.0
"""Seconds between looks whether the client is still there."""


class Format(NamedTuple):
    """A format of sound."""

    container: str
    codec: str
    media_type: str


FORMATS = {
    "mp3": Format("mp3", "libmp3lame", "audio/mpeg"),
    "opus": Format("ogg", "libopus", "audio/ogg"),
    "aac": Format("adts", "aac", "audio/aac"),
    "flac": Format("flac", "flac", "audio/flac"),
    "wav": Format("wav", "pcm_s16le", "audio/wav"),
    "pcm": Format("s16le", "pcm_s16le", "audio/pcm"),
}
_INPUT = Text("input", 5000, least=1)
_FIELDS = ("model", "input", "voice", "response_format", "speed")


async def models(request: Request) -> Response:
    """Return the list of models: one, or none where texts are not spoken."""
    service: Service = request.app.state.desk
    known = [{"id": MODEL, "object": "model", "created": 0, "owned_by": "netflips"}] if service.offers(KINDS["say"]) else []
    return JSONResponse({"object": "list", "data": known})


async def speech(request: Request) -> Response:
    """Return a text as speech. Raises RefusedError, UsageError."""
    service: Service = request.app.state.desk
    if not service.offers(KINDS["say"]):
        raise RefusedError(404, "this server speaks no text alone")
    values, sound_format = asked(await read_form(request), service.voices)

    job = service.new_job({"kind": "say", "values": values}, request["visitor"])
    try:
        await _over(job, service, request)
        content = await asyncio.to_thread(encoded, service.queue.folders.of(job.id) / "result.wav", sound_format)
    finally:
        await service.queue.remove(job)  # nobody asks for it again; a voice that was sent may be asked for
    return Response(content, media_type=sound_format.media_type)


def asked(form: Mapping[str, Any], voices: Sequence[str]) -> tuple[dict[str, Any], Format]:
    """Return the fields of a job of `netflips say` for those of OpenAI, and the format. Raises RefusedError, UsageError."""
    if strange := sorted(set(form) - set(_FIELDS)):
        raise UsageError(f"{strange[0]} is not known here", expected=", ".join(_FIELDS))
    if form.get("model") != MODEL:
        raise RefusedError(404, f"there is no such model; expected {MODEL}")

    text = _INPUT.checked(form.get("input"))
    wanted = form.get("response_format") or "mp3"
    if not isinstance(wanted, str) or wanted not in FORMATS:
        raise UsageError("response_format cannot be that", expected=" or ".join(FORMATS), found=repr(wanted)[:60])

    voice = form.get("voice")
    if isinstance(voice, dict) and set(voice) == {"id"}:  # OpenAI's form of a voice of one's own
        spoken_by = {"voice": voice["id"]}
    elif voice in voices:
        spoken_by = {"called": voice}
    else:
        raise UsageError("there is no such voice", expected=" or ".join([*voices, '{"id": an upload}']), found=repr(voice)[:60])
    return {"text": text, "speed": form.get("speed"), **spoken_by}, FORMATS[wanted]


async def _over(job: Job, service: Service, request: Request) -> None:
    """Wait until a job is done. Raises RefusedError where it failed, ClientDisconnect where nobody waits any more."""
    async for _ in service.queue.changes(lambda: [job], _BEAT_S):
        if job.is_over:
            break
        if await request.is_disconnected():
            raise ClientDisconnect
    if job.state != DONE:
        raise RefusedError(400 if job.lasts else 503, job.error or "it was stopped")


def encoded(wav: Path, wanted: Format) -> bytes:
    """Return a recording in another format: one channel, 24 kHz, and 16 bits where the format has bits."""
    content = io.BytesIO()
    with av.open(str(wav)) as source, av.open(content, "w", format=wanted.container) as made:
        made.metadata.update(source.metadata)  # the comment; aac and pcm have no place for it
        stream = made.add_stream(wanted.codec, rate=RATE, layout="mono")
        for frame in source.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return content.getvalue()
