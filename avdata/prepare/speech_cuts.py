"""Sound cut at its pauses into pieces of speech."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from avcore.speech.voice_activity import Region, SpeechActivity, SpeechSettings


@dataclass(frozen=True)
class CutSettings:
    """What pieces are wanted, in seconds.

    min_s, max_s: shorter pieces are left out, longer ones are not made. max_pause_s: a longer pause always ends a piece.
    margin_s: silence that a piece keeps at its ends, where there is any. speech: what counts as speech.
    """

    min_s: float = 2.0
    max_s: float = 10.0
    max_pause_s: float = 1.0
    margin_s: float = 0.2
    speech: SpeechSettings = field(default_factory=SpeechSettings)


@dataclass(frozen=True)
class SpeechCuts:
    """pieces: in order, none touching another. too_short: what would have been pieces shorter than asked for."""

    pieces: list[Region]
    too_short: list[Region]


def cut_at_pauses(activity: SpeechActivity, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of speech no longer than `max_s`, as long as pauses allow.

    Neighbours are joined as long as the piece stays short enough; speech that is too long by itself is cut at its
    quietest moment.
    """
    room = 2 * settings.margin_s
    longest = max(settings.max_s - room, settings.max_s / 2)
    parts = [part for region in activity.regions(settings.speech) for part in _split(activity, region, longest)]
    joined = list(_joined(parts, longest, settings.max_pause_s))
    return _by_length(activity.padded(joined, settings.margin_s), settings.min_s)


def cut_exactly(activity: SpeechActivity, length_s: float, settings: CutSettings) -> SpeechCuts:
    """Cut into pieces of exactly `length_s`, as many as fit into each stretch of speech (pauses up to `max_pause_s` are in it).

    Shorter stretches are surrounded with what is around them; those that fill less than half of a piece, and those at
    whose place there is no room, are too short.
    """
    pieces: list[Region] = []
    too_short: list[Region] = []
    free_from = 0.0
    for run in _joined(activity.regions(settings.speech), float("inf"), settings.max_pause_s):
        count = int(run.seconds / length_s + 1e-6)
        start_s = run.start_s
        if count == 0 and run.seconds >= length_s / 2:
            count, start_s = 1, run.start_s - (length_s - run.seconds) / 2
        start_s = max(min(start_s, activity.seconds - count * length_s), free_from)
        if count == 0 or start_s + count * length_s > activity.seconds + 1e-6:
            too_short.append(run)
            continue
        pieces += [Region(start_s + number * length_s, start_s + (number + 1) * length_s) for number in range(count)]
        free_from = pieces[-1].end_s
    return SpeechCuts(pieces, too_short)


def _split(activity: SpeechActivity, region: Region, longest: float) -> Iterator[Region]:
    """Yield a region in parts no longer than `longest`, cut at quiet moments."""
    while region.seconds > longest:
        # In the second half of what is allowed, and so that no crumb is left at the end.
        latest = min(region.start_s + longest, region.end_s - longest / 4)
        cut_s = activity.quietest_s(min(region.start_s + longest / 2, latest), latest)
        yield Region(region.start_s, cut_s)
        region = Region(cut_s, region.end_s)
    yield region


def _joined(regions: list[Region], longest: float, max_pause_s: float) -> Iterator[Region]:
    """Yield neighbours joined as long as the result is short enough."""
    held: Region | None = None
    for region in regions:
        fits = held is not None and region.end_s - held.start_s <= longest and region.start_s - held.end_s <= max_pause_s
        if held is None or fits:
            held = Region(region.start_s if held is None else held.start_s, region.end_s)
        else:
            yield held
            held = region
    if held is not None:
        yield held


def _by_length(regions: list[Region], min_s: float) -> SpeechCuts:
    return SpeechCuts(
        [region for region in regions if region.seconds >= min_s], [region for region in regions if region.seconds < min_s]
    )
