"""The labels of AIHub's Korean lip-reading video: sentences with their times, the speaker, and face boxes.

A file is an object, or a list whose first item counts:

    Sentence_info: [{ID, topic, sentence_text, start_time, end_time}, ...]      seconds
    speaker_info: {speaker_ID, ...}     Video_env: {Angle: A..I, ...}
    Bounding_box_info: {Face_bounding_box: {xtl_ytl_xbr_ybr: [[4 numbers], ...]}}       one row for each picture

The labels call their boxes xtl_ytl_xbr_ybr, but those who used them found y1, x1, y2, x2 in them: which number is which is told
from the pictures, not from the name of the field.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.faces.geometry import Box, overlap
from avcore.media import read_pictures
from avcore.media.pictures import Span
from avcore.texts import parse_json
from avcore.timeline import frames_to_seconds
from avdata.prepare.label_fields import describe_fields, field_at, spoken_form
from avdata.prepare.sources import CorpusFile

UNCLEAR = "X"
"""Stands in the text for what could not be understood."""
_BOXES = "Bounding_box_info.Face_bounding_box.xtl_ytl_xbr_ybr"
_SENTENCES = "Sentence_info"
Order = Literal["xyxy", "yxyx"]
ORDERS: tuple[Order, ...] = get_args(Order)
UNDECIDED = "undecided"

Rows = NDArray[np.float32]
_COLUMNS: dict[str, list[int]] = {"xyxy": [0, 1, 2, 3], "yxyx": [1, 0, 3, 2]}
_LOOKS = 5
"""Pictures of a video in which faces are looked for."""
_MIN_LEAD = 0.1
_SLACK = 2.0
"""Pixels that a box may reach beyond the picture."""


@dataclass(frozen=True)
class LipSentence:
    """A sentence and when it is said, in seconds. number: its ID, or its place where IDs are doubled."""

    number: int
    start_s: float
    end_s: float
    text: str
    topic: str


@dataclass(frozen=True, eq=False)
class LipLabel:
    """A label file. sentences: in order. rows: face boxes as they stand there, float32 [pictures, 4], NaN = none."""

    speaker: str
    angle: str
    sentences: tuple[LipSentence, ...]
    rows: NDArray[np.float32]


def read_lip_label(file: CorpusFile) -> LipLabel:
    """Read a label. Raises InputError, with the fields that are there, when it is none."""
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
    """Return the boxes as float32 [pictures, 4]; no row = the label has none."""
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
    """Faces seen in a picture. row: the labelled box of that picture, as it stands in the label."""

    row: Rows
    faces: list[Box]


@dataclass(frozen=True)
class BoxOrder:
    """A decision and its figures. inside: share of boxes in the picture; agreement: mean overlap with faces seen; by order."""

    order: str
    inside: dict[str, float]
    agreement: dict[str, float]

    @property
    def is_decided(self) -> bool:
        """Whether the labelled boxes can be used."""
        return self.order != UNDECIDED


def reordered(rows: Rows, order: str) -> Rows:
    """Convert rows float32 [n, 4] of an order to x1, y1, x2, y2."""
    return rows[:, _COLUMNS[order]]


def decide_order(rows: Rows, width: int, height: int, sightings: Sequence[Sighting]) -> BoxOrder:
    """Decide the order of rows float32 [n, 4] by where boxes would lie, in the picture and on faces seen in it."""
    known = rows[np.isfinite(rows).all(axis=1)]
    inside: dict[str, float] = {order: _share_inside(reordered(known, order), width, height) for order in ORDERS}
    agreement: dict[str, float] = {order: _agreement(order, sightings) for order in ORDERS}
    score = {order: inside[order] + agreement[order] for order in ORDERS}
    best, other = sorted(ORDERS, key=lambda order: -score[order])
    is_clear = score[best] - score[other] >= _MIN_LEAD
    return BoxOrder(best if is_clear else UNDECIDED, inside, agreement)


def look_for_faces(video: Path, rows: Rows, shown_s: Span) -> Iterator[Sighting]:
    """Look for faces in a few pictures of a video, spread over it, whose rows hold a box. shown_s: where its pictures lie (s)."""
    from avcore.faces.detect import FaceDetector

    if not len(rows):
        return
    step = (shown_s[1] - shown_s[0]) / len(rows)
    chosen = np.unique(np.linspace(0, len(rows) - 1, _LOOKS + 2).round().astype(int)[1:-1])
    with FaceDetector() as detector:
        for index in chosen.tolist():
            start = shown_s[0] + index * step
            picture = next(read_pictures(video, start, start + frames_to_seconds(1)), None)
            if picture is not None and np.isfinite(rows[index]).all():
                faces = detector.boxes(picture.rgb) or detector.far_boxes(picture.rgb)
                yield Sighting(rows[index], faces)


def _share_inside(boxes: Rows, width: int, height: int) -> float:
    """Return the share of boxes that lie in a picture, the right way round."""
    if not len(boxes):
        return 0.0
    x1, y1, x2, y2 = boxes.T
    is_inside = (np.minimum(x1, y1) >= -_SLACK) & (x2 <= width + _SLACK) & (y2 <= height + _SLACK) & (x1 < x2) & (y1 < y2)
    return float(is_inside.mean())


def _agreement(order: str, sightings: Sequence[Sighting]) -> float:
    seen = [sighting for sighting in sightings if sighting.faces]
    overlaps = [max(overlap(reordered(one.row[None], order)[0], face) for face in one.faces) for one in seen]
    return float(np.mean(overlaps)) if overlaps else 0.0
