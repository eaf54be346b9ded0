"""Opens a live dub: road, input and output, each checked before the first sound."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from avcore.contracts import SpeakerVoice
from avcore.errors import UsageError
from avcore.media.media_source import MediaSource
from avcore.media.writer import synthetic_comment
from netflips.cascade.speakers import Speaking
from netflips.dubbing.preflight import check_words
from netflips.dubbing.road import Road
from netflips.dubbing.roads.units import UnitRoad
from netflips.live.clock import Clock, VirtualClock, WallClock
from netflips.live.feed import Feed, PacedFeed, open_feed
from netflips.live.mix import LiveMix
from netflips.live.options import PICTURE_S, LiveOptions
from netflips.live.picture import Picture
from netflips.live.record import GrowingSubtitles, Record, subtitle_file
from netflips.live.road import LiveTextRoad
from netflips.live.session import Output, Session
from netflips.live.steps import RATE, TurnDubber
from netflips.live.timeline import Timeline
from netflips.live.turns import Ear
from netflips.live.voices import LiveVoices
from netflips.live.writer import LiveWriter
from netflips.models import Models
from netflips.subtitles.beside import language_of
from unit2text.stage import UNIT2TEXT


class Nowhere:
    """An output that is not kept: who asks for the segments has them."""

    def write_sound(self, block: Any) -> None:
        """Do nothing."""

    def write_frame(self, frame: Any, time_s: float) -> None:
        """Do nothing."""


@contextmanager
def session_of(
    models: Models,
    source: str | Feed,
    out: str | None,
    options: LiveOptions,
    voice: SpeakerVoice,
    clock: Clock | None = None,
) -> Iterator[Session]:
    """Open a live dub for the length of a block. source: as of `open_feed`, or a feed. out: None: its segments alone are wanted.

    voice: everybody's, or the one before a speaker's own is known. clock: None: as the options say. Raises NetflipsError.
    """
    asked, languages = options.of_dub, models.languages
    name = source if isinstance(source, str) else "live"
    with ExitStack() as opened:
        road: Road[Any]
        if asked.cascade_models is None:
            road = UnitRoad()
        else:
            road = opened.enter_context(LiveTextRoad.opened(asked.cascade_models, models))
        check_words(models, road, asked)
        speaking = None if asked.speaker is None else opened.enter_context(closing(Speaking(asked.speaker)))
        feed = opened.enter_context(closing(open_feed(source) if isinstance(source, str) else source))
        if options.clock == "virtual" and not isinstance(feed, PacedFeed):
            raise UsageError("--clock virtual is for a file", found=name)

        delay_s = options.delay if options.delay is not None else PICTURE_S if feed.size else 0.0
        delay_s = max(delay_s, feed.jitter_s)
        record = Record(options.record, *languages, name)
        output: Output = Nowhere()
        subtitles = list[tuple[str, GrowingSubtitles]]()
        if out is not None:
            comment = synthetic_comment(languages[1], models.fingerprints.values(), languages[0])
            output = opened.enter_context(closing(LiveWriter(out, RATE, feed.channels, feed.size, comment)))
            place = output.path.parent if output.path is not None and not Path(out).suffix else output.path
            if options.sides and place is None:
                raise UsageError("--subtitles are written beside a file", found=out)
            for side in options.sides:
                assert place is not None  # refused above
                language = language_of(side, *languages)
                subtitles.append((side, GrowingSubtitles(subtitle_file(place, language), language)))

        clock = clock or (VirtualClock() if options.clock == "virtual" else WallClock())
        timeline = Timeline(delay_s)
        is_fixed = options.voice is not None
        dubber = TurnDubber(
            models, road, asked, MediaSource(Path(name)), LiveVoices(models, voice, is_fixed),
            timeline, clock, speaking, None if models.paths.other(UNIT2TEXT) is None else models.other(UNIT2TEXT),
        )  # fmt: skip
        dubber.past.extend(record.before)
        mix = LiveMix(RATE, feed.channels, asked.under)
        yield Session(
            feed, clock, Ear(), dubber.dub, output, mix, record, delay_s, tuple(subtitles), Picture() if feed.size else None
        )
