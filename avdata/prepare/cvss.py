"""CVSS (Jia et al. 2022, CC BY 4.0): Common Voice 4 of a language with its English translation, as text and as speech.

    cvss_c_es_en_v1.0/train.tsv, dev.tsv, test.tsv     clip (common_voice_es_19765426.mp3), translation; no header
    cvss_c_es_en_v1.0/train/CLIP.mp3.wav               the translation, spoken
    cv-corpus-4/es/clips/CLIP.mp3, validated.tsv       the source, and its transcript

The result is two manifests with equal ids.

`netflips prepare cvss --data-root cvss_c_es_en_v1.0 --common-voice cv-corpus-4/es --source es --out-dir data/cvss_es`
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from avcore.flags import Command, flag
from avcore.notes import several
from avcore.units import normalise_language
from avdata.manifest import Entry
from avdata.prepare.common_voice import rows_of
from avdata.prepare.recordings import CorpusRecording, RecordedCorpus
from avdata.prepare.sources import UTF8, list_files

_SPLITS = {"train": "train", "dev": "valid", "test": "test"}
_TARGET = "en"


@dataclass(frozen=True, kw_only=True)
class CvssCorpus(RecordedCorpus):
    """A language of CVSS with its Common Voice to 16 kHz wav and two manifests with equal ids."""

    data_root: Path = flag(metavar="DIR")
    """folder of a language, as cvss_c_es_en_v1.0, unpacked"""
    common_voice: Path = flag(metavar="DIR")
    """the same language of Common Voice 4, with clips"""
    source: str = flag(metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    corpus = "cvss"
    lasting = ("source",)

    @property
    def more_roots(self) -> tuple[Path, ...]:
        """Common Voice."""
        return (self.common_voice,)

    @property
    def paired(self) -> tuple[str, ...]:
        """Both languages."""
        return self.source, _TARGET

    def recordings(self) -> Iterator[CorpusRecording]:
        """Yield both sides of each translated clip."""
        listing, originals = self.listing(), list_files(self.common_voice)
        spoken = {file.name.rpartition("/")[2]: file for file in listing.with_suffix(".wav")}
        clips = originals.by_stem(".mp3", ".wav", ".flac")
        # At the top: one in a folder is no table of this corpus, or is that of another one beside it.
        tables = {file.stem: file for file in listing.with_suffix(".tsv") if file.stem in _SPLITS and not file.folders}
        if not tables or not spoken:
            found = f"{several(len(tables), 'table')} and {several(len(spoken), 'recording')}"
            raise self.other_layout("CVSS", "test.tsv and test/*.mp3.wav", found, "unpack it, and name the folder of one language")

        validated = originals.by_stem(".tsv").get("validated")
        rows = rows_of(validated, "path", "sentence") if validated else ()
        transcripts = {Path(row["path"]).stem: " ".join(row["sentence"].split()) for _, row in rows}
        for part in filter(tables.__contains__, _SPLITS):
            for place, line in tables[part].lines(UTF8):
                clip, _, text = line.partition("\t")
                name, text, split = Path(clip).stem, " ".join(text.split()), _SPLITS[part]
                own, other = clips.get(name), spoken.get(f"{clip}.wav")
                if own is None or other is None or not text:
                    lacking = f"{clip} of Common Voice" if own is None else "translation" if other else f"{part}/{clip}.wav"
                    self.problems[place] = f"there is no {lacking}"
                    continue

                transcript = transcripts.get(name, "")
                sides = ((self.source, own, transcript, text), (_TARGET, other, text, transcript))
                for language, sound, said, translation in sides:
                    audio, extra = f"audio/{language}/{split}/{name}.wav", {"split": split}
                    entry = Entry(name, audio, language=language, text=said, translation=translation, extra=extra)
                    yield CorpusRecording(sound, entry, language)


_COMMAND = Command(CvssCorpus, "netflips prepare cvss", CvssCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
