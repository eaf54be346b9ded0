"""The sound of the output: the recording's own, with new speech in place of the old, as a stream; and the file it goes into."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.media import SubtitleTrack, VideoJoiner, VideoWriter, iter_sound_at, iter_sound_blocks, iter_speech_blocks, probe
from avcore.media.carried import CarriedOver
from avcore.timeline import seconds_to_samples
from netflips.dub.job import DubJob
from netflips.options import Background
from netflips.recording.plan import OutputClock
from netflips.recording.segmentation import FoundUtterances
from netflips.recording.separation import background_of
from netflips.recording.translation import Cue, Spoken, speech_of
from netflips.recording.voice_activity import SpeechFile
from netflips.render.pieces import Encoded, join_pieces
from netflips.render.writing import Frame
from unit2av.rendering import SoundFeed

FADE_S = Fraction(1, 50)
_CENTRE = 2
"""The place of the front centre among 3 channels and more, in the order that FFmpeg gives them."""


@dataclass(frozen=True)
class Line:
    """New speech in the output. start, stop: samples of the output at which the old speech ends and comes back.

    length: samples of the new speech, which begins at `start` and may go on behind `stop`. read: gives it, float32 [length].
    """

    start: int
    stop: int
    length: int
    read: Callable[[], Samples]


def require_writable_kind(job: DubJob) -> None:
    """Refuse at once what could not be written after hours: the kind of file, and so many channels. Raises OutputError."""
    info = job.info
    carried = CarriedOver(job.source.path, Fraction)
    VideoWriter(job.out, info.width, info.height, info.frame_rate, job.sound_rate, job.num_channels, carried=carried)


def write_joined(
    job: DubJob,
    found: FoundUtterances,
    cues: Sequence[Cue],
    clock: OutputClock,
    pieces: Sequence[Encoded],
    subtitles: Sequence[SubtitleTrack] = (),
) -> VideoJoiner:
    """Write the output: pictures as they were encoded, sound in step with them, and tracks of subtitles.

    Nothing is there under its name unless all went well.
    """
    with job.clock.stage("write"):
        info = job.info
        mixed = _mixed_sound(job, found, _lines(job, found.speech, cues, clock), clock)
        sound = SoundFeed(mixed, job.sound_rate, job.num_channels)
        carried = CarriedOver(job.source.path, clock.at, clock.at(found.part.stop))
        writer = Frame.of(info, info.frame_rate).joiner(
            job.out, sound, pieces[0].path, comment=job.comment, subtitles=subtitles, carried=carried, language=job.options.target
        )
        join_pieces(writer, pieces, sound)
        return writer


def _lines(job: DubJob, speech: SpeechFile | None, cues: Sequence[Cue], clock: OutputClock) -> list[Line]:
    lines = []
    for cue in cues:
        if isinstance(cue, Spoken):
            placed, rate = cue.placed, job.sound_rate
            start = seconds_to_samples(clock.at(placed.start), rate)
            stop = start + seconds_to_samples(placed.utterance.seconds, rate)
            length = seconds_to_samples(placed.spoken, rate)
            lines.append(Line(start, stop, length, partial(_read, job, speech, cue, length)))
    return lines


def _read(job: DubJob, speech: SpeechFile | None, cue: Spoken, length: int) -> Samples:
    return speech_of(job, speech, cue).samples[:length]


def _mixed_sound(job: DubJob, found: FoundUtterances, lines: Sequence[Line], clock: OutputClock) -> Iterator[Samples]:
    """Yield the sound of the output as a stream of float32 [time, channel]; of a part nothing behind its end."""
    rate, settings = job.sound_rate, job.settings
    end = seconds_to_samples(clock.at(found.part.stop), rate)
    cut_at = None if found.part.is_all else end
    own = iter_sound_blocks(job.source.path) if job.info.has_audio else iter(())
    effects, background = None, background_of(job)
    if background is not None:
        placed = output_blocks(_effects(background, rate, job.num_channels), clock, rate, end, cut_at)
        effects = SoundReader((block for _, block in placed), job.num_channels)
    mixer = Mixer(lines, rate, job.num_channels, settings.background)
    for start, block in output_blocks(own, clock, rate, end, cut_at):
        yield mixer.mix(start, block, None if effects is None else effects.take(len(block)))


def _effects(path: Path, rate: int, num_channels: int) -> Iterator[Samples]:
    """Return the sound of a file, float32 [time, channel]; mixed to one channel where it has others than `num_channels`."""
    if probe(path).audio_channels == num_channels:
        return iter_sound_at(path, rate)
    return (block[:, None] for block in iter_speech_blocks(path, rate))


class Mixer:
    """Mixes blocks of sound, [time, channel], that come in order."""

    def __init__(self, lines: Sequence[Line], rate: int, num_channels: int, background: Background) -> None:
        """lines: in order. rate: Hz. background: keep the old sound outside of them, or mute all of it."""
        self._lines, self._rate, self._num_channels = lines, rate, num_channels
        self._background = background
        self._fade = seconds_to_samples(FADE_S, rate)
        self._next = 0
        self._read: dict[int, Samples] = {}

    def mix(self, start: int, old: Samples, effects: Samples | None = None) -> Samples:
        """Mix one block, float32 [time, channel], that begins at sample `start` of the output.

        effects: music and effects of the same time, heard wherever the old sound is not.
        """
        stop = start + len(old)
        kept = np.full(len(old), 1.0 if self._background == "keep" else 0.0, np.float32)
        speech = np.zeros(len(old), np.float32)
        while self._next < len(self._lines) and self._end(self._lines[self._next]) <= start:
            self._read.pop(self._next, None)
            self._next += 1
        for number in range(self._next, len(self._lines)):
            line = self._lines[number]
            if line.start >= stop:
                break
            kept *= 1 - self._ramp(line.start, line.stop, start, stop)
            self._add(number, speech, start)
        mixed = old * kept[:, None]
        if effects is not None:
            mixed += effects * (1 - kept)[:, None]
        return np.asarray(mixed + self._spread(speech), np.float32)

    def _end(self, line: Line) -> int:
        return max(line.stop, line.start + line.length)

    def _add(self, number: int, speech: Samples, start: int) -> None:
        line = self._lines[number]
        first, last = max(line.start, start), min(line.start + line.length, start + len(speech))
        if last <= first:
            return
        if number not in self._read:
            self._read[number] = line.read()
        said = self._read[number][first - line.start : last - line.start]
        speech[first - start : last - start] += said * self._ramp(line.start, line.start + line.length, first, last)

    def _ramp(self, begin: int, end: int, start: int, stop: int) -> Samples:
        """1 between `begin` and `end`, with fades inside, 0 elsewhere, for samples `start` to `stop` - 1."""
        fade = max(min(self._fade, (end - begin) // 2), 1)
        places = np.arange(start, stop)
        nearest = np.minimum(places - begin + 0.5, end - places - 0.5)
        return np.asarray(np.clip(nearest / fade, 0, 1), np.float32)

    def _spread(self, speech: Samples) -> Samples:
        """Mono speech on all channels of mono and stereo, else where films have it: in the middle."""
        if self._num_channels <= _CENTRE:
            return np.repeat(speech[:, None], self._num_channels, axis=1)
        spread = np.zeros((len(speech), self._num_channels), np.float32)
        spread[:, _CENTRE] = speech
        return spread


def output_blocks(
    blocks: Iterable[Samples], clock: OutputClock, rate: int, fill_to: int, cut_at: int | None = None
) -> Iterator[tuple[int, Samples]]:
    """Yield a recording's sound at its place in the output: blocks [time, channel] with the sample that each begins at.

    Silence is put in where the picture is held, and at the end up to sample `fill_to`; what lies behind `cut_at` is left
    out.
    """
    first = seconds_to_samples(clock.start, rate)
    marks = [(seconds_to_samples(end, rate), seconds_to_samples(clock.at(end), rate)) for end, _ in clock.holds]
    position = given = 0
    num_channels = 1
    for block in blocks:
        num_channels = block.shape[1]
        for begin, piece in _split(block, position, first, [at for at, _ in marks]):
            while marks and marks[0][0] <= begin:
                _, resumes = marks.pop(0)
                yield from _silence(given, resumes, num_channels)
                given = max(given, resumes)
            kept = piece if cut_at is None else piece[: max(cut_at - given, 0)]
            if len(kept):
                yield given, kept
            given += len(kept)
        position += len(block)
        if cut_at is not None and given >= cut_at:
            break
    yield from _silence(given, fill_to, num_channels)


class SoundReader:
    """Blocks of sound read in portions of any length; silence when they have come to an end."""

    def __init__(self, blocks: Iterable[Samples], num_channels: int) -> None:
        self._blocks, self._num_channels = iter(blocks), num_channels
        self._held = np.zeros((0, num_channels), np.float32)

    def take(self, count: int) -> Samples:
        """Return the next samples, float32 [count, channel]."""
        parts, missing = [self._held], count - len(self._held)
        while missing > 0:
            block = next(self._blocks, None)
            block = (
                np.zeros((missing, self._num_channels), np.float32) if block is None else with_channels(block, self._num_channels)
            )
            parts.append(block)
            missing -= len(block)
        joined = np.concatenate(parts)
        self._held = joined[count:]
        return joined[:count]


def with_channels(block: Samples, num_channels: int) -> Samples:
    """Bring float32 [time, channel] to a number of channels: mono goes to all, more are mixed to mono where they differ."""
    if block.shape[1] == num_channels:
        return block
    mono = block.mean(axis=1, keepdims=True, dtype=np.float32)
    return np.repeat(mono, num_channels, axis=1)


def _split(block: Samples, position: int, first: int, marks: Sequence[int]) -> Iterator[tuple[int, Samples]]:
    """Yield the parts of a block from sample `first` of the recording on, cut at marks."""
    edges = sorted({position, position + len(block), *(mark for mark in marks if position < mark < position + len(block))})
    for start, stop in pairwise(edges):
        begin = max(start, first)
        if begin < stop:
            yield begin, block[begin - position : stop - position]


def _silence(start: int, stop: int, num_channels: int, size: int = 1 << 16) -> Iterator[tuple[int, Samples]]:
    for begin in range(start, stop, size):
        yield begin, np.zeros((min(size, stop - begin), num_channels), np.float32)
