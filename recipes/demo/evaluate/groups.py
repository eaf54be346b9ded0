"""The groups of the exam's clips: how each is made, which figures are measured, and their goals. Also the degradations of clean
speech: microphones and channels, and lips that do not belong to it.

A group is a part of the table. Its clips are made from their numbers (`demo`) and measured like other clips (`netflips evaluate`);
a row of the table is a group and a figure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from av2unit.training.noise import BANDS, Degradation, coloured_noise, mix_in, pass_through
from avcore.arrays import Frames, Samples
from avcore.timeline import FRAME_RATE
from netflips.evaluate.cases import DUBBED, ITSELF, TRUTH
from recipes.demo.material.drawn import Shot, film_lips
from recipes.demo.voices.cast import cast, say
from recipes.demo.voices.phrasebook import SentencePair

_INT16 = 32768
_LATE_S = 0.4
_GREY, _BLACK = 128, 0

SoundOf = Callable[[Samples, int], Samples]
"""Given clean speech, float32 [S] at 16 kHz, and a seed, returns degraded speech, float32 [T]."""
NOISE = "noise"
LIPS = ("still", "unseen", "foreign", "late")
"""Names of lips that do not belong to a sound: one frame held, as of a photo; frames without a mouth, grey or black; the mouth of
another head that speaks another sentence; the clip's own mouth 400 ms late."""
AUDIO, VIDEO, AUTO = "audio", "video", "auto"
VOICES, FLITE, SPELLED, ENGLISH = "natural voices", "flite", "Korean text-to-unit model", "English voice"
"""What groups need and an installation may lack."""
_DUB = ("right", "speaker", "harmonicity_off", "f0_off", "unit_sync_at_zero", "closures")
_LETTERS = "onset_errors", "eo_as_a"
_NATURAL = (
    "cer", "onset_errors", "eo_as_a", "right", "dnsmos", "speaker", "speaker_cosine", "speaker_reference",
    "harmonicity_off", "slc_20", "loudness_follows", "unit_sync_at_zero", "closures",
)  # fmt: skip
_BESIDE = (DUBBED, ITSELF, TRUTH)
_ALL = 1 << 30


def through(speech: Samples, seed: int, channel: Degradation, pink_db: float | None = None) -> Samples:
    """Return speech, float32 [S] at 16 kHz, after a channel, of the same length. pink_db: ratio to pink noise, None = none."""
    rng = np.random.default_rng([seed, 9])
    received = pass_through(speech.astype(np.float64) * _INT16, channel, rng)
    if pink_db is not None:
        received = mix_in(received, coloured_noise(len(received), 1.0, rng), pink_db)
    return np.asarray(received / _INT16, dtype=np.float32)


def noisy(speech: Samples, seed: int, snr_db: float = 0.0) -> Samples:
    """Add white noise to speech, float32 [S], at a ratio of root mean squares (dB)."""
    noise = coloured_noise(len(speech), 0.0, np.random.default_rng([seed, 9]))
    return np.asarray(mix_in(speech.astype(np.float64) * _INT16, noise, snr_db) / _INT16, np.float32)


SOUNDS: Mapping[str, SoundOf] = {
    # a microphone across the room: an echo of half a second, 3 dB below the voice
    "room": partial(through, channel=Degradation(reverb_s=0.5, direct_db=3.0), pink_db=10.0),
    "telephone": partial(through, channel=Degradation(band=BANDS["telephone"])),
    "aac": partial(through, channel=Degradation(codec="aac", bit_rate=32_000)),
    "opus": partial(through, channel=Degradation(codec="opus", bit_rate=24_000)),
    "clipped": partial(through, channel=Degradation(ceiling=0.25)),
    NOISE: noisy,
}
"""Degradations of sound by their names."""


def lips_of_kind(own: Frames, kind: str, index: int, other: SentencePair) -> Frames:
    """Return lips of a kind of `LIPS` in place of a clip's own, uint8 [time, 96, 96], with as many frames.

    index: of the clip, which seeds all random choices. other: the sentence that a foreign mouth speaks.
    """
    if kind == "still":
        return np.repeat(own[:1], len(own), axis=0)
    if kind == "unseen":
        return np.full_like(own, _BLACK if index % 2 else _GREY)
    if kind == "late":
        return np.asarray(own[np.maximum(np.arange(len(own)) - round(_LATE_S * FRAME_RATE), 0)], dtype=np.uint8)

    phonemes = say(other.english, cast().reference("en")).phonemes
    shot = Shot(f"foreign_{index}", "en", phonemes, len(own), cast().unheard_head(index), index, is_face_kept=False)
    return film_lips(shot)


_CHANNELS = tuple(name for name in SOUNDS if name not in ("room", NOISE))


