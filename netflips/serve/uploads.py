"""Uploads: received as a stream within limits, inspected by another process, and stored under names of our own."""

import asyncio
import errno
import json
import re
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncIterable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from avcore.errors import NetflipsError, error_from
from avcore.files import SOUND_SUFFIXES, VIDEO_SUFFIXES, write_text
from avcore.notes import shown
from avcore.texts import read_json
from netflips.script.files import value_from
from netflips.serve.jobs import new_id, require_id
from netflips.serve.limits import TOO_FULL, RefusedError, require_disk
from netflips.serve.preview import IMAGE, MEDIA, SOUND, SUBTITLES, VIDEO, WAVE
from netflips.serve.settings import Settings
from netflips.subtitles.formats import SUBTITLE_SUFFIXES

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
_MEDIA_SUFFIXES = (*SOUND_SUFFIXES, *VIDEO_SUFFIXES)
_SUFFIXES = {
    VIDEO: VIDEO_SUFFIXES, SOUND: _MEDIA_SUFFIXES, MEDIA: _MEDIA_SUFFIXES, IMAGE: IMAGE_SUFFIXES,
    SUBTITLES: (*SUBTITLE_SUFFIXES, ".json"),
}  # fmt: skip
HEADED = r"\.(mp4|m4v|m4a|mov|3gp|mkv|webm|avi|wav|wmv|flv|flac|ogg|opus)$"
"""File names whose content begins with a signature of its format. Raw streams (mp3, aac, mpg, ts) may begin in their middle."""
HEADS = (
    r"^\0*([\s\S]{4}(ftyp|styp|moov|moof|mdat|free|skip|wide|pnot|sidx|uuid|junk)|[\s\S]{0,192}G([\s\S]{187}G){3}|"
    r"[\s\S]{4}G([\s\S]{191}G){3}|\x1aE\xdf\xa3|RIF[FX]|RF64|riff|FORM|FRM8|OggS|ID3|fLaC|FLV|caff|\.snd|#!AMR|GIF8|DKIF|DSD |"
    r"\.RMF|\.SoX|TTA1|wvpk|MAC |MP\+|MPCK|NIST_1A|YUV4MPEG2|nut/|Creative Voice|[CF]WS|0&\xb2u|\x06\x0e\+4|\xb7\xd8\0 |"
    r"\0\0[\x01\x80-\x83]|\xff[\xd8\xe0-\xff]|\x0bw|V[\xe0-\xff]|\x1f\x07\0|\x12\0|\x7f\xfe\x80\x01)"
)
"""Signatures of all video and sound formats (bytes as Latin-1). The browser refuses a file with none of them before it is sent."""
_ABOUT = "upload.json"
_LOOK_S = 120.0
_LOOKS_AT_ONCE = 2
_LETTERS = 80


@dataclass(frozen=True)
class Upload:
    """A received file."""

    id: str
    visitor: str
    name: str
    """its visitor's name of it"""
    kind: str
    """video, sound, media, image or subtitles"""
    file: str
    """its name in its folder"""
    bytes: int
    seconds: float
    """0 for an image"""
    width: int
    height: int
    has_sound: bool
    created_s: float
    """seconds since 1970"""
    has_face: bool = True
    """of a short video"""
    has_speech: bool = True
    """of a short video"""


