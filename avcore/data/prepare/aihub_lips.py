"""AIHub's Korean lip-reading video: sentence clips with aligned lips, face boxes, 16 kHz sound and text.

    1.Training/<source data>/TS*.tar: .../lip_J_1_F_03_E220_A_001.mp4       five minutes, 1080p, 30 fps
    1.Training/<label data>/TL*.tar:  .../lip_J_1_F_03_E220_A_001.json      2.Validation: VS*, VL*

Tar archives are not unpacked; one video at a time is copied out of them. A video and its label have the same name. Frames are
taken at 25 fps by presentation time; none are blended.

A label is an object, or a list whose first item counts:

    Sentence_info: [{ID, topic, sentence_text, start_time, end_time}, ...]      seconds
    speaker_info: {speaker_ID, ...}     Video_env: {Angle: A..I, ...}
    Bounding_box_info: {Face_bounding_box: {xtl_ytl_xbr_ybr: [[4 numbers], ...]}}       one row for each frame

The labels call their boxes xtl_ytl_xbr_ybr, but those who used them found y1, x1, y2, x2 in them. The order is therefore decided
by the frames, not by the name of the field.

`netflips prepare lips --data-root lip-reading --out-dir data/aihub_lips`
"""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.bounds import Amount
from avcore.data.prepare.clips import ClipRequest, FacePlace, Footage
from avcore.data.prepare.label_fields import describe_fields, field_at, read_label_file, spoken_form
from avcore.data.prepare.running import CorpusItem
from avcore.data.prepare.sources import CorpusFile
from avcore.data.prepare.video import ClipCorpus, video_frames
from avcore.data.prepare.workplace import MANIFEST, ItemRecord, Journal, PrepareResult, Workplace
from avcore.errors import InputError
from avcore.faces.geometry import Box, overlap
from avcore.files import VIDEO_SUFFIXES
from avcore.flags import Command, flag
from avcore.media import AnySource, MediaSource, probe, read_frames
from avcore.media.frames import Span
from avcore.notes import several
from avcore.timeline import exact, frame_at, frames_covering, frames_to_seconds

LOG = logging.getLogger("netflips")
_BOXES = "Bounding_box_info.Face_bounding_box.xtl_ytl_xbr_ybr"
_SENTENCES = "Sentence_info"
_UNCLEAR = "X"
"""Marks a place in the text that the transcriber could not understand."""
_SPLITS = {"Training": "train", "Validation": "valid", "Test": "test"}
_COLUMNS = {"xyxy": [0, 1, 2, 3], "yxyx": [1, 0, 3, 2]}
"""The columns of x1, y1, x2 and y2 in each order of the numbers of a box."""
UNDECIDED = "undecided"
_LOOKS = 5
"""Frames of a video in which faces are detected."""
_MIN_LEAD = 0.1
"""By which the better order must win: the sum of two shares."""
_SLACK = 2.0
"""Pixels that a box may reach beyond the frame."""
_WIDEN = 0.5
"""Margin on each side of a sentence's labelled boxes within which the face is detected, as a share of their size."""
_MIN_SECONDS = 0.5
Rows = NDArray[np.float32]
"""Boxes, float32 [n, 4]."""


class LipSentence(NamedTuple):
    """A sentence of a video."""

    number: int
    """its ID, or its place if IDs are doubled"""
    start_s: float
    end_s: float
    text: str
    topic: str


@dataclass(frozen=True, eq=False)
class LipLabel:
    """A label file."""

    speaker: str
    angle: str
    """the camera, A to I"""
    sentences: tuple[LipSentence, ...]
    """in the order of time"""
    rows: Rows
    """face boxes as labelled, one for each frame, NaN = none"""


def read_lip_label(file: CorpusFile) -> LipLabel:
    """Read a label. Raises InputError, which lists the fields of the file, if it is none."""
    content = read_label_file(file)
    label = content[0] if isinstance(content, list) and content else content
    sentences = field_at(label, _SENTENCES)
    if not isinstance(sentences, list) or not sentences:
        what, fields = "this is no label of AIHub's lip-reading video", describe_fields(content)
        raise InputError(what, path=str(file), expected=f"{_SENTENCES}, a list", found=fields)

    found = [_sentence(row, place, file) for place, row in enumerate(sentences, 1)]
    if len({one.number for one in found}) < len(found):
        found = [one._replace(number=place) for place, one in enumerate(found, 1)]
    return LipLabel(
        speaker=str(field_at(label, "speaker_info.speaker_ID") or ""),
        angle=str(field_at(label, "Video_env.Angle") or ""),
        sentences=tuple(sorted(found, key=lambda one: one.start_s)),
        rows=_rows(field_at(label, _BOXES), file),
    )


def _sentence(row: Any, place: int, file: CorpusFile) -> LipSentence:
    try:
        start_s, end_s = float(row["start_time"]), float(row["end_time"])
        number = int(row.get("ID", place))
        text = spoken_form(" ".join(normalize("NFC", str(row["sentence_text"])).split()))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what, expected = f"sentence {place} of the label cannot be used", "ID, sentence_text, start_time, end_time"
        raise InputError(what, path=str(file), expected=expected, found=describe_fields(row)) from error

    if not (isfinite(start_s) and isfinite(end_s) and 0 <= start_s < end_s):
        raise InputError(f"sentence {place} ends before it begins", path=str(file), found=f"{start_s} s to {end_s} s")
    return LipSentence(number, start_s, end_s, text, str(row.get("topic") or ""))


