"""Cues that say a sentence several times, or a word of it each: rolling captions, marked words, transcripts by word."""

import re
from collections.abc import Sequence
from dataclasses import replace

from netflips.subtitles.formats import LEAST_S, Cue

_GROWING = 6
"""Least letters of a line that may grow within a word; a shorter one is a word of its own."""
_MARK_PAUSE_S = 2.5
"""Longest pause within a sentence whose words are marked one after the other."""
_FRAME_S = 0.1
"""Longest pause within a text at a place in the frame that is written anew for each frame."""
_FEWEST, _SINGLE, _WORD_S, _ENDS = 3, 0.8, 0.8, 0.6
"""Fewest cues, share of those with a single word, longest median length, and largest share of ends of sentences, of subtitles by
word."""
_SENTENCE_PAUSE_S, _SENTENCE_S = 0.8, 12.0
"""Longest pause within a sentence, and its longest length."""
_NO_BLANKS = re.compile("[\u3041-\u30ff\u4e00-\u9fff]")
"""Letters of languages that have no blanks between words."""
_SENTENCE_END = re.compile(r"[.?!\u2026\u3002\uff1f\uff01][\"')\u201d\u2019]*$")


def without_repeats(cues: Sequence[Cue]) -> tuple[list[Cue], list[int]]:
    """Return rolling captions with each line once, and the numbers of the cues that lost lines.

    YouTube's automatic captions show a line again above the next, those of broadcasters roll up by two or three lines, live ones
    grow by words, and others show a sentence again with another word marked. Captions roll if most cues of the file do, or two in a
    row; otherwise what is written twice is spoken twice.
    """
    ordered, changed = _marked_once(sorted(cues, key=lambda cue: (cue.start_s, cue.number)))
    lines, before = [[row for line in one.text.split("\n") if (row := " ".join(line.split()))] for one in ordered], list[str]()
    known = list[tuple[int, str]]()
    rolls, adds = list[bool](), list[bool]()
    for one, rows in zip(ordered, lines, strict=True):
        shown, grown = _shown_again(before, rows)
        known.append((shown, grown))
        is_short = one.end_s - one.start_s < LEAST_S
        adds.append(shown > 0 and (bool(grown) or shown < len(rows)))
        rolls.append(adds[-1] or (shown > 0 and (shown < len(before) or is_short)))
        before = rows or before

    is_rolling = any(adds) and sum(rolls) * 2 > sum(map(bool, lines[1:]))
    found = list[Cue]()
    for place, (one, rows, (shown, grown)) in enumerate(zip(ordered, lines, known, strict=True)):
        beside = [other for other in (place - 1, place + 1) if rolls[other : other + 1] == [True]]
        is_in_run = rolls[place] and any(adds[place] or adds[other] for other in beside)
        if not shown or not (is_rolling or is_in_run):
            found.append(one)
            continue
        changed.append(one.number)
        if grown and found:  # the cue before gets the rest of its line
            end_s = one.end_s if shown == len(rows) else one.start_s
            found[-1] = replace(found[-1], text=found[-1].text.rstrip() + grown, end_s=max(end_s, found[-1].end_s))
        if shown < len(rows):
            found.append(replace(one, text="\n".join(rows[shown:])))
    return found, sorted(changed)


def _marked_once(ordered: Sequence[Cue]) -> tuple[list[Cue], list[int]]:
    """Return cues, a sentence whose marked word moves on and a text that is placed frame by frame once, and the numbers of the cues
    that showed it again."""
    found, again, marks = list[Cue](), list[int](), tuple[int, ...]()
    for cue in ordered:
        before = found[-1] if found else None
        is_same = before is not None and before.text == cue.text and before.speaker == cue.speaker
        # A pause shows the sentence without a mark; a mark that goes back begins the sentence anew.
        moves = bool(cue.marks or marks) and (not cue.marks or not marks or cue.marks > marks)
        pause_s = _MARK_PAUSE_S if moves else _FRAME_S if before is not None and cue.is_placed and before.is_placed else -1.0
        if before is not None and is_same and cue.start_s - before.end_s <= pause_s:
            found[-1] = replace(before, end_s=max(before.end_s, cue.end_s))
            again.append(cue.number)
            marks = cue.marks or marks
        else:
            found.append(cue)
            marks = cue.marks
    return found, again


def _shown_again(before: Sequence[str], rows: Sequence[str]) -> tuple[int, str]:
    """Return how many of a cue's first lines were the last ones of the cue before, and the text by which the last of them grew."""
    for count in range(min(len(before), len(rows)), 0, -1):
        *same, last = before[-count:]
        grown = rows[count - 1].removeprefix(last)
        is_same = list(rows[: count - 1]) == same and rows[count - 1].startswith(last)
        if is_same and not (grown[:1].isalnum() and len(last) < _GROWING):
            return count, grown
    return 0, ""


def joined_words(cues: Sequence[Cue]) -> tuple[list[Cue], list[int]]:
    """Return cues joined to sentences where nearly all have a single word, as of word-timed transcripts, and the numbers of those
    that went into the one before."""
    words = [9 if _NO_BLANKS.search(one.text) else len(one.text.split()) for one in cues]
    lengths, ends = sorted(one.end_s - one.start_s for one in cues), sum(bool(_SENTENCE_END.search(one.text)) for one in cues)
    is_by_word = len(cues) >= _FEWEST and sum(count <= 1 for count in words) >= _SINGLE * len(cues)
    if not is_by_word or lengths[len(cues) // 2] > _WORD_S or not 0 < ends <= _ENDS * len(cues):
        return list(cues), []
    found, joined = list[Cue](), list[int]()
    for one in sorted(cues, key=lambda cue: (cue.start_s, cue.number)):
        before = found[-1] if found else None
        if (
            before is None
            or _SENTENCE_END.search(before.text)
            or one.start_s - before.end_s > _SENTENCE_PAUSE_S
            or one.end_s - before.start_s > _SENTENCE_S
            or one.speaker != before.speaker
            or one.style != before.style
        ):
            found.append(one)
        else:
            found[-1] = replace(before, text=f"{before.text} {one.text}".strip(), end_s=max(before.end_s, one.end_s))
            joined.append(one.number)
    return found, joined
