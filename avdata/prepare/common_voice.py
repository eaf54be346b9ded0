"""Common Voice (CC0): sentences read by volunteers, with one folder for each language.

    en/train.tsv, dev.tsv, test.tsv, validated.tsv      with a header: client_id, path, sentence, ...
    en/clips/*.mp3

`netflips prepare cv --data-root cv-corpus/en --out-dir data/cv_en --language en`
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.texts import iter_lines
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import CorpusFile, list_files

_TABLES = {"test": "test", "dev": "valid", "train": "train", "validated": "train"}
"""Split of each table. A clip belongs to the first table that lists it."""
_LAYOUT = "train.tsv with a head, and clips/*.mp3"
_NEEDED = ("client_id", "path", "sentence")


@dataclass
class CommonVoiceCorpus(RecordedCorpus):
    """One language of the corpus, unpacked."""

    language: str
    all_validated: bool = False
    """whether clips that are in validated.tsv only are added to train"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that must not change on resume."""
        return {"corpus": "common voice", "language": self.language, "all_validated": self.all_validated}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        clips = {file.stem: file for file in listing.with_suffix(".mp3", ".wav", ".flac", ".ogg", ".opus")}
        tables = {file.stem: file for file in listing.with_suffix(".tsv") if file.stem in _TABLES}
        if not self.all_validated:
            tables.pop("validated", None)
        if not tables or not clips:
            found, hint = f"{len(tables)} tables and {len(clips)} clips", "unpack it, and name the folder of one language"
            raise self.other_layout("Common Voice", _LAYOUT, found, hint)

        seen = set[str]()
        for name, split in _TABLES.items():
            if name in tables:
                yield from self._of(tables[name], split, clips, seen)

    def _of(self, table: CorpusFile, split: str, clips: Mapping[str, CorpusFile], seen: set[str]) -> Iterator[CorpusItem]:
        """Yield the clips of a table that were not `seen` in an earlier one."""
        columns: list[str] = []
        for number, line in _lines(table):
            fields = normalize("NFC", line.rstrip("\r\n")).split("\t")
            if not columns:
                columns = fields
                if not set(_NEEDED) <= set(columns):
                    raise InputError("a table lacks columns", path=str(table), expected=", ".join(_NEEDED), found=line[:80].strip())
                continue

            row = dict(zip(columns, fields, strict=False))
            name, text = Path(row.get("path", "")).stem, " ".join(row.get("sentence", "").split())
            if name in seen:
                continue
            seen.add(name)
            if name not in clips or not text:
                self.problems[f"{table.name}:{number}"] = f"there is no clip {name}" if text else "there is no sentence"
                continue

            # An id of a client has 128 digits, too many for the name of a folder.
            speaker = hashlib.sha256(row["client_id"].encode()).hexdigest()[:12]
            audio = f"audio/{split}/{speaker}/{name}.wav"
            entry = Entry(name, audio, language=self.language, speaker=speaker, text=text, extra={"split": split})
            yield CorpusRecording(clips[name], entry).piece()


def _lines(table: CorpusFile) -> Iterator[tuple[int, str]]:
    """Return the lines of a table, numbered from 1. A plain file is read line by line."""
    if table.is_plain:
        return iter_lines(table.paths[0], "the table")
    return enumerate(table.read_text().splitlines(), 1)


@dataclass(frozen=True, kw_only=True)
class CommonVoiceOptions(PrepareOptions):
    """One language of Common Voice to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder of a language, with train.tsv and clips"""
    language: str = flag(metavar="LANG")
    """what is spoken, two letters"""
    all_validated: bool = flag(default=False)
    """take what stands in validated.tsv alone, too, to train on"""


def _work(options: CommonVoiceOptions) -> int:
    corpus = CommonVoiceCorpus(options.data_root, normalise_language(options.language), options.all_validated)
    return prepare_corpus(corpus, options)


_COMMAND = Command(CommonVoiceOptions, "netflips prepare cv", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
