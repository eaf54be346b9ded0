"""Texts against texts: as jiwer and sacrebleu count them, and on texts whose errors are known."""

import jiwer
import numpy as np
import pytest
import sacrebleu
from sacrebleu.tokenizers import tokenizer_ko_mecab

from netflips.evaluate.metric import Missing
from netflips.evaluate.metrics.text import OURS, SEAMLESS, CorpusScore
from tests.netflips.evaluate.made import values

REFERENCES = ["오늘은 날씨가 좋습니다", "내일 학교에 갑니다", "물을 한 잔 주세요", "지금 몇 시입니까"]
FOUND = ["오늘은 날씨가 나쁩니다", "내일 학교에 갑니다", "물 한 잔 주세요", "지금 몇 시예요"]


def test_errors_are_those_that_were_made() -> None:
    found = values(OURS.errors_of("one two too four!", "One two three four."))
    assert (found["wer"], found["wer_above"], found["wer_below"]) == (0.25, 1, 4)
    assert found["cer"] == pytest.approx(4 / 15)  # "too" for "three": two letters others, two too few
    assert values(OURS.errors_of("", "one two")) == {
        "wer": 1,
        "wer_above": 2,
        "wer_below": 2,
        "cer": 1,
        "cer_above": 6,
        "cer_below": 6,
    }
    assert isinstance(OURS.errors_of("one", " .")["wer"], Missing)


@pytest.mark.parametrize(("found", "reference"), zip(FOUND, REFERENCES, strict=True))
def test_errors_are_jiwers(found: str, reference: str) -> None:
    ours = values(OURS.errors_of(found, reference))
    assert ours["wer"] == pytest.approx(jiwer.wer(reference, found))
    assert ours["cer"] == pytest.approx(jiwer.cer(reference.replace(" ", ""), found.replace(" ", "")))


def test_likeness_of_a_set_is_sacrebleus() -> None:
    theirs = {
        "chrf": sacrebleu.corpus_chrf(FOUND, [REFERENCES]).score,
        "bleu_char": sacrebleu.corpus_bleu(FOUND, [REFERENCES], tokenize="char").score,
        "bleu_13a": sacrebleu.corpus_bleu(FOUND, [REFERENCES], tokenize="13a").score,
    }
    for name, score in theirs.items():
        one = OURS.of_corpus(name, FOUND, REFERENCES, "ko")
        assert isinstance(one, CorpusScore)
        assert one.figure.value == pytest.approx(score)
        assert one.figure.low <= one.figure.value <= one.figure.high
        assert one.figure.n == len(FOUND)
        assert "version:" in one.signature
        assert name != "bleu_char" or "tok:char" in one.signature


def test_published_rules_are_whispers_and_stand_in_the_signature() -> None:
    texts = ["오늘은, 날씨가 (정말) 좋습니다!", "NetfLips는 2개"]
    assert [SEAMLESS.normalise(text, "ko") for text in texts] == ["오늘은 날씨가 좋습니다", "netflips는 2개"]  # without asides
    assert SEAMLESS.normalise("It's Mr. Smith's colour.", "en") == "it is mister smith is color"
    assert values(SEAMLESS.errors_of("물 한 잔", "물, 한 잔!", "ko"))["asr_wer"] == 0
    report_to = "whisper-base (beam 1, temperature 0)"
    score = SEAMLESS.of_corpus("asr_bleu_13a", texts, [texts[0], "NETFLIPS는 3개"], "ko", report_to)
    assert isinstance(score, CorpusScore)
    assert {"tok:13a", "norm:whisper", f"asr:{report_to}"} <= set(score.signature.split("|"))


def test_the_right_text_has_all_and_swapped_texts_have_little() -> None:
    assert values(OURS.likeness_of(REFERENCES[0], REFERENCES[0], "ko")).get("chrf") == pytest.approx(100)
    for name in ("chrf", "bleu_char"):
        good, bad = (OURS.of_corpus(name, found, REFERENCES, "ko") for found in (REFERENCES, REFERENCES[1:] + REFERENCES[:1]))
        assert isinstance(good, CorpusScore)
        assert isinstance(bad, CorpusScore)
        assert good.figure.value == pytest.approx(100)
        assert bad.figure.value < 25


def test_what_cannot_be_measured_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    assert OURS.likeness_of("a b", "a b", "en")["bleu_ko_mecab"] == Missing("for Korean texts only")
    monkeypatch.setattr(tokenizer_ko_mecab, "MeCab", None)
    lost = OURS.likeness_of(FOUND[0], REFERENCES[0], "ko")["bleu_ko_mecab"]
    assert isinstance(lost, Missing)
    assert "mecab" in lost.reason
    assert isinstance(OURS.of_corpus("chrf", ["a"], ["..."]), Missing)
    assert isinstance(OURS.of_corpus("bleu_ko_mecab", FOUND, REFERENCES, "ko"), Missing)


def test_a_better_run_is_significantly_better_and_the_same_one_is_not() -> None:
    references = REFERENCES * 5
    worse = [text if number % 2 else "모릅니다" for number, text in enumerate(references)]
    better, same = (OURS.compared("chrf", worse, second, references)[1] for second in (references, worse))  # type: ignore[index]
    assert better.is_significant
    assert better.low > 0
    assert (same.value, same.low, same.high, same.is_significant) == (0, 0, 0, False)
    assert np.isfinite(better.p)
