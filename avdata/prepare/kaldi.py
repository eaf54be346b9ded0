"""A folder as Kaldi and ESPnet have them (KSS, Zeroth and most recipes), to 16 kHz wav and a manifest.

`netflips prepare kaldi --data-root data/tr_no_dev --out-dir data/kss --language ko`
"""

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.command import Parser, run
from avcore.errors import InputError
from avcore.media import read_speech
from avcore.timeline import seconds_to_samples
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import store_speech
from avdata.prepare.running import CorpusPiece, add_output_options, output_options, prepare_corpus
from avdata.prepare.workplace import Journal, PieceRecord, PrepareResult, Workplace
from avdata.published.kaldi import KaldiUtterance, read_kaldi

LOG = logging.getLogger("netflips")
MANIFEST = "manifest"


@dataclass
class KaldiCorpus:
    """The folder. sound_root: where relative paths of wav.scp start from, None = where they are found."""

    root: Path
    language: str
    sound_root: Path | None = None
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Mapping[str, Any]:
        """What must not change when the work goes on."""
        return {"corpus": "kaldi", "language": self.language}

    def pieces(self) -> Iterator[CorpusPiece]:
        """Return one for each utterance, those of a recording together. Raises InputError for another folder."""
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
        return (CorpusPiece(one.id, one) for one in found.utterances)

    def worker(self, place: Workplace) -> "KaldiWorker":
        """Return the worker that converts sounds."""
        return KaldiWorker(place.out, self.language)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Report nothing more."""


@dataclass(frozen=True)
class KaldiWorker:
    """Writes an utterance's sound as 16 kHz wav."""

    out: Path
    language: str

    def do(self, piece: CorpusPiece, journal: Journal) -> Iterable[CorpusPiece]:
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
        )
        journal.add(PieceRecord(piece.key, "kept", rows={MANIFEST: entry.to_row()}))
        return ()

    def finish(self, piece: CorpusPiece) -> None:
        """Do nothing: no piece has follow-ups."""


@lru_cache(maxsize=1)
def _recording(path: Path) -> NDArray[np.float32]:
    """Return a recording, float32 [S]: its utterances come one after another, and it is decoded once for them."""
    return read_speech(path)


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(
        prog="netflips prepare kaldi",
        description="A folder with wav.scp, text, utt2spk and perhaps segments, to 16 kHz wav and a manifest. Commands in wav.scp "
        "are never run. `netflips manifest to-kaldi` is the way back.",
    )
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="the folder, such as data/tr_no_dev")
    parser.add_argument("--language", default="ko", metavar="LANG", help="what is spoken, two letters (default: ko)")
    parser.add_argument(
        "--sound-root",
        type=Path,
        metavar="DIR",
        help="where relative paths of wav.scp start from (default: the folder, or the first one above it where they are found)",
    )
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), _work, argv)


def _work(options: argparse.Namespace) -> int:
    corpus = KaldiCorpus(options.data_root, normalise_language(options.language), options.sound_root)
    return prepare_corpus(corpus, output_options(options))