def _rows(found: Any, file: CorpusFile) -> Rows:
    """Return the boxes of a label; no rows if it has none, NaN for a frame without one."""
    rows = found if isinstance(found, list) else []
    try:
        boxes = [[float("nan")] * 4 if not row or isinstance(row, Mapping) else row for row in rows]
        return np.array(boxes, np.float32).reshape(len(rows), 4)
    except (TypeError, ValueError) as error:
        what, expected = "the face boxes of the label cannot be used", f"{_BOXES}: rows of 4 numbers"
        raise InputError(what, path=str(file), expected=expected, found=error) from error


class Sighting(NamedTuple):
    """Faces detected in a frame."""

    row: Rows
    """the labelled box of the frame, as in the label"""
    faces: list[Box]


def reordered(rows: Rows, order: str) -> Rows:
    """Convert rows in an order to x1, y1, x2, y2."""
    return rows[:, _COLUMNS[order]]


def decide_order(rows: Rows, width: int, height: int, sightings: Sequence[Sighting]) -> str:
    """Decide the order of the numbers in boxes: in the right one, they lie within the frame and on detected faces.

    Returns UNDECIDED if neither order is clearly better.
    """
    known = rows[np.isfinite(rows).all(axis=1)]
    scores = {}
    for order in _COLUMNS:
        x1, y1, x2, y2 = reordered(known, order).T
        is_inside = (np.minimum(x1, y1) >= -_SLACK) & (x2 <= width + _SLACK) & (y2 <= height + _SLACK) & (x1 < x2) & (y1 < y2)
        boxes = ((reordered(sighting.row[None], order)[0], sighting.faces) for sighting in sightings if sighting.faces)
        overlaps = [max(overlap(box, face) for face in faces) for box, faces in boxes]
        scores[order] = (float(is_inside.mean()) if len(known) else 0.0) + (float(np.mean(overlaps)) if overlaps else 0.0)

    LOG.debug("boxes within the frame and on faces, shares summed: %s", scores)
    best, other = sorted(scores, key=lambda order: -scores[order])
    return best if scores[best] - scores[other] >= _MIN_LEAD else UNDECIDED


def look_for_faces(video: AnySource, rows: Rows, shown_s: Span) -> Iterator[Sighting]:
    """Detect faces in a few frames with a labelled box, spread over the video. shown_s: start and end of its frames (s)."""
    from avcore.faces.detect import FaceDetector

    if not len(rows):
        return

    step = (shown_s[1] - shown_s[0]) / len(rows)
    chosen = np.unique(np.linspace(0, len(rows) - 1, _LOOKS + 2).round().astype(int)[1:-1])
    with FaceDetector() as detector:
        for index in chosen.tolist():
            start = shown_s[0] + index * step
            frame = next(read_frames(video, start, start + frames_to_seconds(1)), None)
            if frame is not None and np.isfinite(rows[index]).all():
                yield Sighting(rows[index], detector.boxes(frame.rgb) or detector.far_boxes(frame.rgb))


@dataclass(frozen=True)
class LabelledVideo:
    """A video and its label."""

    source: CorpusFile
    label: CorpusFile


