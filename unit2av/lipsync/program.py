"""The lip-sync backend of a user's program, which draws lips into clips of one face (--lips-with).

A clip shows a face in one shot of one utterance: square, at 25 fps, with the face always at the same place and of one size. Where
something hides the face, or it turns away, the nearest whole one stands for it, and the mask says so. The program gets the clip,
the new sound of that time, the mask and the box of the face, and gives the frames back. Their colours are fitted to the clip's, and
the face goes back to its place in the frame that is nearest in time.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, groupby, islice, pairwise, repeat, tee
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from avcore.arrays import Floats, Pixels, Samples
from avcore.compute.threads import frames_at_once
from avcore.errors import InputError, NetflipsError
from avcore.faces.crop import paste_face_hard, visible_part
from avcore.faces.geometry import Box
from avcore.files import write_text
from avcore.media import MediaSource, VideoWriter, write_speech
from avcore.media.colour import frame_to_rgb
from avcore.media.decoding import decode_frames
from avcore.media.opening import open_media, require_video
from avcore.notes import NoteKind, report_note, several
from avcore.programs import LineProgram, filled, run_program, takes
from avcore.timeline import FRAME_RATE, exact, frame_at, frames_to_seconds, seconds_to_samples
from unit2av.lipsync import LIPS_WITH, DrawError, Scene, SpokenUnits
from unit2av.lipsync.mesh.follow import goes_on
from unit2av.lipsync.patches import Paste, mixed, uncovered
from unit2av.lipsync.returned import Halves, fault_in, stillness

_WHAT = f"the program of {LIPS_WITH}"
LIPS_UNCHANGED = NoteKind("lips_unchanged", "no lips were drawn: its frames are those that it was given", rank=0)
_LIMIT_S = 3600.0
"""Time limit of a clip; an utterance is seldom longer than 12 s."""
_MOST_FAILURES = 3
"""Failures in a row after which a program is not asked any more."""
_WIDEN = 1.6
"""Side of a clip in longer sides of the face's box: programs find the face by themselves, and need what is around it."""
_TAIL = 16
"""Frames by which a clip goes on after the last one that is used: programs that draw in windows lose up to 13 at the end."""
_NOTICED, _FADE = 12, 4
"""Frames after which something before a mouth is noticed at the latest, and over which the new mouth fades out before it."""
_FACE, _CRF = "face.mp4", 8.0
_VIDEOS, _IMAGES = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"), (".png", ".jpg", ".jpeg", ".bmp", ".webp")
_COMPARED = 5
"""The colours of every fifth frame are compared with the clip's."""
_UPPER_FACE = 0.5
"""Rows of the face's box, as a share of its height, that hardly any program redraws: by them its colours are fitted."""
_MOST_GAIN = 1.25
_MOST_OFF = 0.01
"""Greatest difference of a video's rate from 25, as a share: containers round it."""
_LOUD = 0.01
"""Amplitude above which there is speech that moves a mouth."""
_LEAST_SPREAD = 2.0
"""Added to the spread of colours: an even wall has none, whose noise would be taken for contrast."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A clip of one face, and what a program drew in it."""

    folder: Path
    """where it and all that belongs to it is"""
    begin: Fraction
    """time of its first frame since the speech began (s)"""
    mask: Sequence[bool]
    """for each of its frames, whether the face is whole at that time"""
    box: Sequence[int]
    """box of the face in it: x1, y1, x2, y2 in pixels"""
    made: Sequence[Path] = ()
    """what the program drew: a video, or an image for each frame"""
    gain: Floats | float = 1.0
    """by which the colours of what was drawn are multiplied, float32 [3]"""
    shift: Floats | float = 0.0
    """what is added to them then, float32 [3]"""

    def frames(self) -> Iterator[Pixels]:
        """Yield what was drawn, in the colours of the clip, uint8 [size, size, 3]; the last frame goes on for ever."""
        last = np.zeros((0, 0, 3), np.uint8)
        for rgb in frames_in(self.made):
            last = np.clip(np.rint(rgb * self.gain + self.shift), 0, 255).astype(np.uint8)
            yield last
        yield from repeat(last)


class Seen(NamedTuple):
    """What the first pass finds in a talk."""

    clips: Sequence[Clip]
    places: Sequence[tuple[int, float]]
    """for each scene the number of its clip, and the opacity of the new mouth, 0 = it stays as it is"""


