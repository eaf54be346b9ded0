"""How much is understood: of an utterance and a recording, of what was recognized and translated, and of what is spoken."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from avcore.checkpoints.bundle import Bundle
from avcore.contracts import Transcript, Word
from avcore.domain import Domain, DomainScore
from avcore.errors import CheckpointError, NotUnderstoodError
from netflips.bundles.confidence import Calibration, Table, WordPairs, confidence_of, translation_readings
from netflips.quality_estimation import (
    GIVEN,
    QualityEstimate,
    combine,
    estimate,
    estimate_recording,
    estimate_transcript,
    find_strange,
    repeats_a_stretch,
    report_quality,
    require_sure,
    spell,
    translation_fault,
)
from tests.refusal import refused

SURE, UNSURE, LOST = estimate(0.95), estimate(0.6), estimate(0.1)
TABLE = Calibration((Table({"confidence": 2.0}, (0.0, 1.0, 2.0), (0.02, 0.5, 0.98)),), 100)


def test_words_are_sure_only_where_nothing_speaks_against_them() -> None:
    assert [estimate(share).words for share in (0.9, 0.89, 0.16, 0.15, 0.0)] == [
        "sure",
        "unsure",
        "unsure",
        *["not_understood"] * 2,
    ]
    assert estimate(0.95, "part") == QualityEstimate("unsure", 0.95, causes=("part",), unsure=1)
    assert estimate(0.0, "loop") == QualityEstimate("not_understood", 0.0, causes=("loop",), lost=1)
    assert combine(SURE, GIVEN) == QualityEstimate("sure", 0.95)
    assert combine(UNSURE, estimate(0.0, "subtitles"), estimate(0.0, "cut")) == QualityEstimate(
        "not_understood", 0.0, causes=("cut", "subtitles"), lost=1
    )


@pytest.mark.parametrize(
    ("rows", "words", "share", "lost"),
    [
        ([(SURE, 9.0), (UNSURE, 1.0)], "sure", 0.915, 0),
        ([(SURE, 8.0), (UNSURE, 2.0)], "unsure", 0.88, 0),
        ([(SURE, 99.0), (LOST, 1.0)], "unsure", 0.9415, 1),  # one sentence of nonsense is never sure
        ([(SURE, 1.0), (LOST, 1.0)], "not_understood", 0.525, 1),
        ([(GIVEN, 9.0), (LOST, 1.0)], "not_understood", 0.1, 1),
        ([(GIVEN, 9.0), (SURE, 1.0)], "sure", 0.95, 0),
        ([(GIVEN, 9.0), (QualityEstimate(), 1.0)], "given", None, 0),
        ([(QualityEstimate(), 2.0), (SURE, 1.0)], "sure", 0.95, 0),
        ([(QualityEstimate(), 2.0)], "unknown", None, 0),
        ([], "unknown", None, 0),
    ],
)
def test_a_recording(rows: list[tuple[QualityEstimate, float]], words: str, share: float | None, lost: int) -> None:
    found = estimate_recording(rows)
    assert (found.words, found.lost, found.of) == (words, lost, len(rows))
    assert found.share == pytest.approx(share)


def test_nonsense_beside_right_sentences_stops_what_is_strict(tmp_path: Path) -> None:
    one = estimate_recording([(SURE, 9.0), (LOST, 1.0), (UNSURE, 1.0), (QualityEstimate("sure", 0.95), 3.0)])
    refused(NotUnderstoodError, r"surely understood; found 1 of 4 not understood, 1 of 4 unsure", require_sure, one)
    report_quality(one, "x.mp4", tmp_path / "verdict.json")
    assert '"lost": 1' in (tmp_path / "verdict.json").read_text()
    require_sure(QualityEstimate("sure", 0.95))


def heard(sure: float, language: str = "en", text: str = "the bus stops", has_loop: bool = False) -> Transcript:
    return Transcript(text, language, tuple(Word(word, 0.0, 1.0, sure) for word in text.split()), has_loop)


@pytest.mark.parametrize(
    ("said", "words", "share", "causes"),
    [
        (heard(0.97), "sure", 0.951, ()),
        (heard(0.5), "unsure", 0.5, ("unheard",)),
        (heard(0.1), "not_understood", 0.116, ("unheard",)),
        (heard(0.9, text=""), "unknown", None, ()),
        (heard(0.9, has_loop=True), "not_understood", 0.0, ("loop",)),
        (heard(0.9, "es"), "not_understood", 0.0, ("language",)),
        (heard(0.9, "ko"), "sure", 1.0, ()),  # it stays as it is
    ],
)
def test_what_is_recognized(said: Transcript, words: str, share: float | None, causes: tuple[str, ...]) -> None:
    found = estimate_transcript(said, TABLE, "en", "ko")
    assert (found.words, found.causes) == (words, causes)
    assert found.share == pytest.approx(share, abs=1e-3)
    assert estimate_transcript(heard(0.9), None) == QualityEstimate()


@pytest.mark.parametrize(
    ("text", "weak", "words"),
    [
        ("A lab admit scientist spoke.", "admit", "unsure"),
        ("He paid 20 to Ann.", "20", "unsure"),
        ("He paid 20 to Ann.", "Ann.", "unsure"),
        ("He paid 20 to Ann.", "to", "sure"),  # whose loss changes little
        ("He paid 20 to Ann.", "", "sure"),
    ],
)
def test_one_doubtful_word_that_has_a_meaning_counts(text: str, weak: str, words: str) -> None:
    said = Transcript(text, "en", tuple(Word(one, 0.0, 1.0, 0.41 if one == weak else 1.0) for one in text.split()))
    found = estimate_transcript(said, Calibration((Table({"confidence": 1.0}, (0.0, 0.8), (0.0, 0.99)),), 1), "en", "ko")
    assert (found.words, found.share) == (words, 0.99 if words == "sure" else 0.5)


def test_a_calibration_orders_by_its_figure_and_never_falls() -> None:
    table = Calibration((Table({"score": 2.0, "nearest": 1.0, "others": -2.0}, (2.0, 5.0, 7.0), (0.02, 0.5, 0.98)),), 9)
    readings = [translation_readings(score, -0.5, []) for score in (-0.3, -0.1, -0.05, -0.03, 0.0)]
    shares = [table.share(one) for one in readings]
    assert (shares, shares[-1]) == (sorted(shares), 0.98)
    assert table.share(translation_readings(-0.03, -0.5, [("bread", "cake")])) < table.share(translation_readings(-0.03, -0.5, []))
    assert table.share(translation_readings(-0.03, -4.0, [])) < table.share(translation_readings(-0.03, None, []))
    assert table.share(translation_readings(float("nan"), 0.0, [])) == 0.0
    both = replace(table, tables=(*table.tables, Table({"score": 1.0}, (1.6, 2.5), (0.02, 0.98))))
    assert both.share(translation_readings(-0.21, 0.0, [])) == 0.02  # whatever else is sure


@pytest.mark.parametrize(
    "stored",
    [
        [], {}, {"translation": None}, {"translation": {"tables": [], "recordings": 1}},
        {"translation": {"tables": [{"weights": {}, "figures": [1], "shares": []}], "recordings": 1}},
        {"translation": {"tables": [{"weights": {}, "figures": [1, 2], "shares": [0.9, 0.1]}], "recordings": 1}},
    ],
)  # fmt: skip
def test_a_damaged_calibration_is_one_line(stored: object, tmp_path: Path) -> None:
    refused(CheckpointError, "its confidence cannot be read", confidence_of, Bundle(tmp_path, {"confidence": stored}))
    assert confidence_of(Bundle(tmp_path, {})) is confidence_of(None) is None


NUMBERS = ("five", "ten", "fifteen", "twenty")
WORDS = WordPairs(
    {
        "goods": (("book", "책"), ("cup", "컵"), ("pen", "펜"), ("phone", "전화기"), ("scarf", "목도리")),
        "food": (("bread", "빵"), ("fried rice", "볶음밥"), ("cold noodles", "냉면")),
        "weather": (("cold", "추워요"), ("windy", "바람이 불어요"), ("rainy", "비가 와요")),
        "count": (("two", "두"), ("three", "세")),
        "minutes": (
            ("ten minutes", "십 분"),
            ("twenty minutes", "이십 분"),
            ("fifteen minutes", "십오 분"),
            ("five minutes", "오 분"),
        ),
        "place": (("the market", "시장"), ("the supermarket", "슈퍼마켓")),
    }
)


@pytest.mark.parametrize(
    ("heard", "said", "other"),
    [
        ("It takes twenty minutes.", "십 분 걸려요.", [("twenty minutes", "ten minutes")]),
        ("It takes fifteen minutes.", "십오 분 걸려요.", []),
        ("I want bred.", "볶음밥을 주세요.", [("bread", "fried rice")]),  # a reader errs by letters
        ("I want bred.", "빵을 주세요.", []),
        ("I lost my chone.", "전화기를 잃어버렸어요.", []),
        ("I lost my chone.", "목도리를 잃어버렸어요.", [("phone", "scarf")]),
        ("It is cold.", "냉면 주세요.", [("", "cold noodles")]),  # nothing like it was heard
        ("Two cups, please.", "컵 두 개 주세요.", []),
        ("Two cups, please.", "컵 세 개 주세요.", [("two", "three")]),
        ("How much is this pen ucup?", "이 컵은 얼마예요?", []),
        ("It is win today.", "오늘은 비가 와요.", [("windy", "rainy")]),
        ("I am at the supermarket.", "저는 슈퍼마켓에 있어요.", []),
        ("I am at the suparmarket.", "저는 슈퍼마켓에 있어요.", []),
        ("", "", []),
    ],
)
def test_a_translation_is_compared_word_by_word(heard: str, said: str, other: list[tuple[str, str]]) -> None:
    assert WORDS.other_words(heard, said) == other


def test_what_is_strange_is_named_by_how_much_of_it_is_known() -> None:
    domain = Domain("a phrase", -0.4, 0.01, 40, weakest=-0.9, nearest=-1.3)
    usual, odd = (DomainScore("the likeness", score, domain, "nearest") for score in (-0.2, -2.0))
    mean = DomainScore("the mean", -2.0, domain)
    found = [find_strange([one], known) for one, known in ((usual, 0.1), (odd, 0.8), (odd, 0.4), (odd, None), (mean, 1.0))]
    assert found == [[], ["part"], *[["outside"]] * 3]


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


@pytest.mark.parametrize(
    ("heard", "text"), [("케이티엑스 삼 점 오 퍼센트", "KTX 3.5%"), ("5,000원이에요.", "오천 원이에요."), ("\ue000", "\ue000")]
)
def test_what_is_heard_is_compared_as_it_is_read(heard: str, text: str) -> None:
    """A recognizer writes numbers and foreign words as it likes; what has no reading stays as it is."""
    assert spell(heard, "ko").replace(" ", "").strip(".") == spell(text, "ko").replace(" ", "").strip(".")
    assert spell(text, "de") == text


def test_the_verdict_is_told_in_both_languages() -> None:
    one = QualityEstimate("not_understood", 0.274, ("outside", "cut"), 2, 3)
    assert one.text().startswith(
        "not understood (27%): it most likely means nothing; 2 of 3 not understood; these models know other"
    )
    assert one.text("ko").startswith("이해하지 못함 (27%)")
    assert estimate(0.9999).text() == "understood: sure (99%)"
    assert QualityEstimate().text() == "these models do not say what they know"
    assert one.as_json()["text"]["ko"] == one.text("ko")


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
