"""Lips: whether they move in silence, close for b, m and p, or snap, and whether they move with the sound.

Openings are those of the face mesh (the gap between the lips over the distance between the eyes' corners). The times of b, m and p
in the reference text are those of espeak-ng, transferred to the sound by dynamic time warping. These figures do not show whether
the rest of the mouth fits; measures of sync do.
`unit_sync` is measured by the unit encoder that made a dub. It needs no other weights, and shows delay, lost lips and wrong clips,
but is no independent judge. SyncNet's LSE-C and LSE-D (Prajwal et al. 2020), by the corrected and by the published protocol, are
independent, but forgive a constant delay, which is reported beside them.
"""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from av2unit.features import to_int16_scale
from av2unit.modality_selection import rest_unit
from avcore.arrays import Floats, Pixels
from avcore.errors import NoFaceError
from avcore.speech.voice_activity import find_speech
from avcore.timeline import FRAME_RATE
from avcore.units import Ids
from avcore.units import unit_sync as shifted
from netflips.evaluate.clips import Case, Clip
from netflips.evaluate.lip_sync import FaceClip, cepstra, judge_lip_sync, sync_vectors
from netflips.evaluate.metric import DUBS, FigureKind, Measured, Missing, metric, rate, sound_of
from netflips.recognizers.aligned import phonemes_in
from unit2av.face.syncnet import SyncNet

_AROUND_S = 0.2
"""Time before and after speech in which a mouth opens and closes for it."""
_MOVES, _CLOSED = 0.02, 0.03
"""Least change of the opening between frames that is a movement, and no jitter of the mesh (0.005); largest opening of a closed
mouth."""
_USUAL = 90
"""Percentile of changes of the opening that stands for the usual speed of lips."""
_REACH_S = 0.04
"""How far from the place of a b, m or p the lips may close: one frame, and the error of the alignment."""
_LIPS = "bmp"
"""First letters of espeak-ng's names of sounds that close the lips: b, m, p, ph, pp, p-."""
_EYES = "mesh openings, distances of the eyes' corners"
_OWN_JUDGE = "no outside judge: one encoder reads sound and lips, and rendered lips were drawn for it"
CORRECTED = ("lse_c", "lse_d", "lse_offset")
PUBLISHED = tuple(f"{name}_published" for name in CORRECTED)
_SYNCNET, _ALIKE = "SyncNet, Prajwal et al. 2020, pairs that exist only", "compares only with figures of the same way and clips"
_AS_PUBLISHED, _ZEROS = "SyncNet, zeros beyond the clip", "the zeros decide the figures of short clips"


def _times(openings: Floats) -> NDArray[np.float64]:
    return (np.arange(len(openings)) + 0.5) / FRAME_RATE  # the middle of each frame


@metric(
    FigureKind(
        "lip_leak", "lips that move in silence (LipLeak)", "lower", "mesh openings, share of silent frames",
        "a breath or a smile counts", of="rate",
    ),
    needs={"faces"}, place=63, suits=(DUBS,), of_pairs=True,
)  # fmt: skip
def lip_leak(_: Case, outcome: Clip) -> Measured:
    """Return the share of silent frames in which the mouth moves."""
    openings = outcome.openings()
    times, quiet = _times(openings), np.ones(len(openings), np.bool_)
    for one in find_speech(outcome.speech):
        quiet &= (times < one.start_s - _AROUND_S) | (times > one.end_s + _AROUND_S)

    moves = np.abs(np.diff(openings, prepend=openings[:1]))
    seen = quiet & np.isfinite(moves)
    return rate("lip_leak", ((moves > _MOVES) & seen).sum(), seen.sum(), "nowhere it is silent")


@metric(
    FigureKind(
        "closures", "b, m and p with closed lips", "higher", "mesh openings at espeak-ng's times, aligned",
        "words that are said otherwise than written are looked for elsewhere", of="rate",
    ),
    needs={"faces", "reference_text", "package:espeakng_loader"}, place=64, suits=(DUBS,), of_pairs=True,
)  # fmt: skip
def closures(case: Case, outcome: Clip) -> Measured:
    """Return the share of b, m and p for which the lips close."""
    phonemes = phonemes_in(sound_of(outcome), case.files.reference_text, case.files.language)
    openings = outcome.openings()
    times, spans = _times(openings), [(start, end) for name, start, end in phonemes if name[0] in _LIPS]
    around = [openings[(times > start - _REACH_S) & (times < end + _REACH_S)] for start, end in spans]
    least = np.array([np.nanmin(part) for part in around if np.isfinite(part).any()])
    return rate("closures", (least < _CLOSED).sum(), len(least), "no b, m or p is seen")


