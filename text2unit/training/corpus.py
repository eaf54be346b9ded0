"""The data of a text-to-unit model's training run, checked before the first step: sentences and their units."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from avcore.data.corpus import unit_of_silence
from avcore.data.manifest import read_manifest
from avcore.data.unit_store import leave_out, resolve_vocabulary
from avcore.errors import InputError, LanguageError, UsageError
from avcore.files import require_file
from avcore.notes import several
from avcore.units import Ids, Units, normalise_language
from text2unit.english import read_english
from text2unit.korean.pronunciation import pronounce
from text2unit.model import CTC, TextToUnitConfig, letters_of
from text2unit.normalise import written_out
from text2unit.stage import LANGUAGES
from text2unit.training.config import TextDataConfig, TextToUnitTrainConfig

LOG = logging.getLogger("netflips.train")


@dataclass(frozen=True, eq=False)
class Sentence:
    """One recording."""

    id: str
    text: str
    """as spoken"""
    units: Units
    """merged, with durations"""
    alphabet: str = "ko"
    """language of its letters"""

    @cached_property
    def letters(self) -> Ids:
        """The numbers of its letters, int64 [J]."""
        return letters_of(self.text, self.alphabet)

    @cached_property
    def frames(self) -> Ids:
        """One unit every 20 ms, int64 [T]."""
        return self.units.frames()


@dataclass(frozen=True)
class TextCorpus:
    """Sentences to train on and held-out ones."""

    train: tuple[Sentence, ...]
    valid: tuple[Sentence, ...]
    vocabulary: str
    """fingerprint of the quantizer; "" = unknown"""
    silence: int | None
    """unit that was removed from their ends; None = none"""
    num_units: int
    """units of the network"""
    alphabet: str = "ko"
    """language of the texts"""


def read_text_corpus(config: TextToUnitTrainConfig) -> TextCorpus:
    """Read texts and units and check them against each other.

    Raises InputError, UnitError, VocabularyError, LanguageError or UsageError before anything is trained.
    """
    data = config.data
    language = normalise_language(data.language)
    if language not in LANGUAGES:
        raise LanguageError("text of this language cannot be read aloud", expected=", ".join(LANGUAGES), found=data.language)
    if config.model.pronounced and language != "ko":
        raise UsageError("model.pronounced is for Korean", found=f"data.language={language}")

    pronounced = config.model.pronounced
    train, valid = data.parts(lambda path: _read(path, data, pronounced), config.loop.seed, lambda sentence: sentence.text, "texts")

    silence = unit_of_silence(data.trim, (sentence.units for sentence in train))
    both = [[_trimmed(sentence, silence) for sentence in part] for part in (train, valid)]
    kept = [_fitting(part, config.model, data.max_letters) for part in both]
    if not kept[0]:
        raise InputError("no sentence is left to train on", path=data.train)

    vocabulary = resolve_vocabulary(
        ((sentence.id, sentence.units.vocabulary) for part in kept for sentence in part), data.units_vocabulary
    )
    highest = max(int(sentence.units.ids.max()) for part in kept for sentence in part)
    num_units = config.model.num_units or max(highest, silence or 0) + 1
    for sentence in (*kept[0], *kept[1]):
        sentence.units.check_range(num_units, sentence.id)
    if silence is not None and silence >= num_units:
        raise UsageError("data.trim is no unit", expected=f"0..{num_units - 1}", found=silence)

    LOG.info("%s to train on, %d held out, %d units", several(len(kept[0]), "sentence"), len(kept[1]), num_units)
    return TextCorpus(tuple(kept[0]), tuple(kept[1]), vocabulary, silence, num_units, language)


def _read(path: str, data: TextDataConfig, pronounced: bool) -> list[Sentence]:
    """Return the sentences of a manifest with units by id, or of units with text. pronounced: see `TextToUnitConfig`."""
    place, language = require_file(path, "the manifest"), normalise_language(data.language)
    if data.units:
        speakers = {name.strip() for name in data.speakers.split(",") if name.strip()}
        entries = [entry for entry in read_manifest(place).entries if entry.language in ("", language)]
        texts = {entry.id: entry.text for entry in entries if not speakers or entry.speaker in speakers}
        rows = data.units_by_id(data.units, texts)
    else:
        rows = data.units_by_id(place, None)
        texts = {name: str(row.extra.get("text") or "") for name, row in rows.items()}

    found, lacking, unread = [], list[str](), list[str]()
    for name, text in texts.items():
        if name not in rows or not text.strip() or not len(rows[name].units):
            lacking.append(name)
            continue
        try:
            plain = (read_english if language == "en" else written_out)(text).text
            spoken = pronounce(plain) if pronounced else plain
        except InputError as error:
            unread.append(f"{name} ({error.what}: {error.found})")
            continue
        found.append(Sentence(name, spoken, rows[name].units.merged(), language))

    leave_out(lacking, "utterance", "without text or units", place, data.allow_missing, "give data.units of the same recordings")
    leave_out(unread, "text", "that cannot be read aloud", place, data.allow_missing, "write them out in words")
    if not found:
        raise InputError("no sentence is left to train on", path=place)
    return found


def _trimmed(sentence: Sentence, silence: int | None) -> Sentence:
    """Return a sentence without silence at its ends; a silent one becomes empty."""
    units = sentence.units
    if silence is None or units.durations is None:
        return sentence
    spoken = np.flatnonzero(units.ids != silence)
    kept = slice(int(spoken[0]), int(spoken[-1]) + 1) if len(spoken) else slice(0)
    return replace(sentence, units=replace(units, ids=units.ids[kept], durations=units.durations[kept]))


def _fitting(sentences: Sequence[Sentence], model: TextToUnitConfig, max_letters: int) -> list[Sentence]:
    """Return the sentences that a network of these sizes can speak; a warning counts the others."""
    reasons: Counter[str] = Counter()
    kept = []
    for sentence in sentences:
        letters = len(sentence.letters)
        room = letters * model.places if model.network == CTC else sentence.units.num_steps
        needed = len(sentence.units) if model.network == CTC else letters
        if not len(sentence.units):
            reasons["silent"] += 1
        elif letters > max_letters:
            reasons[f"more than {max_letters} letters"] += 1
        elif needed > room:
            reasons["more units than places" if model.network == CTC else "fewer steps than letters"] += 1
        else:
            kept.append(sentence)

    if reasons:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        LOG.warning("%d of %d sentences are left out: %s", reasons.total(), len(sentences), counts)
    return kept
