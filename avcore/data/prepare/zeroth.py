"""Zeroth Korean (OpenSLR 40, CC BY 4.0): read sentences, 115 speakers, 16 kHz flac with transcripts.

train_data_01/003/<speaker>/<speaker>_003_<n>.flac
train_data_01/003/<speaker>/<speaker>_003.trans.txt      a line for each: "<speaker>_003_<n> <text>"
test_data_01/003/...

`netflips prepare zeroth --data-root zeroth --out-dir data/zeroth`
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.data.manifest import Entry
from avcore.data.prepare.label_fields import NOTHING_SAID, spoken_form
from avcore.data.prepare.recordings import CorpusRecording, RecordedCorpus
from avcore.flags import Command, flag

_LAYOUT = "train_data_01/003/<speaker>/<speaker>_003.trans.txt and its .flac files"


@dataclass(frozen=True, kw_only=True)
class ZerothCorpus(RecordedCorpus):
    """Zeroth Korean (OpenSLR 40) to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder with train_data_01 and test_data_01"""
    corpus = "zeroth"

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each recording with a transcript."""
        listing = self.listing()
        sounds = listing.by_stem(".flac", ".wav", ".pcm")
        transcripts = [file for file in listing.files if file.name.endswith(".trans.txt")]
        if not transcripts or not sounds:
            hint = "unpack it first: tar xzf zeroth_korean.tar.gz"
            raise self.other_layout("Zeroth Korean", _LAYOUT, listing.first_names(), hint)

        for transcript in transcripts:
            folders = (split for split in ("train", "test") for folder in transcript.folders if folder.startswith(split))
            split = next(folders, "")
            # Sounds with a sentence are removed from `sounds`; the others are problems in the end.
            for place, line in transcript.lines():
                name, _, written = line.strip().partition(" ")
                if not name:
                    continue
                sound, text = sounds.pop(name, None), spoken_form(" ".join(written.split()))
                if sound is None or not text:
                    silent = NOTHING_SAID if written else "there is no text"
                    self.problems[place] = silent if sound is not None else f"there is no {name}.flac"
                    continue

                speaker = name.split("_")[0]
                audio, extra = f"audio/{split or 'all'}/{speaker}/{name}.wav", {"split": split} if split else {}
                yield CorpusRecording(sound, Entry(name, audio, language="ko", speaker=speaker, text=text, extra=extra))
        self.problems.update({file.name: "there is no line for it in any transcript" for file in sounds.values()})


_COMMAND = Command(ZerothCorpus, "netflips prepare zeroth", ZerothCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
