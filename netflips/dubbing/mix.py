"""Mix the sound of the output as a stream: the recording's sound, with new speech in place of the old, and its background."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise, tee
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.media import MediaSource, iter_sound_at, iter_sound_blocks, iter_speech_blocks, probe
from avcore.media.sound_writer import AlternateTrack, SoundBlocks, can_copy_sound
from avcore.media.writer import synthetic_comment
from avcore.speech.voice_activity import STEP_RATE
from avcore.timeline import Interval, frame_at, seconds_to_samples, units_to_seconds
from netflips.dubbing.background import LOUD_DBFS, Span, background_level, spoken_spans, with_background
from netflips.dubbing.coverage import uncovered_in
from netflips.dubbing.job import Job
from netflips.dubbing.options import BACKGROUND, ORIGINAL
from netflips.dubbing.part import OutputClock, fitted
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech import Speeches
from netflips.dubbing.stems import with_stems
from netflips.script.notes import BACKGROUND_ESTIMATED, LOUDNESS_MISSED
from netflips.script.types import Script
from unit2av.rendering import SoundFeed

FADE_S = Fraction(1, 50)
_SOFT_S, _AT_EDGE_S, _HEARD_DB, _LOOKED = 0.25, 0.1, 10.0, 9
"""How far speech is heard beyond where it was detected, at most; how near that an utterance begins or ends; by how much it is
louder than the quietest moment there; and at how many moments between them that is looked at."""
_AS_LOUD_LU = 0.5
"""A loudness that misses its target by more than this is reported."""
_LOUDNESS = "loudness"
"""Step of the store, for the gain of a mix."""
_CENTRE = 2
"""Index of the front centre among 3 channels or more, in FFmpeg's order."""


