"""The data of a unit-to-text model's training run, checked before the first step: units or lips of utterances, and their text."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from avcore.data.corpus import by_lot
from avcore.data.manifest import Entry, Manifest, read_manifest
from avcore.data.unit_store import leave_out, resolve_vocabulary
from avcore.errors import InputError, UsageError
from avcore.notes import several
from avcore.timeline import frames_covering, units_to_seconds
from avcore.units import Units, normalise_language
from unit2text.training.config import UnitToTextDataConfig

LOG = logging.getLogger("netflips.train")
ReaderInput = TypeVar("ReaderInput", "SpokenText", "SeenText")


@dataclass(frozen=True, eq=False)
class SpokenText:
    """One utterance as it is spoken."""

    id: str
    text: str
    language: str
    units: Units
    """plain names with durations"""
    sound: Units | None = None
    """units of its sound, if `units` are those of its lips; None = there are none"""
    sentence: str = ""
    """the same for all utterances of the same words"""
    repeat: int = 1
    """how often an epoch has it"""


@dataclass(frozen=True)
class SeenText:
    """One utterance as it is seen."""

    id: str
    text: str
    language: str
    lips: Path
    """video or array of its mouth, 96 x 96 at 25 fps"""
    frames: int = 0
    """0 = not stated"""
    sentence: str = ""
    """as `SpokenText.sentence`"""


@dataclass(frozen=True)
class UnitToTextCorpus:
    """Utterances to train on and held-out ones."""

    train: tuple[SpokenText, ...]
    valid: tuple[SpokenText, ...]
    vocabulary: str
    """fingerprint of their quantizer; "" = unknown"""
    num_units: int

    @property
    def languages(self) -> tuple[str, ...]:
        """Languages of the training utterances, sorted."""
        return tuple(sorted({text.language for text in self.train}))

    @property
    def has_sound(self) -> bool:
        """Whether utterances have units of the sound beside those of the lips."""
        return self.train[0].sound is not None


def read_unit_to_text_corpus(data: UnitToTextDataConfig, seed: int) -> UnitToTextCorpus:
    """Read manifests and units, and check them. Raises InputError, UnitError, VocabularyError or UsageError."""
    if data.more_units and data.sound_units:
        raise UsageError("units of the sound stand beside one store of units only", found="data.more_units and data.sound_units")

    train, valid = data.parts(lambda path: _read_units(path, data), seed, lambda text: text.sentence, "sentences")
    valid = _some(valid, data.at_most_valid, seed)

    both = [*train, *valid]
    named = [(text.id, units.vocabulary) for text in both for units in (text.units, text.sound) if units is not None]
    vocabulary = resolve_vocabulary(named, data.units_vocabulary)
    largest = max(int(units.ids.max(initial=0)) for text in both for units in (text.units, text.sound) if units is not None)
    if data.num_units and largest >= data.num_units:
        raise UsageError("data.num_units is too small", expected=f"{largest + 1} or more", found=data.num_units)

    if data.balance:  # repeat those of rarer languages, so that each language has nearly as many as the most frequent
        counts = Counter(text.language for text in train)
        train = [text for text in train for _ in range(round(max(counts.values()) / counts[text.language]))]
    LOG.info("%s to train on, %d held out", several(len(train), "utterance"), len(valid))
    return UnitToTextCorpus(tuple(train), tuple(valid), vocabulary, data.num_units or largest + 1)


def read_lip_corpus(data: UnitToTextDataConfig, seed: int) -> tuple[list[SeenText], list[SeenText]]:
    """Read clips to train on and held-out ones, for a recognizer of lips. Raises InputError or UsageError."""
    train, valid = data.parts(lambda path: _read_lips(path, data), seed, lambda text: text.sentence, "sentences")
    if not train:
        raise InputError("no clip is short enough", path=data.train, expected=f"data.max_seconds of {data.max_seconds:g} or less")
    LOG.info("%s to train on, %d held out", several(len(train), "clip"), len(valid))
    return train, _some(valid, data.at_most_valid, seed)


def _entries(path: str, data: UnitToTextDataConfig) -> tuple[Manifest, list[Entry]]:
    """Return a manifest, and its entries in the languages of the run."""
    manifest, languages = read_manifest(path), {normalise_language(name) for name in data.languages}
    return manifest, [entry for entry in manifest.entries if not languages or entry.language in languages]


def _read_units(path: str, data: UnitToTextDataConfig) -> list[SpokenText]:
    """Read a manifest with its units, in its order.

    Of data.train, an utterance that is in several stores is returned once for each: units from sound, from lips and from labels
    differ for the same words.
    """
    entries = _entries(path, data)[1]
    wanted = {entry.id for entry in entries}
    stores = (data.units, *data.more_units) if path == data.train else (data.units,)
    units = [data.units_by_id(store, wanted) for store in stores]
    beside = data.units_by_id(data.sound_units, wanted) if data.sound_units else {}

    read, lacking = list[SpokenText](), list[str]()
    for entry in entries:
        found = [rows[entry.id].units for rows in units if entry.id in rows]
        if not found or not entry.text.strip() or not entry.language or (data.sound_units and entry.id not in beside):
            lacking.append(entry.id)
            continue
        heard = beside[entry.id].units if data.sound_units else None
        read += [SpokenText(entry.id, entry.text, entry.language, each, heard, entry.sentence, entry.repeat()) for each in found]

    what = f"without text, language or units in {', '.join(stores)}"
    leave_out(lacking, "utterance", what, Path(path), data.allow_missing, "give data.units of the same recordings")
    if not read:
        raise InputError("no utterance has both units and text", path=path)

    kept = [text for text in read if units_to_seconds(text.units.num_steps) <= data.max_seconds]
    for spoken in kept:
        if spoken.sound is not None and spoken.sound.num_steps != spoken.units.num_steps:
            raise InputError(
                f"units of sound and lips of {spoken.id} differ in length", expected=f"{spoken.units.num_steps} steps of 20 ms",
                found=spoken.sound.num_steps,
            )  # fmt: skip

    if len(kept) < len(read):
        LOG.warning("%s of more than %g s left out", several(len(read) - len(kept), "utterance"), data.max_seconds)
    if not kept:
        raise InputError("no utterance is short enough", expected=f"data.max_seconds of {data.max_seconds:g} or less")
    return kept


def _read_lips(path: str, data: UnitToTextDataConfig) -> list[SeenText]:
    """Read a manifest whose entries have lips, in its order, without those that it says are too long."""
    manifest, entries = _entries(path, data)
    read, lacking = list[SeenText](), list[str]()
    for entry in entries:
        lips = manifest.path(entry, "lips")
        if lips is None or not lips.is_file() or not entry.text.strip() or not entry.language:
            lacking.append(entry.id)
        else:
            read.append(SeenText(entry.id, entry.text, entry.language, lips, entry.frames, entry.sentence))

    leave_out(lacking, "utterance", "without text, language or lips", Path(path), data.allow_missing, "check the paths")
    if not read:
        raise InputError("no utterance has both lips and text", path=path)
    return [text for text in read if text.frames <= frames_covering(data.max_seconds)]


def _some(utterances: Sequence[ReaderInput], at_most: int, seed: int) -> list[ReaderInput]:
    if len(utterances) <= at_most:
        return list(utterances)
    chosen = set(by_lot({utterance.id for utterance in utterances}, at_most, seed))
    return [utterance for utterance in utterances if utterance.id in chosen]
