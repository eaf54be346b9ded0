"""FLEURS (Conneau et al. 2022, CC BY 4.0): sentences of FLoRes in 102 languages, each read by several people.

    en_us/train.tsv, dev.tsv, test.tsv      id, file, text, text without marks, characters, samples, gender; no header
    en_us/audio/train/*.wav, or an archive (.tar, .zip) in place of the folder

Sentences of two languages are paired by id. The result is two manifests with equal ids, as for Ko-X. If a sentence was read more
often in one language than in the other, recordings of the other are repeated, so that every recording has a partner.

`netflips prepare fleurs --data-root fleurs --out-dir data/fleurs`
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.command import LOG
from avcore.errors import InputError, UsageError
from avcore.flags import Command, flag
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import CorpusFile, list_files

_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_LAYOUT = "en_us/train.tsv and en_us/audio/train/*.wav, and the same of ko_kr"
_UNPACK = "unpack the sound first: tar xzf en_us/audio/train.tar.gz -C en_us/audio"
_COLUMNS = 7
Key = tuple[str, str]
"""A split, and the id of a sentence in it."""


@dataclass(frozen=True)
class _Reading:
    """A recording of a sentence, as listed in a table."""

    sound: CorpusFile
    text: str
    gender: str


@dataclass
class FleursCorpus(RecordedCorpus):
    """Two languages of the corpus."""

    folders: tuple[str, str]
    """names of their folders, such as en_us and ko_kr"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The languages, which must not change on resume."""
        return {"corpus": "fleurs", "languages": list(self.folders)}

    def items(self) -> Iterator[CorpusItem]:
        """Yield two items for each pair of recordings. Raises InputError for another layout."""
        files = list_files(self.root).files
        sides = [self._readings(files, folder) for folder in self.folders]
        shared = [key for key in sides[0] if key in sides[1]]
        if not shared:
            raise InputError("no sentence is there in both languages", path=self.root, expected=_LAYOUT)

        alone = sum(len(side) for side in sides) - 2 * len(shared)
        if alone:
            LOG.info("%d sentences were read in one of the languages only, and are left out", alone)
        for key in shared:
            split, sentence = key
            for number in range(max(len(side[key]) for side in sides)):
                name = f"{split}_{sentence}_{number}"
                chosen = [side[key][number % len(side[key])] for side in sides]
                for folder, own, other in zip(self.folders, chosen, reversed(chosen), strict=True):
                    yield _recording(name, folder, _SPLITS[split], own, other.text).piece()

    def _readings(self, files: Sequence[CorpusFile], folder: str) -> dict[Key, list[_Reading]]:
        """Return the recordings of a language by sentence."""
        below = [file for file in files if folder in file.folders]
        sounds = {(file.folders[-1], file.stem): file for file in below if file.suffix == ".wav"}
        tables = {file.stem: file for file in below if file.suffix == ".tsv" and file.stem in _SPLITS}
        if not tables or not sounds:
            found = "no recordings" if tables else "no tables"
            raise InputError(
                "this is not the layout of FLEURS", path=self.root / folder, expected=_LAYOUT, found=found, hint=_UNPACK
            )

        found_by = dict[Key, list[_Reading]]()
        for split, table in sorted(tables.items()):
            for number, line in enumerate(table.read_text().splitlines(), 1):
                fields = normalize("NFC", line).split("\t")
                if len(fields) < _COLUMNS:
                    self.problems[f"{table.name}:{number}"] = f"a line has {len(fields)} columns, not {_COLUMNS}"
                    continue
                sentence, file, text, gender = fields[0], fields[1], " ".join(fields[2].split()), fields[6]
                sound = sounds.get((split, Path(file).stem))
                if sound is None or not text:
                    self.problems[f"{table.name}:{number}"] = f"there is no audio/{split}/{file}" if text else "there is no text"
                    continue
                found_by.setdefault((split, sentence), []).append(_Reading(sound, text, gender.lower()))

        return found_by


def _recording(name: str, folder: str, split: str, reading: _Reading, translation: str) -> CorpusRecording:
    language = normalise_language(folder.partition("_")[0])
    audio = f"audio/{language}/{split}/{name}.wav"
    extra = {"split": split, "gender": reading.gender}
    entry = Entry(name, audio, language=language, text=reading.text, translation=translation, extra=extra)
    return CorpusRecording(reading.sound, entry, language)


@dataclass(frozen=True, kw_only=True)
class FleursOptions(PrepareOptions):
    """Two languages of FLEURS to 16 kHz wav and two manifests with equal ids, en.jsonl and ko.jsonl."""

    data_root: Path = flag(metavar="DIR")
    """folder with en_us and ko_kr"""
    source: str = flag(default="en_us", metavar="NAME")
    """folder of the source language (default: en_us)"""
    target: str = flag(default="ko_kr", metavar="NAME")
    """folder of the target language (default: ko_kr)"""


def _work(options: FleursOptions) -> int:
    folders = options.source, options.target
    if len({normalise_language(name.partition("_")[0]) for name in folders}) < 2:
        raise UsageError("source and target must be two languages", found=" and ".join(folders))
    return prepare_corpus(FleursCorpus(options.data_root, folders), options)


_COMMAND = Command(FleursOptions, "netflips prepare fleurs", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
