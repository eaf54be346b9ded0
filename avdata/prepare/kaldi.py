"""A data folder of Kaldi or ESPnet (KSS, Zeroth and most recipes), to 16 kHz wav and a manifest.

`netflips prepare kaldi --data-root data/tr_no_dev --out-dir data/kss --language ko`
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import CorpusFile
from avdata.published.kaldi import KaldiUtterance, read_kaldi

LOG = logging.getLogger("netflips")


@dataclass
class KaldiCorpus(RecordedCorpus):
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
        return (piece_of(one, self.language) for one in found.utterances)


def piece_of(one: KaldiUtterance, language: str) -> CorpusItem:
    """Return an utterance as a piece of work."""
    entry = Entry(
        id=one.id,
        audio=f"audio/{one.id}.wav",
        language=language,
        speaker=one.speaker,
        text=one.text,
        translation=one.translation,
        extra={"split": one.split} if one.split else {},
    )
    part_s = None if one.start_s is None or one.end_s is None else (one.start_s, one.end_s)
    return CorpusRecording(CorpusFile(one.path.name, (one.path,)), entry, part_s=part_s).piece()


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
