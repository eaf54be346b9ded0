"""CVSS (Jia et al. 2022, CC BY 4.0): Common Voice 4 of a language with its English translation, as text and as speech.

    cvss_c_es_en_v1.0/train.tsv, dev.tsv, test.tsv     clip (common_voice_es_19765426.mp3), translation; no header
    cvss_c_es_en_v1.0/train/CLIP.mp3.wav               the translation, spoken
    cv-corpus-4/es/clips/CLIP.mp3, validated.tsv       the source, and its transcript

The result is two manifests with equal ids.

`netflips prepare cvss --data-root cvss_c_es_en_v1.0 --common-voice cv-corpus-4/es --source es --out-dir data/cvss_es`
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unicodedata import normalize

from avcore.flags import Command, flag
from avcore.texts import iter_lines
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.running import CorpusItem, PrepareOptions, prepare_corpus
from avdata.prepare.sources import list_files

_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_TARGET = "en"


@dataclass
class CvssCorpus(RecordedCorpus):
    """One source language of the corpus."""

    source: str
    """two letters"""
    common_voice: Path
    """folder of the language in Common Voice"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that must not change on resume."""
        return {"corpus": "cvss", "source": self.source}

    def items(self) -> Iterator[CorpusItem]:
        """Yield two items for each translated clip. Raises InputError for another layout."""
        spoken = {file.name.rpartition("/")[2]: file for file in list_files(self.root).with_suffix(".wav")}
        clips = {file.stem: file for file in list_files(self.common_voice).with_suffix(".mp3", ".wav", ".flac")}
        tables = {name: self.root / f"{name}.tsv" for name in _SPLITS if (self.root / f"{name}.tsv").is_file()}
        if not tables or not spoken:
            raise self.other_layout("CVSS", "test.tsv and test/*.mp3.wav", hint="unpack it")

        transcripts = self._transcripts()
        for split, table in tables.items():
            for number, line in iter_lines(table, "the table"):
                clip, _, text = normalize("NFC", line.rstrip("\r\n")).partition("\t")
                name, text = Path(clip).stem, " ".join(text.split())
                own, other = clips.get(name), spoken.get(f"{clip}.wav")
                if own is None or other is None or not text:
                    lacking = (
                        f"{clip} of Common Voice" if own is None else f"{split}/{clip}.wav" if other is None else "translation"
                    )
                    self.problems[f"{table.name}:{number}"] = f"there is no {lacking}"
                    continue

                extra, transcript = {"split": _SPLITS[split]}, transcripts.get(name, "")
                audio = (f"audio/{language}/{_SPLITS[split]}/{name}.wav" for language in (self.source, _TARGET))
                one = Entry(name, next(audio), language=self.source, text=transcript, translation=text, extra=extra)
                yield CorpusRecording(own, one, self.source).piece()
                one = Entry(name, next(audio), language=_TARGET, text=text, translation=transcript, extra=extra)
                yield CorpusRecording(other, one, _TARGET).piece()

    def _transcripts(self) -> dict[str, str]:
        """Return the transcripts of Common Voice's clips by name; {} if its table is missing."""
        path = self.common_voice / "validated.tsv"
        if not path.is_file():
            return {}
        lines = (normalize("NFC", line.rstrip("\r\n")).split("\t") for _, line in iter_lines(path, "the table"))
        head = next(lines, [])
        rows = (dict(zip(head, fields, strict=False)) for fields in lines)
        return {Path(row.get("path", "")).stem: " ".join(row.get("sentence", "").split()) for row in rows}


@dataclass(frozen=True, kw_only=True)
class CvssOptions(PrepareOptions):
    """A language of CVSS with its Common Voice to 16 kHz wav and two manifests with equal ids."""

    data_root: Path = flag(metavar="DIR")
    """folder of a language, as cvss_c_es_en_v1.0, unpacked"""
    common_voice: Path = flag(metavar="DIR")
    """the same language of Common Voice 4, with clips"""
    source: str = flag(metavar="LANG")
    """what is spoken, two letters"""


def _work(options: CvssOptions) -> int:
    source = normalise_language(options.source)
    return prepare_corpus(
        CvssCorpus(options.data_root, source, options.common_voice), options, options.common_voice, paired=(source, _TARGET)
    )


_COMMAND = Command(CvssOptions, "netflips prepare cvss", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
