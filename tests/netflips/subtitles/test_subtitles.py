"""Subtitles: what is on the screen when, in how many lines, and as which file."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import Word, of_words
from netflips.subtitles.cues import Cue, Rules, lay_out, make_cues, rules_for, srt_text, subtitle_text, vtt_text

ENGLISH, KOREAN = rules_for("en"), rules_for("ko")


def spoken(text: str, start_s: float = 0.0, each_s: float = 0.4) -> list[Word]:
    return [Word(word, start_s + number * each_s, start_s + (number + 1) * each_s, 1.0) for number, word in enumerate(text.split())]


def random_words(seed: int) -> list[Word]:
    random, words, now = np.random.default_rng(seed), [], 0.0
    for _ in range(200):
        now += float(random.choice([0.0, 0.05, 0.3, 1.5, 4.0], p=[0.5, 0.3, 0.1, 0.07, 0.03]))
        text = "".join(random.choice(list("abcdefg"), int(random.integers(1, 12))))
        text += str(random.choice(["", ".", ","], p=[0.8, 0.1, 0.1]))
        lasts = float(random.uniform(0.1, 0.6))
        words.append(Word(text, now, now + lasts, 1.0))
        now += lasts
    return words


@pytest.mark.parametrize("rules", [ENGLISH, KOREAN], ids=["en", "ko"])
@pytest.mark.parametrize("seed", range(4))
def test_rules_hold_for_any_words(rules: Rules, seed: int) -> None:
    words = random_words(seed)
    end_s = words[-1].end_s + 2
    cuts = np.sort(np.random.default_rng(seed).uniform(0, end_s, 15)).tolist()
    cues = make_cues([words], rules, cuts, end_s)
    assert " ".join(line for cue in cues for line in cue.lines) == " ".join(word.text for word in words)
    assert all(len(cue.lines) <= 2 and all(len(line) <= rules.letters for line in cue.lines) for cue in cues)
    assert all(0 <= cue.start_s <= cue.end_s <= end_s and cue.end_s - cue.start_s <= rules.most_s + 1e-9 for cue in cues)
    assert all(one.end_s <= following.start_s + 1e-9 for one, following in pairwise(cues))
    assert not any(cue.start_s + 1e-9 < cut < cue.end_s - 1e-9 for cue in cues for cut in cuts)


def test_a_short_word_stays_for_a_second_and_a_subtitle_ends_with_its_shot_or_sentence() -> None:
    (cue,) = make_cues([spoken("No.", 3.0)], ENGLISH, end_s=10)
    assert (cue.start_s, cue.end_s) == (3.0, 4.0)
    (late,) = make_cues([spoken("No.", 9.6)], ENGLISH, end_s=10)
    assert (late.start_s, late.end_s) == (9.0, 10.0)
    one, other = make_cues([spoken("here and there we go on")], ENGLISH, cuts=[1.0], end_s=5)
    assert one.end_s <= 1.0 <= other.start_s
    assert (one.lines, other.lines) == (("here and",), ("there we go on",))
    cues = make_cues([spoken("This is the first one. This is the second.")], ENGLISH)
    assert [cue.lines for cue in cues] == [("This is the first one.",), ("This is the second.",)]


def test_two_lines_are_even_and_rather_broken_after_a_comma() -> None:
    lines = "when the rain began to fall,", "we all went home"
    assert lay_out(" ".join(lines).split(), ENGLISH) == lines
    lines = "실례합니다, 기차역이", "어디에 있는지 아세요?"
    assert lay_out(" ".join(lines).split(), KOREAN) == lines


def test_a_word_longer_than_a_line_is_broken_and_nothing_said_is_no_subtitle() -> None:
    cues = make_cues([[Word("a" * 100, 0.0, 4.0, 1.0)]], ENGLISH)
    assert [line for cue in cues for line in cue.lines] == ["a" * 42, "a" * 42, "a" * 16]
    assert make_cues([], ENGLISH) == []
    assert srt_text([]) == ""
    assert vtt_text([]) == "WEBVTT\n"


def test_files(tmp_path: Path) -> None:
    cues = [Cue(0.0, 1.5, ("a --> b", "<i> & c")), Cue(3661.0, 3662.25, ("끝",))]
    srt = "1\n00:00:00,000 --> 00:00:01,500\na -> b\n<i> & c\n\n2\n01:01:01,000 --> 01:01:02,250\n끝\n"
    vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na --&gt; b\n&lt;i&gt; &amp; c\n\n01:01:01.000 --> 01:01:02.250\n끝\n"
    assert [subtitle_text(tmp_path / name, cues) for name in ("a.srt", "a.vtt")] == [srt, vtt]


def test_two_utterances_of_a_transcript_share_no_subtitle() -> None:
    said = tuple(of_words([Word(text, start, start + 0.4, 1.0)], "en") for text, start in (("yes", 0.5), ("no", 1.0)))
    assert [cue.lines for cue in make_cues([one.words for one in said], ENGLISH, end_s=3.0)] == [("yes",), ("no",)]
