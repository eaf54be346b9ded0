"""Subtitles: what is on the screen when, in how many lines, and as which file."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from avcore.contracts import Transcript, Word, of_words
from avcore.units import Units
from avcore.work_folder import WorkFolder
from netflips.recognition import Recognised
from netflips.subtitles.beside import Subtitling, write_beside
from netflips.subtitles.cues import Cue, Rules, lay_out, make_cues, rules_for
from netflips.subtitles.dubbed import Side, SpokenUnits, Texts, as_said, side_as_text
from netflips.subtitles.formats import srt_text, subtitle_text, vtt_text
from netflips.understanding import Understanding

ENGLISH, KOREAN = rules_for("en"), rules_for("ko")


def spoken(text: str, start_s: float = 0.0, each_s: float = 0.4) -> list[Word]:
    return [Word(word, start_s + number * each_s, start_s + (number + 1) * each_s, 1.0) for number, word in enumerate(text.split())]


def random_words(seed: int, count: int = 200, letters: int = 12) -> list[Word]:
    random, words, now = np.random.default_rng(seed), [], 0.0
    for _ in range(count):
        now += float(random.choice([0.0, 0.05, 0.3, 1.5, 4.0], p=[0.5, 0.3, 0.1, 0.07, 0.03]))
        text = "".join(random.choice(list("abcdefg"), int(random.integers(1, letters)))) + str(
            random.choice(["", ".", ","], p=[0.8, 0.1, 0.1])
        )
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


def test_a_short_word_stays_for_a_second_where_there_is_room() -> None:
    (cue,) = make_cues([spoken("No.", 3.0)], ENGLISH, end_s=10)
    assert (cue.start_s, cue.end_s) == (3.0, 4.0)
    (late,) = make_cues([spoken("No.", 9.6)], ENGLISH, end_s=10)
    assert (late.start_s, late.end_s) == (9.0, 10.0)


def test_a_subtitle_ends_with_its_shot() -> None:
    one, other = make_cues([spoken("here and there we go on")], ENGLISH, cuts=[1.0], end_s=5)
    assert one.end_s <= 1.0 <= other.start_s
    assert (one.lines, other.lines) == (("here and",), ("there we go on",))


def test_a_sentence_begins_a_subtitle_of_its_own() -> None:
    cues = make_cues([spoken("This is the first one. This is the second.")], ENGLISH)
    assert [cue.lines for cue in cues] == [("This is the first one.",), ("This is the second.",)]


def test_two_lines_are_even_and_rather_broken_after_a_comma() -> None:
    assert lay_out(["when", "the", "rain", "began", "to", "fall,", "we", "all", "went", "home"], ENGLISH) == (
        "when the rain began to fall,",
        "we all went home",
    )
    assert lay_out(["실례합니다,", "기차역이", "어디에", "있는지", "아세요?"], KOREAN) == (
        "실례합니다, 기차역이",
        "어디에 있는지 아세요?",
    )


def test_a_word_longer_than_a_line_is_broken() -> None:
    cues = make_cues([[Word("a" * 100, 0.0, 4.0, 1.0)]], ENGLISH)
    assert [line for cue in cues for line in cue.lines] == ["a" * 42, "a" * 42, "a" * 16]


def test_nothing_said_is_no_subtitle() -> None:
    assert make_cues([], ENGLISH) == []
    assert srt_text([]) == ""
    assert vtt_text([]) == "WEBVTT\n"


def test_files(tmp_path: Path) -> None:
    cues = [Cue(0.0, 1.5, ("a --> b", "<i> & c")), Cue(3661.0, 3662.25, ("끝",))]
    assert subtitle_text(tmp_path / "a.srt", cues) == (
        "1\n00:00:00,000 --> 00:00:01,500\na -> b\n<i> & c\n\n2\n01:01:01,000 --> 01:01:02,250\n끝\n"
    )
    assert subtitle_text(tmp_path / "a.vtt", cues) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:01.500\na --&gt; b\n&lt;i&gt; &amp; c\n\n01:01:01.000 --> 01:01:02.250\n끝\n"
    )


def test_a_file_that_somebody_else_wrote_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    out, asked, work = tmp_path / "o.mp4", Subtitling(("target",)), WorkFolder(tmp_path / "o.mp4.work")

    def write(text: str, work: WorkFolder | None) -> dict[str, str]:
        said = Side("ko", {1: as_said(text, 2.0, "ko")}, frozenset({1}))
        write_beside(asked, out, ("en", "ko"), Texts(target=said), work)
        found = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("o.ko.*")}
        return {name: content.rstrip().split("\n")[-1] for name, content in found.items()}

    assert write("하나", work) == {"o.ko.srt": "하나"}
    assert write("둘", WorkFolder(work.folder)) == {"o.ko.srt": "둘"}  # ours, as the work folder knows
    assert "is kept" not in caplog.text
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("셋", WorkFolder(work.folder)) == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}
    assert "o.ko.srt: warning: another file was there; it is kept as o.ko.srt.bak" in caplog.text
    assert write("셋", None) == {"o.ko.srt": "셋", "o.ko.srt.bak": "고친 것"}  # the same
    assert write("넷", None) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}
    (tmp_path / "o.ko.srt").write_text("고친 것")
    assert write("넷", None) == {"o.ko.srt": "넷", "o.ko.srt.bak": "고친 것", "o.ko.srt.bak2": "셋"}  # kept once


class FixedReader:
    """Hears `a b` in anything, in its two halves."""

    languages = ("en",)

    def read(self, said: Units, language: str | None = None) -> Transcript:
        half = said.num_steps / 100
        return of_words([Word("a", 0.0, half, 1.0), Word("b", half, 2 * half, 1.0)], language or "")


def test_a_side_of_a_dub_stands_where_it_is_spoken() -> None:
    spoken = {1: SpokenUnits(1.0, Units.from_frames([1] * 100)), 2: SpokenUnits(5.0, Units.from_frames([2] * 50))}
    side = side_as_text(FixedReader(), spoken, "en")
    assert side is not None
    assert [(cue.start_s, cue.end_s, cue.lines) for cue in side.cues(end_s=10.0)] == [(1.0, 3.0, ("a b",)), (5.0, 6.0, ("a b",))]
    assert [one.words[0].start_s for one in side.transcripts.values()] == [1.0, 5.0]
    assert side_as_text(FixedReader(), spoken, "ko") is None
    assert side_as_text(None, spoken, "en") is None


def test_two_utterances_share_no_subtitle() -> None:
    units = Units.from_frames([1] * 40)
    side = side_as_text(None, {1: SpokenUnits(1.0, units, text="yes"), 2: SpokenUnits(1.9, units, text="no")}, "en")
    assert side is not None
    one, other = side.cues(end_s=10.0)
    assert (one.lines, other.lines) == (("yes",), ("no",))
    assert one.end_s <= other.start_s
    (both,) = make_cues([[word for said in side.transcripts.values() for word in said.words]], ENGLISH)
    assert both.lines == ("yes no",)


def test_two_utterances_of_a_transcript_share_no_subtitle() -> None:
    said = tuple(of_words([Word(text, start, start + 0.4, 1.0)], "en") for text, start in (("yes", 0.5), ("no", 1.0)))
    heard = Recognised(Path("talk.wav"), 3.0, ((0.5, 0.9), (1.0, 1.4)), said, (Understanding(),) * 2, ())
    assert [cue.lines for cue in heard.cues()] == [("yes",), ("no",)]


def test_an_utterance_that_was_spoken_from_a_text_shows_that_text() -> None:
    units = Units.from_frames([1] * 100)
    spoken = {1: SpokenUnits(1.0, units), 2: SpokenUnits(4.0, units, text="what the user\nwrote")}
    side = side_as_text(FixedReader(), spoken, "en")
    assert side is not None
    assert [cue.lines for cue in side.cues(end_s=10.0)] == [("a b",), ("what the user wrote",)]
    words = side.transcripts[2].words
    assert (words[0].start_s, round(words[-1].end_s, 6)) == (4.0, 6.0)
    assert all(one.end_s < other.start_s for one, other in pairwise(words))
    told = side_as_text(None, {1: spoken[2]}, "ko")  # nothing is left to be read
    assert told is not None
    assert told.transcripts[1].text == "what the user wrote"
