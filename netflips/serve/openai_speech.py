"""`POST /v1/audio/speech` as OpenAI's clients ask for it: a job of `netflips say` that is waited for."""

import asyncio
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from avcore.errors import Message, NetflipsError, UsageError, error_from
from netflips.serve.fields import choice, text
from netflips.serve.jobs import DONE
from netflips.serve.kinds import KINDS
from netflips.serve.limits import RefusedError, read_form
from netflips.serve.service import Service

MODEL = "netflips-say"
RATE = 24_000
"""Samples a second of all formats, as of OpenAI's: players of `pcm` know no other."""
FORMATS = {
    "mp3": ("mp3", "libmp3lame", "audio/mpeg"),
    "opus": ("ogg", "libopus", "audio/ogg"),
    "aac": ("adts", "aac", "audio/aac"),
    "flac": ("flac", "flac", "audio/flac"),
    "wav": ("wav", "pcm_s16le", "audio/wav"),
    "pcm": ("s16le", "pcm_s16le", "audio/pcm"),
}
"""Container, codec (FFmpeg's names) and media type by the name of a format."""
_BEAT_S = 1.0
"""Seconds between looks whether the client is still there."""
_INPUT, _FORMAT = text("input", 5000, least=1), choice("response_format", tuple(FORMATS))
_FIELDS = ("model", "input", "voice", "response_format", "speed")


async def speech(request: Request) -> Response:
    """Return a text as speech. Raises RefusedError, UsageError, and ClientDisconnect where nobody waits any more."""
    service: Service = request.app.state.desk
    if not service.offers(KINDS["say"]):
        raise RefusedError(404, "this server speaks no text alone")
    values, sound_format = asked(await read_form(request), service.voices)

    job = service.new_job({"kind": "say", "values": values}, request["visitor"])
    try:
        async for _ in service.queue.changes(lambda: [job], _BEAT_S):
            if job.is_over:
                break
            if await request.is_disconnected():
                raise ClientDisconnect
        if job.state != DONE:
            raise RefusedError(400 if job.lasts else 503, error_from(job.error) if job.error else "it was stopped")
        content = await asyncio.to_thread(encoded, service.queue.folders.of(job.id) / "result.wav", sound_format)
    finally:
        await service.queue.remove(job)  # nobody asks for it again
    return Response(content, media_type=FORMATS[sound_format][2])


def asked(form: Mapping[str, Any], voices: Sequence[str]) -> tuple[dict[str, Any], str]:
    """Return the fields of a job of `netflips say` for those of OpenAI, and the format. Raises RefusedError, UsageError."""
    if strange := sorted(set(form) - set(_FIELDS)):
        raise UsageError(Message("{field} is not known here", field=strange[0]), expected=", ".join(_FIELDS))
    if form.get("model") != MODEL:
        raise RefusedError(404, NetflipsError("there is no such model", expected=MODEL))
    if (voice := form.get("voice")) not in voices:
        raise UsageError("there is no such voice", expected=" or ".join(voices), found=repr(voice)[:60])
    values = {"text": _INPUT.checked(form.get("input")), "speed": form.get("speed"), "called": voice}
    return values, _FORMAT.checked(form.get("response_format"))


def encoded(wav: Path, wanted: str) -> bytes:
    """Return a recording in another of `FORMATS`: one channel, 24 kHz, and 16 bits where the format has bits."""
    content, (container, codec, _) = io.BytesIO(), FORMATS[wanted]
    with av.open(str(wav)) as source, av.open(content, "w", format=container) as made:
        made.metadata.update(source.metadata)  # the comment; aac and pcm have no place for it
        stream = made.add_stream(codec, rate=RATE, layout="mono")
        for frame in source.decode(audio=0):
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return content.getvalue()
