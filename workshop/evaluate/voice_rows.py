"""The rows of the table that say how a voice sounds: its pitch, its noise, its clicks and its ends.

Each is measured on dubs, and where that says something on what the synthesiser says itself, beside which it is to be read.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

import numpy as np

from avcore.statistics import Figure, bootstrap, share
from netflips.evaluate.metrics.voice import VoiceQuality
from workshop.evaluate.jobs import BOTH, COPIED, RECORDED, Need, Record
from workshop.evaluate.row import ExamRow, Records
from workshop.evaluate.settings import EvaluationSettings

_DUBS = "held_out", BOTH
_NATURAL_DUBS = "natural", BOTH
_RECORDINGS = RECORDED, RECORDED
_COPIES = COPIED, COPIED
_END = 0.02
"""A root mean square of 10 ms, as a share of the highest sample, up to which an end counts as silent."""
_NEAR_DB = 2.0
_SHARE_OF_RECORDINGS = 0.9

Place = tuple[str, str]


def _needs(*places: Place) -> Callable[[EvaluationSettings], list[Need]]:
    return lambda settings: [Need(kind, task, settings.number) for kind, task in places]


def _values(records: Records, place: Place, field: str) -> list[float]:
    return [float(one[field]) for one in records.get(place, ()) if field in one]


def _mean(name: str, title: str, place: Place, field: str, goal: float | None = None, is_least: bool = False) -> ExamRow:
    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found = _values(records, place, field)
        return bootstrap(found) if found else None

    return ExamRow(name, title, _needs(place), figure, goal, is_least)


def _difference(name: str, title: str, field: str, goal: float, is_least: bool) -> ExamRow:
    """Mean of the dubs less that of the recordings."""

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found, beside = (_values(records, place, field) for place in (_DUBS, _RECORDINGS))
        return bootstrap([value - float(np.mean(beside)) for value in found]) if found and beside else None

    return ExamRow(name, title, _needs(_DUBS, _RECORDINGS), figure, goal, is_least)


def _ratio(name: str, title: str, field: str, goal: float) -> ExamRow:
    """Mean of the dubs as a share of that of the recordings."""

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found, beside = (_values(records, place, field) for place in (_DUBS, _RECORDINGS))
        return bootstrap([value / float(np.mean(beside)) for value in found]) if found and beside else None

    return ExamRow(name, title, _needs(_DUBS, _RECORDINGS), figure, goal, is_least=True)


def _flags(name: str, title: str, flag: Callable[[Record], bool], goal: float, is_least: bool) -> ExamRow:
    """How many dubs have something."""

    def figure(records: Records, _: EvaluationSettings) -> Figure | None:
        found: Sequence[Record] = [one for one in records.get(_DUBS, ()) if "clipped" in one]
        return share([flag(one) for one in found]) if found else None

    return ExamRow(name, title, _needs(_DUBS), figure, goal, is_least)


def _has_silent_ends(one: Record) -> bool:
    """Whether a dub begins and ends in silence, or no louder than its source."""
    return all(float(one[end]) <= max(_END, float(one[f"source_{end}"])) for end in ("begins", "ends"))


VOICE_ROWS: tuple[ExamRow, ...] = (
    _mean("harmonicity", "voice of the dubs: harmonicity (dB)", _DUBS, "harmonicity_db"),
    _mean("harmonicity_recorded", "the same of Korean that the synthesiser says itself", _RECORDINGS, "harmonicity_db"),
    _difference("harmonicity_off", "the former less the latter", "harmonicity_db", -_NEAR_DB, is_least=True),
    _mean("periodic", "voice of the dubs: share of loud stretches with a pitch", _DUBS, "periodic"),
    _ratio("periodic_share", "the same as a share of what the synthesiser has", "periodic", _SHARE_OF_RECORDINGS),
    _mean("f0_off", "median pitch of the dub, semitones from the source's", _DUBS, "f0_off", 0.5),
    _mean("voicing", "recordings said again by the vocoder: share of wrong voicing", _COPIES, "voicing", 0.10),
    _mean("f0_error", "the same: distance of its pitch contour in semitones, median", _COPIES, "f0_error"),
    _mean("floor", "the same: noise between words (dB below the loudest)", _COPIES, "floor", -60.0),
    _mean("floor_recorded", "the same of the recordings", _COPIES, "recorded_floor"),
    _mean("clicks", "clicks an utterance, dubs", _DUBS, "clicks"),
    _mean("clicks_recorded", "the same of Korean that the synthesiser says itself", _RECORDINGS, "clicks"),
    _difference("clicks_off", "the former less the latter", "clicks", 0.0, is_least=False),
    _flags("clipped", "dubs with a clipped sample", lambda one: bool(one["clipped"]), 0.0, is_least=False),
    _flags("ends", "dubs that begin and end in silence, or as their source does", _has_silent_ends, 1.0, is_least=True),
)

NATURAL_VOICE_ROWS: tuple[ExamRow, ...] = (
    _mean("harmonicity_natural", "voice of natural voices' dubs: harmonicity (dB)", _NATURAL_DUBS, "harmonicity_db"),
    _mean("f0_off_natural", "the same: median pitch, semitones from the source's", _NATURAL_DUBS, "f0_off"),
)


def quality_record(quality: VoiceQuality, floor_db: float | None) -> dict[str, float | bool]:
    """What an evaluation keeps of an utterance's quality and of its noise floor; what could not be measured is left out."""
    found = asdict(quality) | {"floor": floor_db}
    return {name: value if isinstance(value, bool) else round(value, 4) for name, value in found.items() if value is not None}