def mix(script: Script, job: Job, speech: Speeches, recording: Recording) -> SoundFeed:
    """Return the sound of the output.

    A clip has the new speech alone. A part of a recording ends with the part. The background under
    new speech is music and effects, where a file of them is given or made, else an estimate from the old sound. The original and
    the background are tracks beside it, where tracks asks for them.
    """
    rate, is_own, target = job.sound_rate, script.is_source_timed, job.options.target_loudness
    channels = job.num_channels if is_own else 1

    def parts(files: Sequence[Path] = ()) -> Iterator[tuple[Samples, Samples]]:
        found = parts_of_sound(script, job, speech, recording.sound)
        if not files:
            return found
        comment = synthetic_comment(script.target, job.models.fingerprints.values(), script.source)
        return with_stems(found, files, rate, channels, comment)

    def mixed(pairs: Iterable[tuple[Samples, Samples]]) -> Iterator[Samples]:
        return (new + rest for new, rest in pairs) if is_own else (speech[number].samples[:, None] for number in speech)

    pairs, behind = parts(job.options.stem_files(job.out)), iter(list[Samples]())
    if BACKGROUND in job.options.alternates:
        # Its track reads the same parts in step with the mix, so that little is held for it.
        pairs, again = tee(pairs)
        behind = (rest for _, rest in again)
    blocks = mixed(pairs)

    if target is not None:
        from avcore.speech.loudness import limited  # with scipy, for which a short clip need not wait

        def measured() -> Iterator[Samples]:
            done, total = 0, int(job.info.duration_s)
            for block in mixed(parts()):
                done += len(block)
                job.progress("loudness", done // rate, max(total, done // rate))
                yield block

        # The loudness of a stream is known at its end only, so it is mixed twice: memory stays flat.
        with job.clock.stage("write"):
            factor = _kept_gain(job, target, measured, rate, channels)
        blocks, behind = (limited(one, rate, factor) for one in (blocks, behind))

    clock = OutputClock(script, job.part, job.own_rate)
    alternates = tuple(
        _original(job, script.source, clock)
        if alternate == ORIGINAL
        else AlternateTrack("", "Background", SoundBlocks(behind, rate, channels))
        for alternate in job.options.alternates
    )
    return SoundFeed(blocks, rate, channels, alternates)


def _kept_gain(job: Job, target: float, sound: Callable[[], Iterable[Samples]], rate: int, channels: int) -> float:
    """Return the gain that brings the mix to a loudness (LUFS): that of an earlier dub of the same part while it still does.

    So a sentence that is corrected leaves all other samples as they were.
    """
    from avcore.speech.loudness import Gain, gain_to, loudness_of

    made_of = (job.digest, str(job.part), target)
    kept = job.store.find(Gain, _LOUDNESS, made_of)
    if kept is not None and abs(loudness_of(sound(), rate, channels, kept.factor) - target) <= _AS_LOUD_LU:
        return kept.factor
    gain = gain_to(target, sound, rate, channels)
    if abs(gain.lufs - target) > _AS_LOUD_LU:
        job.notes.add(LOUDNESS_MISSED(level=gain.lufs, target=target))
    else:
        job.store.keep(_LOUDNESS, made_of, gain)
    return gain.factor


def _original(job: Job, language: str, clock: OutputClock) -> AlternateTrack:
    """Return a recording's sound as a track of its dub: copied, or encoded where it is cut, made as loud, or the output cannot
    hold it.

    language: of the speech, where the file does not state it.
    """
    info, level = job.info, job.options.target_loudness
    sound: MediaSource | SoundBlocks = info.source
    if level is not None or not clock.part.is_all or clock.freezes or not can_copy_sound(info.source, job.out):
        sound = SoundBlocks(original_blocks(job, clock, level), info.audio_rate, info.audio_channels)
    return AlternateTrack(info.tracks[info.track - 1].language or language, "Original", sound)


def original_blocks(job: Job, clock: OutputClock, level: float | None) -> Iterator[Samples]:
    """Yield a recording's own sound in step with its dub, float32 [time, channel]. level: its loudness (LUFS); None: as it is."""
    info, part = job.info, clock.part
    end = seconds_to_samples(clock.at(part.stop), info.audio_rate)

    def placed() -> Iterator[Samples]:
        blocks = output_blocks(iter_sound_blocks(info.source), clock, info.audio_rate, end, None if part.is_all else end)
        return (block for _, block in blocks)

    if level is None:
        return placed()
    from avcore.speech.loudness import gain_to, limited

    return limited(placed(), info.audio_rate, gain_to(level, placed, info.audio_rate, info.audio_channels).factor)


def parts_of_sound(script: Script, job: Job, speech: Speeches, sound: Sound) -> Iterator[tuple[Samples, Samples]]:
    """Yield the sound of a recording's dub in pairs of blocks, float32 [time, channel]: new speech, and everything else."""
    rate, channels, clock = job.sound_rate, job.num_channels, OutputClock(script, job.part, job.own_rate)
    end = seconds_to_samples(clock.at(clock.part.stop), rate)
    cut_at = None if clock.part.is_all else end
    own = iter_sound_blocks(job.info.source) if job.info.has_audio else iter(())

    effects, background = None, job.background
    if background is not None:
        if probe(background).audio_channels == channels:
            other = iter_sound_at(background, rate)
        else:  # mixed to one channel
            other = (block[:, None] for block in iter_speech_blocks(background, rate))
        effects = SoundReader((block for _, block in output_blocks(other, clock, rate, end, cut_at)), channels)

    voices, is_muted = list[Span](), job.options.background == "mute"
    muted = uncovered_in(script, job, sound) if job.options.other_speech == "mute" else []
    has_background = background is None and not is_muted and sound.is_there
    if has_background:
        voices = _voices_in(script, sound, rate, muted)
        level = background_level(sound, voices, rate)
        if level is not None and level > LOUD_DBFS:
            job.notes.add(BACKGROUND_ESTIMATED(level=level))
        own = with_background(own, voices, rate)

    mixer = Mixer(
        _lines(script, clock, rate, speech, voices, muted, sound), rate, channels, 0.0 if is_muted else 1.0, job.options.under
    )
    for start, block in output_blocks(own, clock, rate, end, cut_at):
        if has_background and block.shape[1] == 2 * channels:  # silence where a frame is held has one channel
            yield mixer.parts(start, block[:, :channels], block[:, channels:], is_background=True)
        else:
            yield mixer.parts(start, block, None if effects is None else effects.take(len(block)))


def _voices_in(script: Script, sound: Sound, rate: int, muted: Sequence[Interval]) -> list[Span]:
    """Return the spans of voices that get new speech, or are muted (s), in samples of the recording at `rate` Hz."""
    places = [place.samples(rate) for place in (*(utterance.place for utterance, _ in fitted(script)), *muted)]
    return [span for span in spoken_spans(sound.regions, rate) if any(span[0] < stop and start < span[1] for start, stop in places)]


def _lines(
    script: Script,
    clock: OutputClock,
    rate: int,
    speech: Speeches,
    voices: Sequence[Span],
    muted: Sequence[Interval],
    sound: Sound,
) -> "list[Line]":
    """Return the new speech of all utterances, and a silent line for each stretch of speech that is muted (s).

    voices: where voices were detected, in samples of the recording. sound: that of the recording.
    """

    def read(number: int, length: int) -> Samples:
        return speech[number].samples[:length]

    lines = list[Line]()
    for edges in muted:
        start, stop = (seconds_to_samples(clock.at(edge), rate) for edge in edges)
        lines.append(Line(start, stop, 0, lambda: np.zeros(0, np.float32)))
    numbers = [utterance.number for utterance, _ in fitted(script)]
    places = [utterance.place for utterance, _ in fitted(script)]
    softly = dict(zip(numbers, soft_edges(places, sound), strict=True))
    for utterance, fit in fitted(script):
        start = seconds_to_samples(clock.at(utterance.place.start_s), rate)
        stop = start + seconds_to_samples(utterance.place.seconds, rate)
        before, behind = (seconds_to_samples(seconds, rate) for seconds in softly[utterance.number])
        length = seconds_to_samples(units_to_seconds(sum(fit.durations)), rate)

        # An utterance that was not detected as speech for the most part has a voice that cannot be parted from its background.
        first, last = utterance.place.samples(rate)
        detected = sum(max(min(end, last) - max(begin, first), 0) for begin, end in voices)
        spoken = partial(read, utterance.number, length)
        lines.append(Line(start, stop, length, spoken, 2 * detected >= last - first, before, behind))
    return sorted(lines, key=lambda line: line.start)


def soft_edges(places: Sequence[Interval], sound: Sound) -> list[tuple[float, float]]:
    """Return for how many seconds speech is heard before each place in which it was detected, and behind it.

    The detector finds soft beginnings late, and ends early. Speech reaches to the quietest moment near by: breaths and rooms stay.
    """
    activity = sound.activity
    starts, ends = np.array(sound.regions, np.float64).reshape(-1, 2).T

    def beyond(edge: float, own: NDArray[np.float64], others: NDArray[np.float64], sign: int) -> float:
        if not len(own) or np.abs(own - edge).min() > _AT_EDGE_S:  # it begins or ends amid speech, or beside it
            return 0.0
        away = sign * (others - edge)
        limit = edge + sign * float(away[away > 0].min(initial=_SOFT_S))
        quiet = activity.quietest_s(*sorted((edge, min(max(limit, 0.0), activity.seconds))))
        levels = [
            activity.levels[min(frame_at(at, STEP_RATE), len(activity.levels) - 1)] for at in np.linspace(quiet, edge, _LOOKED)
        ]
        return abs(quiet - edge) if max(levels) > levels[0] + _HEARD_DB else 0.0

    return [(beyond(start, starts, ends, -1), beyond(end, ends, starts, 1)) for start, end in places]


@dataclass(frozen=True)
class Line:
    """New speech of one utterance, in samples of the output."""

    start: int
    """where the old speech ends and the new speech begins"""
    stop: int
    """where the old sound comes back"""
    length: int
    """length of the new speech, which may go on after `stop`"""
    read: Callable[[], Samples]
    """returns the new speech, float32 [length]"""
    has_background: bool = True
    """whether the background of the old sound may be heard behind it"""
    before: int = 0
    """samples before `start` in which the old speech is heard softly already"""
    behind: int = 0
    """samples behind `stop` in which it still is"""


class Mixer:
    """Mixes blocks of sound, [time, channel], that come in order."""

    def __init__(self, lines: Sequence[Line], rate: int, num_channels: int, kept: float = 1.0, under: float = 0.0) -> None:
        """lines: in order of time. rate: Hz. kept, under: gain of the old sound between lines, and below them."""
        self._lines, self._rate, self._num_channels = lines, rate, num_channels
        self._kept, self._under = kept, under
        self._fade = seconds_to_samples(FADE_S, rate)
        self._next = 0
        self._read: dict[int, Samples] = {}

    def parts(
        self, start: int, old: Samples, effects: Samples | None = None, *, is_background: bool = False
    ) -> tuple[Samples, Samples]:
        """Return the new speech and everything else, both float32 [time, channel], for the block at sample `start` of the output.

        old: the old sound [time, channel]. effects: music and effects of the same time, heard wherever the old sound is not.
        is_background: `effects` are the background of the old sound.
        """
        stop = start + len(old)
        kept = np.full(len(old), self._kept, np.float32)  # gain of the old sound
        speech, behind = np.zeros(len(old), np.float32), np.ones(len(old), np.float32)

        while self._next < len(self._lines) and self._end(self._lines[self._next]) <= start:
            self._read.pop(self._next, None)
            self._next += 1

        for number in range(self._next, len(self._lines)):
            line = self._lines[number]
            if line.start - line.before >= stop:
                break
            # The old sound comes back where the old speech ends, even if the new goes on: whoever speaks there is not dubbed. As a
            # voice-over it stays low until the new speech ends, so that both are understood.
            begin, end = line.start - line.before, line.stop + line.behind
            kept *= 1 - (1 - self._under) * self._ramp(begin, max(end, self._end(line)) if self._under else end, start, stop)
            if is_background and not line.has_background:
                behind[max(begin - start, 0) : max(end - start, 0)] = 0
            self._add(number, speech, start)

        # Music and effects fill what the old sound leaves, so that the background is as loud throughout.
        rest = old * kept[:, None]
        if effects is not None:
            rest += effects * ((1 - kept) * behind)[:, None]
        return self._spread(speech), np.asarray(rest, np.float32)

    def _end(self, line: Line) -> int:
        return max(line.stop + line.behind, line.start + line.length)

    def _add(self, number: int, speech: Samples, start: int) -> None:
        line = self._lines[number]
        first, last = max(line.start, start), min(line.start + line.length, start + len(speech))
        if last <= first:
            return

        # Read only now, and dropped once it is over: memory holds the speech of those lines alone that reach into this block.
        if number not in self._read:
            self._read[number] = line.read()
        samples = self._read[number][first - line.start : last - line.start]
        speech[first - start : last - start] += samples * self._ramp(line.start, line.start + line.length, first, last)

    def _ramp(self, begin: int, end: int, start: int, stop: int) -> Samples:
        """Return a gain for samples `start` to `stop` - 1: 1 between `begin` and `end`, with fades inside, and 0 elsewhere."""
        fade = max(min(self._fade, (end - begin) // 2), 1)
        places = np.arange(start, stop)
        # Half a sample on either side: fading in and fading out are mirror images.
        nearest = np.minimum(places - begin + 0.5, end - places - 0.5)
        return np.asarray(np.clip(nearest / fade, 0, 1), np.float32)

    def _spread(self, speech: Samples) -> Samples:
        """Put mono speech on all channels of mono and stereo, or on the front centre, where films have it."""
        if self._num_channels <= _CENTRE:
            return np.repeat(speech[:, None], self._num_channels, axis=1)
        spread = np.zeros((len(speech), self._num_channels), np.float32)
        spread[:, _CENTRE] = speech
        return spread


def output_blocks(
    blocks: Iterable[Samples], clock: OutputClock, rate: int, fill_to: int, cut_at: int | None = None
) -> Iterator[tuple[int, Samples]]:
    """Yield a recording's sound at its place in the output: blocks [time, channel], each with its first sample.

    There is silence where a frame is held, and at the end up to sample `fill_to`. Sound after sample `cut_at` is left out.
    """
    first = seconds_to_samples(clock.part.start, rate)
    marks = [(seconds_to_samples(end, rate), seconds_to_samples(clock.at(end), rate)) for end, _ in clock.freezes]
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
    """Reads blocks of sound in portions of any length, with silence after the last block."""

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
    """Return float32 [time, num_channels]. A block with another number of channels is mixed to mono and copied to all."""
    if block.shape[1] == num_channels:
        return block
    mono = block.mean(axis=1, keepdims=True, dtype=np.float32)
    return np.repeat(mono, num_channels, axis=1)


def _split(block: Samples, position: int, first: int, marks: Sequence[int]) -> Iterator[tuple[int, Samples]]:
    """Yield the parts of a block, cut at marks, without what comes before sample `first` of the recording."""
    edges = sorted({position, position + len(block), *(mark for mark in marks if position < mark < position + len(block))})
    for start, stop in pairwise(edges):
        begin = max(start, first)
        if begin < stop:
            yield begin, block[begin - position : stop - position]


def _silence(start: int, stop: int, num_channels: int, size: int = 1 << 16) -> Iterator[tuple[int, Samples]]:
    for begin in range(start, stop, size):
        yield begin, np.zeros((min(size, stop - begin), num_channels), np.float32)
