"""Which part of a recording is dubbed: all of it, from one time to another, or the first utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from avcore.errors import UsageError
from avcore.timeline import exact
from netflips.dub.utterances import Utterance
from netflips.options import RecordingOptions

_PREVIEW_MARGIN_S = Fraction(1, 2)


@dataclass(frozen=True)
class Part:
    """start, stop: in the recording (s); never within an utterance. is_all: nothing is left out. is_preview: a quick look, for
    which faces elsewhere are not followed."""

    start: Fraction
    stop: Fraction
    is_all: bool
    is_preview: bool = False

    def has(self, one: Utterance) -> bool:
        """Whether an utterance belongs to the part."""
        return self.start <= exact(one.start_s) < self.stop


def choose_part(options: RecordingOptions, utterances: Sequence[Utterance], rooms: Sequence[Fraction], duration: Fraction) -> Part:
    """The part that was asked for, made longer where it would begin or end within an utterance.

    rooms: how far into the pause after it each utterance may go (s).
    """
    start = exact(options.start_s or 0.0)
    stop = duration if options.end_s is None else min(exact(options.end_s), duration)
    spans = [(exact(one.start_s), exact(one.end_s) + room) for one, room in zip(utterances, rooms, strict=True)]
    if options.is_preview and spans:
        before = Fraction(0)
        after = spans[1][0] if len(spans) > 1 else duration
        start = max(spans[0][0] - _PREVIEW_MARGIN_S, before)
        stop = min(spans[0][1] + _PREVIEW_MARGIN_S, after)
    start = next((begin for begin, end in spans if begin < start < end), start)
    stop = next((end for begin, end in spans if begin < stop < end), stop)
    return Part(start, min(stop, duration), start == 0 and stop >= duration, options.is_preview)


def require_inside(options: RecordingOptions, duration: Fraction) -> None:
    """Raise UsageError for a part that begins behind the end."""
    if options.start_s is not None and exact(options.start_s) >= duration:
        raise UsageError("--from lies behind the end", expected=f"less than {float(duration):.2f} s", found=options.start_s)
