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
from unicodedata import normalize

from avcore.errors import InputError
from avcore.flags import Command, flag
from avdata.manifest import Entry
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.sources import CorpusFile

_SPLITS = {"train": "train", "dev": "valid", "eval_clean": "test", "eval_other": "test_other"}
"""Split of each list. The noisier of the two tests is a split of its own, because papers report it separately."""
_BETWEEN = "::"
_LAYOUT = "scripts/train.trn, or a .txt beside each .pcm"


@dataclass(frozen=True, kw_only=True)
class KsponCorpus(RecordedCorpus):
    """KsponSpeech to 16 kHz wav and a manifest."""

    data_root: Path = flag(metavar="DIR")
    """folder with KsponSpeech_01 and scripts"""
    corpus = "kspon"

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each recording with a text."""
        listing = self.listing()
        sounds = listing.by_stem(".pcm", ".wav", ".flac")
        lists = {name: file for name, file in listing.by_stem(".trn").items() if name in _SPLITS}
        texts = [file for file in listing.with_suffix(".txt") if file.stem in sounds]
        if not sounds or not (lists or texts):
            raise self.other_layout("KsponSpeech", _LAYOUT, listing.first_names())

        for name, split, line in chain(self._listed(lists), self._beside(file for file in texts if file.stem in sounds)):
            # A sound is removed with its first text: lists come first, so that a .txt counts only if no list has one.
            sound, text = sounds.pop(name, None), spoken_form(" ".join(line.split()))
            if sound is None or not text:
                self.problems[name] = NOTHING_SAID if sound is not None else f"there is no {name}.pcm"
                continue
            # A folder for each thousand, as in the corpus.
            audio = f"audio/{split or 'all'}/{name[:-3]}/{name}.wav"
            yield CorpusRecording(sound, Entry(name, audio, language="ko", text=text, extra={"split": split} if split else {}))
        self.problems.update({file.name: "no text is there for it" for file in sounds.values()})

    def _listed(self, lists: Mapping[str, CorpusFile]) -> Iterator[tuple[str, str, str]]:
        """Yield the name, the split and the transcript of each line of the scripts."""
        for stem in filter(lists.__contains__, _SPLITS):
            for place, line in lists[stem].lines():
                path, sign, text = line.partition(_BETWEEN)
                if sign:
                    yield PurePosixPath(path.strip().replace("\\", "/")).stem, _SPLITS[stem], text
                elif line.strip():
                    self.problems[place] = f"no line as 'path {_BETWEEN} text'"

    def _beside(self, texts: Iterable[CorpusFile]) -> Iterator[tuple[str, str, str]]:
        for file in texts:
            try:
                yield file.stem, "", normalize("NFC", file.read_text())
            except InputError as error:
                self.problems[file.name] = str(error)


_COMMAND = Command(KsponCorpus, "netflips prepare kspon", KsponCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
