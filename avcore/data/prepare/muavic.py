"""MuAViC (Anwar et al. 2023): talks with mouth crops, to score translation from a language into English as in AV2AV's paper.

    muavic/es/test.tsv, es/en/test_avst.tsv     a root, then id (test/TALK/TALK_0000), video, audio, frames, samples
    muavic/es/test.es, es/en/test_avst.en       transcripts and translations: a line for each line of the table
    muavic/es/audio/ID.wav, es/video/ID.mp4     16 kHz; 96x96 crops at 25 fps
    mtedx/es-en/data/test/txt/segments, test.en the texts again, with ids (OpenSLR 100)

The table's segments are those of mTEDx es-es, its translations those of mTEDx es-en, and MuAViC joins them by line number. With
--mtedx they are joined by id, and wrong joins by line number are counted. Where MuAViC found no face, it squeezed the whole frame
to 96x96 pixels; talks whose video was gone have sound only. Both are counted, and noted in each entry (`video_kind`). Nothing is
copied.

`netflips prepare muavic --data-root muavic --mtedx mtedx --source es --out-dir data/muavic_es`
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from avcore.command import LOG
from avcore.data.corpus import CorpusClip, read_corpus
from avcore.data.manifest import Entry, relative_path
from avcore.data.prepare.running import CorpusItem, SourceCorpus
from avcore.data.prepare.workplace import MANIFEST, ItemRecord, Journal, PrepareResult, Workplace
from avcore.errors import InputError
from avcore.faces.detect import FaceDetector
from avcore.files import require_file
from avcore.flags import Command, flag
from avcore.media.frames import read_lip_crops
from avcore.texts import iter_lines
from avcore.timeline import samples_to_seconds
from avcore.units import normalise_language

LIPS, SQUEEZED, NO_VIDEO = "lips", "squeezed", "none"
_LOOKS = 5
"""Frames of a clip in which a face is searched. A detector finds none in mouth crops."""


class MuavicClip(NamedTuple):
    """A clip and its files."""

    entry: Entry
    sound: Path | None
    """None = missing"""
    crops: Path | None
    """video of mouth crops, None = missing"""


@dataclass(frozen=True, kw_only=True)
class MuavicCorpus(SourceCorpus):
    """A language of MuAViC with its translations, to a manifest; its files stay where they are."""

    data_root: Path = flag(metavar="DIR")
    """what get_data.py made, with a folder for each language"""
    mtedx: Path | None = flag(default=None, metavar="DIR")
    """mTEDx beside it, whose ids say which translation is whose (default: line numbers do)"""
    source: str = flag(metavar="LANG", read=normalise_language)
    """what is spoken, two letters"""
    target: str = flag(default="en", metavar="LANG", read=normalise_language)
    """language of the translations (default: en)"""
    split: str = flag(default="test", choices=("train", "valid", "test"))
    """default: test"""
    split_list: Path | None = flag(default=None, metavar="FILE")
    """ids of the clips that are wanted, one a line (default: all)"""
    corpus = "muavic"
    lasting = ("source", "target", "split")

    @property
    def more_roots(self) -> tuple[Path, ...]:
        """The other corpus."""
        return () if self.mtedx is None else (self.mtedx,)

    @property
    def settings(self) -> Mapping[str, Any]:
        """How texts are joined, too."""
        return {**super().settings, "joined": "lines" if self.mtedx is None else "ids"}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip with a translation. Raises InputError for another layout, and for tables that do not fit."""
        folder = self.root / self.source
        translated = folder / self.target / f"{self.split}_avst"
        table = _first_file(translated.with_suffix(".tsv"), folder / f"{self.split}.tsv")
        if table is None:
            raise InputError("this is not the layout of MuAViC", path=folder, expected=f"{self.split}.tsv", hint="name its root")

        clips = read_corpus(table).clips
        texts = self._texts(self.source, clips, folder / f"{self.split}.{self.source}")
        ways = translated.with_suffix(f".{self.target}"), folder / f"{self.split}.{self.target}"
        translations = self._texts(self.target, clips, *ways)
        if self.mtedx is None:
            LOG.warning("texts are joined by line number alone; --mtedx joins them by their ids")

        listed = iter_lines(self.split_list, "the list") if self.split_list else ()
        wanted = {line.split()[0] for _, line in listed if line.strip()}
        for clip in clips:
            name = _short(clip.id)
            if self.split_list is not None and wanted.isdisjoint((name, clip.id)):
                continue
            if not translations.get(name):
                self.problems[clip.id] = f"it has no translation into {self.target}"
                continue

            entry = Entry(
                clip.id,
                language=self.source,
                speaker=clip.id.split("/")[-2] if "/" in clip.id else name.rpartition("_")[0],
                text=texts.get(name, ""),
                translation=translations[name],
                frames=clip.frames,
                samples=clip.samples,
                duration_s=float(samples_to_seconds(clip.samples)),
                extra={"split": self.split},
            )
            sound = _first_file(folder / "audio" / f"{clip.id}.wav", Path(clip.audio))
            crops = _first_file(folder / "video" / f"{clip.id}.mp4", Path(clip.lips))
            yield CorpusItem(clip.id, MuavicClip(entry, sound, crops))

    def _texts(self, language: str, clips: Sequence[CorpusClip], *places: Path) -> dict[str, str]:
        """Return the texts in a language by the clips' short ids: from mTEDx, or line by line from the first file of `places`."""
        names, own = [_short(clip.id) for clip in clips], _first_file(*places)
        if self.mtedx is None:
            if own is None:
                raise InputError("the texts are not there", path=places[0], expected="a line for each line of the table")
            return dict(zip(names, _lines(own, len(names)), strict=True))

        folder = self.mtedx / f"{self.source}-{self.target}" / "data" / self.split / "txt"
        ids = [line.split()[0] for line in _lines(folder / "segments")]
        found = dict(zip(ids, _lines(folder / f"{self.split}.{language}", len(ids)), strict=True))
        by_line = {} if own is None else dict(zip(names, _lines(own), strict=False))
        if others := sum(name in found and text != found[name] for name, text in by_line.items()):
            message = "%s: %d of %d lines belong to another segment than their line numbers say; joined by id"
            LOG.warning(message, own, others, len(by_line))
        return found

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Record a clip, or why it is left out."""
        clip: MuavicClip = piece.work
        if clip.sound is None:
            journal.add(ItemRecord(piece.key, "rejected", reason="no sound", detail="its talk could not be downloaded"))
            return ()

        video_kind = NO_VIDEO if clip.crops is None else SQUEEZED if _shows_a_face(clip.crops) else LIPS
        row = clip.entry.to_row() | {"audio": relative_path(clip.sound, self.out_dir), "video_kind": video_kind}
        if clip.crops is not None:
            row["lips"] = relative_path(clip.crops, self.out_dir)
        else:
            # The table counts the frames of a video that is not there.
            row.pop("frames", None)
        journal.add(ItemRecord(piece.key, "kept", rows={MANIFEST: row}))
        return ()

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Log how many clips have which kind of video: scores should be reported with these counts."""
        rows = (record.rows.get(MANIFEST, {}) for record in place.journal.records().values())
        kinds = Counter(row.get("video_kind") for row in rows)
        message = "%s: %d with mouth crops, %d with the whole frame squeezed (no face was found), %d with sound alone"
        LOG.info(message, place.out / f"{MANIFEST}.jsonl", kinds[LIPS], kinds[SQUEEZED], kinds[NO_VIDEO])


