"""mTEDx (Salesky et al. 2021, CC BY-NC-ND 4.0): TEDx talks with transcripts and translations, cut by the corpus's segments.

    es-en/data/test/wav/TALK.flac
    es-en/data/test/txt/segments                id, talk, start and end in seconds
    es-en/data/test/txt/test.es, test.en        a line for each line of segments

`netflips prepare mtedx --data-root mtedx --source es --target en --out-dir data/mtedx_es`
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.errors import InputError
from avcore.flags import Command, flag
from avcore.texts import iter_lines
from avcore.units import normalise_language
from avdata.prepare.kaldi import recording_of
from avdata.prepare.label_fields import NOTHING_SAID, spoken_form
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.published.kaldi import KaldiFolder, KaldiUtterance, read_segments


@dataclass(frozen=True, kw_only=True)
class MtedxCorpus(RecordedCorpus):
    """A pair of languages of mTEDx to 16 kHz wav and a manifest with texts and translations."""

    data_root: Path = flag(metavar="DIR")
    """folder with es-en and the like, unpacked"""
    source: str = flag(metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    target: str = flag(default="en", metavar="LANG", read=normalise_language)
    """language of the translations; the source's own = none (default: en)"""
    corpus = "mtedx"
    lasting = ("source", "target")

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield each segment, those of a talk together."""
        folder = self.root / f"{self.source}-{self.target}" / "data"
        splits = [split for split in ("train", "valid", "test") if (folder / split / "txt" / "segments").is_file()]
        if not splits:
            raise InputError("this is not the layout of mTEDx", path=folder, expected="test/txt/segments", hint="unpack it")

        for split in splits:
            texts, waves = folder / split / "txt", folder / split / "wav"
            parts = read_segments(texts, KaldiFolder(problems=self.problems))
            lines = _lines_of(texts / f"{split}.{self.source}", list(parts))
            translated = {} if self.target == self.source else _lines_of(texts / f"{split}.{self.target}", list(parts))
            for name, (talk, start_s, end_s) in parts.items():
                sound, text = waves / f"{talk}.flac", spoken_form(lines[name])
                if not sound.is_file() or not text:
                    self.problems[name] = NOTHING_SAID if sound.is_file() else f"there is no file {sound}"
                    continue
                one = KaldiUtterance(name, sound, talk, text, start_s, end_s, translated.get(name, ""), split)
                yield recording_of(one, self.source)


def _lines_of(path: Path, names: list[str]) -> dict[str, str]:
    """Return the line of a text file for each line of segments. Raises InputError if they are not equally many."""
    lines = [" ".join(line.split()) for _, line in iter_lines(path, "the texts")]
    if len(lines) != len(names):
        raise InputError("texts and segments are not as many", path=path, expected=f"{len(names)} lines", found=len(lines))
    return dict(zip(names, lines, strict=True))


_COMMAND = Command(MtedxCorpus, "netflips prepare mtedx", MtedxCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
