"""Modality selection: whether an utterance's units come from sound, lips or both, decided by the units of each alone.

Lips that belong to the sound give nearly the same units. Lips of another person, of a still image, or late by more than a few
steps give hardly any of them. How far the two agree in an encoder's own material is stored with the encoder.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Floats, Frames
from avcore.contracts import Extraction, Extractor
from avcore.domain import Domain
from avcore.errors import CheckpointError, InputError
from avcore.notes import Note, NoteKind, Translate, Values, sentence
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs
from avcore.timeline import SAMPLES_PER_UNIT, units_to_samples
from avcore.units import Ids, is_speech

AGREEMENT_KEY = "agreement"
"""Key of the threshold in a checkpoint's configuration."""
REACH = 2
"""Steps of 20 ms by which a unit of the lips may come before or after that of the sound: a frame lasts two."""
_LEAST_CLIPS = 4
_MOST_OTHERS = 8
"""Clips whose lips each sound is compared with, its own included."""
_REST_BELOW_LOUDEST_DB = 35.0
_RARE = 0.02
"""Share of the matching pairs, and of the others, that may lie on the wrong side of the threshold."""


@dataclass(frozen=True)
class AgreementThreshold:
    """From which agreement on lips and sound belong together."""

    least: float
    """lips and sound that agree in a smaller share of their steps do not belong together"""
    own: float
    """median agreement of lips and sound of one clip"""
    foreign: float
    """median agreement of lips and sound of different clips"""
    silence: int | None
    """unit of silence; None: the material had no silence"""
    clips: int
    """number of clips that it was found on"""

    @classmethod
    def from_config(cls, config: Mapping[str, Any], path: Path) -> "AgreementThreshold | None":
        """Read the threshold of a checkpoint; None if it has none. Raises CheckpointError."""
        stored = config.get(AGREEMENT_KEY)
        if stored is None:
            return None

        try:
            least, own, foreign = (float(stored[name]) for name in ("least", "own", "foreign"))
            silence = None if stored["silence"] is None else int(stored["silence"])
            return cls(least, own, foreign, silence, int(stored["clips"]))
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                "its agreement cannot be read", path=path, expected="least, own, foreign, silence, clips"
            ) from error

    def to_config(self) -> dict[str, Any]:
        """Return the value of `agreement` in a checkpoint's configuration."""
        return asdict(self)


def agreement(audio: Ids, seen: Ids, silence: int | None) -> float:
    """Return the share of the steps with speech in which lips and sound have the same unit; 1 if neither has speech.

    audio, seen: units of the sound alone and of the lips alone, int64 [steps]; the longer one is cut. silence: the unit of silence;
    steps where both have it do not count. None = there is no such unit.
    """
    length = min(len(audio), len(seen))
    audio, seen = audio[:length], seen[:length]
    has_speech = is_speech(audio, silence) | is_speech(seen, silence)
    if not has_speech.any():
        return 1.0

    agrees = np.zeros(length, np.bool_)
    for shift in range(-REACH, REACH + 1):
        first, stop = max(shift, 0), length + min(shift, 0)
        if first < stop:
            agrees[first:stop] |= audio[first:stop] == seen[first - shift : stop - shift]
    return float((agrees & has_speech).sum() / has_speech.sum())


def rest_unit(frames: Ids, sound: NDArray[np.float32]) -> int | None:
    """Return the most frequent unit of an utterance's silence; None without silence.

    frames: int64 of shape [T], units every 20 ms; sound: float32 of shape [320 * T] at 16 kHz in -1..1.
    """
    silent = quiet_units(frames, sound)
    return int(np.bincount(silent).argmax()) if len(silent) else None