class ProgramLipSync:
    """Lip sync by a program; close it at the end. See `TwoPassLipSync`."""

    name, needs_units, needs_sound, needs_whole = "program", False, True, True

    def __init__(self, command: Sequence[str], size: int, paste: Paste) -> None:
        """command: with placeholders it is run for each clip, else it answers lines. size: side of a clip in pixels."""
        self._command, self._size, self._paste = command, size, paste
        is_once = takes(command, "video", "audio", "out", "dir")
        self._lasting = None if is_once else LineProgram(command, _LIMIT_S, _WHAT)
        self._failures = self._asked = 0

    def close(self) -> None:
        """End the program, if it is running."""
        if self._lasting is not None:
            self._lasting.close()

    def codes(self, spoken: SpokenUnits) -> Samples:
        """Return the sound, silent where there is no speech, float32 [S] at 16 kHz."""
        return spoken.silenced()

    def first_pass(self, codes: Samples, scenes: Iterable[Scene], folder: Path) -> Seen:
        """Write the clips of a talk, and let the program draw in them. See `TwoPassLipSync`."""
        places = list[tuple[int, float]]()
        shown = _numbered(scenes if self._paste is paste_face_hard else _free(scenes), places)
        faces = groupby(shown, lambda one: one[0])
        clips = [self._write(folder / str(number), (one for _, one in group)) for number, group in faces]
        try:
            drawn = [self._drawn(clip, codes) for clip in clips]
        except InputError as error:  # of the program; an OutputError is ours
            self._failures += 1
            if self._failures < _MOST_FAILURES:
                raise DrawError(str(error)) from error
            what = f"{error.what}, {self._failures} times in a row"
            raise InputError(what, path=error.path, expected=error.expected, found=error.found, hint=error.hint) from error
        if drawn:  # else it was not asked
            self._failures = 0
        return Seen(drawn, places)

    def draw(self, codes: Seen, scenes: Iterable[Scene]) -> Iterator[Pixels]:
        """Return the scenes' frames with the faces that the program drew. See `LipSync.draw`."""
        at, face = (-1, -1), np.zeros((0, 0, 3), np.uint8)
        frames: Iterator[Pixels] = iter(())
        for scene, (number, strength) in zip(scenes, codes.places, strict=False):
            part = None if scene.box is None else visible_part(scene.box, *scene.rgb.shape[:2])
            if scene.box is None or part is None or not strength:
                yield scene.rgb
                continue

            clip = codes.clips[number]
            if number != at[0]:
                at, frames = (number, -1), clip.frames()
            place = frame_at(exact(scene.time) - clip.begin + Fraction(1, 2 * FRAME_RATE))
            if place > at[1]:
                face, at = next(islice(frames, place - at[1] - 1, None)), (number, place)
            patch = _put_back(face, scene.box, part)
            yield mixed(replace(scene, strength=strength), self._paste(scene.rgb, patch, scene.box))

    def _write(self, folder: Path, shown: Iterable[tuple[Scene, bool]]) -> Clip:
        """Write the frames of a face at 25 fps, each from the scene that is nearest in time.

        shown: scenes in which it is whole, and whether it was not just before.
        """
        folder.mkdir()
        mask, shapes, times, half = list[bool](), list[Floats](), list[Fraction](), frames_to_seconds(1) / 2
        face = np.zeros((0, 0, 3), np.uint8)
        with VideoWriter(folder / _FACE, self._size, self._size, FRAME_RATE, crf=_CRF, preset="veryfast") as writer:
            for one, after in pairwise(chain(shown, [None])):
                assert one is not None  # only the last is
                (scene, was_away), time = one, exact(one[0].time)
                assert scene.box is not None  # it is whole
                face = _cut_out(scene.rgb, scene.box, self._size)
                times.append(time)
                end, is_away = (time + half, False) if after is None else ((time + exact(after[0].time)) / 2, after[1])
                while (tick := times[0] + frames_to_seconds(len(mask))) <= end:
                    away = was_away if tick < time else is_away
                    mask.append(not away or abs(tick - time) <= half)
                    writer.write_rgb(face)
                shapes.append(scene.box[2:] - scene.box[:2])

            for _ in range(_TAIL):
                mask.append(False)
                writer.write_rgb(face)

        shares = np.mean([shape / shape.max() for shape in shapes], axis=0) / _WIDEN
        edges = np.concatenate([1 - shares, 1 + shares]) * self._size / 2
        return Clip(folder, times[0], mask, [round(float(edge)) for edge in edges])

    def _drawn(self, clip: Clip, speech: Samples) -> Clip:
        """Let the program draw in a clip. Raises InputError where it fails, or its frames cannot be used."""
        audio, mask, out, folder = (clip.folder / name for name in ("speech.wav", "mask.txt", "lips.mp4", "lips"))
        start = seconds_to_samples(clip.begin)
        length = seconds_to_samples(frames_to_seconds(len(clip.mask)))
        sound = speech[start : start + length]
        write_speech(audio, np.pad(sound, (0, length - len(sound))))
        write_text(mask, "".join(f"{int(one)}\n" for one in clip.mask))
        folder.mkdir()
        paths = {"video": str(clip.folder / _FACE), "audio": str(audio), "mask": str(mask), "out": str(out), "dir": str(folder)}

        if self._lasting is None:
            values = paths | {"box": ",".join(map(str, clip.box)), "size": str(self._size)}
            run_program(filled(self._command, values), _LIMIT_S, _WHAT)
        else:
            self._asked += 1
            self._lasting.ask(paths | {"number": self._asked, "box": list(clip.box), "size": self._size})
        try:
            is_spoken = bool(np.abs(sound).max(initial=0.0) > _LOUD)
            return self._fitted(replace(clip, made=_files_in(out, folder, self._command[0])), is_spoken)
        except NetflipsError:
            if self._lasting is not None:
                self._lasting.drop()  # it may have answered another request
            raise

    def _fitted(self, clip: Clip, is_spoken: bool) -> Clip:
        """Return the clip with what its colours are fitted by. is_spoken: it has sound. Raises InputError for frames of no use."""
        program, size = self._command[0], self._size
        left, top, right, bottom = clip.box
        rows, columns = slice(top, top + round(_UPPER_FACE * (bottom - top))), slice(left, right)
        given, drawn = list[Pixels](), list[Pixels]()
        faces: tuple[list[Halves], list[Halves]] = ([], [])
        owns = chain(frames_in([clip.folder / _FACE]), repeat(None))
        try:
            rate = rate_of(clip.made)
            for count, (rgb, own) in enumerate(zip(frames_in(clip.made), owns, strict=False)):
                if rgb.shape[:2] != (size, size):
                    found = f"{rgb.shape[1]}x{rgb.shape[0]}"
                    raise InputError(f"{_WHAT} wrote frames of another size", path=program, expected=f"{size}x{size}", found=found)
                faces[1].append(Halves.of(rgb, clip.box))
                if own is None:
                    continue
                faces[0].append(Halves.of(own, clip.box))
                if count % _COMPARED == 0:
                    given.append(own[rows, columns][::4, ::4])
                    drawn.append(rgb[rows, columns][::4, ::4])
        except NetflipsError as error:
            if error.path == program:
                raise
            raise InputError(f"{_WHAT} wrote frames that cannot be read", path=program, found=error.what) from error

        if abs(len(faces[1]) - len(clip.mask)) > _TAIL:
            expected = several(len(clip.mask), "frame")
            raise InputError(f"{_WHAT} wrote another number of frames", path=program, expected=expected, found=len(faces[1]))
        if rate is not None and abs(rate - FRAME_RATE) > _MOST_OFF * FRAME_RATE:
            found = f"{float(rate):.4g}"
            raise InputError(f"{_WHAT} wrote another number of frames a second", path=program, expected=FRAME_RATE, found=found)
        if fault := fault_in(*faces):
            raise InputError(f"{_WHAT} wrote {fault.what}", path=program, expected=fault.expected, found=fault.found)
        if (still := stillness(*faces)) and is_spoken:
            if still == "frozen":
                what, expected = f"{_WHAT} wrote a mouth that does not move", "a mouth that speaks"
                raise InputError(what, path=program, expected=expected, found="the same picture in all frames")
            report_note(LIPS_UNCHANGED(), program, is_once=True)

        one, other = (np.concatenate([part.reshape(-1, 3) for part in parts]).astype(np.float32) for parts in (given, drawn))
        spreads = (part.std(axis=0) + _LEAST_SPREAD for part in (one, other))
        gain = np.clip(np.divide(*spreads), 1 / _MOST_GAIN, _MOST_GAIN)
        shift = one.mean(axis=0) - gain * other.mean(axis=0)
        return replace(clip, gain=gain, shift=shift)


