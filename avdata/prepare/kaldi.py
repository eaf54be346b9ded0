"""A data folder of Kaldi or ESPnet (KSS, Zeroth and most recipes), to 16 kHz wav and a manifest.

`netflips prepare kaldi --data-root data/tr_no_dev --out-dir data/kss --language ko`
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.media import read_speech
from avcore.timeline import seconds_to_samples
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import store_speech
from avdata.prepare.running import CorpusItem, ItemWorker, PrepareOptions, SourceCorpus, prepare_corpus
from avdata.prepare.workplace import MANIFEST, ItemRecord, Journal, Workplace
from avdata.published.kaldi import KaldiUtterance, read_kaldi

LOG = logging.getLogger("netflips")


@dataclass
class KaldiCorpus(SourceCorpus):
    """A data folder."""

    language: str
    sound_root: Path | None = None
    """folder that relative paths of wav.scp start from, None = the first in which they exist (see `read_kaldi`)"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that must not change on resume."""
        return {"corpus": "kaldi", "language": self.language}

    def items(self) -> Iterator[CorpusItem]:
        """Return an item for each utterance, those of a recording together. Raises InputError for another kind of folder."""
        found = read_kaldi(self.root, self.sound_root)
        for warning in found.warnings:
            LOG.warning("%s: warning: %s", self.root, warning)
        utterances = [replace(one, text=spoken_form(one.text)) for one in found.utterances]
        found.problems |= {one.id: NOTHING_SAID for one in utterances if not one.text}
        found.utterances = [one for one in utterances if one.text]
        self.problems |= found.problems
        if not found.utterances:
            shown = next((f"{name}: {reason}" for name, reason in found.problems.items()), "empty tables")
            raise InputError("no utterance of the folder can be used", path=self.root, found=shown)
        return (CorpusItem(one.id, one) for one in found.utterances)

    def worker(self, place: Workplace) -> "KaldiWorker":
        """Return the worker that converts sounds."""
        return KaldiWorker(place.out, self.language)


@dataclass(frozen=True)
class KaldiWorker(ItemWorker):
    """Writes an utterance's sound as 16 kHz wav."""

    out: Path
    language: str

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Convert one utterance."""
        one: KaldiUtterance = piece.work
        speech = _recording(one.path)
        if one.start_s is not None and one.end_s is not None:
            speech = speech[seconds_to_samples(one.start_s) : seconds_to_samples(one.end_s)]
        stored = store_speech(speech, self.out, f"audio/{one.id}.wav", f"{one.path.name}: {one.id}")
        entry = Entry(
            id=one.id,
            audio=stored.name,
            duration_s=stored.seconds,
            samples=stored.samples,
            language=self.language,
            speaker=one.speaker,
            text=one.text,
            translation=one.translation,
            extra={"split": one.split} if one.split else {},
        )
        journal.add(ItemRecord(piece.key, "kept", rows={MANIFEST: entry.to_row()}))
        return ()


@lru_cache(maxsize=1)
def _recording(path: Path) -> NDArray[np.float32]:
    """Return a recording, float32 [S]. Its utterances come one after another, so that it is decoded once for them."""
    return read_speech(path)


@dataclass(frozen=True, kw_only=True)
class KaldiOptions(PrepareOptions):
    """A folder with wav.scp, text, utt2spk and perhaps segments, to 16 kHz wav and a manifest. Commands in wav.scp
    are never run. `netflips manifest to-kaldi` is the way back."""

    data_root: Path = flag(metavar="DIR")
    """the folder, such as data/tr_no_dev"""
    language: str = flag(default="ko", metavar="LANG")
    """what is spoken, two letters (default: ko)"""
    sound_root: Path | None = flag(default=None, metavar="DIR")
    """where relative paths of wav.scp start from (default: the folder, or the first one above it where they are found)"""


def _work(options: KaldiOptions) -> int:
    return prepare_corpus(KaldiCorpus(options.data_root, normalise_language(options.language), options.sound_root), options)


_COMMAND = Command(KaldiOptions, "netflips prepare kaldi", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
