"""Zeroth Korean (OpenSLR 40, CC BY 4.0): read sentences, 115 speakers, 16 kHz flac with transcripts.

train_data_01/003/<speaker>/<speaker>_003_<n>.flac
train_data_01/003/<speaker>/<speaker>_003.trans.txt      a line for each: "<speaker>_003_<n> <text>"
test_data_01/003/...

`netflips prepare zeroth --data-root zeroth --out-dir data/zeroth`
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.command import Parser, run
from avcore.errors import InputError
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordingWorker
from avdata.prepare.running import CorpusPiece, add_output_options, output_options, prepare_corpus
from avdata.prepare.sources import list_files
from avdata.prepare.workplace import PrepareResult, Workplace

_TRANSCRIPT = ".trans.txt"
_LAYOUT = "train_data_01/003/<speaker>/<speaker>_003.trans.txt and its .flac files"


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
        """Yield one for each recording that has a transcript. Raises InputError for another layout."""
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
            # Sounds with a sentence are removed from `sounds`.
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
                speaker = name.split("_")[0]
                split = next(
                    (split for split in ("train", "test") for folder in transcript.folders if folder.startswith(split)), ""
                )
                extra = {"split": split} if split else {}
                audio = f"audio/{split or 'all'}/{speaker}/{name}.wav"
                yield CorpusRecording(sound, Entry(name, audio, language="ko", speaker=speaker, text=text, extra=extra)).piece()
        self.problems |= {file.name: "there is no line for it in any transcript" for file in sounds.values()}

    def worker(self, place: Workplace) -> RecordingWorker:
        """Return the worker that converts sounds."""
        return RecordingWorker.at(place)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Report nothing more."""


def build_parser() -> Parser:
    """Return the command's options."""
    parser = Parser(prog="netflips prepare zeroth", description="Zeroth Korean (OpenSLR 40) to 16 kHz wav and a manifest.")
    parser.add_argument("--data-root", type=Path, required=True, metavar="DIR", help="folder with train_data_01 and test_data_01")
    add_output_options(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    return run(build_parser(), lambda options: prepare_corpus(ZerothCorpus(options.data_root), output_options(options)), argv)
