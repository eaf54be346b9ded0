"""Find out where a bundle's domain ends: scores of held-out speech of the phrasebook, and of speech that is none of it.

Needs espeak-ng (pip install espeakng-loader). The speech is sound alone, half of it with noise: lips make the models surer, so
the bound holds with them too.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.extractor import UnitExtractor
from avcore.audio import Samples, resample
from avcore.bundle import Bundle
from avcore.checkpoint import Kind, read_checkpoint, rewrite_config
from avcore.domain import KEY, Domain, calibrate
from avcore.progress import Progress, track
from avcore.timeline import SAMPLE_RATE
from netflips.demo.cast import cast, held_out_pairs, require_synthesisers, say
from netflips.demo.material.spoken import add_noise
from netflips.demo_bundle.describe import check_bundle, write_about
from unit2unit.translator import UnitTranslator

LOG = logging.getLogger("netflips")

CONFIDENCE, SCORE = "unit_confidence", "translation_score"
_OWNERS = {CONFIDENCE: Kind.UNIT_ENCODER, SCORE: Kind.TRANSLATOR}
_WHAT = "a sentence of the demo's phrasebook"
_NOISY, _SNR_DB = 0.5, (5.0, 15.0)
"""Share of the utterances with noise, and how loud the speech is beside it."""
_BATCH = 8


@dataclass(frozen=True)
class Scores:
    """Of each utterance: the encoder's confidence and the translation's score."""

    confidence: list[float]
    translation: list[float]

    def of(self, name: str) -> list[float]:
        """Scores by the name they are told under."""
        return self.confidence if name == CONFIDENCE else self.translation


def calibrate_bundle(folder: str | Path, count: int, seed: int, share: float, progress: Progress) -> Bundle:
    """Store with a bundle's models the bounds that `share` of held-out speech of its domain falls below.

    count: held-out utterances. How much speech outside the domain the bounds catch is measured and told in bundle.json,
    under `out_of_domain`. Raises InputError where espeak-ng is missing, CheckpointError for a damaged bundle.
    """
    require_synthesisers(with_flite=False, with_natural=False)
    bundle = check_bundle(folder)
    rng = np.random.default_rng([seed, 11])
    pairs = held_out_pairs()
    known = [pairs[number].english for number in rng.integers(len(pairs), size=count)]
    inside = score_speech(bundle, [_speech(text, rng) for text in track(known, "phrasebook speech", progress, count)], progress)
    foreign = outside_sentences()
    outside = score_speech(
        bundle, [_speech(text, rng) for text in track(foreign, "other speech", progress, len(foreign))], progress
    )
    domains = {name: calibrate(inside.of(name), _WHAT, share) for name in _OWNERS}
    for name, domain in domains.items():
        _store(bundle, _OWNERS[name], domain)
    return write_about(bundle.folder, {**bundle.about, "out_of_domain": summary(domains, inside, outside)})


def score_speech(bundle: Bundle, speech: Sequence[Samples], progress: Progress) -> Scores:
    """Put recordings, float32 [S] at 16 kHz each, through the encoder and the translator of a bundle."""
    extractor = UnitExtractor.from_checkpoint(bundle.checkpoint(Kind.UNIT_ENCODER))
    translator = UnitTranslator.from_checkpoint(bundle.checkpoint(Kind.TRANSLATOR))
    heard = [extractor.extract_scored(one) for one in track(speech, "units", progress, len(speech))]
    source, target = str(bundle.about["source"]), str(bundle.about["target"])
    scores: list[float] = []
    for start in range(0, len(heard), _BATCH):
        group = [units for units, _ in heard[start : start + _BATCH]]
        scores += [one.score for one in translator.translate_batch(group, source, target)]
        progress("translate", len(scores), len(heard))
    return Scores([confidence for _, confidence in heard], scores)


def outside_sentences() -> list[str]:
    """English sentences of everyday talk that the phrasebook has nothing like."""
    return files(__package__).joinpath("outside.txt").read_text(encoding="utf-8").split("\n")[:-1]


def _speech(text: str, rng: np.random.Generator) -> Samples:
    """Say a text in a voice that training never heard, every second time with noise: float32 [S] at 16 kHz."""
    spoken = say(text, cast().unheard_voice("en", rng))
    samples = resample(spoken.samples, spoken.rate, SAMPLE_RATE)
    return add_noise(samples, float(rng.uniform(*_SNR_DB)), rng) if rng.random() < _NOISY else samples


def _store(bundle: Bundle, kind: Kind, domain: Domain) -> None:
    source = read_checkpoint(bundle.checkpoint(kind), kind)
    rewrite_config(source, {**source.config, KEY: domain.to_config()})


def summary(domains: dict[str, Domain], inside: Scores, outside: Scores) -> dict[str, Any]:
    """What is told in bundle.json: each bound, and how often an utterance inside and outside falls below any of them."""
    told: dict[str, Any] = {name: domain.to_config() for name, domain in domains.items()}
    for where, scores in (("inside", inside), ("outside", outside)):
        below = np.array([[not domain.knows(score) for score in scores.of(name)] for name, domain in domains.items()])
        told[f"warned_{where}"] = {
            "samples": below.shape[1],
            "share": float(below.any(axis=0).mean()),
            **{name: float(row.mean()) for name, row in zip(domains, below, strict=True)},
        }
        LOG.info("%s the domain: a warning for %.1f %% of %d utterances", where, 100 * below.any(axis=0).mean(), below.shape[1])
    return told
