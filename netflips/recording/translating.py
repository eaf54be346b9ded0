"""From what is heard and seen in each utterance to units of the other language, kept utterance by utterance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from av2unit.agreement import rest_unit
from av2unit.extractor import Extraction
from av2unit.trust import Heard, listen
from avcore.progress import Progress
from avcore.runs.cache import Arrays, WorkFolder, key_of
from avcore.timeline import frame_at, frames_covering, frames_to_units, units_to_samples
from avcore.units import Units
from avcore.units.domain import Stretch
from netflips.dub.utterances import Utterance
from netflips.models import Models
from netflips.options import DubOptions
from netflips.recording.faces import LipSource
from netflips.recording.hearing import SpeechFile
from unit2unit.inference import Translation, search_settings

_GROUP = 8
"""Utterances translated together: side by side they take less time."""


@dataclass(frozen=True)
class Listened:
    """What an utterance says. rest: the unit of its silent moments, None where it has none."""

    heard: Heard
    rest: int | None

    @property
    def units(self) -> Units:
        """Its units, with durations."""
        return self.heard.extraction.units


@dataclass(frozen=True)
class Translated:
    """units: repeats kept, without durations. is_truncated: the search ended at its limit. weakest: where it is least sure."""

    units: Units
    score: float
    is_truncated: bool
    weakest: Stretch | None = None


def frames_of(one: Utterance) -> tuple[int, int]:
    """The pictures at 25 fps that an utterance touches: first, and the one after the last."""
    return frame_at(one.start_s), frames_covering(one.end_s)


def extract_units(
    one: Utterance,
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
    key = key_of(inputs, start, stop, *model, str(bound), "stretches")

    def make() -> Arrays:
        heard = listen(models.extractor, sound, None if seen is None else seen.first(stop - start), bound)
        units = heard.extraction.units
        rest = None if sound is None else rest_unit(units.frames(), sound)
        return {
            "frames": units.frames(),
            "vocabulary": np.array(units.vocabulary),
            "rest": np.array(-1 if rest is None else rest),
            "confidence": np.array(heard.extraction.confidence),
            "weakest": _stored(heard.extraction.weakest),
            "nearest": _stored(heard.extraction.nearest),
            "modalities": np.array(heard.modalities),
            "reason": np.array(heard.reason),
            "agreement": np.array([np.nan if share is None else share for share in (heard.agreement, heard.usual)]),
        }

    found = work.arrays("units", key, make)
    units = Units.from_frames(found["frames"], options.source, str(found["vocabulary"]))
    share, usual = (None if np.isnan(share) else float(share) for share in found["agreement"])
    extraction = Extraction(units, float(found["confidence"]), _stretch(found["weakest"]), _stretch(found["nearest"]))
    heard = Heard(extraction, str(found["modalities"]), str(found["reason"]), share, usual)
    return Listened(heard, int(found["rest"]) if found["rest"] >= 0 else None)


def translate_all(
    heard: Sequence[Listened | None], models: Models, options: DubOptions, work: WorkFolder, progress: Progress
) -> list[Translated | None]:
    """Translate each utterance; None stays None.

    Without a limit of the user's own there is none: a sentence must not end after so many units because it is long.
    """
    limit = 0 if options.max_target_units is None else options.max_target_units
    search = search_settings(models.translator.default_search, options.beam, limit)
    settings = (options.source, options.target, vars(search), models.fingerprints["unit2unit"], models.arithmetic, "stretches")
    done: list[Translated | None] = []
    for start in range(0, len(heard), _GROUP):
        group = heard[start : start + _GROUP]
        keys = [None if one is None else key_of(one.units.ids, one.units.vocabulary, *settings) for one in group]
        found = {key: work.find_arrays("translations", key) for key in keys if key is not None}
        wanted = {key: one.units for key, one in zip(keys, group, strict=True) if key and one and found[key] is None}
        if wanted:
            made = models.translator.translate_batch(list(wanted.values()), options.source, options.target, search)
            found |= {key: work.keep_arrays("translations", key, _arrays(one)) for key, one in zip(wanted, made, strict=True)}
        done += [None if key is None else _translated(found[key], options.target) for key in keys]
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


def _translated(found: Arrays | None, target: str) -> Translated:
    if found is None:
        raise KeyError("a translation that was neither kept nor made")
    units = Units(found["ids"], None, target, str(found["vocabulary"]))
    return Translated(units, float(found["score"]), bool(found["truncated"]), _stretch(found["weakest"]))


def _stored(stretch: Stretch | None) -> NDArray[np.float64]:
    """Score and steps of a stretch, [3]; [0] for none."""
    return np.array([] if stretch is None else stretch, dtype=np.float64)


def _stretch(stored: NDArray[Any]) -> Stretch | None:
    return Stretch(float(stored[0]), int(stored[1]), int(stored[2])) if len(stored) else None