def _free(scenes: Iterable[Scene]) -> Iterator[Scene]:
    """Yield the scenes as `uncovered` does, and leave the mouth out from the frame on in which something came before it."""
    held, (given, same) = deque[Scene](), tee(scenes)
    for before, scene in zip(given, uncovered(same), strict=True):
        if before.box is not None and scene.box is None:
            for place, one in enumerate(reversed(held), 1):
                if one.box is None or one.shot != scene.shot:
                    break
                share = min(max((place - _NOTICED) / (_FADE + 1), 0.0), 1.0)
                held[-place] = replace(one, box=one.box if share else None, strength=one.strength * share)
        held.append(scene)
        if len(held) > frames_at_once(scene.rgb.shape[1], scene.rgb.shape[0], _NOTICED + _FADE):
            yield held.popleft()
    yield from held


def _numbered(scenes: Iterable[Scene], places: list[tuple[int, float]]) -> Iterator[tuple[int, tuple[Scene, bool]]]:
    """Yield the scenes with a whole face, each with the number of its clip, and whether the face was away just before.

    places: gets the number of its clip and the opacity of the mouth for every scene.
    """
    number, before, is_away = -1, None, False
    for scene in scenes:
        if scene.box is None:
            places.append((number, 0.0))
            is_away = True
            continue
        if before is None or not goes_on(before, scene):
            number, is_away = number + 1, False
        places.append((number, scene.strength))
        yield number, (scene, is_away)
        before, is_away = scene, False


