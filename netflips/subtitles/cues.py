"""Makes readable subtitles of words with times: of limited lines and duration, and none across a change of shot.

The rules are those that broadcasters share: at most two lines of 42 characters (20 in Korean, whose syllables are twice as wide),
1 to 7 seconds, and each subtitle within one shot. Files are SubRip (.srt), WebVTT (.vtt) or TTML (`netflips.subtitles.ttml`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple

from avcore.contracts import Word
from avcore.timeline import seconds_to_samples

_ENDS = (".", "?", "!", "…", "。", "？", "！")  # noqa: RUF001 full-width marks end sentences too
_COMMAS = (",", ";", ":", "，")  # noqa: RUF001
_WIDE_LETTERS = {"ko": 20, "ja": 16, "zh": 16}
SRT, VTT = ".srt", ".vtt"
_PIECE = re.compile(r"[^/._@&=?-]+[/._@&=?-]*|[/._@&=?-]+")
"""Parts of an address with the sign behind each."""
_PARTICLE = re.compile(r"(?<=[A-Za-z0-9])[가-힣]{1,4}[.,?!]*$")
"""Behind a word in Latin letters."""
_MILLISECONDS = 1000
_ARROW = "-->"
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


@dataclass(frozen=True)
class Rules:
    """Limits that subtitles keep."""

    letters: int = 42
    """most characters in a line"""
    lines: int = 2
    """most lines of a subtitle"""
    least_s: float = 1.0
    """least time that a subtitle is shown"""
    most_s: float = 7.0
    """most time that a subtitle is shown"""
    pause_s: float = 1.0
    """a longer pause always ends a subtitle"""
    gap_s: float = 0.04
    """left free between two subtitles in a row"""


class Cue(NamedTuple):
    """A subtitle."""

    start_s: float
    """when it appears"""
    end_s: float
    """when it disappears"""
    lines: tuple[str, ...]
    """as they are shown"""


def rules_for(language: str) -> Rules:
    """Return the rules of a language, by its two-letter name."""
    return Rules(letters=_WIDE_LETTERS.get(language, Rules.letters))


def make_cues(
    utterances: Iterable[Iterable[Word]], rules: Rules, cuts: Sequence[float] = (), end_s: float = float("inf")
) -> list[Cue]:
    """Make subtitles of utterances in order of time. Two utterances never share one: the speaker may change, or a sentence begin.

    utterances: the words of each. cuts: times at which another shot begins (s). end_s: end of the video. A subtitle is shown for
    less than `least_s` only if its shot leaves it no more time.
    """
    shots = sorted(cuts)
    split = ([_broken(word, rules) for word in words] for words in utterances)
    groups = [group for words in split for group in _groups(words, rules, shots)]
    cues = [Cue(group[0].start_s, group[-1].end_s, lay_out([word.text for word in group], rules)) for group in groups]
    places = (_shot_at(group[0], shots) for group in groups)
    bounds = [(shots[at - 1] if at else 0.0, shots[at] if at < len(shots) else end_s) for at in places]
    return _timed(cues, bounds, rules)


def lay_out(words: Sequence[str], rules: Rules) -> tuple[str, ...]:
    """Lay out words in as few lines as they fit in: two lines of similar length, if possible broken after a comma."""
    whole = " ".join(words)
    if len(whole) <= rules.letters or len(words) < 2:
        return (whole,)

    best: tuple[float, tuple[str, ...]] | None = None
    for number in range(1, len(words)):
        first = " ".join(words[:number])
        rest = lay_out(words[number:], replace(rules, lines=rules.lines - 1)) if rules.lines > 2 else (" ".join(words[number:]),)
        lines = (first, *rest)
        longest, shortest = max(map(len, lines)), min(map(len, lines))
        over = max(0, longest - rules.letters)
        # A letter beyond the limit outweighs all else; a break after a comma is worth some unevenness.
        cost = 1000 * over + (longest - shortest) - (rules.letters / 3 if first.endswith((*_COMMAS, *_ENDS)) else 0)
        if best is None or cost < best[0]:
            best = cost, lines

    assert best is not None  # there are two words or more
    return best[1]


def _broken(word: Word, rules: Rules) -> list[Word]:
    """Return a word; one that is longer than a line in parts, which share its time by their letters. A Korean particle stays with
    what it follows."""
    whole = word.text
    if len(whole) <= rules.letters:
        return [word]

    parts = [""]
    for piece in _PIECE.findall(whole):  # as of an address
        if parts[-1] and len(parts[-1]) + len(piece) > rules.letters:
            parts.append("")
        parts[-1] += piece
        while len(parts[-1]) > rules.letters:
            particle = _PARTICLE.search(parts[-1])
            most = len(parts[-1]) - len(particle[0]) - 1 if particle else rules.letters
            parts[-1:] = [parts[-1][: min(most, rules.letters)], parts[-1][min(most, rules.letters) :]]

    share, ends = (word.end_s - word.start_s) / len(whole), [0, *accumulate(map(len, parts))]
    return [
        word._replace(text=part, start_s=word.start_s + first * share, end_s=word.start_s + last * share)
        for part, (first, last) in zip(parts, pairwise(ends), strict=True)
    ]


def _groups(words: Sequence[list[Word]], rules: Rules, cuts: Sequence[float]) -> Iterator[list[Word]]:
    """Yield the words of each subtitle. words: each in its parts, which stay together where they fit into one subtitle."""
    held: list[Word] = []
    for parts in words:
        is_one = _fits(parts, rules)
        for pieces in [parts] if is_one else [[part] for part in parts]:
            if held and any(_must_part([*held, *pieces[:place]], piece, rules, cuts) for place, piece in enumerate(pieces)):
                yield held
                held = []
            held += pieces
    if held:
        yield held


def _must_part(held: Sequence[Word], word: Word, rules: Rules, cuts: Sequence[float]) -> bool:
    """Return whether a word begins a new subtitle, after those that are held."""
    lasts = held[-1].end_s - held[0].start_s
    return (
        word.start_s - held[-1].end_s > rules.pause_s
        or word.end_s - held[0].start_s > rules.most_s
        or not _fits([*held, word], rules)
        or _shot_at(held[-1], cuts) != _shot_at(word, cuts)
        or (held[-1].text.endswith(_ENDS) and lasts >= rules.least_s)
    )


def _fits(words: Sequence[Word], rules: Rules) -> bool:
    """Return whether words fit into one subtitle."""
    lines = lay_out([word.text for word in words], rules)
    return len(lines) <= rules.lines and all(len(line) <= rules.letters for line in lines)


def _shot_at(word: Word, cuts: Sequence[float]) -> int:
    """Return the number of the shot in which a word's middle lies, from 0."""
    return bisect_right(cuts, (word.start_s + word.end_s) / 2)