@metric(
    FigureKind(
        "lip_speed", "change of the opening in 40 ms, 90 % below", "near", _EYES,
        "a real person's: 0.02 to 0.04; the row of the source tells this one's",
    ),
    FigureKind(
        "lip_snap", "largest change of the opening in 40 ms", "near", _EYES,
        "a real person's: 0.04 to 0.08; a frame that the mesh reads wrong counts",
    ),
    needs={"faces"}, place=65, suits=(DUBS,), of_pairs=False,
)  # fmt: skip
def speed(_: Case, outcome: Clip) -> Measured:
    """Return the 90th percentile and the largest change of the opening from one frame to the next."""
    changes = np.abs(np.diff(outcome.openings()))
    seen = changes[np.isfinite(changes)]
    if not len(seen):
        return dict.fromkeys(speed.figures, Missing("no mouth is seen"))
    return {"lip_speed": float(np.percentile(seen, _USUAL)), "lip_snap": float(seen.max())}


@metric(
    FigureKind("unit_sync", "unit sync", "higher", "units of lips and of sound: best shift less median", _OWN_JUDGE),
    FigureKind(
        "unit_sync_delay_ms", "delay of the sound by units", "near", "the shift at which units agree most", _OWN_JUDGE, "ms"
    ),
    FigureKind("unit_sync_at_zero", "units that agree", "higher", "share of steps without a shift", _OWN_JUDGE),
    needs={"extractor", "faces"},
    place=60,
    suits=(DUBS,),
    of_pairs=True,
)
def sync(_: Case, outcome: Clip) -> Measured:
    """Compare the units of the sound alone with those of the lips alone."""
    audio = outcome.audio_units.frames()
    return sync_by_units(audio, outcome.seen.frames(), rest_unit(audio, outcome.speech))


def sync_by_units(audio: Ids, seen: Ids, silence: int | None) -> Measured:
    """Return how well lips and sound agree, and at which delay of the sound (ms, negative = early); units are int64 [steps] of 20
    ms.

    silence: the unit of silence, None = not known.
    """
    found = shifted(audio, seen, silence)
    if found is None:
        return dict.fromkeys(sync.figures, Missing("less than 0.2 s of it is said"))
    return {"unit_sync": found.confidence, "unit_sync_delay_ms": 1000 * found.delay_s, "unit_sync_at_zero": found.at_zero}


@metric(
    FigureKind("lse_c", "LSE-C", "higher", _SYNCNET, _ALIKE),
    FigureKind("lse_d", "LSE-D", "lower", _SYNCNET, _ALIKE),
    FigureKind("lse_offset", "offset by SyncNet", "near", _SYNCNET, _ALIKE, "frames"),
    FigureKind("lse_c_published", "LSE-C, as published", "higher", _AS_PUBLISHED, _ZEROS),
    FigureKind("lse_d_published", "LSE-D, as published", "lower", _AS_PUBLISHED, _ZEROS),
    FigureKind("lse_offset_published", "offset by SyncNet, as published", "near", _AS_PUBLISHED, _ZEROS, "frames"),
    needs={"syncnet"},
    place=61,
    suits=(DUBS,),
    of_pairs=False,
)
def lse(case: Case, outcome: Clip) -> Measured:
    """Return the means over all faces that were followed in a video. Raises NoFaceError where there is none."""
    network, watched = case.model("syncnet")
    return sync_of_faces(network, outcome.face_clips(watched))


def sync_of_faces(network: SyncNet, clips: Iterable[FaceClip]) -> Measured:
    """Return the means of LSE over faces, by both protocols. Raises NoFaceError where there is no face."""
    found = [sync_by_syncnet(network, clip.frames, clip.sound) for clip in clips]
    if not found:
        raise NoFaceError("no face was seen long enough for SyncNet")
    return {name: float(np.mean([one[name] for one in found])) for name in CORRECTED + PUBLISHED}


def sync_by_syncnet(network: SyncNet, frames: Iterable[Pixels], sound: Floats) -> dict[str, float]:
    """Return LSE of one face, by both protocols. frames: as for `sync_vectors`; sound: float32 [S] at 16 kHz.

    Offsets are in frames of 40 ms, positive where the sound comes too early. Raises InputError for less than six frames.
    """
    vectors, found = sync_vectors(network, frames, cepstra(to_int16_scale(sound))), dict[str, float]()
    for names, is_published in ((CORRECTED, False), (PUBLISHED, True)):
        sync = judge_lip_sync(*vectors, len(sound), is_published)
        found |= dict(zip(names, (sync.confidence, sync.distance, float(sync.offset)), strict=True))
    return found