def quiet_units(frames: Ids, sound: NDArray[np.float32]) -> Ids:
    """Return the units of the steps in which an utterance is silent: int64 of shape [silent steps].

    frames: int64 of shape [T], units every 20 ms; sound: float32 of shape [320 * T] at 16 kHz in -1..1.
    """
    num_steps = min(len(frames), len(sound) // SAMPLES_PER_UNIT)
    levels = np.array([level_dbfs(step) for step in sound[: units_to_samples(num_steps)].reshape(num_steps, -1)])
    # Relative to the loudest step, because recordings differ in level.
    return np.asarray(frames[:num_steps][levels < levels.max(initial=-np.inf) - _REST_BELOW_LOUDEST_DB], np.int64)


def find_threshold(clips: Sequence[tuple[Ids, Ids]], silence: int | None) -> AgreementThreshold:
    """Find the threshold between lips of the same clip and lips of another one.

    clips: units of the sound alone and of the lips alone, as for `agreement`. Raises InputError for too few clips, or if
    foreign lips agree as well as a clip's own.
    """
    if len(clips) < _LEAST_CLIPS:
        raise InputError("too few clips with sound and lips to tell how far they agree", expected=_LEAST_CLIPS, found=len(clips))

    own = [agreement(audio, seen, silence) for audio, seen in clips]
    # A few others for each clip: all pairs would grow with the square of the clips.
    foreign = [
        agreement(clips[place][0], clips[(place + shift) % len(clips)][1], silence)
        for place in range(len(clips))
        for shift in range(1, min(_MOST_OTHERS, len(clips)))
    ]

    low, high = float(np.quantile(own, _RARE)), float(np.quantile(foreign, 1 - _RARE))
    if low <= high:
        raise InputError(
            "foreign lips agree with the sound as far as its own do",
            expected=f"own lips more than {high:.2f}",
            found=f"{low:.2f}",
            hint="it has not learnt to read lips",
        )

    return AgreementThreshold((low + high) / 2, float(np.median(own)), float(np.median(foreign)), silence, len(clips))


BOTH, AUDIO, VIDEO = "audio,video", "audio", "video"
_WORDS = {BOTH: "sound and lips", AUDIO: "sound", VIDEO: "lips"}
_HARDLY = 0.25
"""A modality with less than this share of the other's steps of speech has hardly any speech."""
_STRANGE = 2.0
"""Lips whose score is below this many times the least score of the encoder's domain belong to a face that the encoder does not
know: they do not show whose they are. The demo's encoder, whose domain ends at -0.37: 98 of 100 drawn faces have -0.25 or more with
their own sound, -0.57 with another's, -0.67 when late; a real speaker and four photographs that talk have -1.30 to -1.66."""
_STILL = 0.5
"""Mean change from frame to frame, of 255. Below it the lips are a photograph, or there are none."""
_QUIET, _CLEAN_DB = 0.05, 25.0
"""In clean speech, this share is quieter than the loudest step by these dB: closures of the mouth, if there are no pauses."""

BELONG = NoteKind("belong", "lips and sound belong together")
STILL_LIPS = NoteKind("still_lips", "the lips in the frame do not move as the sound does")
OTHER_LIPS = NoteKind("other_lips", "the lips in the frame do not belong to the sound")
UNKNOWN_FACE = NoteKind("unknown_face", "the lips in the frame could not be judged: the encoder does not know such faces")
NO_SPEECH = NoteKind("no_speech", "hardly any speech is heard")
UNSURE_SOUND = NoteKind("unsure_sound", "the sound is less sure than the lips, and they do not agree")


def _with_figures(values: Values, say: Translate) -> str:
    """Return a reason with its figures. values: reason, and those of share, usual, lips_sure and known_sure that are known."""
    if values.get("lips_sure") is not None:
        sure, known = exp(values["lips_sure"]), exp(values["known_sure"])
        return say(
            "{reason:@} (it is sure of them to {sure:.0%}, of lips that it knows to {known:.0%} or more)", sure=sure, known=known
        )
    if values.get("share") is None or values.get("usual") is None:
        return say("{reason:@}")
    return say("{reason:@} ({share:.0%} of their steps agree, {usual:.0%} is usual)")


REASON = NoteKind("reason_of_units", _with_figures)
"""Why a modality was selected. Values: those of `SelectedUnits.values`."""


def reason_words(values: Values) -> str:
    """Return a reason with its figures as an English sentence. values: those of `SelectedUnits.values`."""
    return sentence(REASON(**values))


SOUND_ALONE = NoteKind(
    "sound_alone",
    lambda one, say: say(
        "{u}units are taken from the sound alone: {why}", why=say("{reason:@}") if one["u"] else _with_figures(one, say)
    ),
    alike=("reason",),
    rank=2,
)


@dataclass(frozen=True)
class SelectedUnits:
    """The units of an utterance, and the modalities that they come from."""

    extraction: Extraction
    """the units, with their confidence"""
    modalities: str
    """as --modalities names them"""
    reason: str = ""
    """code of the reason; "": there was no choice"""
    agreement: float | None = None
    """share of the steps in which lips and sound agree; None: they were not compared"""
    usual: float | None = None
    """median agreement of lips and sound that belong together; None: they were not compared"""
    lips_sure: float | None = None
    """mean log-probability of lips of an unknown face; None: the face is known"""
    known_sure: float | None = None
    """least mean log-probability of a known face; None where `lips_sure` is None"""

    @property
    def words(self) -> str:
        """Its modalities, in words."""
        return _WORDS[self.modalities]

    @property
    def note(self) -> Note | None:
        """The note about lips that were left out; None if they were not."""
        return SOUND_ALONE(**self.values) if self.is_video_left_out else None

    @property
    def values(self) -> dict[str, Any]:
        """The reason and its known figures, as values of a note."""
        figures = zip(("share", "usual", "lips_sure", "known_sure"), self.figures, strict=True)
        return {"reason": self.reason} | {name: value for name, value in figures if value is not None}

    @property
    def figures(self) -> tuple[float | None, ...]:
        """The figures behind the reason, in the order of its fields."""
        return self.agreement, self.usual, self.lips_sure, self.known_sure

    @property
    def is_video_left_out(self) -> bool:
        """Whether there were lips that the units are not taken from."""
        return self.modalities == AUDIO and self.agreement is not None

    @property
    def may_be_misled(self) -> bool:
        """Whether the units are also taken from lips that were not found to belong to the sound."""
        return self.modalities == (BOTH if self.agreement is None else VIDEO)


def select_units(
    extractor: Extractor, speech: Floats | None, lips: Frames | None, threshold: AgreementThreshold | None
) -> SelectedUnits:
    """Take units from sound and lips where they belong together, else from the more reliable one.

    They belong together if they agree as far as `threshold` asks. If they do not, the sound is taken, unless it is noisy, less sure
    than speech of the encoder's domain, and less sure than the lips. Lips of a face that the encoder does not know decide nothing:
    the sound is taken. threshold: None = both are taken without a comparison. Other arguments and errors are those of
    `Extractor.extract`.
    """
    if speech is None or lips is None or threshold is None:
        return SelectedUnits(extractor.extract_scored(speech, lips), VIDEO if speech is None else AUDIO if lips is None else BOTH)

    # The front end looks at the lips once, for both passes that need them.
    by_sound, features = extractor.extract_scored(speech, None), extractor.look(lips)
    by_lips = extractor.extract_scored(None, features)
    share = agreement(by_sound.units.frames(), by_lips.units.frames(), threshold.silence)
    if share >= threshold.least:
        return SelectedUnits(extractor.extract_scored(speech, features), BOTH, BELONG.code, share, threshold.own)

    # Log-probabilities are below 0, so twice the least one is a lower bound.
    known_sure = None if extractor.domain is None else _STRANGE * extractor.domain.least
    sound_steps, lip_steps = (
        int(is_speech(extraction.units.frames(), threshold.silence).sum()) for extraction in (by_sound, by_lips)
    )
    # Lips that move without any speech in the sound are no unknown face: the sound is muted, and the lips are what is left.
    if known_sure is not None and by_lips.confidence < known_sure and _moves(lips) and sound_steps >= _HARDLY * lip_steps:
        return SelectedUnits(by_sound, AUDIO, UNKNOWN_FACE.code, share, threshold.own, by_lips.confidence, known_sure)

    modalities, reason = _more_reliable(by_sound, by_lips, extractor.domain, sound_steps, lip_steps, is_noisy(speech))
    return SelectedUnits(by_sound if modalities == AUDIO else by_lips, modalities, reason, share, threshold.own)


def _moves(lips: Frames) -> bool:
    """Return whether lips uint8 [T, 96, 96] move; a still image does not."""
    return len(lips) > 1 and float(np.abs(np.diff(lips.astype(np.int16), axis=0)).mean()) > _STILL


def is_noisy(speech: Floats) -> bool:
    """Return whether speech, float32 [S] at 16 kHz, is noisy: its quietest moments are hardly quieter than its loudest."""
    num_steps = len(speech) // SAMPLES_PER_UNIT
    if not num_steps:
        return False
    steps = speech[: units_to_samples(num_steps)].reshape(num_steps, -1)
    # Digital silence has a level of -inf, and would make any sound clean.
    levels = np.maximum([level_dbfs(step) for step in steps], SOUND_FLOOR_DBFS)
    return bool(levels.max() - np.quantile(levels, _QUIET) < _CLEAN_DB)


def _more_reliable(
    by_sound: Extraction, by_lips: Extraction, domain: Domain | None, sound_steps: int, lip_steps: int, has_noise: bool
) -> tuple[str, str]:
    """Choose between sound and lips that do not belong together; return the modality and the code of the reason.

    sound_steps, lip_steps: steps of speech in each.
    """
    if lip_steps < _HARDLY * sound_steps:
        return AUDIO, STILL_LIPS.code
    if sound_steps < _HARDLY * lip_steps:
        return VIDEO, NO_SPEECH.code

    is_sure = domain is None or domain.knows(by_sound.confidence)
    if not has_noise or is_sure or by_sound.confidence >= by_lips.confidence:
        return AUDIO, OTHER_LIPS.code
    return VIDEO, UNSURE_SOUND.code
