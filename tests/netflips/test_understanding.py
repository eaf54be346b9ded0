"""How much is understood: of an utterance and a recording, of what was recognised and translated, and of what is spoken."""

from dataclasses import replace

import numpy as np
import pytest

from avcore.contracts import Transcript, Word
from avcore.domain import Domain, DomainScore
from netflips.bundles.references import other_words
from netflips.understanding import (
    SpeakerMeasure,
    Understanding,
    as_read,
    broken,
    is_loop,
    measure_speaker,
    of_hearing,
    of_recording,
    of_translated,
    of_utterance,
    repeats_a_stretch,
    translation_fault,
    worst,
)

DOMAIN = Domain("a phrase", -0.4, 0.01, 40, weakest=-0.9, nearest=-1.3)
GOOD = Understanding("good", 1.0)
BAD = Understanding("bad", 0.1, ("outside",))


def mean(score: float) -> DomainScore:
    return DomainScore("the mean", score, DOMAIN)


PART = DomainScore("the likeness", -2.0, DOMAIN, "nearest")


@pytest.mark.parametrize(
    ("found", "grade", "share", "causes"),
    [
        (of_utterance([mean(-0.2)], 1.0), "good", 1.0, ()),
        (of_utterance([mean(-0.2), PART], 0.8), "doubtful", 0.8, ("part",)),
        (of_utterance([mean(-0.2), PART], 0.4), "bad", 0.4, ("outside",)),
        (of_utterance([mean(-1.4)], None), "bad", np.exp(-1.0), ("outside",)),
        (of_utterance([mean(float("nan"))], 1.0), "bad", 0.0, ("outside",)),
        (of_utterance([mean(-0.2)], 1.0, is_cut=True), "bad", 1.0, ("cut",)),
        (of_utterance([mean(-0.2)], 1.0, repeats=True), "bad", 1.0, ("loop",)),
        (of_utterance([mean(-0.2)], 1.0, says_other=True), "doubtful", 1.0, ("other",)),
        (of_utterance([DomainScore("published", -9.0, None)]), "unknown", None, ()),
        (of_utterance([DomainScore("published", -9.0, None)], is_cut=True), "bad", None, ("cut",)),
    ],
)
def test_an_utterance(found: Understanding, grade: str, share: float | None, causes: tuple[str, ...]) -> None:
    assert (found.grade, found.causes) == (grade, causes)
    assert found.share == pytest.approx(share)


@pytest.mark.parametrize(
    ("rows", "grade", "share"),
    [
        ([(BAD, 3.0)], "bad", 0.1),
        ([(GOOD, 9.0), (BAD, 1.0)], "doubtful", 0.91),
        ([(GOOD, 1.0), (BAD, 1.0)], "bad", 0.55),
        ([(GOOD, 99.0), (Understanding("doubtful", 0.8, ("part",)), 1.0)], "good", 0.998),
        ([(GOOD, 99.0), (Understanding("doubtful", 1.0, ("other",)), 1.0)], "doubtful", 1.0),
        ([(worst(GOOD, Understanding("doubtful", 0.6, ("speaker",))), 2.0)] * 2, "doubtful", 0.6),
        ([(Understanding("good", 0.87), 9.5), (Understanding("doubtful", 0.6, ("hurried",)), 0.5)], "good", 0.8565),
        ([(Understanding("good", 0.87), 8.0), (Understanding("doubtful", 0.6, ("hurried",)), 2.0)], "doubtful", 0.816),
        ([(Understanding("doubtful", 0.78), 8.0)] * 2, "doubtful", 0.78),
        ([(GOOD, 1.0), (broken("untranslated"), 3.0)], "bad", 0.25),
        ([(GOOD, 3.0), (broken("language"), 1.0)], "doubtful", 0.75),
        ([(GOOD, 99.0), (Understanding("bad", 1.0, ("cut",)), 1.0)], "bad", 1.0),
        ([(Understanding(), 2.0), (GOOD, 1.0)], "good", 1.0),
        ([(Understanding(), 2.0)], "unknown", None),
        ([], "unknown", None),
    ],
)
def test_a_recording(rows: list[tuple[Understanding, float]], grade: str, share: float | None) -> None:
    found = of_recording(rows)
    assert found.grade == grade
    assert found.share == pytest.approx(share)


def heard(sure: float, language: str = "en", text: str = "the bus stops", has_loop: bool = False) -> Transcript:
    words = tuple(Word(word, 0.0, 1.0, sure) for word in text.split())
    return Transcript(text, language, words, has_loop)


