"""Which of sound and lips an utterance's units are taken from, decided by what each says alone."""

from dataclasses import dataclass, replace
from math import exp
from typing import Any

import numpy as np

from av2unit.agreement import Bound, agreement
from avcore.answers import Extraction
from avcore.arrays import Floats, Pictures
from avcore.contracts import Extractor
from avcore.notes import KINDS, Note, NoteKind, Values
from avcore.progress import Progress, silent
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs
from avcore.timeline import SAMPLES_PER_UNIT, units_to_samples
from avcore.units.domain import Domain
from avcore.units.unit_sync import is_said

BOTH, AUDIO, VIDEO = "audio,video", "audio", "video"
_WORDS = {BOTH: "sound and lips", AUDIO: "sound", VIDEO: "lips"}
_HARDLY = 0.25
"""One that speaks for a smaller share of the steps in which the other does is hardly there."""
_STRANGE = 2.0
"""Lips that an encoder is so many times less sure of than is rare in its domain are of a face that it does not know, and say
nothing of whose they are. The demo's encoder, whose domain ends at -0.37: 98 of 100 drawn faces have -0.25 or more with their own
sound, -0.57 with another's, -0.67 when late; a real speaker and four photographs that talk have -1.30 to -1.66."""
_STILL = 0.5
"""Mean change from picture to picture, of 255, below which lips are those of a photograph, or of none."""
_QUIET, _CLEAN_DB = 0.05, 25.0
"""Of clean speech, a twentieth is so many dB quieter than the loudest of it: closures, if there are no pauses."""

BELONG = NoteKind("belong", "lips and sound belong together", "입 모양과 소리가 서로 맞습니다.")
STILL_LIPS = NoteKind(
    "still_lips", "the lips in the picture do not move as the sound does", "화면 속 입이 소리에 맞춰 움직이지 않습니다."
)
OTHER_LIPS = NoteKind(
    "other_lips", "the lips in the picture do not belong to the sound", "화면 속 입 모양이 이 소리와 맞지 않습니다."
)
UNKNOWN_FACE = NoteKind(
    "unknown_face",
    "the lips in the picture could not be judged: the encoder does not know such faces",
    "모델이 모르는 얼굴이라 입 모양을 판단하지 못했습니다.",
)
NO_SPEECH = NoteKind("no_speech", "hardly any speech is heard", "말소리가 거의 들리지 않습니다.")
UNSURE_SOUND = NoteKind(
    "unsure_sound",
    "the sound is less sure than the lips, and they do not agree",
    "소리가 입 모양보다 불확실하고 서로 맞지 않습니다.",
)
REASONS = {kind.english: kind.code for kind in (BELONG, STILL_LIPS, OTHER_LIPS, UNKNOWN_FACE, NO_SPEECH, UNSURE_SOUND)}
"""Codes by the sentences that kept work and reports of earlier versions hold."""


def reason_words(values: Values) -> str:
    """Return the English words of a reason with its figures. values: reason, and of share, usual, lips_sure, known_sure those
    known."""
    reason = KINDS[values["reason"]].english if values["reason"] in KINDS else values["reason"]
    if values.get("lips_sure") is not None:
        usual = f"of lips that it knows to {exp(values['known_sure']):.0%} or more"
        return f"{reason} (it is sure of them to {exp(values['lips_sure']):.0%}, {usual})"
    if values.get("share") is None or values.get("usual") is None:
        return str(reason)
    return f"{reason} ({values['share']:.0%} of their steps agree, {values['usual']:.0%} is usual)"


SOUND_ALONE = NoteKind(
    "sound_alone",
    lambda one: (
        f"{one['u']}units are taken from the sound alone: {KINDS[one['reason']].english if one['u'] else reason_words(one)}"
    ),
    "{u}소리만 듣고 분석했습니다. {reason:@}",
    alike=("reason",),
    rank=2,
)