@dataclass(frozen=True)
class Group:
    """A part of the table."""

    name: str
    """its name in records and in `--rows`"""
    title: str
    made: str
    """the method of `demo.ExamMaker` that makes its clips, without the underscore"""
    kind: str
    """the kind of its source clips (`material.KINDS`) or sentences"""
    figures: tuple[str, ...] = ("right",)
    """what is measured"""
    goals: Mapping[str, float] = field(default_factory=dict, hash=False)
    """goals by figure"""
    modalities: str = AUDIO
    """what units are taken from"""
    sounds: tuple[str, ...] = ()
    """names of `SOUNDS`, in turn: degradations of the sound"""
    lips: tuple[str, ...] = ()
    """names of `LIPS`, in turn: lips in place of the clip's own"""
    needs: tuple[str, ...] = ()
    """what it needs and an installation may lack"""
    subjects: tuple[str, ...] = (DUBBED,)
    """the sounds that are measured"""
    most: int = 100
    """largest number of clips"""
    language: str = "ko"
    """language of the output"""

    def clip(self, number: int) -> str:
        """Return the id of one of its clips."""
        return f"{self.name}/{number}"


GROUPS: tuple[Group, ...] = (
    Group(
        "natural", "dubs of natural voices never heard", "dubbed", "natural", _NATURAL,
        {"cer": 0.25, "right": 0.93, "dnsmos": 3.0, "closures": 0.8}, AUTO, needs=(VOICES,), subjects=_BESIDE,
    ),
    Group(
        "held_out", "dubs of sentences never trained on", "dubbed", "held_out", _DUB,
        {"right": 0.95, "speaker": 0.15, "f0_off": 0.5, "unit_sync_at_zero": 0.75}, AUTO,
        subjects=_BESIDE, most=_ALL,
    ),
    Group("seen", "sentences of the training", "heard", "seen", goals={"right": 0.98}, modalities=AUTO, most=_ALL),
    Group(
        "untouched_speaker", "a speaker never heard by any stage", "heard", "speaker", goals={"right": 0.80}, modalities=AUTO,
        needs=(FLITE,), most=_ALL,
    ),
    Group("room", "natural voices across a room", "heard", "natural", goals={"right": 0.85}, sounds=("room",), needs=(VOICES,)),
    Group("sound", "natural voices through channels", "heard", "natural", sounds=_CHANNELS, needs=(VOICES,)),
    Group("lips", "natural voices with lips that do not belong", "heard", "natural", modalities=AUTO, lips=LIPS, needs=(VOICES,)),
    Group("video_only", "lips alone", "heard", "held_out", goals={"right": 0.90}, modalities=VIDEO),
    Group("video_only_new", "lips alone, faces and poses never seen", "heard", "new_faces", goals={"right": 0.6}, modalities=VIDEO),
    Group("noise_audio", "white noise (0 dB), sound only", "heard", "held_out", goals={"right": 0.85}, sounds=(NOISE,)),
    Group("noise_auto", "the same with lips", "heard", "held_out", goals={"right": 0.95}, modalities=AUTO, sounds=(NOISE,)),
    Group(
        "said", "Korean text, said", "said", "said", ("cer", "onset_errors", "eo_as_a", "right", "dnsmos"),
        {"cer": 0.22, "onset_errors": 0.15, "eo_as_a": 0.08, "right": 0.95, "dnsmos": 3.0},
        needs=(SPELLED,), subjects=(DUBBED, TRUTH),
    ),
    Group(
        "free", "free Korean text, said", "said", "free", ("cer", *_LETTERS), {"cer": 0.20}, needs=(SPELLED,),
        subjects=(DUBBED, TRUTH),
    ),
    Group(
        "news", "news, said", "said", "news", ("cer", *_LETTERS), {"cer": 0.14}, needs=(SPELLED,),
        subjects=(DUBBED, TRUTH), most=60,
    ),
    Group(
        "vocoder", "the vocoder alone, from the teacher's units", "resynthesised", "held_out",
        ("cer", *_LETTERS, "right"), {"right": 0.99},
        subjects=(DUBBED, TRUTH),
    ),
    Group(
        "english", "English units, said in English", "resynthesised", "held_out", ("wer",), {"wer": 0.15}, needs=(ENGLISH,),
        subjects=(DUBBED, TRUTH), language="en",
    ),
    Group(
        "lip_speech", "silent lips to speech", "lip_speech", "held_out", ("wer", "estoi"), {"estoi": 0.60}, needs=(ENGLISH,),
        language="en",
    ),
    Group(
        "read_en", "English clips", "unchanged", "held_out", ("read_sound", "read_lips"), {"read_sound": 0.02, "read_lips": 0.15},
        language="en",
    ),
    Group("read_ko", "Korean clips", "unchanged", "korean", ("read_sound", "read_lips"), {"read_sound": 0.02, "read_lips": 0.15}),
)  # fmt: skip
