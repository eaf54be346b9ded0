"""Subtitles: what is on the screen when, as which file, and in the frame in which font."""

from fractions import Fraction
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import Word, of_words
from avcore.errors import InputError, UsageError
from netflips.subtitles import drawing
from netflips.subtitles.beside import FORMATS, subtitle_text
from netflips.subtitles.cues import Cue, Rules, lay_out, make_cues, rules_for, srt_text, vtt_text
from netflips.subtitles.drawing import Painter, font_file, lacking_letters, require_letters
from tests.refusal import refused

ENGLISH, KOREAN = rules_for("en"), rules_for("ko")


def spoken(text: str, start_s: float = 0.0, each_s: float = 0.4) -> list[Word]:
    return [Word(word, start_s + number * each_s, start_s + (number + 1) * each_s, 1.0) for number, word in enumerate(text.split())]


@pytest.mark.parametrize("rules", [ENGLISH, KOREAN], ids=["en", "ko"])
@pytest.mark.parametrize("seed", range(4))
def test_rules_hold_for_any_words(rules: Rules, seed: int) -> None:
    random, words, now = np.random.default_rng(seed), [], 0.0
    for _ in range(200):
        now += float(random.choice([0.0, 0.05, 0.3, 1.5, 4.0], p=[0.5, 0.3, 0.1, 0.07, 0.03]))
        text = "".join(random.choice(list("abcdefg"), int(random.integers(1, 12))))
        text += str(random.choice(["", ".", ","], p=[0.8, 0.1, 0.1]))
        lasts = float(random.uniform(0.1, 0.6))
        words.append(Word(text, now, now + lasts, 1.0))
        now += lasts
    end_s = words[-1].end_s + 2
    cuts = np.sort(np.random.default_rng(seed).uniform(0, end_s, 15)).tolist()
    cues = make_cues([words], rules, cuts, end_s)
    assert " ".join(line for cue in cues for line in cue.lines) == " ".join(word.text for word in words)
    assert all(len(cue.lines) <= 2 and all(len(line) <= rules.letters for line in cue.lines) for cue in cues)
    assert all(0 <= cue.start_s <= cue.end_s <= end_s and cue.end_s - cue.start_s <= rules.most_s + 1e-9 for cue in cues)
    assert all(one.end_s <= following.start_s + 1e-9 for one, following in pairwise(cues))
    assert not any(cue.start_s + 1e-9 < cut < cue.end_s - 1e-9 for cue in cues for cut in cuts)


def test_a_short_word_stays_a_second_and_ends_with_shot_or_sentence() -> None:
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


def test_a_word_longer_than_a_line_is_broken_and_silence_is_none() -> None:
    cues = make_cues([[Word("a" * 100, 0.0, 4.0, 1.0)]], ENGLISH)
    assert [line for cue in cues for line in cue.lines] == ["a" * 42, "a" * 42, "a" * 16]
    assert make_cues([], ENGLISH) == []
    assert srt_text([]) == ""
    assert vtt_text([]) == "WEBVTT\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("링크는 nightshift.org/ocean에 있습니다.", [("링크는 nightshift.org/", "ocean에 있습니다.")]),
        (
            "이 사이트의 주소는 여기서 nightshift.org/ocean에 있습니다.",
            [("이 사이트의 주소는 여기서",), ("nightshift.org/", "ocean에 있습니다.")],
        ),
        ("Donaudampfschifffahrt를 타요.", [("Donaudampfschifffahr", "t를 타요.")]),
        ("abcdefghijklmnopqrst에서는 살아요.", [("abcdefghijklmnopqrs", "t에서는 살아요.")]),
    ],
)
def test_a_long_word_keeps_its_particle(text: str, lines: list[tuple[str, ...]]) -> None:
    words = [Word(one, place, place + 0.9, 1.0) for place, one in enumerate(text.split())]
    assert [cue.lines for cue in make_cues([words], rules_for("ko"))] == lines


