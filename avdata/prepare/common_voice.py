"""Common Voice (CC0): sentences read by volunteers, with one folder for each language.

    en/train.tsv, dev.tsv, test.tsv, validated.tsv      with a header: client_id, path, sentence, ...
    en/clips/*.mp3

`netflips prepare cv --data-root cv-corpus/en --out-dir data/cv_en --language en`
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.sources import UTF8, CorpusFile

_TABLES = {"test": "test", "dev": "valid", "train": "train", "validated": "train"}
"""Split of each table. A clip belongs to the first table that lists it."""
_LAYOUT = "train.tsv with a head, and clips/*.mp3"


@dataclass(frozen=True, kw_only=True)
class CommonVoiceCorpus(RecordedCorpus):
    """One language of Common Voice to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder of a language, with train.tsv and clips"""
    language: str = flag(metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    all_validated: bool = flag(default=False)
    """take what stands in validated.tsv alone, too, to train on"""
    corpus = "common voice"
    lasting = ("language", "all_validated")

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each clip."""
        listing = self.listing()
        clips = listing.by_stem(".mp3", ".wav", ".flac", ".ogg", ".opus")
        tables = listing.by_stem(".tsv")
        lists = {name: split for name, split in _TABLES.items() if name in tables and (self.all_validated or name != "validated")}
        if not lists or not clips:
            found, hint = f"{len(lists)} tables and {len(clips)} clips", "unpack it, and name the folder of one language"
            raise self.other_layout("Common Voice", _LAYOUT, found, hint)

        seen = set[str]()
        for table, split in lists.items():
            for place, row in rows_of(tables[table], "client_id", "path", "sentence"):
                name, text = Path(row["path"]).stem, " ".join(row["sentence"].split())
                if name in seen:
                    continue
                seen.add(name)
                if name not in clips or not text:
                    self.problems[place] = f"there is no clip {name}" if text else "there is no sentence"
                    continue

                # An id of a client has 128 digits, too many for the name of a folder.
                speaker = hashlib.sha256(row["client_id"].encode()).hexdigest()[:12]
                audio = f"audio/{split}/{speaker}/{name}.wav"
                entry = Entry(name, audio, language=self.language, speaker=speaker, text=text, extra={"split": split})
                yield CorpusRecording(clips[name], entry)


def rows_of(table: CorpusFile, *needed: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the place and the fields of each row of a table with a head; fields that it lacks are "".

    Raises InputError if the head lacks one of `needed`.
    """
    columns: list[str] = []
    for place, line in table.lines(UTF8):
        fields = line.split("\t")
        if columns:
            yield place, dict.fromkeys(needed, "") | dict(zip(columns, fields, strict=False))
        elif not set(needed) <= set(fields):
            raise InputError("a table lacks columns", path=str(table), expected=", ".join(needed), found=line[:80].strip())
        else:
            columns = fields


_COMMAND = Command(CommonVoiceCorpus, "netflips prepare cv", CommonVoiceCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
