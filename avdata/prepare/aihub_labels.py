"""The labels of AIHub's Korean lip-reading video: sentences with their times, the speaker, and face boxes.

A file is an object, or a list whose first item counts:

    Sentence_info: [{ID, topic, sentence_text, start_time, end_time}, ...]      seconds
    speaker_info: {speaker_ID, ...}     Video_env: {Angle: A..I, ...}
    Bounding_box_info: {Face_bounding_box: {xtl_ytl_xbr_ybr: [[4 numbers], ...]}}       one row for each picture
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.errors import InputError
from avcore.texts import parse_json
from avdata.prepare.label_fields import describe_fields, field_at, spoken_form
from avdata.prepare.sources import CorpusFile

UNCLEAR = "X"
"""Stands in the text for what could not be understood."""
_BOXES = "Bounding_box_info.Face_bounding_box.xtl_ytl_xbr_ybr"
_SENTENCES = "Sentence_info"


@dataclass(frozen=True)
class Sentence:
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
    sentences: tuple[Sentence, ...]
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


def _sentence(row: Any, place: int, file: CorpusFile) -> Sentence:
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
    return Sentence(number, start_s, end_s, text, str(row.get("topic") or ""))


def _rows(found: Any, file: CorpusFile) -> NDArray[np.float32]:
    """Boxes as float32 [pictures, 4]; no row = the label has none."""
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
