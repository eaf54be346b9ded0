"""Clips of a talking face from stretches of a video: face, lips, sound, and their quality figures.

Footage is the video that clips are cut from, and its sound, which is decoded once and kept as long as clips are cut. A framing is
the part of a frame that a clip shows, and its size.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, Literal, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pixels, Samples
from avcore.data.manifest import Entry
from avcore.data.prepare.quality import KEPT, QualityGates, SampleKeeper, Thumbnails, lip_crops, measure_clip
from avcore.data.prepare.sources import CorpusFile
from avcore.data.prepare.workplace import MANIFEST, ItemRecord
from avcore.errors import MediaError, NoFaceError
from avcore.faces.boxes import write_boxes
from avcore.faces.find import SpeakerFace, find_faces
from avcore.faces.geometry import Box
from avcore.media import (
    Frame,
    MediaSource,
    VideoWriter,
    at_rate,
    iter_speech_blocks,
    pixel_aspect_of,
    read_frames,
    write_lip_video,
    write_speech,
)
from avcore.media.frames import LONGEST_STAY_S
from avcore.media.tracks import select_audio_track
from avcore.notes import several
from avcore.speech.voice_activity import SpeechActivity, detect_activity
from avcore.timeline import FRAME_RATE, SAMPLE_RATE, frames_to_seconds, frames_to_units, units_to_samples
from avcore.units import fingerprint

_FULL_SCALE = 32768
_BLOCK = 1 << 18
_MARGIN = 0.3
"""Margin on each side of the face, as a share of the size of all its boxes together: for hair, chin and a wide-open mouth."""
SAMPLES = "samples"
"""Folder of the samples in the output folder."""
FramingKind = Literal["face", "full", "none"]
FacePlace = tuple[float, float, float, float]
"""x1, y1, x2, y2 in pixels."""


@dataclass(frozen=True)
class Footage:
    """A video that clips are cut from."""

    video: MediaSource
    """its file, with the sound track on whose clock clips lie"""
    sound: Path
    """its speech as raw int16 at 16 kHz"""
    is_copy: bool
    """whether the file is a copy of one in an archive"""

    @classmethod
    def of(cls, source: CorpusFile, temporary: Path) -> "Footage":
        """Return the paths of a source's footage; `bring` makes the files."""
        stem = fingerprint(str(source).encode()).rpartition(":")[2]
        video = source.paths[0] if source.is_plain else temporary / f"{stem}{source.suffix}"
        return cls(MediaSource(video), temporary / f"{stem}.s16", not source.is_plain)

    def bring(self, source: CorpusFile, audio_track: str | None = None) -> Self:
        """Copy the video out of its archive if it is in one, and store the sound of one track. Returns the footage with that track.

        Raises MediaError or InputError if it has no sound or cannot be read; then no files are left.
        """
        try:
            if self.is_copy:
                source.copy_to(self.video.path)
            video = select_audio_track(self.video.path, audio_track)
            with self.sound.open("wb") as file:
                for block in iter_speech_blocks(video):
                    # Rounded as `write_speech` does, which then stores the same whole numbers.
                    whole = np.clip(np.floor(block * np.float32(_FULL_SCALE)), -_FULL_SCALE, _FULL_SCALE - 1)
                    file.write(whole.astype(np.int16).tobytes())
        except BaseException:
            self.remove()
            raise

        return replace(self, video=video)

    def listen(self) -> SpeechActivity:
        """Detect where there is speech."""
        return detect_activity(self._blocks())

    def _blocks(self) -> Iterator[Samples]:
        with self.sound.open("rb") as file:
            while len(block := np.fromfile(file, np.int16, count=_BLOCK)):
                yield block / np.float32(_FULL_SCALE)

    def speech(self, first: int, num_frames: int) -> Samples:
        """Return the sound of frames `first` to `first + num_frames - 1` at 25 fps: float32 [S], 16 kHz, silent beyond its end."""
        start, length = units_to_samples(frames_to_units(first)), units_to_samples(frames_to_units(num_frames))
        stored = np.fromfile(self.sound, np.int16, count=length, offset=start * np.dtype(np.int16).itemsize)
        speech = np.zeros(length, np.float32)
        speech[: len(stored)] = stored / np.float32(_FULL_SCALE)
        return speech

    def remove(self) -> None:
        """Remove the files that `bring` made."""
        for path in (self.sound, *([self.video.path] if self.is_copy else [])):
            with suppress(OSError):
                path.unlink()


