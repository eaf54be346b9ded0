"""All that a training run of a reader of units reads, checked before the first step."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from avcore.errors import InputError, UsageError
from avcore.notes import several
from avcore.timeline import frames_covering, units_to_seconds
from avcore.units import NUM_MARKS, language_tag
from avdata.corpus import by_lot
from avdata.spoken_texts import SeenText, SpokenText, TextReading, read_seen_texts, read_spoken_texts
from avdata.unit_store import settle_vocabulary
from unit2text.text import LETTERS, TextVocabulary, letters_of_text
from unit2text.training.config import ReaderDataConfig

LOG = logging.getLogger("netflips.train")
Said = TypeVar("Said", SpokenText, SeenText)
_MARKS = ("<s>", "<pad>", "</s>", "<unk>")


@dataclass(frozen=True)
class ReaderCorpus:
    """Utterances to train on and held-out ones. vocabulary: fingerprint of their quantizer, "" = unknown."""

    train: tuple[SpokenText, ...]
    valid: tuple[SpokenText, ...]
    vocabulary: str
    num_units: int

    @property
    def languages(self) -> tuple[str, ...]:
        """Of the utterances that are trained on, in order."""
        return tuple(sorted({one.language for one in self.train}))

    @property
    def has_sound(self) -> bool:
        """Whether there are units of the sound beside those of the lips."""
        return self.train[0].sound is not None


def read_reader_corpus(data: ReaderDataConfig, seed: int) -> ReaderCorpus:
    """Read manifests and units, and check them. Raises InputError, UnitError, VocabularyError or UsageError."""
    reading = TextReading(data.frame_level, data.first_unit, data.languages, data.allow_missing)
    if data.more_units and data.sound_units:
        raise UsageError("units of the sound stand beside one store of units only", found="data.more_units and data.sound_units")
    train = _short_enough(_spoken(data.train, (data.units, *data.more_units), data.sound_units, reading), data)
    if data.valid:
        valid_units, valid_sound = data.valid_units or data.units, data.valid_sound_units or data.sound_units
        valid = _short_enough(_spoken(data.valid, (valid_units,), valid_sound, reading), data)
    else:
        train, valid = data.held_out(train, seed, lambda one: one.sentence, "sentences")
    valid = _some(valid, data.at_most_valid, seed)
    both = [*train, *valid]
    named = [(one.id, units.vocabulary) for one in both for units in (one.units, one.sound) if units is not None]
    vocabulary = settle_vocabulary(named, data.units_vocabulary)
    largest = max(int(units.ids.max(initial=0)) for one in both for units in (one.units, one.sound) if units is not None)
    if data.num_units and largest >= data.num_units:
        raise UsageError("data.num_units is too small", expected=f"{largest + 1} or more", found=data.num_units)
    train = _balanced(train) if data.balance else train
    LOG.info("%s to train on, %d held out", several(len(train), "utterance"), len(valid))
    return ReaderCorpus(tuple(train), tuple(valid), vocabulary, data.num_units or largest + 1)


def read_lip_corpus(data: ReaderDataConfig, seed: int) -> tuple[list[SeenText], list[SeenText]]:
    """Clips to train on and held-out ones, for a reader of lips. Raises InputError or UsageError."""
    reading = TextReading(languages=data.languages, allow_missing=data.allow_missing)
    train = short_enough(read_seen_texts(data.train, reading), data.max_seconds)
    if data.valid:
        valid = short_enough(read_seen_texts(data.valid, reading), data.max_seconds)
    else:
        train, valid = data.held_out(train, seed, lambda one: one.sentence, "sentences")
    if not train:
        raise InputError("no clip is short enough", path=data.train, expected=f"data.max_seconds of {data.max_seconds:g} or less")
    LOG.info("%s to train on, %d held out", several(len(train), "clip"), len(valid))
    return train, _some(valid, data.at_most_valid, seed)


def text_vocabulary(corpus: ReaderCorpus) -> tuple[TextVocabulary, dict[str, int]]:
    """Return the letters of all texts that are trained on, between the marks and the languages' start tokens; and the rows of
    those."""
    letters = Counter(letter for one in corpus.train for letter in letters_of_text(one.text))
    symbols = (*_MARKS, *sorted(letters), *map(language_tag, corpus.languages))
    first = NUM_MARKS + len(letters)
    return TextVocabulary(symbols, LETTERS), {name: first + number for number, name in enumerate(corpus.languages)}


def _spoken(manifest: str, units: Sequence[str], sound: str, reading: TextReading) -> list[SpokenText]:
    return read_spoken_texts(manifest, units, reading, (sound,) if sound else ())


def short_enough(seen: Sequence[SeenText], max_seconds: float) -> list[SeenText]:
    """Clips that are not longer, as far as the manifest says."""
    most = frames_covering(max_seconds)
    return [one for one in seen if one.frames <= most]


def _short_enough(utterances: Sequence[SpokenText], data: ReaderDataConfig) -> list[SpokenText]:
    kept = [one for one in utterances if units_to_seconds(one.units.num_steps) <= data.max_seconds]
    for one in kept:
        if one.sound is not None and one.sound.num_steps != one.units.num_steps:
            raise InputError(
                f"units of sound and lips of {one.id} differ in length",
                expected=f"{one.units.num_steps} steps of 20 ms",
                found=one.sound.num_steps,
            )
    if len(kept) < len(utterances):
        LOG.warning("%s of more than %g s left out", several(len(utterances) - len(kept), "utterance"), data.max_seconds)
    if not kept:
        raise InputError("no utterance is short enough", expected=f"data.max_seconds of {data.max_seconds:g} or less")
    return kept


def _balanced(utterances: Sequence[SpokenText]) -> list[SpokenText]:
    """Return the utterances, those of rarer languages so many times that there are nearly as many as of the commonest."""
    counts = Counter(one.language for one in utterances)
    most = max(counts.values())
    return [one for one in utterances for _ in range(round(most / counts[one.language]))]


def _some(utterances: Sequence[Said], at_most: int, seed: int) -> list[Said]:
    if len(utterances) <= at_most:
        return list(utterances)
    chosen = set(by_lot({one.id for one in utterances}, at_most, seed))
    return [one for one in utterances if one.id in chosen]
