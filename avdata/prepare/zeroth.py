"""Zeroth Korean (OpenSLR 40, CC BY 4.0): read sentences, 115 speakers, 16 kHz flac with transcripts.

train_data_01/003/<speaker>/<speaker>_003_<n>.flac
train_data_01/003/<speaker>/<speaker>_003.trans.txt      a line for each: "<speaker>_003_<n> <text>"
test_data_01/003/...

`netflips prepare zeroth --data-root zeroth --out-dir data/zeroth`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.flags import Command, flag
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import list_files

_TRANSCRIPT = ".trans.txt"
_LAYOUT = "train_data_01/003/<speaker>/<speaker>_003.trans.txt and its .flac files"


class ZerothCorpus(RecordedCorpus):
    """The corpus as it was unpacked."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The name of the corpus: there are no settings."""
        return {"corpus": "zeroth"}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each recording with a transcript. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        sounds = {file.stem: file for file in listing.with_suffix(".flac", ".wav", ".pcm")}
        transcripts = [file for file in listing.files if file.name.endswith(_TRANSCRIPT)]
        if not transcripts or not sounds:
            hint = "unpack it first: tar xzf zeroth_korean.tar.gz"
            raise self.other_layout("Zeroth Korean", _LAYOUT, listing.first_names(), hint)

        for transcript in transcripts:
            # Sounds with a sentence are removed from `sounds`; the others are problems in the end.
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


@dataclass(frozen=True, kw_only=True)
class ZerothOptions(PrepareOptions):
    """Zeroth Korean (OpenSLR 40) to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder with train_data_01 and test_data_01"""


def _work(options: ZerothOptions) -> int:
    return prepare_corpus(ZerothCorpus(options.data_root), options)


_COMMAND = Command(ZerothOptions, "netflips prepare zeroth", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
