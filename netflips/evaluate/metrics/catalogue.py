"""All metrics of a case: what each needs, and the pure function that it brings the sides of the case to."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from av2unit.agreement import quiet_units, rest_unit
from avcore.arrays import Pixels, Samples
from avcore.errors import MediaError, NoSpeechError
from avcore.faces.crop import crop_face
from avcore.timeline import samples_to_seconds
from netflips.evaluate.face_clips import AS_PUBLISHED, LeastFace, clips_of
from netflips.evaluate.metrics import durations, intelligibility, pictures, speaker, sync, text, units, voice
from netflips.evaluate.metrics.figures import (
    DUB,
    EXTRACTOR,
    FACES,
    OTHERS,
    RECOGNIZER,
    REFERENCE,
    REFERENCE_TEXT,
    SOURCE,
    SPEAKER,
    SYNCNET,
    Case,
    Clip,
    Measured,
    Metric,
    Missing,
    PlainMetric,
)
from netflips.evaluate.metrics.kinds import KINDS
from unit2av.face.syncnet import SyncNet

_A_MINUTE = 60


def metrics_of_cases(syncnet: SyncNet | None = None, watched: LeastFace = AS_PUBLISHED) -> tuple[Metric, ...]:
    """Every metric, in the order of tables. syncnet: None = LSE is told as missing. watched: faces that LSE is taken of."""
    return (
        _metric(text.ERRORS, (DUB, REFERENCE_TEXT, RECOGNIZER), _text_errors),
        _metric(text.LIKENESS, (DUB, REFERENCE_TEXT, RECOGNIZER), _text_likeness),
        _metric(units.FIGURES, (DUB, REFERENCE, EXTRACTOR), _units),
        _metric(("harmonicity_db", "periodic", "clicks"), (DUB,), _voice),
        _metric(("harmonicity_off", "f0_off"), (DUB, SOURCE), _voice_beside_source),
        _metric(("floor_db", "edge_jump_db"), (DUB, EXTRACTOR), _pauses),
        _metric(("f0_error", "voicing_error"), (DUB, REFERENCE, EXTRACTOR), _pitch),
        _metric(("speaker",), (DUB, SOURCE, SPEAKER, OTHERS), _speaker),
        _metric(("speaker_cosine",), (DUB, SOURCE, SPEAKER), _speaker_alone),
        _metric(intelligibility.FIGURES, (DUB, REFERENCE), _intelligibility),
        _metric(durations.FIGURES, (DUB, SOURCE), _durations),
        _metric(pictures.FACE, (DUB, REFERENCE, FACES), _faces),
        _metric(pictures.BESIDE_SOURCE, (DUB, SOURCE, FACES), _beside_source),
        _metric(sync.UNIT_SYNC, (DUB, EXTRACTOR, FACES), _unit_sync),
        _metric(sync.LSE, (DUB, SYNCNET), lambda case: _lse(case, syncnet, watched)),
    )


def face_pictures(clip: Clip) -> Iterator[Pixels]:
    """The faces of a clip as a Frechet distance takes them: crops of 96 x 96 of the pictures that have one, RGB."""
    for picture, box in zip(clip.pictures(), clip.faces(), strict=False):
        if box is not None:
            yield crop_face(picture, box)


def _metric(figures: Sequence[str], needs: Sequence[str], function: Callable[[Case], Measured]) -> PlainMetric:
    first = KINDS[figures[0]]
    return PlainMetric(figures[0], first.unit, first.better, tuple(figures), frozenset(needs), function)


def _side(clip: Clip | None, what: str) -> Clip:
    """A side that the metric's needs say is there. Raises MediaError where they were not looked at."""
    if clip is None:
        raise MediaError(f"the case has no {what}")
    return clip


def _sound(clip: Clip) -> Samples:
    """The sound of a clip. Raises NoSpeechError where it is silent."""
    samples = clip.speech
    if not np.any(samples):
        raise NoSpeechError("there is only silence", path=clip.path)
    return samples


# Texts and units


def _text_errors(case: Case) -> Measured:
    return text.text_errors(case.dub.text, case.reference_text or "")


def _text_likeness(case: Case) -> Measured:
    return text.text_likeness(case.dub.text, case.reference_text or "", case.language)


