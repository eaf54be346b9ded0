"""Manifests of lhotse, which has readers of many corpora (LibriSpeech, LibriTTS-R, VoxPopuli, ...), to 16 kHz wav and a manifest.

    FOLDER/librispeech_recordings_train-clean-100.jsonl.gz      recordings: id, sources
    FOLDER/librispeech_supervisions_train-clean-100.jsonl.gz    utterances: id, recording_id, start, duration, text, speaker

`lhotse prepare librispeech LibriSpeech FOLDER` writes them; lhotse itself is not needed here.

`netflips prepare lhotse --data-root FOLDER --language en --out-dir data/librispeech`
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from avcore.data.manifest import Entry
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.data.prepare.sources import CorpusFile
from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.timeline import Interval
from avcore.units import normalise_language

_RECORDINGS, _SUPERVISIONS = "recordings", "supervisions"
_SPLITS = {"train": "train", "dev": "valid", "valid": "valid", "test": "test", "eval": "test"}
_WHOLE_S = 0.01
"""An utterance that is shorter than its recording by no more than this is all of it."""


@dataclass(frozen=True, kw_only=True)
class LhotseCorpus(RecordedCorpus):
    """Manifests that lhotse wrote, to 16 kHz wav and a manifest. Texts in capitals alone, as LibriSpeech's, become sentences."""

    data_root: Path = flag(metavar="DIR")
    """folder of *recordings*.jsonl.gz and *supervisions*.jsonl.gz"""
    language: str = flag(metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    sound_root: Path | None = flag(default=None, metavar="DIR")
    """where relative paths of recordings start from (default: the current folder, as lhotse wrote them)"""
    corpus = "lhotse"
    lasting = ("language",)

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each utterance, those of a recording together. Raises InputError for another layout."""
        tables = sorted(self.root.glob(f"*{_SUPERVISIONS}*.jsonl*"))
        if not tables:
            names = sorted(path.name for path in self.root.iterdir())[:3] if self.root.is_dir() else []
            expected = f"*{_RECORDINGS}*.jsonl.gz and *{_SUPERVISIONS}*.jsonl.gz"
            raise self.other_layout("lhotse's manifests", expected, ", ".join(names), "make them with lhotse prepare CORPUS")
        for table in tables:
            beside = table.with_name(table.name.replace(_SUPERVISIONS, _RECORDINGS))
            if not beside.is_file():
                raise self.other_layout("lhotse's manifests", f"{beside.name} beside {table.name}")
            yield from self._utterances(table, {str(row["id"]): row for row in _rows(beside, "id", "sources")})

    def _utterances(self, table: Path, recordings: Mapping[str, Mapping[str, Any]]) -> Iterator[CorpusRecording]:
        split = next((split for word, split in _SPLITS.items() if word in table.name), "")
        rows = _rows(table, "id", "recording_id", "start", "duration")
        for row in sorted(rows, key=lambda row: (str(row["recording_id"]), float(row["start"]))):
            name, recording = str(row["id"]), recordings.get(str(row["recording_id"]))
            text = " ".join(str(row.get("text") or "").split())
            sound = None if recording is None else self._sound(recording)
            if recording is None or sound is None:
                self.problems[name] = "its recording is not there"
                continue
            if not text:
                self.problems[name] = "there is no text"
                continue

            start, seconds = float(row["start"]), float(row["duration"])
            is_whole = start == 0 and abs(float(recording.get("duration", 0)) - seconds) <= _WHOLE_S
            entry = Entry(
                name, f"audio/{name}.wav", language=self.language, speaker=str(row.get("speaker") or ""),
                text=text.capitalize() if text.isupper() else text, extra={"split": split} if split else {},
            )  # fmt: skip
            part = None if is_whole else Interval(start, start + seconds)
            yield CorpusRecording(CorpusFile(sound.name, (sound,)), entry, part=part)

    def _sound(self, recording: Mapping[str, Any]) -> Path | None:
        """Return the file of a recording; None if it is not there, or no file."""
        sources = recording["sources"]
        first = sources[0] if isinstance(sources, list) and sources else None
        if not isinstance(first, Mapping) or first.get("type") != "file":
            return None
        path = (self.sound_root or Path()) / str(first.get("source"))
        return path if path.is_file() else None


def _rows(path: Path, *fields: str) -> Iterator[dict[str, Any]]:
    """Yield the lines of a manifest, packed or not. Raises InputError for one that is none."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as lines:
        number = 0
        try:
            for line in lines:
                number += 1
                row = json.loads(line)
                if not isinstance(row, dict) or not all(field in row for field in fields):
                    raise ValueError(f"no object with {', '.join(fields)}")
                yield row
        except (ValueError, OSError, EOFError) as error:
            raise InputError(f"line {number or 1} of lhotse's manifest cannot be read", path=path, found=error) from error


_COMMAND = Command(LhotseCorpus, "netflips prepare lhotse", LhotseCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