@dataclass(frozen=True)
class TrustedUnits:
    """The units of an utterance.

    modalities: what its units are taken from, as --modalities names it. reason: a code, "" = it could not be otherwise.
    agreement: of lips and sound, usual: what it is where they belong together; None = they were not compared. lips_sure: mean
    log-probability of lips that could not be judged, None = they could; known_sure: what it is from on where lips are known.
    """

    extraction: Extraction
    modalities: str
    reason: str = ""
    agreement: float | None = None
    usual: float | None = None
    lips_sure: float | None = None
    known_sure: float | None = None

    @property
    def words(self) -> str:
        """What its units are taken from, in words."""
        return _WORDS[self.modalities]

    @property
    def note(self) -> Note | None:
        """The note for lips that were left out; None = nothing."""
        return SOUND_ALONE(**self.values) if self.is_picture_left_out else None

    @property
    def values(self) -> dict[str, Any]:
        """The reason and those of its figures that are known, as a note has them."""
        figures = zip(("share", "usual", "lips_sure", "known_sure"), self.figures, strict=True)
        return {"reason": self.reason} | {name: value for name, value in figures if value is not None}

    @property
    def figures(self) -> tuple[float | None, ...]:
        """The figures behind the reason, in the order of its fields."""
        return self.agreement, self.usual, self.lips_sure, self.known_sure

    @property
    def is_picture_left_out(self) -> bool:
        """Whether there were lips, and they were not believed."""
        return self.modalities == AUDIO and self.agreement is not None

    @property
    def may_be_misled(self) -> bool:
        """Whether lips took part that were not found to belong to the sound."""
        return self.modalities == (BOTH if self.agreement is None else VIDEO)

    def in_language(self, language: str) -> "TrustedUnits":
        """Return the same with units that say which language they are of."""
        return replace(self, extraction=replace(self.extraction, units=replace(self.extraction.units, language=language)))


def trusted_units(
    extractor: Extractor, speech: Floats | None, lips: Pictures | None, bound: Bound | None, progress: Progress = silent
) -> TrustedUnits:
    """Take units from sound and lips where they belong together, else from the more reliable one.

    Agreement says whether they belong together; where they do not, the sound is believed, unless there is noise in it, it is
    less sure than speech of the encoder's domain is, and the lips are surer. Lips of a face that the encoder does not know are
    not judged, and the sound is taken. bound: None = both are taken as they are. Other arguments and errors as of
    `Extractor.extract`.
    """
    if speech is None or lips is None or bound is None:
        return TrustedUnits(
            extractor.extract_scored(speech, lips, progress), VIDEO if speech is None else AUDIO if lips is None else BOTH
        )
    heard, seen = extractor.extract_scored(speech, None, progress), extractor.extract_scored(None, lips, progress)
    share = agreement(heard.units.frames(), seen.units.frames(), bound.silence)
    if share >= bound.least:
        return TrustedUnits(extractor.extract_scored(speech, lips, progress), BOTH, BELONG.code, share, bound.own)
    least = None if extractor.domain is None else _STRANGE * extractor.domain.least
    if least is not None and seen.confidence < least and _moves(lips) and _says_as_much(heard, seen, bound.silence):
        return TrustedUnits(heard, AUDIO, UNKNOWN_FACE.code, share, bound.own, seen.confidence, least)
    modalities, reason = _believed(heard, seen, extractor.domain, bound.silence, is_noisy(speech))
    return TrustedUnits(heard if modalities == AUDIO else seen, modalities, reason, share, bound.own)


def _moves(lips: Pictures) -> bool:
    """Return whether lips uint8 [T, 96, 96] are more than a picture that is held."""
    return len(lips) > 1 and float(np.abs(np.diff(lips.astype(np.int16), axis=0)).mean()) > _STILL


def _says_as_much(heard: Extraction, seen: Extraction, silence: int | None) -> bool:
    """Return whether there is speech to be taken where lips move."""
    spoken, mouthed = _said_steps(heard, seen, silence)
    return spoken >= _HARDLY * mouthed


def _said_steps(heard: Extraction, seen: Extraction, silence: int | None) -> tuple[int, int]:
    """Count the steps in which sound and lips say anything."""
    spoken, mouthed = (int(is_said(one.units.frames(), silence).sum()) for one in (heard, seen))
    return spoken, mouthed


def is_noisy(speech: Floats) -> bool:
    """Return whether there is noise in speech, float32 [S] at 16 kHz: its quietest moments are hardly quieter than its loudest."""
    num_steps = len(speech) // SAMPLES_PER_UNIT
    if not num_steps:
        return False
    steps = speech[: units_to_samples(num_steps)].reshape(num_steps, -1)
    levels = np.maximum([level_dbfs(step) for step in steps], SOUND_FLOOR_DBFS)
    return bool(levels.max() - np.quantile(levels, _QUIET) < _CLEAN_DB)


def _believed(heard: Extraction, seen: Extraction, domain: Domain | None, silence: int | None, has_noise: bool) -> tuple[str, str]:
    """Choose between sound and lips that do not belong together; returns the chosen one and the code of the reason."""
    spoken, mouthed = _said_steps(heard, seen, silence)
    if mouthed < _HARDLY * spoken:
        return AUDIO, STILL_LIPS.code
    if spoken < _HARDLY * mouthed:
        return VIDEO, NO_SPEECH.code
    is_sure = domain is None or domain.knows(heard.confidence)
    if not has_noise or is_sure or heard.confidence >= seen.confidence:
        return AUDIO, OTHER_LIPS.code
    return VIDEO, UNSURE_SOUND.code