def _shows_a_face(crops: Path) -> bool:
    """Return whether most of the checked crops of 96x96 show a whole face: then they are squeezed frames, not mouth crops."""
    frames = read_lip_crops(crops)
    places = np.linspace(0, len(frames) - 1, min(_LOOKS, len(frames))).round().astype(int)
    with FaceDetector() as detector:
        found = [bool(detector.boxes(np.repeat(frames[place][..., None], 3, axis=2))) for place in places]
    return 2 * sum(found) > len(found)


def _lines(path: Path, wanted: int | None = None) -> list[str]:
    """Return the lines of a file. Raises InputError unless there are `wanted`; None = any number."""
    require_file(path, "the table")
    lines = [" ".join(line.split()) for _, line in iter_lines(path, "the table")]
    if wanted is not None and len(lines) != wanted:
        raise InputError(
            "lines that belong together are not as many",
            path=path,
            expected=f"{wanted}, one for each segment",
            found=len(lines),
            hint="--mtedx DIR joins translations by their ids",
        )
    return lines


def _first_file(*places: Path) -> Path | None:
    return next((path for path in places if path.is_file()), None)


def _short(name: str) -> str:
    return name.rpartition("/")[2]


_COMMAND = Command(MuavicCorpus, "netflips prepare muavic", MuavicCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