@dataclass(frozen=True)
class Framing:
    """The part of a frame that a clip shows: pixels left..right - 1, top..bottom - 1."""

    left: int
    top: int
    right: int
    bottom: int
    size: tuple[int, int]
    """height and width in the clip, both even"""

    @classmethod
    def whole(cls, height: int, width: int) -> "Framing":
        """Return the framing of a whole frame."""
        return cls(0, 0, width, height, (height, width))

    @classmethod
    def around(cls, boxes: Sequence[Box], height: int, width: int, max_side: int) -> "Framing":
        """Return a framing of all boxes (x1, y1, x2, y2 in pixels) with a margin, scaled down if larger than max_side pixels."""
        corners = np.stack(boxes)
        low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
        room = _MARGIN * (high - low)
        left, top = (max(int(value), 0) for value in low - room)
        right, bottom = (min(int(value), limit) for value, limit in zip(high + room, (width, height), strict=True))
        # Even sides, or the writer would add a repeated row or column.
        right, bottom = max(right, left + 2), max(bottom, top + 2)
        right, bottom = right - (right - left) % 2, bottom - (bottom - top) % 2
        scale = min(1.0, max_side / max(right - left, bottom - top))
        return cls(left, top, right, bottom, (_even((bottom - top) * scale), _even((right - left) * scale)))

    def cut(self, frame: Pixels) -> Pixels:
        """Cut the part out of a frame, uint8 [height, width, 3]; returns uint8 [*size, 3]."""
        part = frame[self.top : self.bottom, self.left : self.right]
        if part.shape[:2] == self.size:
            return part
        return np.asarray(cv2.resize(part, self.size[::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)

    def place(self, box: Box) -> Box:
        """Convert a box, float32 [4], from pixels of the frame to pixels of the clip."""
        scale = np.array([self.size[1] / (self.right - self.left), self.size[0] / (self.bottom - self.top)], np.float32)
        corner = np.array([self.left, self.top], np.float32)
        return np.concatenate([(box[:2] - corner) * scale, (box[2:] - corner) * scale])


def _even(length: float) -> int:
    return max(2, round(length / 2) * 2)


@dataclass(frozen=True)
class ClipSettings:
    """The outputs of a clip, and what a clip must reach to be kept."""

    framing: FramingKind = "face"
    """`face`: video cropped around the face; `full`: whole video; `none`: lips and sound only"""
    max_side: int = 384
    """longest side of the cropped video, in pixels"""
    min_frames: int = 25
    """shorter clips are not kept"""
    gates: QualityGates = field(default_factory=QualityGates)
    """bounds of the quality figures"""


@dataclass(frozen=True)
class ClipRequest:
    """A stretch of a video that becomes a clip: frames `first` to `first + num_frames - 1` at 25 fps."""

    id: str
    footage: Footage
    first: int
    num_frames: int
    language: str = ""
    speaker: str = ""
    text: str = ""
    look_at: FacePlace | None = None
    """where the face is known to be, None = not known"""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """further fields of its entry"""


def make_clip(request: ClipRequest, out: Path, settings: ClipSettings) -> ItemRecord:
    """Make a clip in an output folder. If the returned record says that it was kept, its files are complete; of a rejected one only
    the record is kept, and a sample of the first few. Raises MediaError for bad video."""
    thumbnails, keeper, stays = Thumbnails(request.num_frames), SampleKeeper(out / SAMPLES), _Stays()
    figures: dict[str, float] = {}
    strip: Pixels | None = None

    def reject(reason: str, detail: str) -> ItemRecord:
        keeper.keep(reason, request.id, strip, figures)
        return ItemRecord(request.id, "rejected", reason=reason, detail=detail, figures=figures)

    try:
        aspect = pixel_aspect_of(request.footage.video)
        frames = thumbnails.tapped(_frames(request, stays))
        speech = request.footage.speech(request.first, request.num_frames)
        face = find_faces(frames, speech=speech, source=request.id, pixel_aspect=aspect)
    except NoFaceError:
        strip = thumbnails.strip(None)
        return reject("no face", "no face was found in any frame")

    count = len(face.frames)
    # The video may have ended before the stretch did.
    speech = request.footage.speech(request.first, count)
    quality = measure_clip(face, speech)
    figures, strip = quality.rounded(), thumbnails.strip(face)
    if count < settings.min_frames:
        return reject("too short", f"it has {several(count, 'frame')}; at least {settings.min_frames} are wanted")
    for reason, detail in (*stays.complaints(), *_other_faces(face), *settings.gates.complaints(quality)):
        return reject(reason, detail)

    entry = _write(request, face, speech, figures, out, settings)
    keeper.keep(KEPT, request.id, strip, figures)
    return ItemRecord(request.id, "kept", rows={MANIFEST: entry.to_row()}, figures=figures)


def _write(
    request: ClipRequest, face: SpeakerFace, speech: Samples, figures: dict[str, float], out: Path, settings: ClipSettings
) -> Entry:
    """Write all files of a clip, the sound last; returns its entry."""
    count, name = len(face.frames), request.id
    names = {"audio": f"audio/{name}.wav", "lips": f"lips/{name}.mp4"}
    if settings.framing != "none":
        names |= {"video": f"video/{name}.mp4", "boxes": f"video/{name}.bbox.pkl"}
        boxes = _write_video(request, face, speech, out / names["video"], settings)
        write_boxes(out / names["boxes"], boxes)

    write_lip_video(out / names["lips"], lip_crops(face))
    write_speech(out / names["audio"], speech)
    start_s = round(float(frames_to_seconds(request.first)), 3)
    company = {"faces": face.most_at_once} if face.most_at_once > 1 else {}
    return Entry(
        id=name,
        **names,
        duration_s=float(frames_to_seconds(count)),
        frames=count,
        samples=len(speech),
        language=request.language,
        speaker=request.speaker,
        text=request.text,
        extra={**request.extra, **company, "start_s": start_s, "quality": figures},
    )


def _write_video(request: ClipRequest, face: SpeakerFace, speech: Samples, path: Path, settings: ClipSettings) -> list[Box | None]:
    """Write the clip's video; returns the face boxes in its pixels."""
    is_full = settings.framing == "full"
    frames = _frames(replace(request, look_at=None) if is_full else request)
    first = next(frames)
    height, width = first.rgb.shape[:2]
    boxes = face.boxes

    if is_full:
        # Boxes are in pixels of the part that was searched, which begins elsewhere in the whole frame.
        left, top, _, _ = _visible(request.look_at, height, width)
        corner = np.array([left, top, left, top], np.float32)
        boxes, frame = [None if box is None else box + corner for box in boxes], Framing.whole(height, width)
    else:
        frame = Framing.around([box for box in boxes if box is not None], height, width, settings.max_side)

    height, width = frame.size
    aspect = pixel_aspect_of(request.footage.video)
    with VideoWriter(path, width, height, FRAME_RATE, SAMPLE_RATE, preset="veryfast", pixel_aspect=aspect) as writer:
        writer.write_sound(speech)
        for image in chain([first], frames):
            writer.write_rgb(frame.cut(image.rgb))
    return [None if box is None else frame.place(box) for box in boxes]


class _Stays:
    """Measures how long one frame of a clip is held: meanwhile its lips do not follow the speech."""

    def __init__(self) -> None:
        self._longest = 0

    def tapped(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the same frames."""
        before, count = None, 0
        for frame in frames:
            # `at_rate` yields the same array again while a frame is held.
            count = count + 1 if frame.rgb is before else 1
            self._longest, before = max(self._longest, count), frame.rgb
            yield frame

    def complaints(self) -> Iterator[tuple[str, str]]:
        """Yield a complaint if a frame is held for too long."""
        freeze_s = frames_to_seconds(self._longest)
        if freeze_s > LONGEST_STAY_S:
            yield "no video", f"one frame stays for {float(freeze_s):.2f} s of it"


def _other_faces(face: SpeakerFace) -> Iterator[tuple[str, str]]:
    """Yield a complaint if the face is not a single track."""
    numbers = [number for number in face.track_numbers if number is not None]
    changed = next((place for place, (one, other) in enumerate(pairwise(numbers)) if one != other), None)
    if changed is not None:
        yield "cut", f"another shot or face begins {float(frames_to_seconds(changed + 1)):.2f} s after its start"


def _frames(request: ClipRequest, stays: _Stays | None = None) -> Iterator[Frame]:
    """Yield the frames of a clip at 25 fps, cropped to `look_at`. stays: measures held frames. Raises MediaError if there are
    none."""
    start_s, end_s = frames_to_seconds(request.first), frames_to_seconds(request.first + request.num_frames)
    found = at_rate(read_frames(request.footage.video, start_s, end_s), FRAME_RATE, end_s, first=request.first)
    is_empty = True
    for frame in found if stays is None else stays.tapped(found):
        is_empty = False
        yield frame if request.look_at is None else frame._replace(rgb=_part(frame.rgb, request.look_at))
    if is_empty:
        raise MediaError("there is no frame at this time", path=request.id, found=f"{float(start_s):.2f} s")


def _part(rgb: NDArray[np.uint8], look_at: FacePlace) -> NDArray[np.uint8]:
    left, top, right, bottom = _visible(look_at, *rgb.shape[:2])
    return np.ascontiguousarray(rgb[top:bottom, left:right])


def _visible(look_at: FacePlace | None, height: int, width: int) -> tuple[int, int, int, int]:
    """Return the part of a place within a frame, at least 2 pixels wide and high, as left, top, right, bottom."""
    if look_at is None:
        return 0, 0, width, height
    x1, y1, x2, y2 = (round(value) for value in look_at)
    left, top = min(max(x1, 0), width - 2), min(max(y1, 0), height - 2)
    return left, top, min(max(x2, left + 2), width), min(max(y2, top + 2), height)
