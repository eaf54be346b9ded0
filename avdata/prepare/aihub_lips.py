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
from dataclasses import asdict, dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError, UsageError
from avcore.faces.geometry import Box, overlap
from avcore.files import VIDEO_SUFFIXES
from avcore.flags import Command, flag
from avcore.media import AnySource, MediaSource, probe, read_frames
from avcore.media.frames import Span
from avcore.notes import several
from avcore.texts import parse_json
from avcore.timeline import exact, frame_at, frames_covering, frames_to_seconds
from avdata.prepare.clips import ClipRequest, ClipSettings, FacePlace, Footage
from avdata.prepare.label_fields import describe_fields, field_at, spoken_form
from avdata.prepare.running import CorpusItem, SourceCorpus, prepare_corpus
from avdata.prepare.sources import CorpusFile, list_files
from avdata.prepare.video import ClipOptions, ClipWorker, draw_contact_sheet, video_frames
from avdata.prepare.workplace import MANIFEST, ItemRecord, Journal, PrepareResult, Workplace

UNCLEAR = "X"
"""Marks a place in the text that the transcriber could not understand."""
_BOXES = "Bounding_box_info.Face_bounding_box.xtl_ytl_xbr_ybr"
_SENTENCES = "Sentence_info"
Order = Literal["xyxy", "yxyx"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNDECIDED = "undecided"

Rows = NDArray[np.float32]
_COLUMNS: dict[str, list[int]] = {"xyxy": [0, 1, 2, 3], "yxyx": [1, 0, 3, 2]}
_LOOKS = 5
"""Frames of a video in which faces are detected."""
_MIN_LEAD = 0.1
_SLACK = 2.0
"""Pixels that a box may reach beyond the frame."""
LOG = logging.getLogger("netflips")
_SPLITS = {"Training": "train", "Validation": "valid", "Test": "test"}
_WIDEN = 0.5
"""Margin on each side of a sentence's labelled boxes within which the face is detected, as a share of their size."""
_MIN_SECONDS = 0.5


@dataclass(frozen=True)
class LipSentence:
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
    rows: NDArray[np.float32]
    """face boxes as labelled, float32 [frames, 4], NaN = none"""


def read_lip_label(file: CorpusFile) -> LipLabel:
    """Read a label. Raises InputError, which lists the fields of the file, if it is none."""
    try:
        content = parse_json(file.read_text())
    except ValueError as error:
        raise InputError("this is no JSON", path=str(file), found=error) from error

    label = content[0] if isinstance(content, list) and content else content
    sentences = field_at(label, _SENTENCES)
    if not isinstance(sentences, list) or not sentences:
        raise InputError(
            "this is no label of AIHub's lip-reading video",
            path=str(file),
            expected=f"{_SENTENCES}, a list",
            found=describe_fields(content),
        )

    found = [_sentence(row, place, file) for place, row in enumerate(sentences, 1)]
    if len({one.number for one in found}) < len(found):
        found = [replace(one, number=place) for place, one in enumerate(found, 1)]
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
        raise InputError(
            f"sentence {place} of the label cannot be used",
            path=str(file),
            expected="ID, sentence_text, start_time, end_time",
            found=describe_fields(row),
        ) from error

    if not (isfinite(start_s) and isfinite(end_s) and 0 <= start_s < end_s):
        raise InputError(f"sentence {place} ends before it begins", path=str(file), found=f"{start_s} s to {end_s} s")
    return LipSentence(number, start_s, end_s, text, str(row.get("topic") or ""))


def _rows(found: Any, file: CorpusFile) -> NDArray[np.float32]:
    """Return the boxes as float32 [frames, 4]; no rows if the label has none."""
    rows = found if isinstance(found, list) else []
    try:
        return np.array([_row(row) for row in rows], np.float32).reshape(-1, 4)
    except (TypeError, ValueError) as error:
        raise InputError(
            "the face boxes of the label cannot be used", path=str(file), expected=f"{_BOXES}: rows of 4 numbers", found=error
        ) from error


def _row(row: Any) -> list[float]:
    if row is None or isinstance(row, Mapping) or len(row) == 0:
        return [float("nan")] * 4
    if len(row) != 4:
        raise ValueError(f"a row of {len(row)}")
    return [float(value) for value in row]


class Sighting(NamedTuple):
    """Faces detected in a frame."""

    row: Rows
    """the labelled box of the frame, as in the label"""
    faces: list[Box]


@dataclass(frozen=True)
class BoxOrder:
    """The order of the numbers in boxes, and the figures that decided it."""

    order: str
    """one of ORDERS, or UNDECIDED"""
    inside: dict[str, float]
    """share of boxes within the frame, by order"""
    agreement: dict[str, float]
    """mean overlap with detected faces, by order"""

    @property
    def is_decided(self) -> bool:
        """Whether the labelled boxes can be used."""
        return self.order != UNDECIDED


def reordered(rows: Rows, order: str) -> Rows:
    """Convert rows float32 [n, 4] in an order to x1, y1, x2, y2."""
    return rows[:, _COLUMNS[order]]


def decide_order(rows: Rows, width: int, height: int, sightings: Sequence[Sighting]) -> BoxOrder:
    """Decide the order of rows float32 [n, 4]: in the right one, boxes lie within the frame and on detected faces."""
    known = rows[np.isfinite(rows).all(axis=1)]
    inside: dict[str, float] = {order: _share_inside(reordered(known, order), width, height) for order in ORDERS}
    agreement: dict[str, float] = {order: _agreement(order, sightings) for order in ORDERS}
    score = {order: inside[order] + agreement[order] for order in ORDERS}
    best, other = sorted(ORDERS, key=lambda order: -score[order])
    is_clear = score[best] - score[other] >= _MIN_LEAD
    return BoxOrder(best if is_clear else UNDECIDED, inside, agreement)


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
                faces = detector.boxes(frame.rgb) or detector.far_boxes(frame.rgb)
                yield Sighting(rows[index], faces)


def _share_inside(boxes: Rows, width: int, height: int) -> float:
    """Return the share of boxes that lie within the frame and have x1 < x2 and y1 < y2."""
    if not len(boxes):
        return 0.0
    x1, y1, x2, y2 = boxes.T
    is_inside = (np.minimum(x1, y1) >= -_SLACK) & (x2 <= width + _SLACK) & (y2 <= height + _SLACK) & (x1 < x2) & (y1 < y2)
    return float(is_inside.mean())


def _agreement(order: str, sightings: Sequence[Sighting]) -> float:
    seen = [sighting for sighting in sightings if sighting.faces]
    overlaps = [max(overlap(reordered(one.row[None], order)[0], face) for face in one.faces) for one in seen]
    return float(np.mean(overlaps)) if overlaps else 0.0


@dataclass(frozen=True)
class LipSettings:
    """Settings of the preparation."""

    padding_s: float = 0.5
    """added before and after a sentence, at most half of the time to its neighbour"""
    angles: tuple[str, ...] = ()
    """cameras, () = all"""
    box_order: str = "auto"
    """order of the labelled boxes, "auto" = decided by the frames"""
    clips: ClipSettings = field(default_factory=ClipSettings)


@dataclass(frozen=True)
class LabelledVideo:
    """A video and its label."""

    source: CorpusFile
    label: CorpusFile


@dataclass
class LipCorpus(SourceCorpus):
    """The corpus as it was delivered, or unpacked."""

    lips: LipSettings

    @property
    def settings(self) -> Mapping[str, Any]:
        """All settings: clips made with different ones must not be mixed."""
        return {"corpus": "aihub_lips", **asdict(self.lips)}

    def items(self) -> Iterator[CorpusItem]:
        """Yield an item for each video that has a label. Raises InputError for another layout."""
        listing = list_files(self.root)
        self.problems |= listing.problems
        labels = {file.stem: file for file in listing.with_suffix(".json")}
        videos = {file.stem: file for file in listing.with_suffix(*VIDEO_SUFFIXES)}
        both = sorted(labels.keys() & videos.keys())
        if not both:
            raise self.other_layout(
                "AIHub's lip-reading video",
                "videos (TS*.tar) and labels (TL*.tar) of equal names",
                f"{several(len(videos), 'video')}, {several(len(labels), 'label')}",
            )

        self.problems |= {videos[name].name: "it has no label" for name in videos.keys() - labels.keys()}
        if len(labels) > len(both):
            left = several(len(labels) - len(both), "label is of a video", "labels are of videos")
            LOG.info("%s not there", left)
        for name in both:
            yield CorpusItem(name, LabelledVideo(videos[name], labels[name]))

    def worker(self, place: Workplace) -> "LipWorker":
        """Return the worker that cuts sentences."""
        return LipWorker(place.out, place.temporary, self.lips.clips, self.lips)

    def report(self, place: Workplace, outcome: PrepareResult) -> None:
        """Draw the contact sheet, and log the order of the boxes."""
        draw_contact_sheet(place)
        rows = (record.rows.get(MANIFEST, {}) for record in place.journal.records().values())
        orders = {str(row["source"]): str(row["box_order"]) for row in rows if "box_order" in row}
        for order, count in Counter(orders.values()).items():
            videos = several(count, "video")
            LOG.info(
                "face boxes of %s: %s",
                videos,
                order if order == UNDECIDED else " ".join(f"{axis}{1 + place // 2}" for place, axis in enumerate(order)),
            )


@dataclass(frozen=True)
class LipWorker(ClipWorker):
    """Reads a video's label, checks its boxes, and cuts the video into sentences."""

    lips: LipSettings

    def cut(self, piece: CorpusItem, journal: Journal) -> list[CorpusItem]:
        """Cut a video, unless its camera is not wanted."""
        video: LabelledVideo = piece.work
        label = read_lip_label(video.label)
        if self.lips.angles and label.angle not in self.lips.angles:
            return []
        clips = self.pieces(video.source, lambda footage: list(self._requests(piece.key, video, label, footage)))
        if not clips:
            journal.add(ItemRecord(piece.key, "rejected", reason="no sentence", detail="no sentence lies within the video"))
        return clips

    def _requests(self, name: str, video: LabelledVideo, label: LipLabel, footage: Footage) -> Iterator[ClipRequest]:
        own = video_frames(footage.video)
        order = self._order(name, label.rows, footage.video)
        boxes = reordered(label.rows, order.order) if order.is_decided else label.rows[:0]
        extra = {
            "source": video.source.name,
            "split": next((split for name, split in _SPLITS.items() for folder in video.label.folders if name in folder), ""),
            "angle": label.angle,
            "box_order": order.order,
        }

        for sentence, first, count in stretches(label.sentences, self.lips.padding_s, own.stop):
            yield ClipRequest(
                id=f"{label.speaker or 'unknown'}/{name}_{sentence.number:03d}",
                footage=footage,
                first=first,
                num_frames=count,
                language="ko",
                speaker=label.speaker,
                text=sentence.text,
                look_at=_around(boxes, first - own.start, count, len(own)),
                extra={
                    key: value
                    for key, value in {**extra, "topic": sentence.topic, "unclear": UNCLEAR in sentence.text}.items()
                    if value
                },
            )

    def _order(self, name: str, rows: Rows, video: MediaSource) -> BoxOrder:
        if self.lips.box_order != "auto":
            return BoxOrder(self.lips.box_order, {}, {})
        info = probe(video)
        order = decide_order(rows, info.width, info.height, list(look_for_faces(video, rows, info.video_s)))
        LOG.debug("%s: boxes %s, inside %s, on faces %s", name, order.order, order.inside, order.agreement)
        if not order.is_decided:
            LOG.warning("%s: its face boxes are not used: neither order of their numbers fits its frames", name)
        return order


def stretches(sentences: Iterable[LipSentence], padding_s: float, num_frames: int) -> Iterator[tuple[LipSentence, int, int]]:
    """Yield each sentence with its first frame and number of frames at 25 fps, padded. Sentences beyond the end are left out."""
    ordered = list(sentences)
    for place, sentence in enumerate(ordered):
        earliest = (ordered[place - 1].end_s + sentence.start_s) / 2 if place else 0.0
        latest = (sentence.end_s + ordered[place + 1].start_s) / 2 if place + 1 < len(ordered) else float("inf")
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
    if not len(boxes):
        return None

    step = exact(frames_to_seconds(1)) * len(boxes) / frames_to_seconds(num_frames)
    low, high = max(int(first * step), 0), int((first + count) * step) + 1
    near = boxes[low:high]
    near = near[np.isfinite(near).all(axis=1)]
    if not len(near):
        return None

    (x1, y1), (x2, y2) = near[:, :2].min(axis=0), near[:, 2:].max(axis=0)
    room_x, room_y = _WIDEN * float(x2 - x1), _WIDEN * float(y2 - y1)
    return float(x1) - room_x, float(y1) - room_y, float(x2) + room_x, float(y2) + room_y


@dataclass(frozen=True, kw_only=True)
class LipOptions(ClipOptions):
    """AIHub's Korean lip-reading video to sentences with lips, boxes, sound and text."""

    data_root: Path = flag(metavar="DIR")
    """the corpus: tar archives, folders, or both"""
    padding: float = flag(default=0.5, metavar="S")
    """seconds kept around a sentence, at most half of a pause (default: 0.5)"""
    angles: str = flag(default="", metavar="A,B")
    """only these cameras; A is the one in front (default: all)"""
    box_order: str = flag(default="auto", choices=("auto", *ORDERS))
    """of the numbers of the labelled face boxes (default: auto, told from the frames)"""


def _work(options: LipOptions) -> int:
    if options.padding < 0:
        raise UsageError("--padding must be 0 or more", found=options.padding)
    angles = tuple(name.strip() for name in options.angles.split(",") if name.strip())
    settings = LipSettings(options.padding, angles, options.box_order, options.clips(_MIN_SECONDS))
    return prepare_corpus(LipCorpus(options.data_root, settings), options)


_COMMAND = Command(LipOptions, "netflips prepare lips", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main
