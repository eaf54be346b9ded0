"""The clips to look at first, as the page shows them: stills of source and dub, sounds, what was heard and should have been."""

import io
import math
from base64 import b64encode
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from avcore.errors import NetflipsError
from avcore.media import iter_speech_blocks, pictures_at, probe
from avcore.timeline import SAMPLE_RATE, seconds_to_samples
from netflips.evaluate.cases import DUBBED, ITSELF, TRUTH, CaseFiles
from netflips.evaluate.records import Record
from netflips.evaluate.suite_rows import Row
from netflips.evaluate.tables import number
from netflips.report.material import still

NUMBER = 10
_STILLS = 3
_STILL_BYTES = 14_000
_MOST_SOUND_S = 12.0
_WORST_FIGURES = 6


@dataclass(frozen=True)
class WorstClip:
    """A clip as the page has it. failed: what could not be measured, and why. figures: title, value, `usual`, that of all clips,
    and `share`, of the clips that are better. stills, sounds: data URIs by what they are of."""

    id: str
    dub: str
    failed: Sequence[str]
    figures: Sequence[Mapping[str, Any]]
    stills: Mapping[str, Sequence[str]]
    sounds: Mapping[str, str]
    texts: Mapping[str, str]
    notes: Sequence[str]


def worst_clips(rows: Sequence[Row], ids: Sequence[str], number: int) -> list[tuple[str, dict[str, float]]]:
    """Return the clips to look at first: id, and how many of the clips are better in each figure, as a share of 0 to 1.

    Clips rank by the sum of these shares; a figure that was asked of a clip and that it has not counts as worst.
    """
    behind: dict[str, dict[str, float]] = {name: {} for name in ids}
    for row in rows:
        if row.own is None or len(row.own.clips) < 2:
            continue
        values, near, better = row.own.clips, _near_of(row), row.kind.better
        badness = dict.fromkeys((name for name in row.own.tried if name in behind), math.inf)
        for name in badness.keys() & values.keys():
            value = values[name]
            badness[name] = abs(value - near) if better == "near" else -value if better == "higher" else value
        order = sorted(badness.values())
        if order and order[0] < order[-1]:
            for name, value in badness.items():
                behind[name][row.name] = bisect_left(order, value) / len(order)
    return [(name, behind[name]) for name in sorted(ids, key=lambda name: -sum(behind[name].values()))[:number]]


def _near_of(row: Row) -> float:
    """Return what a figure should be near to: that of the true speech, else of the source, else the middle of the dubs'."""
    found = (row.figure_of(subject) for subject in (TRUTH, ITSELF, DUBBED))
    return next((one.value for one in found if one is not None), 0.0)


def worst_clip(case: CaseFiles, behind: Mapping[str, float], rows: Sequence[Row], found: Sequence[Record]) -> WorstClip:
    """Gather what is to be shown of a clip; of its pictures a few, evenly spread, cut to the face where there is one.

    behind: the share of clips that are better, by figure; found: records of the dub.
    """
    from avcore.faces.detect import FaceDetector

    stills, sounds, notes = dict[str, list[str]](), dict[str, str](), list[str]()
    for what, path in (("source", case.source), ("dub", case.dub), ("true speech", case.reference)):
        if path is None:
            continue
        try:
            info = probe(path)
            if info.has_video and what != "true speech":
                times = [info.duration_s * (2 * count + 1) / (2 * _STILLS) for count in range(_STILLS)]
                with FaceDetector() as detector:
                    for rgb in (one.rgb for one in pictures_at(path, times)):
                        boxes = detector.boxes(rgb)
                        region: Any = tuple(map(float, boxes[0])) if boxes else None
                        stills.setdefault(what, []).append(still(rgb, region, _STILL_BYTES))
            if info.has_audio:
                sounds[what] = sound_data(path)
        except NetflipsError as error:
            notes.append(str(error))
    failed = list(dict.fromkeys(one.failed for one in found if one.failed))
    texts = next((dict(one.texts) for one in found if one.texts), {})
    if case.reference_text:
        texts.setdefault("wanted", case.reference_text)
    figures = list[dict[str, Any]]()
    for row in rows:
        if (cell := row.own) is not None and row.name in behind:
            unit = f" {row.kind.unit}" if row.kind.unit else ""
            value = f"{number(cell.clips[case.id])}{unit}" if case.id in cell.clips else "none"
            usual = _near_of(row) if row.kind.better == "near" else float(np.median(list(cell.clips.values())))
            figures.append({"title": row.title, "value": value, "usual": number(usual), "share": behind[row.name]})
    figures.sort(key=lambda one: -one["share"])
    return WorstClip(case.id, case.dub.name, failed, figures[:_WORST_FIGURES], stills, sounds, texts, notes)


def sound_data(path: Path) -> str:
    """Return the first seconds of a sound as a data URI of FLAC, which every browser plays."""
    most, held, samples = seconds_to_samples(_MOST_SOUND_S), 0, [np.zeros(0, np.float32)]
    for block in iter_speech_blocks(path):
        samples.append(block[: most - held])
        held += len(samples[-1])
        if held >= most:
            break
    file = io.BytesIO()
    soundfile.write(file, np.clip(np.concatenate(samples), -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return "data:audio/flac;base64," + b64encode(file.getvalue()).decode("ascii")