def _timed(cues: Sequence[Cue], bounds: Sequence[tuple[float, float]], rules: Rules) -> list[Cue]:
    """Return cues within their shots that do not overlap. One that is too short ends later, or if that is not enough, begins
    earlier, as far as there is time. bounds: begin and end of each cue's shot (s)."""
    timed: list[Cue] = []
    for number, (cue, (low, high)) in enumerate(zip(cues, bounds, strict=True)):
        following = max(low, cues[number + 1].start_s - rules.gap_s) if number + 1 < len(cues) else high
        latest = min(high, max(following, cue.start_s))
        earliest = max(low, timed[-1].end_s + rules.gap_s) if timed and timed[-1].end_s > low - rules.gap_s else low

        start = min(max(cue.start_s, earliest), high)
        end = min(max(cue.end_s, start), latest, start + rules.most_s)
        if end - start < rules.least_s:
            end = min(latest, start + rules.least_s)
        if end - start < rules.least_s:
            start = max(min(earliest, start), end - rules.least_s)

        timed.append(Cue(start, max(end, start), cue.lines))
    return timed


def srt_text(cues: Iterable[Cue]) -> str:
    """Return the text of a SubRip file: numbered blocks, with a comma before the milliseconds."""
    blocks = list[str]()
    for number, cue in enumerate(cues, 1):
        lines = [line.replace(_ARROW, "->") for line in cue.lines]  # no player takes it for a time
        blocks.append(f"{number}\n{stamp(cue.start_s, ',')} {_ARROW} {stamp(cue.end_s, ',')}\n" + "\n".join(lines) + "\n")
    return "\n".join(blocks)


def vtt_text(cues: Iterable[Cue]) -> str:
    """Return the text of a WebVTT file: its header, then blocks with a point before the milliseconds. Markup is escaped."""
    blocks = list[str]()
    for cue in cues:
        lines = ["".join(_ESCAPES.get(sign, sign) for sign in line) for line in cue.lines]
        blocks.append(f"{stamp(cue.start_s, '.')} {_ARROW} {stamp(cue.end_s, '.')}\n" + "\n".join(lines) + "\n")
    return "\n".join(["WEBVTT\n", *blocks])


def stamp(seconds: float, mark: str) -> str:
    """Return a time as `00:01:02.500`. mark: before the milliseconds."""
    # Whole milliseconds come first: 59.9996 s must not be written as 60 seconds of a minute.
    whole, thousandths = divmod(seconds_to_samples(max(0.0, seconds), _MILLISECONDS), _MILLISECONDS)
    minutes, rest = divmod(whole, 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}{mark}{thousandths:03d}"
