"""Zeroth Korean (OpenSLR 40, CC BY 4.0): read sentences, 115 speakers, 16 kHz flac with transcripts.

train_data_01/003/<speaker>/<speaker>_003_<n>.flac
train_data_01/003/<speaker>/<speaker>_003.trans.txt      a line for each: "<speaker>_003_<n> <text>"
test_data_01/003/...

`netflips prepare zeroth --data-root zeroth --out-dir data/zeroth`
"""

import argparse
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.command import Parser, run
from avcore.errors import InputError
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.running import CorpusPiece, add_output_options, output_options, prepare
from avdata.prepare.sound import store_sound
from avdata.prepare.sources import CorpusFile, list_files
from avdata.prepare.workplace import Journal, PieceRecord, PrepareResult, Workplace

MANIFEST = "manifest"
_TRANSCRIPT = ".trans.txt"
_LAYOUT = "train_data_01/003/<speaker>/<speaker>_003.trans.txt and its .flac files"


@dataclass(frozen=True)
class ZerothSentence:
    """A recording and what is said in it. split: train or test, "" = the folders don't say."""

    sound: CorpusFile
    speaker: str
    text: str
    split: str


@dataclass
class ZerothCorpus:
    """The corpus as it was unpacked."""

    root: Path
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Nothing can be set."""
        return {"corpus": "zeroth"}

    def pieces(self) -> Iterator[CorpusPiece]:
        """One for each recording that has a transcript. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        sounds = {file.stem: file for file in listing.with_suffix(".flac", ".wav", ".pcm")}
        transcripts = [file for file in listing.files if file.name.endswith(_TRANSCRIPT)]
        if not transcripts or not sounds:
            raise InputError(
                "this is not the layout of Zeroth Korean",
                path=self.root,
                expected=_LAYOUT,
                found=", ".join(file.name for file in listing.files[:3]) or "nothing that can be read",
                hint="unpack it first: tar xzf zeroth_korean.tar.gz",
            )
        for transcript in transcripts:
            yield from self._of(transcript, sounds)
        self.problems |= {file.name: "there is no line for it in any transcript" for file in sounds.values()}

    def _of(self, transcript: CorpusFile, sounds: dict[str, CorpusFile]) -> Iterator[CorpusPiece]:
        """The sentences of a transcript; their sounds are taken out of `sounds`."""
        for number, line in enumerate(transcript.read_text().splitlines(), 1):
            name, _, written = normalize("NFC", line).strip().partition(" ")
            if not name:
                continue
            sound, text = sounds.pop(name, None), spoken_form(" ".join(written.split()))
            if sound is None or not text:
                silent = NOTHING_SAID if written else "there is no text"
                what = silent if sound is not None else f"there is no {name}.flac"
                self.problems[f"{transcript.name}:{number}"] = what
                continue
            yield CorpusPiece(name, ZerothSentence(sound, name.split("_")[0], text, _split(transcript)))

    def worker(self, place: Workplace) -> "ZerothWorker":
        """Converts sounds."""
        return ZerothWorker(place.out, place.temporary)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Nothing more to say."""


@dataclass(frozen=True)
class ZerothWorker:
    """Writes a sentence's sound as 16 kHz wav."""

    out: Path
    temporary: Path

    def do(self, piece: CorpusPiece, journal: Journal) -> Iterable[CorpusPiece]:
        """Convert one recording."""
        sentence: ZerothSentence = piece.work
        with sentence.sound.on_disk(self.temporary) as path:
            stored = store_sound(path, self.out, f"audio/{sentence.split or 'all'}/{sentence.speaker}/{piece.key}.wav")
        entry = Entry(
            id=piece.key,
            audio=stored.name,
            duration_s=stored.seconds,
            samples=stored.samples,
            language="ko",
            speaker=sentence.speaker,
            text=sentence.text,
            extra={"split": sentence.split} if sentence.split else {},
        )
        journal.add(PieceRecord(piece.key, "kept", rows={MANIFEST: entry.to_row()}))
        return ()

    def finish(self, piece: CorpusPiece) -> None:
        """No piece has follow-ups."""


def _split(file: CorpusFile) -> str:
    return next((split for split in ("train", "test") for folder in file.folders if folder.startswith(split)), "")


def build_parser() -> Parser:
    """The command's options."""
    parser = Parser(prog="netflips prepare zeroth", description="Zeroth Korean (OpenSLR 40) to 16 kHz wav and a manifest.")
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder with train_data_01 and test_data_01")
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    return prepare(ZerothCorpus(options.data_root), output_options(options))


if __name__ == "__main__":
    sys.exit(main())