def test_files() -> None:
    cues = [Cue(0.0, 1.5, ("a --> b", "<i> & c")), Cue(3661.0, 3662.25, ("끝",))]
    srt = "1\n00:00:00,000 --> 00:00:01,500\na -> b\n<i> & c\n\n2\n01:01:01,000 --> 01:01:02,250\n끝\n"
    vtt = "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na --&gt; b\n&lt;i&gt; &amp; c\n\n01:01:01.000 --> 01:01:02.250\n끝\n"
    assert [subtitle_text(form, cues, "ko") for form in FORMATS[:2]] == [srt, vtt]


def test_two_utterances_of_a_transcript_share_no_subtitle() -> None:
    said = tuple(of_words([Word(text, start, start + 0.4, 1.0)], "en") for text, start in (("yes", 0.5), ("no", 1.0)))
    assert [cue.lines for cue in make_cues([one.words for one in said], ENGLISH, end_s=3.0)] == [("yes",), ("no",)]


GRAY = np.full((180, 320, 3), 100, np.uint8)


def latin_font() -> Path:
    """A font that the drawings of the benchmarks bring along; it has no Korean letters."""
    spec = find_spec("matplotlib")
    assert spec.origin is not None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def test_a_subtitle_stands_at_the_bottom_in_the_middle_in_its_time() -> None:
    painter = Painter([Cue(1.0, 2.0, ("Where is it?", "Over there."))], latin_font())
    shown = painter.paint(GRAY, 1.5).astype(int)
    changed = np.abs(shown - 100).max(axis=2) > 20
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    assert rows[0] > 120
    assert 160 < rows[-1] < 178
    assert abs(columns[0] + columns[-1] - 319) <= 4
    assert shown.max() > 240  # white letters
    assert shown.min() < 30  # in a black line
    assert painter.paint(GRAY, 0.96) is painter.paint(GRAY, 2.0) is GRAY
    assert (GRAY == 100).all()
    cut = Fraction(121 * 1001, 30000)  # no whole number of microseconds: the first frame of the next shot has no subtitle
    assert Painter([Cue(3.0, float(cut), ("a",))], latin_font()).paint(GRAY, cut) is GRAY
    drawn = [painter.paint(GRAY, Fraction(number, 25)) is not GRAY for number in range(60)]
    assert drawn == [25 <= number < 50 for number in range(60)]


@pytest.mark.parametrize("shape", [(36, 64), (90, 24), (16, 16)])
def test_a_long_line_is_made_smaller_and_never_leaves_the_frame(shape: tuple[int, int]) -> None:
    frame = np.full((*shape, 3), 100, np.uint8)
    shown = Painter([Cue(0.0, 1.0, ("m" * 42, "m" * 42))], latin_font()).paint(frame, 0.5)
    assert shown.shape == frame.shape
    assert not np.array_equal(shown, frame)


def test_names_of_kept_frames_change_with_what_is_drawn_into_them() -> None:
    painter = Painter([Cue(1.0, 2.0, ("a",)), Cue(3.0, 4.0, ("b",))], latin_font())
    assert painter.between(0.0, 1.0) == painter.between(2.0, 3.0) == painter.between(4.0, None) == []
    first, both = painter.between(0.0, 2.5), painter.between(0.0, None)
    assert first
    assert first != both
    assert Painter([Cue(1.0, 2.0, ("c",))], latin_font()).between(0.0, 2.5) != first


def test_letters_that_a_font_lacks_are_found() -> None:
    assert lacking_letters(latin_font(), "A b가\n나가é") == "가나"
    refused(InputError, r"DejaVuSans.*none for 가 힣", require_letters, latin_font(), "가힣")
    require_letters(latin_font(), "Ag")


def test_fonts_that_cannot_be_used_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "x.ttf"
    other.write_bytes(b"no font")
    refused(InputError, r"this is no font|x\.ttf", lacking_letters, other, "a")
    refused(InputError, "is not there", font_file, tmp_path / "none.ttf")
    monkeypatch.setattr(drawing, "find_spec", lambda _: None)
    refused(UsageError, r"pip install .pylopdf-fonts-ko", font_file, None)
