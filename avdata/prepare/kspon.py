"""KsponSpeech (Bang et al. 2020, AIHub): 969 hours of Korean talk, sound without a header and transcripts in CP949.

    KsponSpeech_01/KsponSpeech_0001/KsponSpeech_000001.pcm       and KsponSpeech_000001.txt, if not cleaned up
    scripts/train.trn, dev.trn, eval_clean.trn, eval_other.trn   "<path>.pcm :: <text>", a line for each

Speakers are not named. The scripts list the splits and texts of recordings. For a recording that they do not list, the .txt beside
it is the text.

`netflips prepare kspon --data-root KsponSpeech --out-dir data/kspon`
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any
from unicodedata import normalize

from avcore.errors import InputError
from avcore.flags import Command, flag
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import CorpusFile, list_files

_SPLITS = {"train": "train", "dev": "valid", "eval_clean": "test", "eval_other": "test_other"}
"""Split of each list. The noisier of the two tests is a split of its own, because papers report it separately."""
_BETWEEN = "::"
_LAYOUT = "scripts/train.trn, or a .txt beside each .pcm"


class KsponCorpus(RecordedCorpus):
    """The corpus as it was unpacked, or in its archives."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """The name of the corpus: there are no settings."""
        return {"corpus": "kspon"}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each recording with a text. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        sounds = {file.stem: file for file in listing.with_suffix(".pcm", ".wav", ".flac")}
        lists = {file.stem: file for file in listing.files if file.name.endswith(".trn") and file.stem in _SPLITS}
        texts = [file for file in listing.with_suffix(".txt") if file.stem in sounds]
        if not sounds or not (lists or texts):
            raise self.other_layout("KsponSpeech", _LAYOUT, listing.first_names())

        for name, split, line in chain(self._listed(lists), self._beside(file for file in texts if file.stem in sounds)):
            # A sound is removed with its first text: lists come first, so that a .txt counts only if no list has one.
            sound, text = sounds.pop(name, None), spoken_form(" ".join(normalize("NFC", line).split()))
            if sound is None or not text:
                self.problems[name] = NOTHING_SAID if sound is not None else f"there is no {name}.pcm"
                continue
            # A folder for each thousand, as in the corpus.
            audio = f"audio/{split or 'all'}/{name[:-3]}/{name}.wav"
            entry = Entry(name, audio, language="ko", text=text, extra={"split": split} if split else {})
            yield CorpusRecording(sound, entry).piece()
        self.problems |= {file.name: "no text is there for it" for file in sounds.values()}

    def _listed(self, lists: Mapping[str, CorpusFile]) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the split and the transcript of each line of the scripts."""
        for stem in filter(lists.__contains__, _SPLITS):
            for number, line in enumerate(lists[stem].read_text().splitlines(), 1):
                path, sign, text = line.partition(_BETWEEN)
                if sign:
                    yield PurePosixPath(path.strip().replace("\\", "/")).stem, _SPLITS[stem], text
                elif line.strip():
                    self.problems[f"{lists[stem].name}:{number}"] = f"no line as 'path {_BETWEEN} text'"

    def _beside(self, texts: Iterable[CorpusFile]) -> Iterator[tuple[str, str, str]]:
        for file in texts:
            try:
                yield file.stem, "", file.read_text()
            except InputError as error:
                self.problems[file.name] = str(error)


@dataclass(frozen=True, kw_only=True)
class KsponOptions(PrepareOptions):
    """KsponSpeech to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder with KsponSpeech_01 and scripts"""


def _work(options: KsponOptions) -> int:
    return prepare_corpus(KsponCorpus(options.data_root), options)


_COMMAND = Command(KsponOptions, "netflips prepare kspon", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