def _cut_out(frame: Pixels, box: Box, size: int) -> Pixels:
    """Return the square around a face, uint8 [size, size, 3]; beyond the frame its border is repeated."""
    return _sampled(frame, *_window(box, size), (size, size))


def _put_back(face: Pixels, box: Box, part: tuple[slice, slice]) -> Pixels:
    """Return the pixels of a part of a frame from the square around its face: uint8 [rows, columns, 3]."""
    rows, columns = part
    step, left, top = _window(box, len(face))
    size = columns.stop - columns.start, rows.stop - rows.start
    return _sampled(face, 1 / step, (columns.start - left) / step, (rows.start - top) / step, size)


def _window(box: Box, size: int) -> tuple[float, float, float]:
    """Return the square around a face: pixels of the frame for each of its `size`, and where its first one is in the frame."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    step = _WIDEN * max(x2 - x1, y2 - y1, 1.0) / size
    # Positions count from the centre of a pixel, as in OpenCV.
    return step, (x1 + x2 - step * (size - 1) - 1) / 2, (y1 + y2 - step * (size - 1) - 1) / 2


def _sampled(image: Pixels, step: float, left: float, top: float, size: tuple[int, int]) -> Pixels:
    """Return every `step`-th pixel from a corner on, between pixels too; size: width and height."""
    # The warp samples single pixels, so what becomes much smaller is averaged first.
    smooth = cv2.blur(image, (int(step),) * 2) if step >= 2 else image
    place, flags = np.array([[step, 0, left], [0, step, top]], np.float32), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(smooth, place, size, flags=flags, borderMode=cv2.BORDER_REPLICATE), np.uint8)


# What a program wrote


def _files_in(out: Path, folder: Path, program: str) -> list[Path]:
    """Return the video that a program wrote, or its images in the order of their numbers. Raises InputError without either."""
    if out.is_file():
        return [out]
    files = [path for place in (out, folder) for path in sorted(place.rglob("*")) if path.is_file() and not path.is_symlink()]
    videos, images = ([path for path in files if path.suffix.lower() in kinds] for kinds in (_VIDEOS, _IMAGES))
    if len(videos) == 1:
        return videos
    if images and not videos:
        return sorted(images, key=lambda path: [int(number) for number in re.findall(r"\d+", path.stem)])
    found = ", ".join(path.name for path in (videos or files)[:5]) or "nothing"
    expected = "a video in {out}, or one video or images in {dir}"
    raise InputError(f"{_WHAT} wrote no frames", path=program, expected=expected, found=found)


def rate_of(files: Sequence[Path]) -> Fraction | None:
    """Return the frames a second of a video, None of images, or where it does not say. Raises MediaError."""
    if len(files) != 1 or files[0].suffix.lower() in _IMAGES:
        return None
    source = MediaSource(files[0])
    with open_media(source) as container:
        rate: Fraction | None = require_video(container, source).average_rate
        return rate


def frames_in(files: Sequence[Path]) -> Iterator[Pixels]:
    """Yield the frames of a video, or of images, uint8 [height, width, 3]. Raises InputError and MediaError."""
    for path in files:
        if path.suffix.lower() in _IMAGES:
            image: Any = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
            if image is None:
                raise InputError(f"{path.name} is no image", path=path)
            yield image
            continue
        source = MediaSource(path)
        with open_media(source) as container:
            for frame in decode_frames(container, require_video(container, source), source):
                yield frame_to_rgb(frame.decoded, frame.decoded.width, frame.decoded.height)
