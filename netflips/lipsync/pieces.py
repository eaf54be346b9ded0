"""The pictures of a video whose lips are moved, drawn and encoded in pieces that are kept, so that a stopped run goes on."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats
from avcore.compute.ahead import ahead, pictures_ahead
from avcore.compute.memory import release_freed_memory
from avcore.errors import MediaError
from avcore.faces.crop import Box
from avcore.media import QUICK, Picture, PictureSource, VideoWriter
from avcore.progress import Progress
from avcore.runs.cache import WorkFolder, key_of
from avcore.speech.detector import STEP_RATE
from avcore.speech.regions import SpeechActivity
from avcore.timeline import Seconds, exact, frame_at, frames_covering, frames_to_seconds
from netflips.dub.label import with_label
from unit2av.lipsync.mouth import RENDERING, Mouth, Scene

STAGE = "pictures"
SHORTEST_S, LONGEST_S = 10, 20
"""A piece ends at the quietest moment between: there the mouth is at rest, or as near to it as it gets."""
_LOUD_DB = 30.0
"""How far below the loudest moment sound outside speech counts as quiet."""


@dataclass(frozen=True, eq=False)
class FaceBoxes:
    """The face whose lips are moved, in pictures at 25 fps: boxes float32 [T, 4], NaN where nothing is drawn; shots int64 [T];
    strengths float32 [T], of a drawn mouth."""

    boxes: Floats
    shots: NDArray[np.int64]
    strengths: Floats

    def at(self, seconds: Seconds) -> tuple[Box | None, int, float]:
        """The box at a time of the video, None where nothing is drawn, the number of the shot, and the mouth's strength."""
        frame = min(frame_at(seconds), len(self.boxes) - 1)
        box, strength = self.boxes[frame], float(self.strengths[frame])
        return (None, int(self.shots[frame]), 1.0) if np.isnan(box[0]) else (box, int(self.shots[frame]), strength)


@dataclass(frozen=True, eq=False)
class Talk:
    """What is drawn: a video's pictures with one face. fit: see `--fit`; label: burnt in; total: pictures of the result."""

    source: PictureSource
    faces: FaceBoxes
    fit: str
    label: str
    total: int

    def scenes(self, start: int, stop: int) -> Generator[Scene, None, None]:
        """The pictures `start` to `stop` - 1 of the result, at the video's own rate, each with its face."""
        count = stop - start
        shown = _held(self.source, start, count) if self.fit == "hold" else self.source.pingpong(count, start)
        depth = pictures_ahead(self.source.info.width, self.source.info.height)
        for number, picture in enumerate(ahead(shown, depth), start):
            box, shot, strength = self.faces.at(picture.time)
            yield Scene(picture.rgb, box, frames_to_seconds(number, self.source.rate), shot, strength=strength)


def draw_pieces(
    talk: Talk,
    mouth: Mouth,
    codes: Any,
    borders: Sequence[int],
    made_with: Sequence[object],
    around_s: float,
    work: WorkFolder,
    progress: Progress,
) -> list[tuple[Path, int]]:
    """Draw and encode the pieces that are not there yet; returns their files, each with how many pictures it has.

    borders: where pieces begin, in pictures. made_with: all that they depend on. around_s:
    seconds of pictures around a piece that the backend wants to see.
    """
    done, made = 0, []
    for start, stop in zip(borders, [*borders[1:], talk.total], strict=True):
        key = key_of(STAGE, RENDERING, *QUICK.values(), made_with, start, stop, talk.total)
        path = work.find_file(STAGE, key, ".mp4")
        if path is None:
            with work.new_file(STAGE, key, ".mp4") as path:
                _write(talk, mouth, codes, start, stop, around_s, path, progress)
            release_freed_memory()
        done += stop - start
        progress("lips", done, talk.total)
        made.append((path, stop - start))
    return made


def _write(talk: Talk, mouth: Mouth, codes: Any, start: int, stop: int, around_s: float, path: Path, progress: Progress) -> None:
    info, rate = talk.source.info, talk.source.rate
    around = frame_at(exact(around_s), rate)
    first, last = max(0, start - around), min(talk.total, stop + around)
    scenes = talk.scenes(first, last)
    drawn = islice(mouth.draw(codes, scenes), start - first, stop - first)
    pictures = ahead(drawn, pictures_ahead(info.width, info.height))
    with VideoWriter(
        path, info.width, info.height, rate, **QUICK, pixel_aspect=info.pixel_aspect, is_bt709=info.is_bt709
    ) as writer:
        for number, picture in enumerate(with_label(pictures, talk.label), start + 1):
            writer.write_picture(picture)
            progress("lips", number, talk.total)
    scenes.close()  # those behind the piece were not all asked for


def piece_borders(heard: SpeechActivity, total: int, source: PictureSource) -> list[int]:
    """Where pieces begin, in pictures of the result: at the quietest moments of the speech, 10 to 20 s apart."""
    rate, begins = source.rate, [0]
    while total - begins[-1] > frames_covering(LONGEST_S, rate):
        at = float(frames_to_seconds(begins[-1], rate))
        until = at + LONGEST_S
        quiet = heard.quietest_s(at + SHORTEST_S, until) if until < heard.seconds else until
        begins.append(min(max(frame_at(quiet, rate), begins[-1] + 1), total - 1))
    return begins


def quiet_moments(heard: SpeechActivity) -> NDArray[np.bool_] | None:
    """In which pictures of 40 ms nothing is said, bool [n]: no speech, and far from loud; None = no speech is found at all."""
    regions = heard.regions()
    if not regions:
        return None
    count = frames_covering(heard.seconds)
    is_spoken = np.zeros(count, bool)
    for start, stop in regions:
        is_spoken[frame_at(start) : frames_covering(stop)] = True
    is_loud: NDArray[np.bool_] = np.zeros(count, bool)
    loud = np.flatnonzero(heard.levels > heard.levels.max() - _LOUD_DB).tolist()
    is_loud[[min(frame_at(frames_to_seconds(step, STEP_RATE)), count - 1) for step in loud]] = True
    return np.logical_not(is_spoken | is_loud)


def _held(source: PictureSource, start: int, count: int) -> Iterator[Picture]:
    """The pictures of a video once, then the last one for as long as is needed: `count` of them from number `start` on."""
    length = len(source)
    last: Picture | None = None
    for picture in islice(source.pictures(min(start, length - 1)), count):
        last = picture
        yield picture
    if last is None:
        raise MediaError("it has no pictures", path=source.path)
    yield from repeat(last, max(0, count - max(length - min(start, length - 1), 0)))