class Uploads:
    """The folder of all uploads."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looks = asyncio.Semaphore(_LOOKS_AT_ONCE)
        self._coming = Counter[str]()
        """uploads that come in, by visitor"""

    async def receive(
        self,
        stream: AsyncIterable[bytes],
        name: str,
        kind: str,
        visitor: str,
        length: int | None,
        *,
        is_new_visitor: bool = False,
    ) -> Upload:
        """Receive a file. kind: what it must be. length: as announced, in bytes. is_new_visitor: a visitor without a cookie; all of
        these count as one. Raises RefusedError; then nothing is stored.
        """
        if kind not in _SUFFIXES:
            raise RefusedError(400, "an upload is a video, a sound, an image or subtitles")
        counted = "" if is_new_visitor else visitor
        own, coming = self._coming[counted], self._coming.total()
        if coming >= self._settings.most_uploads or own >= self._settings.most_uploads_each:
            raise RefusedError(429, NetflipsError("so many uploads come in that no other one can", hint="try again in a moment"))
        upload_id = new_id()
        folder = self._folder(upload_id)
        ending, known = Path(clean_name(name)).suffix.lower(), _SUFFIXES[kind]
        # Never under the visitor's own name, which might lead out of the folder.
        file = folder / f"file{ending if ending in known else known[0]}"

        self._coming[counted] += 1
        try:
            if (length or 0) > self._settings.limit_bytes:
                raise RefusedError(413, self._too_large())
            require_disk(self._settings, length or 0)
            folder.mkdir(parents=True)
            size = await self._write(stream, file)
            facts = await self._look(file, kind, name)
            upload = Upload(upload_id, visitor, clean_name(name), kind, file.name, size, created_s=time.time(), **facts)
            write_text(folder / _ABOUT, json.dumps(asdict(upload), ensure_ascii=False) + "\n")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        finally:
            self._coming[counted] -= 1
            self._coming += Counter()  # forgets visitors with none

        return upload

    async def copy(self, path: Path, kind: str, visitor: str) -> Upload:
        """Receive a file of our own as if a visitor had sent it. Raises RefusedError."""

        async def content() -> AsyncIterable[bytes]:
            yield path.read_bytes()

        return await self.receive(content(), path.name, kind, visitor, path.stat().st_size)

    async def wave(self, file: Path, name: str) -> Mapping[str, Any]:
        """Return the length of a file (s) and the peaks of its sound. name: its visitor's. Raises RefusedError."""
        return await self._look(file, WAVE, name)

    def find(self, upload_id: str) -> Upload:
        """Return an upload by its id. Raises RefusedError where there is none."""
        try:
            path = self._folder(require_id(upload_id)) / _ABOUT
            found: Upload = value_from(Upload, read_json(path, "the upload"), "the upload", path)
            return found
        except NetflipsError as error:
            raise RefusedError(404, NetflipsError("this upload is not there any more", hint="send the file again")) from error

    def path(self, upload: Upload) -> Path:
        """Return the path of an upload's content."""
        return self._folder(upload.id) / upload.file

    def clean(self, keep_s: float, used: Collection[str]) -> None:
        """Remove old uploads that no job uses, and any other old folder among them."""
        folder = self._settings.uploads_dir
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in used and not path.is_symlink() and time.time() - path.stat().st_mtime > keep_s:
                shutil.rmtree(path, ignore_errors=True)

    def remove(self, upload_id: str) -> None:
        """Remove an upload with the work that is kept with it."""
        shutil.rmtree(self._folder(require_id(upload_id)), ignore_errors=True)

    def _folder(self, upload_id: str) -> Path:
        return self._settings.uploads_dir / upload_id

    def _too_large(self) -> NetflipsError:
        return NetflipsError("the file is too large", expected=f"{self._settings.limit_bytes / 2**20:.0f} MB at most")

    async def _write(self, stream: AsyncIterable[bytes], path: Path) -> int:
        size = 0
        try:
            with path.open("wb") as file:
                async for block in stream:
                    size += len(block)
                    if size > self._settings.limit_bytes:
                        raise RefusedError(413, self._too_large())
                    # At each block: no length need be announced, and others upload at the same time.
                    require_disk(self._settings)
                    await asyncio.to_thread(file.write, block)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RefusedError(507, TOO_FULL) from error
            raise

        return size

    async def _look(self, file: Path, kind: str, name: str) -> Mapping[str, Any]:
        async with self._looks:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "netflips.serve.preview", str(file.absolute()), kind,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip
            try:
                out, _ = await asyncio.wait_for(process.communicate(), _LOOK_S)
            except TimeoutError as error:
                raise RefusedError(415, NetflipsError("it takes too long to read", path=clean_name(name))) from error
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()

        if process.returncode:
            own = str(file.absolute())
            content = json.loads(out.replace(json.dumps(own)[1:-1].encode(), clean_name(name).encode())) if out else {}
            raise RefusedError(415, error_from(content) if content else NetflipsError("it cannot be read", path=clean_name(name)))

        facts: Mapping[str, Any] = json.loads(out)
        if facts["seconds"] > self._settings.longest_s:
            found, most = facts["seconds"] / 60, self._settings.longest_s / 60
            raise RefusedError(
                413,
                NetflipsError(
                    "it is too long", path=clean_name(name), expected=f"{most:.4g} minutes at most", found=f"{found:.4g}"
                ),
            )
        return facts


def clean_name(name: str) -> str:
    """Return a visitor's file name for the page and for downloads: without folders and control characters, and not too long."""
    bare = shown(re.split(r"[/\\]", name.strip())[-1]).strip(" .")
    return bare[-_LETTERS:] or "upload"