def _units(case: Case) -> Measured:
    return units.unit_likeness(case.dub.heard.ids, _side(case.reference, "reference").heard.ids)


# Sound


def _voice(case: Case) -> Measured:
    samples = _sound(case.dub)
    quality = voice.voice_quality(samples)
    minutes = float(samples_to_seconds(len(samples))) / _A_MINUTE
    return {"harmonicity_db": quality.harmonicity_db, "periodic": quality.periodic, "clicks": quality.clicks / minutes}


def _voice_beside_source(case: Case) -> Measured:
    made, own = (voice.voice_quality(_sound(clip)) for clip in (case.dub, _side(case.source, "source")))
    off: float | Missing = Missing("the source has no pitch")
    if own.f0_hz is not None:
        off = voice.semitones_between(made.f0_hz, own.f0_hz)
    return {"harmonicity_off": made.harmonicity_db - own.harmonicity_db, "f0_off": off}


def _pauses(case: Case) -> Measured:
    samples, is_silence = _sound(case.dub), _silence(case.dub)
    found: Mapping[str, float | None] = {
        "floor_db": voice.noise_floor_db(samples, is_silence),
        "edge_jump_db": voice.edge_jump_db(samples, is_silence),
    }
    lost: dict[str, float | Missing] = {
        "floor_db": Missing("it has no pause of 0.1 s"),
        "edge_jump_db": Missing("nothing in it begins or ends"),
    }
    return {**lost, **{name: value for name, value in found.items() if value is not None}}


def _pitch(case: Case) -> Measured:
    true = _side(case.reference, "reference")
    made, recorded = _sound(case.dub), _sound(true)
    if (reason := intelligibility.why_not_in_step(made, recorded)) is not None:
        return dict.fromkeys(("f0_error", "voicing_error"), reason)
    wrong, semitones = voice.pitch_errors(made, recorded, _silence(true))
    found: dict[str, float | Missing] = {"f0_error": Missing("nowhere both are voiced"), "voicing_error": wrong}
    return found if semitones is None else found | {"f0_error": semitones}


def _silence(clip: Clip) -> NDArray[np.bool_]:
    """Which steps of 20 ms say nothing, by the units of the sound: bool [steps]; none where the unit that is quiet most often is
    loud as often: in a sentence without a pause that is a stop, and no silence."""
    frames = clip.heard.frames()
    quiet, rest = quiet_units(frames, clip.speech), rest_unit(frames, clip.speech)
    if rest is None or 2 * (quiet == rest).sum() < (frames == rest).sum():
        return np.zeros(len(frames), np.bool_)
    return np.asarray(frames == rest)


def _speaker(case: Case) -> Measured:
    found = speaker.speaker_likeness(case.dub.voice, _side(case.source, "source").voice, case.other_voices)
    return {"speaker": found["speaker"]}


def _speaker_alone(case: Case) -> Measured:
    found = speaker.speaker_likeness(case.dub.voice, _side(case.source, "source").voice, ())
    return {"speaker_cosine": found["speaker_cosine"]}


def _intelligibility(case: Case) -> Measured:
    return intelligibility.intelligibility(case.dub.speech, _side(case.reference, "reference").speech)


def _durations(case: Case) -> Measured:
    return durations.duration_ratio(case.dub.seconds, _side(case.source, "source").seconds)


# Pictures


def _faces(case: Case) -> Measured:
    true = _side(case.reference, "reference")
    return pictures.faces_beside(case.dub.pictures(), true.pictures(), true.faces())


def _beside_source(case: Case) -> Measured:
    source = _side(case.source, "source")
    return pictures.beside_source(case.dub.pictures(), source.pictures(), source.faces())


def _unit_sync(case: Case) -> Measured:
    heard = case.dub.heard.frames()
    return sync.sync_by_units(heard, case.dub.seen.frames(), rest_unit(heard, case.dub.speech))


def _lse(case: Case, network: SyncNet | None, watched: LeastFace) -> Measured:
    if network is None:
        return dict.fromkeys(sync.LSE, Missing("needs SyncNet (--syncnet)"))
    return sync.sync_of_faces(network, clips_of(case.dub.path, watched.pictures, watched.side))
