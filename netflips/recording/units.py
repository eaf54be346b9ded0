"""The units of each utterance, from what is heard and seen, and their translation; both are kept utterance by utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.trust import TrustedUnits, rest_unit, trusted_units
from avcore.contracts import Extraction
from avcore.domain import Stretch
from avcore.journal import key_of
from avcore.notes import Note
from avcore.progress import Progress
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import Units
from avcore.work_folder import Arrays, WorkFolder
from netflips.dub.utterances import Span, TimedUtterance
from netflips.models import Models
from netflips.options import DubOptions
from netflips.recording.faces import LipSource
from netflips.recording.plan import frames_of
from netflips.recording.voice_activity import SpeechFile
from unit2unit.inference import Translation, search_settings

_GROUP = 8
"""Utterances translated together: side by side they take less time."""


@dataclass(frozen=True)
class Listened:
    """What an utterance says. rest: the unit of its silent moments, None where it has none."""

    heard: TrustedUnits
    rest: int | None

    @property
    def units(self) -> Units:
        """Its units, with durations."""
        return self.heard.extraction.units


@dataclass(frozen=True)
class Translated:
    """units: repeats kept, without durations; of a text with them. score: None = a user wrote the text. is_truncated: the search
    ended at its limit. weakest: where it is least sure. text: that it is spoken from, "" = units were translated. why: the note
    that says why there are no units. sound: key of speech that is heard as it sounds, "" = the units are spoken. said_by:
    whose speech was given; span: see `GivenUnits`. translator: a program, which gives no score.
    """

    units: Units
    score: float | None
    is_truncated: bool = False
    weakest: Stretch | None = None
    text: str = ""
    why: Note | None = None
    sound: str = ""
    said_by: str = ""
    span: Span | None = None
    translator: str = ""


def extract_units(
    one: TimedUtterance,
    seen: LipSource | None,
    speech: SpeechFile | None,
    models: Models,
    options: DubOptions,
    work: WorkFolder,
) -> Listened | None:
    """Units of an utterance from its sound, its lips or both, as far as they are there; None when neither is.

    seen: the speaker's lips, None where they are not in sight.
    """
    start, stop = frames_of(one)
    seen = seen if options.uses_video else None
    sound = None
    if options.uses_audio and speech is not None:
        sound = speech.read(units_to_samples(frames_to_units(start)), units_to_samples(frames_to_units(stop)))
    if sound is None and seen is None:
        return None
    inputs = [sound, None if seen is None else seen.key]
    bound = models.extractor.agreement if options.decides else None
    model = models.fingerprints["av2unit"], str(models.extractor.decoding), str(models.extractor.domain), models.arithmetic
    key = key_of(inputs, start, stop, *model, str(bound), "known shares")

    def make() -> Arrays:
        heard = trusted_units(models.extractor, sound, None if seen is None else seen.first(stop - start), bound)
        units = heard.extraction.units
        rest = None if sound is None else rest_unit(units.frames(), sound)
        return {
            "frames": units.frames(),
            "vocabulary": np.array(units.vocabulary),
            "rest": np.array(-1 if rest is None else rest),
            "confidence": np.array(heard.extraction.confidence),
            "weakest": _stored(heard.extraction.weakest),
            "nearest": _stored(heard.extraction.nearest),
            "known": np.array(np.nan if heard.extraction.known is None else heard.extraction.known),
            "modalities": np.array(heard.modalities),
            "reason": np.array(heard.reason),
            "figures": np.array([np.nan if figure is None else figure for figure in heard.figures]),
        }

    found = work.arrays("units", key, make)
    units = Units.from_frames(found["frames"], options.source, str(found["vocabulary"]))
    figures = map(_number, found["figures"])
    stretches = _stretch(found["weakest"]), _stretch(found["nearest"])
    extraction = Extraction(units, float(found["confidence"]), *stretches, _number(found["known"]))
    heard = TrustedUnits(extraction, str(found["modalities"]), str(found["reason"]), *figures)
    return Listened(heard, int(found["rest"]) if found["rest"] >= 0 else None)


def translate_all(
    heard: Sequence[Listened], models: Models, options: DubOptions, work: WorkFolder, progress: Progress
) -> list[Translated]:
    """Translate each utterance.

    Without a limit of the user's own there is none: a sentence must not end after so many units because it is long.
    """
    limit = 0 if options.max_target_units is None else options.max_target_units
    search = search_settings(models.translator.default_search, options.beam, limit)
    settings = (options.source, options.target, vars(search), models.fingerprints["unit2unit"], models.arithmetic, "stretches")
    done: list[Translated] = []
    for start in range(0, len(heard), _GROUP):
        group = heard[start : start + _GROUP]
        keys = [key_of(one.units.ids, one.units.vocabulary, *settings) for one in group]
        found = {key: kept for key in keys if (kept := work.find_arrays("translations", key)) is not None}
        wanted = {key: one.units for key, one in zip(keys, group, strict=True) if key not in found}
        if wanted:
            made = models.translator.translate_batch(list(wanted.values()), options.source, options.target, search)
            found |= {key: work.keep_arrays("translations", key, _arrays(one)) for key, one in zip(wanted, made, strict=True)}
        done += [_translated(found[key], options.target) for key in keys]
        progress("translate", len(done), len(heard))
    return done


def _arrays(made: Translation) -> Arrays:
    return {
        "ids": made.units.ids,
        "vocabulary": np.array(made.units.vocabulary),
        "score": np.array(made.score),
        "truncated": np.array(made.truncated),
        "weakest": _stored(made.weakest),
    }


def _translated(found: Arrays, target: str) -> Translated:
    units = Units(found["ids"], None, target, str(found["vocabulary"]))
    return Translated(units, float(found["score"]), bool(found["truncated"]), _stretch(found["weakest"]))


def _stored(stretch: Stretch | None) -> NDArray[np.float64]:
    """Score and steps of a stretch, [3]; [0] for none."""
    return np.array([] if stretch is None else stretch, dtype=np.float64)


def _number(stored: Any) -> float | None:
    return None if np.isnan(stored) else float(stored)


def _stretch(stored: NDArray[Any]) -> Stretch | None:
    return Stretch(float(stored[0]), int(stored[1]), int(stored[2])) if len(stored) else None
