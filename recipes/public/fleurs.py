"""FLEURS (Conneau et al. 2022, CC BY 4.0): sentences of FLoRes in 102 languages, each read by several people.

    en_us/train.tsv, dev.tsv, test.tsv      id, file, text, text without marks, characters, samples, gender; no header
    en_us/audio/train/*.wav, or an archive (.tar, .zip) in place of the folder

Sentences of two languages are paired by id. The result is two manifests with equal ids, as for Ko-X. If a sentence was read more
often in one language than in the other, recordings of the other are repeated, so that every recording has a partner.

`python -m recipes.public.fleurs --data-root fleurs --out-dir data/fleurs`
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from avcore.command import LOG
from avcore.data.manifest import Entry
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.data.prepare.sources import UTF8, CorpusFile, Listing
from avcore.errors import InputError, UsageError
from avcore.flags import Command, flag
from avcore.units import normalise_language

_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_LAYOUT = "en_us/train.tsv and en_us/audio/train/*.wav, and the same of ko_kr"
_UNPACK = "unpack the sound first: tar xzf en_us/audio/train.tar.gz -C en_us/audio"
_COLUMNS = 7
Key = tuple[str, str]
"""A split, and the id of a sentence in it."""


class _Reading(NamedTuple):
    """A recording of a sentence, as listed in a table."""

    sound: CorpusFile
    text: str
    gender: str


@dataclass(frozen=True, kw_only=True)
class FleursCorpus(RecordedCorpus):
    """Two languages of FLEURS to 16 kHz wav and two manifests with equal ids, en.jsonl and ko.jsonl."""

    data_root: Path = flag(metavar="DIR")
    """folder with en_us and ko_kr"""
    source: str = flag(default="en_us", metavar="NAME")
    """folder of the source language (default: en_us)"""
    target: str = flag(default="ko_kr", metavar="NAME")
    """folder of the target language (default: ko_kr)"""
    corpus = "fleurs"
    lasting = ("source", "target")

    def __post_init__(self) -> None:
        super().__post_init__()
        if _language(self.source) == _language(self.target):
            raise UsageError("source and target must be two languages", found=f"{self.source} and {self.target}")

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield both sides of each pair of recordings."""
        listing, folders = self.listing(), (self.source, self.target)
        sides = [self._readings(listing, folder) for folder in folders]
        shared = [key for key in sides[0] if key in sides[1]]
        if not shared:
            raise InputError("no sentence is there in both languages", path=self.root, expected=_LAYOUT)

        if alone := sum(map(len, sides)) - 2 * len(shared):
            LOG.info("%d sentences were read in one of the languages only, and are left out", alone)
        for key in shared:
            split, sentence = _SPLITS[key[0]], key[1]
            for number in range(max(len(side[key]) for side in sides)):
                name = f"{key[0]}_{sentence}_{number}"
                chosen = [side[key][number % len(side[key])] for side in sides]
                for language, own, other in zip(map(_language, folders), chosen, reversed(chosen), strict=True):
                    audio, extra = f"audio/{language}/{split}/{name}.wav", {"split": split, "gender": own.gender}
                    entry = Entry(name, audio, language=language, text=own.text, translation=other.text, extra=extra)
                    yield CorpusRecording(own.sound, entry, language)

    def _readings(self, listing: Listing, folder: str) -> dict[Key, list[_Reading]]:
        """Return the recordings of a language by sentence."""
        below = [file for file in listing.files if folder in file.folders]
        sounds = {(file.folders[-1], file.stem): file for file in below if file.suffix == ".wav"}
        tables = {file.stem: file for file in below if file.suffix == ".tsv" and file.stem in _SPLITS}
        if not tables or not sounds:
            found, path = "no recordings" if tables else "no tables", self.root / folder
            raise InputError("this is not the layout of FLEURS", path=path, expected=_LAYOUT, found=found, hint=_UNPACK)

        found_by = dict[Key, list[_Reading]]()
        for split, table in sorted(tables.items()):
            for place, line in table.lines(UTF8):
                fields = line.split("\t")
                if len(fields) < _COLUMNS:
                    self.problems[place] = f"a line has {len(fields)} columns, not {_COLUMNS}"
                    continue
                sentence, file, text, gender = fields[0], fields[1], " ".join(fields[2].split()), fields[6]
                sound = sounds.get((split, Path(file).stem))
                if sound is None or not text:
                    self.problems[place] = f"there is no audio/{split}/{file}" if text else "there is no text"
                    continue
                found_by.setdefault((split, sentence), []).append(_Reading(sound, text, gender.lower()))

        return found_by


def _language(folder: str) -> str:
    return normalise_language(folder.partition("_")[0])


_COMMAND = Command(FleursCorpus, "python -m recipes.public.fleurs", FleursCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
