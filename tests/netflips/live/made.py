"""A live dub on a virtual clock, with work whose cost is given: nothing in it is timed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from avcore.timeline import SAMPLE_RATE, Interval, seconds_to_samples, seconds_to_units
from netflips.live.clock import VirtualClock
from netflips.live.feed import Piece
from netflips.live.mix import LiveMix
from netflips.live.record import Record
from netflips.live.session import Segment, Session
from netflips.live.steps import RATE, Spoken
from netflips.live.timeline import Timeline
from netflips.live.turns import Ear, Turn
from netflips.script.targets import Text, WrittenText
from netflips.script.utterance import Utterance
from tests.avcore.made_speech import talk

FACTOR = RATE // SAMPLE_RATE


@dataclass
class MadeFeed:
    """Sound at its own pace, that stands still for a while at some times: (from when, for how long), in seconds."""

    speech: np.ndarray
    stalls: Sequence[tuple[float, float]] = ()
    jitter_s = 0.1
    channels = 1
    size = None
    is_ended = False
    taken: int = 0

    def take(self, now: float) -> list[Piece]:
        here = now - sum(min(max(now - at, 0.0), seconds) for at, seconds in self.stalls)
        stop = min(seconds_to_samples(here), len(self.speech))
        block, start = self.speech[self.taken : stop], self.taken
        self.taken, self.is_ended = stop, stop == len(self.speech)
        return [Piece(start / SAMPLE_RATE, np.repeat(block, FACTOR)[:, None], block)] if len(block) else []

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Kept:
    """An output in memory."""

    blocks: list[np.ndarray] = field(default_factory=list)
    frames: list[float] = field(default_factory=list)

    def write_sound(self, block: np.ndarray) -> None:
        self.blocks.append(block)

    def write_frame(self, frame: object, time_s: float) -> None:
        self.frames.append(time_s)

    @property
    def sound(self) -> np.ndarray:
        return np.concatenate(self.blocks)[:, 0]


@dataclass
class Work:
    """Dubs a turn by a tone. costs: seconds of work of each turn in order; natural: its length as a multiple of the turn's."""

    timeline: Timeline
    clock: VirtualClock | None = None
    costs: Callable[[int], float] = lambda _: 0.6
    natural: Callable[[int], float] = lambda _: 1.0
    spent: float = 0.0
    turns: list[Turn] = field(default_factory=list)
    numbers: Iterable[int] = field(default_factory=count)

    def dub(self, turn: Turn) -> Spoken:
        number = len(self.turns)
        self.turns.append(turn)
        self.spent += self.costs(number)
        assert self.clock is not None
        ready = self.clock.now()
        steps = self.timeline.steps(turn, seconds_to_units(self.natural(number) * (turn.end_s - turn.start_s)), ready)
        begin = self.timeline.place(turn, steps, ready)
        speech = np.full(steps * RATE // 50, 0.5, np.float32)
        utterance = Utterance(
            place=Interval(turn.start_s, turn.end_s), text=Text(f"word {number}"), target=WrittenText(f"말 {number}")
        )
        return Spoken(utterance, ready, begin, speech)


def made_session(feed: MadeFeed, delay_s: float = 0.1, record: Path | None = None, **work: object) -> tuple[Session, Work, Kept]:
    """A session of a feed. work: fields of `Work`."""
    timeline, output = Timeline(delay_s), Kept()
    made = Work(timeline, **work)  # type: ignore[arg-type]
    made.clock = VirtualClock(lambda: made.spent)
    mix = LiveMix(RATE, 1, 0.1)
    session = Session(feed, made.clock, Ear(), made.dub, output, mix, Record(record, "en", "ko", "talk"), delay_s)
    return session, made, output


def dubbed(plan: Sequence[float], stalls: Sequence[tuple[float, float]] = (), **more: object) -> tuple[list[Segment], Work, Kept]:
    """The segments of silence and speech in turn (s)."""
    session, work, output = made_session(MadeFeed(talk(list(plan)), stalls), **more)  # type: ignore[arg-type]
    return list(session.run()), work, output