@dataclass(frozen=True, kw_only=True)
class LipCorpus(ClipCorpus):
    """AIHub's Korean lip-reading video to sentences with lips, boxes, sound and text."""

    data_root: Path = flag(metavar="DIR")
    """the corpus: tar archives, folders, or both"""
    padding: Amount = flag(default=0.5, metavar="S")
    """seconds kept around a sentence, at most half of a pause (default: 0.5)"""
    angles: str = flag(default="", metavar="A,B")
    """only these cameras; A is the one in front (default: all)"""
    box_order: str = flag(default="auto", choices=("auto", *_COLUMNS))
    """of the numbers of the labelled face boxes (default: auto, told from the frames)"""
    corpus = "aihub_lips"
    lasting = ("padding", "angles", "box_order")

    @property
    def cameras(self) -> list[str]:
        """The cameras that are wanted, sorted; none = all."""
        return sorted({*map(str.strip, self.angles.split(","))} - {""})

    @property
    def settings(self) -> Mapping[str, Any]:
        """The cameras however they are written."""
        return {**super().settings, "angles": ",".join(self.cameras)}

    @property
    def least_s(self) -> float:
        """Seconds of the shortest clip that is kept."""
        return _MIN_SECONDS

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each video that has a label. Raises InputError for another layout."""
        listing = self.listing()
        labels, videos = listing.by_stem(".json"), listing.by_stem(*VIDEO_SUFFIXES)
        both = sorted(labels.keys() & videos.keys())
        if not both:
            found = f"{several(len(videos), 'video')}, {several(len(labels), 'label')}"
            expected = "videos (TS*.tar) and labels (TL*.tar) of equal names"
            raise self.other_layout("AIHub's lip-reading video", expected, found)

        self.problems.update({videos[name].name: "it has no label" for name in videos.keys() - labels.keys()})
        if len(labels) > len(both):
            LOG.info("%s not there", several(len(labels) - len(both), "label is of a video", "labels are of videos"))
        for name in both:
            yield CorpusItem(name, LabelledVideo(videos[name], labels[name]))

    def do(self, piece: CorpusItem, journal: Journal) -> Iterable[CorpusItem]:
        """Cut a video into sentences, unless its camera is not wanted; or make a clip."""
        # The label is small: it is read once more rather than a video of gigabytes copied in vain.
        wanted = self.cameras
        if wanted and isinstance(piece.work, LabelledVideo) and read_lip_label(piece.work.label).angle not in wanted:
            return ()
        return super().do(piece, journal)

    def requests(self, piece: CorpusItem, footage: Footage, journal: Journal) -> list[ClipRequest]:
        """Return the sentences of a video; those beyond its end are left out."""
        video: LabelledVideo = piece.work
        label, own = read_lip_label(video.label), video_frames(footage.video)
        order = self._order(piece.key, label.rows, footage.video) if self.box_order == "auto" else self.box_order
        boxes = label.rows[:0] if order == UNDECIDED else reordered(label.rows, order)
        splits = (split for name, split in _SPLITS.items() for folder in video.label.folders if name in folder)
        extra = {"source": video.source.name, "split": next(splits, ""), "angle": label.angle, "box_order": order}

        found = list[ClipRequest]()
        for sentence, first, count in stretches(label.sentences, self.padding, own.stop):
            more = {**extra, "topic": sentence.topic, "unclear": _UNCLEAR in sentence.text}
            found.append(
                ClipRequest(
                    id=f"{label.speaker or 'unknown'}/{piece.key}_{sentence.number:03d}",
                    footage=footage,
                    first=first,
                    num_frames=count,
                    language="ko",
                    speaker=label.speaker,
                    text=sentence.text,
                    look_at=_around(boxes, first - own.start, count, len(own)),
                    extra={key: value for key, value in more.items() if value},
                )
            )
        if not found:
            journal.add(ItemRecord(piece.key, "rejected", reason="no sentence", detail="no sentence lies within the video"))
        return found

    def _order(self, name: str, rows: Rows, video: MediaSource) -> str:
        info = probe(video)
        order = decide_order(rows, info.width, info.height, list(look_for_faces(video, rows, info.video_s)))
        if order == UNDECIDED:
            LOG.warning("%s: its face boxes are not used: neither order of their numbers fits its frames", name)
        return order

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Draw the contact sheet, and log the order of the boxes."""
        super().report(place, outcome)
        rows = (record.rows.get(MANIFEST, {}) for record in place.journal.records().values())
        orders = {str(row["source"]): str(row["box_order"]) for row in rows if "box_order" in row}
        for order, count in Counter(orders.values()).items():
            named = order if order == UNDECIDED else " ".join(f"{axis}{1 + place // 2}" for place, axis in enumerate(order))
            LOG.info("face boxes of %s: %s", several(count, "video"), named)


def stretches(sentences: Sequence[LipSentence], padding_s: float, num_frames: int) -> Iterator[tuple[LipSentence, int, int]]:
    """Yield each sentence with its first frame and number of frames at 25 fps, padded. Sentences beyond the end are left out."""
    for place, sentence in enumerate(sentences):
        earliest = (sentences[place - 1].end_s + sentence.start_s) / 2 if place else 0.0
        latest = (sentence.end_s + sentences[place + 1].start_s) / 2 if place + 1 < len(sentences) else float("inf")
        # Where labels overlap, the middle of the pause lies inside the sentence, which is not cut there.
        first = frame_at(max(sentence.start_s - padding_s, min(earliest, sentence.start_s), 0.0))
        last = min(frames_covering(min(sentence.end_s + padding_s, max(latest, sentence.end_s))), num_frames)
        if last > first:
            yield sentence, first, last - first


def _around(boxes: Rows, first: int, count: int, num_frames: int) -> FacePlace | None:
    """Return the place where the face of a stretch of frames is, with a margin; None = unknown.

    boxes: x1, y1, x2, y2, one for each frame of the video at its own rate, so that a box's place among them is its share of the
    time.
    """
    step = exact(frames_to_seconds(1)) * len(boxes) / frames_to_seconds(num_frames)
    near = boxes[max(int(first * step), 0) : int((first + count) * step) + 1]
    near = near[np.isfinite(near).all(axis=1)]
    if not len(near):
        return None

    low, high = near[:, :2].min(axis=0), near[:, 2:].max(axis=0)
    room = _WIDEN * (high - low).astype(np.float64)
    x1, y1, x2, y2 = (float(value) for value in (*(low - room), *(high + room)))
    return x1, y1, x2, y2


_COMMAND = Command(LipCorpus, "netflips prepare lips", LipCorpus.prepare)
build_parser, main = _COMMAND.parser, _COMMAND.main
