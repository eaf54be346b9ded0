"""A data folder of Kaldi or ESPnet (KSS, Zeroth and most recipes), to 16 kHz wav and a manifest.

`netflips prepare kaldi --data-root data/tr_no_dev --out-dir data/kss --language ko`
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from avcore.data.manifest import Entry
from avcore.data.prepare.label_fields import NOTHING_SAID, spoken_form
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.data.published.kaldi import KaldiUtterance, read_kaldi
from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.timeline import Interval
from avcore.units import normalise_language

LOG = logging.getLogger("netflips")


@dataclass(frozen=True, kw_only=True)
class KaldiCorpus(RecordedCorpus):
    """A folder with wav.scp, text, utt2spk and perhaps segments, to 16 kHz wav and a manifest. Commands in wav.scp
    are never run. `netflips manifest to-kaldi` is the way back."""

    data_root: Path = flag(metavar="DIR")
    """the folder, such as data/tr_no_dev"""
    language: str = flag(default="ko", metavar="LANG", read=normalise_language)
    """what is spoken, two letters (default: ko)"""
    sound_root: Path | None = flag(default=None, metavar="DIR")
    """where relative paths of wav.scp start from (default: the folder, or the first one above it where they are found)"""
    corpus = "kaldi"
    lasting = ("language",)

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each utterance, those of a recording together."""
        found = read_kaldi(self.root, self.sound_root)
        for warning in found.warnings:
            LOG.warning("%s: warning: %s", self.root, warning)
        utterances = [replace(utterance, text=spoken_form(utterance.text)) for utterance in found.utterances]
        self.problems.update(found.problems | {utterance.id: NOTHING_SAID for utterance in utterances if not utterance.text})
        if not any(utterance.text for utterance in utterances):
            shown = next((f"{name}: {reason}" for name, reason in self.problems.items()), "empty tables")
            raise InputError("no utterance of the folder can be used", path=self.root, found=shown)
        yield from (recording_of(utterance, self.language) for utterance in utterances if utterance.text)


def recording_of(utterance: KaldiUtterance, language: str) -> CorpusRecording:
    """Return an utterance as a recording, or a part of one."""
    entry = Entry(
        id=utterance.id,
        audio=f"audio/{utterance.id}.wav",
        language=language,
        speaker=utterance.speaker,
        text=utterance.text,
        translation=utterance.translation,
        extra={"split": utterance.split} if utterance.split else {},
    )
    part = None if utterance.start_s is None or utterance.end_s is None else Interval(utterance.start_s, utterance.end_s)
    return CorpusRecording(CorpusFile(utterance.path.name, (utterance.path,)), entry, part=part)


_COMMAND = Command(KaldiCorpus, "netflips prepare kaldi", KaldiCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