@pytest.mark.parametrize(
    ("said", "grade", "share", "causes"),
    [
        (heard(0.9), "good", 0.9, ()),
        (heard(0.5), "doubtful", 0.5, ("unsure",)),
        (heard(0.2), "bad", 0.2, ("unsure",)),
        (heard(0.9, text=""), "unknown", None, ()),
        (heard(0.9, has_loop=True), "bad", 0.45, ("loop",)),
        (heard(0.9, text="", has_loop=True), "bad", 0.0, ("loop",)),
        (heard(0.9, "es"), "bad", 0.0, ("language",)),
        (heard(0.9, "ko"), "good", 1.0, ()),  # it stays as it is
    ],
)
def test_what_is_recognised(said: Transcript, grade: str, share: float | None, causes: tuple[str, ...]) -> None:
    found = of_hearing(said, "en", "ko")
    assert (found.grade, found.causes) == (grade, causes)
    assert found.share == pytest.approx(share)


LOOPS = (
    ("PA" * 222, 4.5), ("Oh " * 115, 4.6), ("I'm sorry, " * 51, 10.0), ("그렇습니다, " * 60, None), ("실례합니다, " * 60, 2.2),
    ("Thank you. " * 6, 20.0), ("감사합니다. " * 5, None), ("가" * 30, None),
    ("The bus stops at the corner of the long street.", 0.5),
)  # fmt: skip
NO_LOOPS = (
    ("", 1.0), ("No, no, no!", 1.0), ("ha ha ha ha", 2.0), ("빨리빨리 해.", 1.0), ("네, 네, 네, 알겠습니다.", 2.0),
    ("I'm sorry, I'm sorry, I'm so sorry about that.", 3.0), ("Row, row, row your boat, gently down the stream.", 3.0),
    ("정부는 물가를 잡기 위해 유류세 인하를 연말까지 연장하기로 했으며, 취약 계층에 대한 지원도 늘리겠다고 발표했습니다.", 8.0),
    ("Excuse me, where is the airport?", 0.9), ("010-1234-5678", 3.0), ("one two three four five six seven eight nine ten", 2.0),
)  # fmt: skip


def test_loops_of_a_model_are_told_from_what_people_say() -> None:
    assert [text for text, seconds in LOOPS if not is_loop(text, seconds)] == []
    assert [text for text, seconds in NO_LOOPS if is_loop(text, seconds)] == []


@pytest.mark.parametrize(
    ("text", "of", "target", "fault"),
    [
        ("버스가 서요.", "The bus stops.", "ko", None),
        ("KTX는 빨라요.", "The KTX is fast.", "ko", None),
        ("iPhone 15 Pro는 A17 Pro 칩", "iPhone 15 Pro: A17 Pro", "ko", None),
        ("1234", "1234", "ko", None),
        ("아니, 아니, 아니, 아니, 아니, 아니, 아니, 아니, 아니, 아니요!", "no no no no no no no no no no no no", "ko", None),
        ("", "The bus stops.", "ko", "untranslated"),
        ("The bus stops.", "The bus stops.", "ko", "echo"),
        ("the bus, stops", "The bus stops.", "ko", "echo"),
        ("Der Bus hält an.", "The bus stops.", "ko", "echo"),
        ("バスが止まります。", "The bus stops.", "ko", "echo"),
        ("I think that 버스 stops over there.", "I think that the bus stops over there.", "ko", "echo"),
        ("The bus stops.", "The bus stops.", "es", "echo"),
        ("El autobús para.", "The bus stops.", "es", None),
        ("그렇습니다, " * 12, "I think so.", "ko", "loop"),
    ],
)
def test_a_translation_that_is_none(text: str, of: str, target: str, fault: str | None) -> None:
    assert translation_fault(text, of, target, 3.0) == fault


