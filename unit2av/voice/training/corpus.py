"""All that a vocoder's training run reads, checked before the first step."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from avcore.errors import InputError, UsageError
from avcore.progress import Progress, silent
from avdata.published.unit2a import Reading, Utterance, read_utterances
from avdata.unit_rows import settle_vocabulary
from unit2av.voice.training.config import EDGE_AUTO, DataConfig, Unit2aConfig
from unit2av.voice.training.voices import compute_missing, give_voices, read_voices

LOG = logging.getLogger("netflips.train")


@dataclass(frozen=True)
class Corpus:
    """Utterances to train on and held-out ones, all with voices of one length.

    vocabulary: fingerprint of the quantizer that made their units, "" = unknown.
    """

    train: tuple[Utterance, ...]
    valid: tuple[Utterance, ...]
    vocabulary: str
    speaker_dim: int


def edge_unit(setting: str, utterances: Sequence[Utterance]) -> int | None:
    """The unit that stands for silence around an utterance, as `Unit2aConfig.edge_unit` asks for it; None for none."""
    if setting != EDGE_AUTO:
        return int(setting) if setting else None
    ends = Counter(int(one.units.ids[at]) for one in utterances for at in (0, -1))
    unit, times = ends.most_common(1)[0]
    LOG.info("edge unit %d: at %.0f %% of the ends of utterances", unit, 100 * times / ends.total())
    return unit


def reading_of(data: DataConfig) -> Reading:
    """How a run's recordings are read."""
    return Reading(data.root, data.frame_level, data.first_unit, data.allow_missing)


def read_corpus(config: Unit2aConfig, progress: Progress = silent) -> Corpus:
    """Read manifests, units and voices, and check them against each other.

    Raises InputError, UnitError, VocabularyError or UsageError before anything is trained.
    """
    data = config.data
    reading = reading_of(data)
    train = read_utterances(data.train, data.units, reading)
    valid = read_utterances(data.valid, data.valid_units or data.units, reading) if data.valid else []
    if not data.valid and data.hold_out:
        train, valid = _hold_out(train, data.hold_out, config.loop.seed)
    train_voiced, valid_voiced = _with_voices(train, config, progress), _with_voices(valid, config, progress)
    if not train_voiced:
        raise InputError("no utterance has enough sound to take a voice from", path=data.train)
    both = [*train_voiced, *valid_voiced]
    vocabulary = settle_vocabulary(((one.id, one.units.vocabulary) for one in both), data.units_vocabulary)
    corpus = Corpus(tuple(train_voiced), tuple(valid_voiced), vocabulary, _speaker_dim(both))
    LOG.info("%d utterances to train on, %d held out", len(corpus.train), len(corpus.valid))
    return corpus


def _hold_out(utterances: list[Utterance], count: int, seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """Set `count` utterances apart, chosen by the seed."""
    if count >= len(utterances):
        raise UsageError("nothing is left to train on", expected=f"data.hold_out below {len(utterances)}", found=count)
    chosen = set(np.random.default_rng(seed).permutation(len(utterances))[:count].tolist())
    train = [one for number, one in enumerate(utterances) if number not in chosen]
    return train, [utterances[number] for number in sorted(chosen)]


def _with_voices(utterances: list[Utterance], config: Unit2aConfig, progress: Progress) -> list[Utterance]:
    if config.data.speakers:
        return give_voices(utterances, read_voices(config.data.speakers))
    return compute_missing(utterances, config.run_dir, config.data.speaker_encoder, progress)


def _speaker_dim(utterances: list[Utterance]) -> int:
    first: dict[int, str] = {}
    for utterance in utterances:
        first.setdefault(0 if utterance.voice is None else len(utterance.voice), utterance.id)
    if len(first) > 1:
        (one, a), (other, b) = list(first.items())[:2]
        raise InputError(
            "the voices differ in length", expected=f"{one} values ({a})", found=f"{other} ({b})", hint="take all from one encoder"
        )
    return next(iter(first))
