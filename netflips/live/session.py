"""A live dub from beginning to end: each tick it hears what came, has turns dubbed, and writes what is due."""

import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np

from avcore.arrays import Samples
from avcore.timeline import SAMPLE_RATE, Interval
from netflips.live.clock import Clock
from netflips.live.desk import Desk
from netflips.live.feed import Feed, Piece
from netflips.live.mix import LiveMix
from netflips.live.picture import Picture
from netflips.live.record import GrowingSubtitles, Record
from netflips.live.steps import RATE, Spoken
from netflips.live.turns import Ear, Turn
from netflips.script.utterance import Utterance

LOG = logging.getLogger("netflips")
_TOLD_S = 10.0
"""Seconds between lines that say how far it is behind."""
_MEASURED = 200
"""Turns of which delays are kept for these lines."""
_LOUD = 0.02
"""Samples from this on are heard as speech."""


class Segment(NamedTuple):
    """A turn that was dubbed, as `netflips.load().live()` yields it."""

    utterance: Utterance
    """what was said and is said, at its place in the source"""
    begin_s: float
    """when its speech begins in the output, on the source's clock"""
    heard_s: float
    """when its speech begins, on the listener's clock: so long behind `utterance.place` it is"""
    speech: Samples | None
    """float32 [S] at 48 kHz; None: it is not spoken, and `utterance.notes` say why"""


class Output(Protocol):
    """Where a live dub is written."""

    def write_sound(self, block: Samples) -> None:
        """Write the next sound, float32 [time, channel]."""

    def write_frame(self, frame: object, time_s: float) -> None:
        """Write a frame that is shown from a time on (s)."""


@dataclass(eq=False)
class Session:
    """One live dub."""

    feed: Feed
    clock: Clock
    ear: Ear
    dub: Callable[[Turn], Spoken | None]
    """dubs a turn; None: it waits for the next one"""
    output: Output
    mix: LiveMix
    record: Record
    delay_s: float
    """by how much the output is behind the source"""
    subtitles: tuple[tuple[str, GrowingSubtitles], ...] = ()
    """files of subtitles by side, source or target"""
    picture: Picture | None = None
    """draws and delays frames; None: there are none"""
    delays: deque[float] = field(default_factory=lambda: deque(maxlen=_MEASURED))
    """from the end of each of the last turns to the first sound of its speech (s)"""
    spoken: int = 0
    """turns that were spoken"""
    unspoken: int = 0
    """turns that were not"""
    _is_stalled: bool = False
    _end_s: float = 0.0
    """when the last speech ends"""

    def run(self) -> Iterator[Segment]:
        """Dub until the source ends; yields each turn when it is dubbed. Raises NetflipsError where the output ends."""
        is_flushed, told_s = False, 0.0
        with closing(Desk(self.dub, self.clock)) as desk:
            for now in self.clock.ticks():
                for piece in self.feed.take(now):
                    self._hear(piece, desk)
                if self.feed.is_ended and not is_flushed:
                    is_flushed = True
                    for turn in self.ear.flush():
                        desk.submit(turn)
                for spoken in desk.take():
                    yield self._say(spoken)
                self._write(now - self.delay_s, desk)
                if now - told_s >= _TOLD_S:
                    told_s = now
                    LOG.info("%s", self.summary(now))
                is_over = is_flushed and desk.is_idle and self.mix.position >= max(self.mix.end, round(self._end_s * RATE))
                if is_over and (self.picture is None or self.picture.is_empty):
                    return

    def summary(self, now: float) -> str:
        """Return in a line how far it is behind."""
        line = f"live {now:.0f} s: {self.spoken} spoken, {self.unspoken} not"
        if self.delays:
            ends = np.array(self.delays)
            line += f"; heard {np.median(ends):.1f} s behind what was said (p95 {np.percentile(ends, 95):.1f})"
        return line + ("" if self.picture is None else f"; {self.picture.summary()}")

    def _hear(self, piece: Piece, desk: Desk) -> None:
        if piece.frame is not None and self.picture is not None:
            self.picture.see(piece.frame, piece.time_s + self.mix.missing / RATE)
        if piece.sound is None or piece.speech is None:
            return
        if self._is_stalled:
            self._is_stalled = False
            LOG.info("the source is back")
        self.mix.hear(piece.sound)
        self._listen(piece.speech, desk)

    def _listen(self, speech: Samples, desk: Desk) -> None:
        for turn in self.ear.hear(speech):
            desk.submit(turn)

    def _say(self, spoken: Spoken) -> Segment:
        utterance, begin_s, speech, heard = spoken.utterance, spoken.begin_s, spoken.speech, None
        place = utterance.place
        source = "" if utterance.text is None else utterance.text.text
        end_s = place.end_s
        if speech is None:
            self.unspoken += 1
            begin_s = place.start_s
        else:
            self.spoken += 1
            if self.delay_s:  # what is said there is still to be heard
                self.mix.lower(*place.samples(RATE))
            self.mix.say(round(begin_s * RATE), speech)
            end_s = self._end_s = begin_s + len(speech) / RATE
            loud = np.flatnonzero(np.abs(speech) > _LOUD)
            first_s = begin_s + (float(loud[0]) / RATE if len(loud) else 0.0)
            heard = Interval(first_s + self.delay_s, end_s + self.delay_s)
            self.delays.append(heard.start_s - place.end_s)
        utterance = self.record.add(utterance, heard)
        said = source if utterance.spoken is None or speech is None else utterance.spoken.text
        for side, file in self.subtitles:
            if side == "source":
                file.add(source, *place)
            else:  # what is not spoken is still shown, in the language that it is in
                file.add(said, begin_s, end_s)
        return Segment(utterance, begin_s, begin_s + self.delay_s, speech)

    def _write(self, until_s: float, desk: Desk) -> None:
        """Write sound and frames up to a time of the source."""
        stop = max(round(until_s * RATE), 0)
        if self.feed.is_ended:
            stop = min(stop, max(self.mix.end, round(self._end_s * RATE)))
        missing = self.mix.missing
        self.output.write_sound(self.mix.take(stop))
        missing = self.mix.missing - missing
        if missing and not self.feed.is_ended:  # what the output has as silence was silence for the ear, too
            if not self._is_stalled:
                self._is_stalled = True
                LOG.warning("nothing comes from the source: it is waited for")
            self._listen(np.zeros(round(missing * SAMPLE_RATE / RATE), np.float32), desk)
        if self.picture is not None:
            for frame, time_s in self.picture.take(until_s):
                self.output.write_frame(frame, time_s)
