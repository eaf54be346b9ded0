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

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from avcore.command import LOG
from avcore.errors import InputError
from avcore.faces.detect import FaceDetector
from avcore.files import require_file
from avcore.flags import Command, flag
from avcore.media.frames import read_lip_crops
from avcore.texts import iter_lines
from avcore.timeline import samples_to_seconds
from avcore.units import normalise_language
from avdata.corpus import CorpusClip, read_corpus
from avdata.manifest import Entry, read_manifest
from avdata.prepare.running import CorpusItem, ItemWorker, PrepareOptions, SourceCorpus, prepare_corpus
from avdata.prepare.workplace import MANIFEST, ItemRecord, Journal, PrepareResult, Workplace

LIPS, SQUEEZED, NO_VIDEO = "lips", "squeezed", "none"
_LOOKS = 5
"""Frames of a clip in which a face is searched. A detector finds none in mouth crops."""


@dataclass
class MuavicCorpus(SourceCorpus):
    """One language of the corpus."""

    source: str
    """two letters"""
    target: str
    """two letters"""
    split: str = "test"
    """train, valid or test"""
    mtedx: Path | None = None
    """folder of mTEDx, to join translations by id; None = by line number"""
    listed: Path | None = None
    """list of the ids that a paper scored, None = all"""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Settings that must not change on resume."""
        joined = "lines" if self.mtedx is None else "ids"
        return {"corpus": "muavic", "languages": [self.source, self.target], "split": self.split, "joined": joined}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each clip with a translation. Raises InputError for another layout, and for tables that do not fit."""
        folder = self.root / self.source
        tables = (folder / self.target / f"{self.split}_avst.tsv", folder / f"{self.split}.tsv")
        table = next((path for path in tables if path.is_file()), None)
        if table is None:
            raise InputError("this is not the layout of MuAViC", path=folder, expected=f"{self.split}.tsv", hint="name its root")

        clips = read_corpus(table).clips
        texts = self._texts(self.source, [folder / f"{self.split}.{self.source}"], clips)
        places = [folder / self.target / f"{self.split}_avst.{self.target}", folder / f"{self.split}.{self.target}"]
        translations = self._texts(self.target, places, clips)
        if self.mtedx is None:
            LOG.warning("texts are joined by line number alone; --mtedx joins them by their ids")

        wanted = (
            None if self.listed is None else {line.split()[0] for _, line in iter_lines(self.listed, "the list") if line.strip()}
        )

        for clip in clips:
            name = _short(clip.id)
            if wanted is not None and wanted.isdisjoint((name, clip.id)):
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
            sound = next((path for path in (folder / "audio" / f"{clip.id}.wav", Path(clip.audio)) if path.is_file()), None)
            crops = next((path for path in (folder / "video" / f"{clip.id}.mp4", Path(clip.lips)) if path.is_file()), None)
            yield CorpusItem(clip.id, MuavicClip(entry, sound, crops))

    def _texts(self, language: str, places: Sequence[Path], clips: Sequence[CorpusClip]) -> dict[str, str]:
        """Return the texts in a language by the clips' short ids: from mTEDx, or line by line from the first file of `places`."""
        names = [_short(clip.id) for clip in clips]
        own = next((path for path in places if path.is_file()), None)
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

    def worker(self, place: Workplace) -> "MuavicWorker":
        """Return the worker that checks the crops."""
        return MuavicWorker(place.out)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Log how many clips have which kind of video: scores should be reported with these counts."""
        path = place.out / f"{MANIFEST}.jsonl"
        kinds = (
            Counter(str(one.extra.get("video_kind")) for one in read_manifest(path).entries) if path.is_file() else Counter[str]()
        )
        counts = (kinds[LIPS], kinds[SQUEEZED], kinds[NO_VIDEO])
        LOG.info(
            "%s: %d with mouth crops, %d with the whole frame squeezed (no face was found), %d with sound alone", path, *counts
        )


@dataclass(frozen=True)
class MuavicClip:
    """A clip and its files."""

    entry: Entry
    sound: Path | None
    """None = missing"""
    crops: Path | None
    """video of mouth crops, None = missing"""


@dataclass(frozen=True)
class MuavicWorker(ItemWorker):
    """Checks the files of a clip."""

    out: Path

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Record a clip, or why it is left out."""
        clip: MuavicClip = piece.work
        if clip.sound is None:
            journal.add(ItemRecord(piece.key, "rejected", reason="no sound", detail="its talk could not be downloaded"))
            return ()

        video_kind = NO_VIDEO if clip.crops is None else SQUEEZED if _shows_a_face(clip.crops) else LIPS
        row = clip.entry.to_row() | {"audio": _below(clip.sound, self.out), "video_kind": video_kind}
        if clip.crops is not None:
            row["lips"] = _below(clip.crops, self.out)
        else:
            # The table counts the frames of a video that is not there.
            row.pop("frames", None)

        journal.add(ItemRecord(piece.key, "kept", rows={MANIFEST: row}))
        return ()


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


def _short(name: str) -> str:
    return name.rpartition("/")[2]


def _below(path: Path, out: Path) -> str:
    return os.path.relpath(path.resolve(), out.resolve())


@dataclass(frozen=True, kw_only=True)
class MuavicOptions(PrepareOptions):
    """A language of MuAViC with its translations, to a manifest; its files stay where they are."""

    data_root: Path = flag(metavar="DIR")
    """what get_data.py made, with a folder for each language"""
    mtedx: Path | None = flag(default=None, metavar="DIR")
    """mTEDx beside it, whose ids say which translation is whose (default: line numbers do)"""
    source: str = flag(metavar="LANG")
    """what is spoken, two letters"""
    target: str = flag(default="en", metavar="LANG")
    """language of the translations (default: en)"""
    split: str = flag(default="test", choices=("train", "valid", "test"))
    """default: test"""
    split_list: Path | None = flag(default=None, metavar="FILE")
    """ids of the clips that are wanted, one a line (default: all)"""


def _work(options: MuavicOptions) -> int:
    languages = normalise_language(options.source), normalise_language(options.target)
    corpus = MuavicCorpus(options.data_root, *languages, options.split, options.mtedx, options.split_list)
    return prepare_corpus(corpus, options, *([options.mtedx] if options.mtedx else []))


_COMMAND = Command(MuavicOptions, "netflips prepare muavic", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