def test_what_is_spoken_is_judged_by_measured_errors_its_words_and_its_time() -> None:
    speaker = SpeakerMeasure("it", "Whisper", (0.4, 0.2, 0.2, 0.1), 0.2, is_program=False)
    assert speaker.understanding("가나다라") == Understanding("doubtful", 0.6, ("speaker",))
    assert speaker.understanding("가나다라마바사아자차") == Understanding("doubtful", 0.8)
    assert speaker.understanding("가 " * 40) == Understanding("good", 0.9)
    spelt = speaker.understanding("zaphod 가나다라", ["zaphod"])
    assert (spelt.grade, spelt.causes) == ("bad", ("words",))
    assert spelt.share == pytest.approx(0.32)
    shares = [speaker.understanding("가나다라마바사아자차", (), room_s).share or 0.0 for room_s in (3.0, 1.6, 1.3, 1.0, 0.4)]
    assert shares[:2] == [0.8, 0.8]
    assert shares == sorted(shares, reverse=True)
    assert shares[4] < 0.2
    assert speaker.understanding("가나다라마바사아자차", (), 1.0).causes == ("hurried",)
    assert speaker.understanding("가나다라마바사아자차", (), 2.0, natural_s=4.0).causes == ("hurried",)
    unknown = SpeakerMeasure("", "", (), 0.0, is_program=False)
    assert unknown.understanding("가나다라") == Understanding()


def test_a_short_text_is_heard_whole_or_not_at_all_and_latin_letters_have_a_measure() -> None:
    speaker = SpeakerMeasure("it", "Whisper", (0.8,), 0.2)
    grades = {"정말 고마워요.": "doubtful", "정말 많이 고마워요, 여러분.": "bad", "KTX": "bad"}
    assert {text: speaker.understanding(text).grade for text in grades} == grades
    assert speaker.understanding("zaphod 가", ["zaphod"]).grade == "bad"
    measured = SpeakerMeasure("x", "y", (0.2,), 0.2, signs=0.55)
    assert [measured.understanding(text).share for text in ("KTX", "3.5%", "KTX를")] == pytest.approx([0.45, 0.45, 0.8])
    assert replace(measured, signs=None).understanding("KTX").share == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("heard", "text"), [("케이티엑스 삼 점 오 퍼센트", "KTX 3.5%"), ("5,000원이에요.", "오천 원이에요."), ("\ue000", "\ue000")]
)
def test_what_is_heard_is_compared_as_it_is_read(heard: str, text: str) -> None:
    """A recogniser writes numbers and foreign words as it likes; what has no reading stays as it is."""
    assert as_read(heard, "ko").replace(" ", "").strip(".") == as_read(text, "ko").replace(" ", "").strip(".")
    assert as_read(text, "de") == text


def test_surer_translations_are_heard_better() -> None:
    shares = [of_translated((0.4, 0.3, 0.1), score).share for score in (-0.2, -0.04, -0.01)]
    assert shares == pytest.approx([0.6, 0.7, 0.9])
    assert [of_translated((0.65, 0.3, 0.1), score).grade for score in (-0.2, -0.04, -0.01)] == ["bad", "doubtful", "good"]
    assert of_translated((), -0.2) == Understanding()


def test_a_program_is_measured_without_what_squeezing_cost() -> None:
    text, half = "가나다라마바사아자차", "가나다라마카카카카카"
    found = measure_speaker("it", "Whisper", [(text, half, 2.0, 2.0)])
    assert (found.wrong, found.second) == ((0.5,), 0.2)
    squeezed = measure_speaker("it", "Whisper", [(text, half, 1.0, 2.0)])
    assert squeezed.wrong[0] < 0.1
    assert measure_speaker("it", "Whisper", []) is None


def test_words_that_differ_and_what_is_told_in_both_languages() -> None:
    one = Understanding("bad", 0.274, ("outside", "cut"))
    assert one.words().startswith("understood: about 27 % (bad: the result most likely means nothing); it is hardly anything")
    assert one.words("ko").startswith("이해한 정도: 약 27 % (나쁨")
    assert Understanding("doubtful", 0.9999).share_words() == "about 99 %"
    assert "all of it (good)" in GOOD.words()
    assert Understanding().words() == "these models do not say what they know"
    assert other_words("Can you speak Korean?", "can you speak German.") == [("korean", "german")]
    assert other_words("The same here.", "the same, here") == []


def test_a_stretch_that_is_repeated() -> None:
    for ids, expected in (
        ([], False),
        (list(range(40)), False),
        ([1, 2, 3, 4, 5] * 2, False),  # a word that is doubled
        ([9, *[1, 2, 3, 4] * 3, 8], True),
        ([1, 2] * 4, False),
        ([*range(16), *range(16)], True),
        ([*range(15), *range(15)], False),
        ([*range(16), 50, *range(16)], False),  # something is between
    ):
        assert repeats_a_stretch(np.array(ids, dtype=np.int64)) is expected
