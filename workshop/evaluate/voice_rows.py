"""The rows of the table that say how a voice sounds: its pitch, its noise, its clicks and its ends.

Each is measured on dubs, and where that says something on what the synthesiser says itself, beside which it is to be read.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from netflips.evaluate.by_clip import ByClip
from netflips.evaluate.metrics.figures import Better
from workshop.evaluate.clipless import CopyRecording, HearRecording
from workshop.evaluate.jobs import COPIED, RECORDED, Record
from workshop.evaluate.row import ExamRow, Place, Records, asks_for, found_of, id_of, mean_row, values_by_id
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.tasks import Dub

_DUBS: Place = "held_out", Dub()
_NATURAL_DUBS: Place = "natural", Dub()
_RECORDINGS: Place = RECORDED, HearRecording()
_COPIES: Place = COPIED, CopyRecording()
_END = 0.02
"""A root mean square of 10 ms, as a share of the highest sample, up to which an end counts as silent."""
_NEAR_DB = 2.0
_HISS_OFF_DB = 3.0
_SHARE_OF_RECORDINGS = 0.9


def _beside(
    name: str, title: str, field: str, figure: Callable[[float, float], float], goal: float, better: Better = "higher"
) -> ExamRow:
    """Each dub beside the mean of the recordings."""

    def by_clip(records: Records, _: EvaluationSettings) -> ByClip:
        found, recorded = values_by_id(records, _DUBS, field), list(values_by_id(records, _RECORDINGS, field).values())
        usual = float(np.mean(recorded)) if recorded else 0.0
        return ByClip({one: figure(value, usual) for one, value in found.items()} if recorded else {})

    return ExamRow(name, title, asks_for(_DUBS, _RECORDINGS), by_clip, goal, better)


def _less(value: float, usual: float) -> float:
    return value - usual


def _as_share(value: float, usual: float) -> float:
    return value / usual


def _flags(name: str, title: str, flag: Callable[[Record], bool], goal: float, better: Better) -> ExamRow:
    """How many dubs have something."""

    def by_clip(records: Records, _: EvaluationSettings) -> ByClip:
        heard = [one for one in found_of(records, _DUBS) if "clipped" in one]
        return ByClip({id_of(_DUBS[0], one): float(flag(one)) for one in heard}, is_share=True)

    return ExamRow(name, title, asks_for(_DUBS), by_clip, goal, better)


def _has_silent_ends(one: Record) -> bool:
    """Whether a dub begins and ends in silence, or no louder than its source."""
    return all(float(one[end]) <= max(_END, float(one[f"source_{end}"])) for end in ("begins", "ends"))


def _of_measure(row: ExamRow) -> ExamRow:
    """A row to be read beside another one: of it nothing is better."""
    return replace(row, better="near")


VOICE_ROWS: tuple[ExamRow, ...] = (
    mean_row("harmonicity", "voice of the dubs: harmonicity (dB)", _DUBS, "harmonicity_db"),
    _of_measure(
        mean_row("harmonicity_recorded", "the same of Korean that the synthesiser says itself", _RECORDINGS, "harmonicity_db")
    ),
    _beside("harmonicity_off", "the former less the latter", "harmonicity_db", _less, -_NEAR_DB),
    mean_row("periodic", "voice of the dubs: share of loud stretches with a pitch", _DUBS, "periodic"),
    _beside("periodic_share", "the same as a share of what the synthesiser has", "periodic", _as_share, _SHARE_OF_RECORDINGS),
    mean_row("f0_off", "median pitch of the dub, semitones from the source's", _DUBS, "f0_off", 0.5, "lower"),
    mean_row("voicing", "recordings said again by the vocoder: share of wrong voicing", _COPIES, "voicing", 0.10, "lower"),
    mean_row("f0_error", "the same: distance of its pitch contour in semitones, median", _COPIES, "f0_error", better="lower"),
    mean_row("hiss_off", "the same: loudness of its hisses (dB from the recording's)", _COPIES, "hiss_off", _HISS_OFF_DB, "lower"),
    mean_row("floor", "the same: noise between words (dB below the loudest)", _COPIES, "floor", -60.0, "lower"),
    _of_measure(mean_row("floor_recorded", "the same of the recordings", _COPIES, "recorded_floor")),
    mean_row("clicks", "clicks an utterance, dubs", _DUBS, "clicks", better="lower"),
    _of_measure(mean_row("clicks_recorded", "the same of Korean that the synthesiser says itself", _RECORDINGS, "clicks")),
    _beside("clicks_off", "the former less the latter", "clicks", _less, 0.0, "lower"),
    _flags("clipped", "dubs with a clipped sample", lambda one: bool(one["clipped"]), 0.0, "lower"),
    _flags("ends", "dubs that begin and end in silence, or as their source does", _has_silent_ends, 1.0, "higher"),
)

NATURAL_VOICE_ROWS: tuple[ExamRow, ...] = (
    mean_row("harmonicity_natural", "voice of natural voices' dubs: harmonicity (dB)", _NATURAL_DUBS, "harmonicity_db"),
    mean_row("f0_off_natural", "the same: median pitch, semitones from the source's", _NATURAL_DUBS, "f0_off", better="lower"),
)
