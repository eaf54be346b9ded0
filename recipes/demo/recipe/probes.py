"""Speech to find the bounds of a bundle's domain, and the scores of its models: sound only, half of it with noise.

Some sentences are templates of the phrasebook with one unknown word, since these are nearest to known sentences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from av2unit.extractor import UnitExtractor
from av2unit.known_sentences import KnownSentences
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.bundle import Bundle
from avcore.checkpoints.stages import Stage
from avcore.domain import Bounded
from avcore.errors import InputError
from avcore.progress import Progress, track
from avcore.speech.audio import resample
from avcore.texts import read_table
from avcore.timeline import SAMPLE_RATE
from netflips.bundles.references import nearest_reference, read_references
from netflips.cascade.kokoro import require_packages
from recipes.demo.material.spoken import add_noise
from recipes.demo.voices.cast import Voice, cast, say
from recipes.demo.voices.phrasebook import phrasebook, slots_of
from unit2unit.stage import TRANSLATOR
from unit2unit.translator import UnitTranslator

_SEED = 17
_TIMES = 2
"""How often each template with an unknown word is filled."""
ESPEAK, NATURAL = "espeak", "natural"
_NOISY, _SNR_DB = 0.5, (5.0, 15.0)
"""Share of the utterances with noise, and the range of their signal-to-noise ratio (dB)."""
_BATCH = 8


@cache
def one_word_sentences() -> tuple[str, ...]:
    """Return English sentences with one unknown word each, always the same ones in the same order, without duplicates."""
    rng = np.random.default_rng(_SEED)
    usual = [english for english, _ in phrasebook().templates]

    sentences = []
    for slot, words in unknown_words().items():
        where = [template for template in usual if slot in slots_of(template)]
        start = int(rng.integers(len(where)))
        sentences += [_filled(where[(start + number) % len(where)], rng, {slot: word}) for number, word in enumerate(words)]

    sentences += [_filled(template, rng, {}) for template in _content()["templates"] for _ in range(_TIMES)]
    return tuple(dict.fromkeys(sentences))


def unknown_words() -> Mapping[str, Sequence[str]]:
    """Return words that the phrasebook does not have, by their slot."""
    found: Mapping[str, Sequence[str]] = _content()["slots"]
    return found


def _filled(template: str, rng: np.random.Generator, given: Mapping[str, str]) -> str:
    """Fill a template with given words, and with known words in its other slots."""
    known = phrasebook().slots
    drawn = {slot: known[slot][int(rng.integers(len(known[slot])))][0] for slot in slots_of(template)}
    return template.format_map({**drawn, **given})


@cache
def _content() -> Mapping[str, Any]:
    content = read_table(__package__, "one_word.yaml")
    assert isinstance(content, dict)
    return {str(name): value for name, value in content.items()}


class ProbedScore(NamedTuple):
    """A score of a model."""

    name: str
    """its name in bundle.json"""
    model: Stage
    of: Bounded
    """the bound that it is compared with"""
    part: float
    """its weight in the division of false warnings between the scores"""


READINGS = (
    ProbedScore("unit_confidence", UNIT_ENCODER, "least", 0.25),
    ProbedScore("unit_weakest", UNIT_ENCODER, "weakest", 0.25),
    ProbedScore("unit_likeness", UNIT_ENCODER, "nearest", 1.0),
    ProbedScore("translation_score", TRANSLATOR, "least", 0.25),
    ProbedScore("translation_weakest", TRANSLATOR, "weakest", 0.25),
)
"""The likeness alone finds nearly all that the five find together; the others find cases that it was not made for."""


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of utterances."""

    scores: NDArray[np.float64]
    """[readings, utterances]"""
    voices: tuple[str, ...]
    """kind of voice of each utterance"""
    spoken: tuple[str, ...]
    """for each, the sentence whose units are nearest to its translation, in the source language"""


def kinds_here() -> tuple[str, ...]:
    """Return the kinds of voices that are installed and not in the training."""
    try:
        require_packages()
    except InputError:
        return (ESPEAK,)
    return (ESPEAK, NATURAL)


class ProbedModels:
    """The encoder and the translator of a bundle. The encoder knows the sentences of the domain in its reference voice."""

    def __init__(self, bundle: Bundle, sentences: Sequence[str], progress: Progress) -> None:
        """sentences: all of the domain."""
        self._bundle = bundle
        self._extractor = UnitExtractor.from_checkpoint(bundle.checkpoint(UNIT_ENCODER))
        self._translator = UnitTranslator.from_checkpoint(bundle.checkpoint(TRANSLATOR))
        self._references = read_references(bundle.references)

        voice = cast().reference("en")
        extractions = [
            self._extractor.extract(_spoken(text, voice)).ids
            for text in track(sentences, "sentences to know", progress, len(sentences))
        ]
        # The reference voice ends in silence, whose unit is looked up here: silence alone gives arbitrary units.
        self.known = KnownSentences.of(extractions, int(np.bincount([ids[-1] for ids in extractions]).argmax()))
        self._extractor.known = self.known

    def listen(self, what: str, texts: Sequence[str], kinds: Sequence[str], rng: np.random.Generator, progress: Progress) -> Scores:
        """Speak texts in voices that are not in the training, of all kinds in turn, and take the readings of each."""
        source, target = str(self._bundle.about["source"]), str(self._bundle.about["target"])
        voices = tuple(kinds[number % len(kinds)] for number in range(len(texts)))
        rows: list[list[float]] = []
        spoken: list[str] = []

        for start in range(0, len(texts), _BATCH):
            part = slice(start, start + _BATCH)
            extractions = [
                self._extractor.extract_scored(probe_bundle(text, voice, rng))
                for text, voice in zip(texts[part], voices[part], strict=True)
            ]

            translated = self._translator.translate_batch([extraction.units for extraction in extractions], source, target)
            for extraction, made in zip(extractions, translated, strict=True):
                stretches = [extraction.weakest, extraction.nearest, made.weakest]
                scores = [np.nan if stretch is None else stretch.score for stretch in stretches]
                rows.append([extraction.confidence, scores[0], scores[1], made.score, scores[2]])
                spoken.append(nearest_reference(made.units, self._references).reference.translation)
            progress(what, len(rows), len(texts))
        return Scores(np.array(rows).T, voices, tuple(spoken))


def outside_sentences() -> list[str]:
    """Return English sentences of everyday talk that are unlike any in the phrasebook."""
    return files(__package__).joinpath("outside.txt").read_text(encoding="utf-8").split("\n")[:-1]


def probe_bundle(text: str, kind: str, rng: np.random.Generator) -> Samples:
    """Speak a text in a voice of a kind, half of the time with noise: float32 [S] at 16 kHz."""
    samples = _spoken(text, cast().unusual_natural(rng) if kind == NATURAL else cast().unheard_voice("en", rng))
    return add_noise(samples, float(rng.uniform(*_SNR_DB)), rng) if rng.random() < _NOISY else samples


def _spoken(text: str, voice: Voice) -> Samples:
    spoken = say(text, voice)
    return resample(spoken.samples, spoken.rate, SAMPLE_RATE)
