"""Tasks of the exam without a clip: the vocoder alone, recordings by the synthesiser, other synthesisers, text that is said."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_units
from avcore.units import Units
from avdata.prepare.espeak import EspeakVoice, Phoneme
from netflips.evaluate.metrics.voice import hiss_off_db, noise_floor_db, pitch_errors, voice_quality
from unit2av.speakers.voice_of import voice_of
from unit2av.voice.speech import SpeakerVoice
from workshop.evaluate import jobs
from workshop.evaluate.bench import Bench, quality_record, rounded_vector
from workshop.evaluate.jobs import Record
from workshop.evaluate.material import drawn_sentence, known_sentences, plan_clip
from workshop.evaluate.modalities import AUDIO
from workshop.material.phones import Phones
from workshop.voices.cast import Voice, cast, say
from workshop.voices.flite import FliteVoice
from workshop.voices.phrasebook import SentencePair

_DIGITS = 4
_STRESS = "',%"
"""Marks of stress before espeak-ng's names of vowels; its versions differ in where they set them."""


@dataclass(frozen=True)
class VocoderAlone:
    """True units with predicted durations in a voice that was never heard."""

    name: ClassVar[str] = jobs.VOCODER
    seconds: ClassVar[float] = 0.5
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """What was said, and its unit errors."""
        pair, voice = _spoken_by(bench, self.name, index)
        true = bench.units.units[pair.korean]
        samples = bench.chain.models.vocoder.synthesize(replace(true, durations=None), voice).samples
        return bench.said(samples, pair) | bench.unit_errors(samples, pair.korean)


@dataclass(frozen=True)
class Say:
    """Text in a voice that was never heard."""

    name: ClassVar[str] = jobs.SAID
    seconds: ClassVar[float] = 0.5
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """What was said, and what is read in it."""
        return bench.side.say(*_spoken_by(bench, self.name, index))


@dataclass(frozen=True)
class HearRecording:
    """A recording by the synthesiser itself, in a voice that was never heard."""

    name: ClassVar[str] = jobs.RECORDED
    seconds: ClassVar[float] = 0.3
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """What the measures give on true speech."""
        pair = drawn_sentence(self.name, index, bench.settings)
        samples = speech_in(pair.korean, _unheard_korean(bench, index))
        heard = quality_record(voice_quality(samples), None)
        return bench.said(samples, pair) | bench.unit_errors(samples, pair.korean) | heard


@dataclass(frozen=True)
class CopyRecording:
    """A recording by the synthesiser, said again from its own phones in its own time, voice and pitch."""

    name: ClassVar[str] = jobs.COPIED
    seconds: ClassVar[float] = 0.5
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """How far pitch, voicing, hisses and noise are from the recording's."""
        pair = drawn_sentence(self.name, index, bench.settings)
        speech = say(pair.korean, _unheard_korean(bench, index))
        recorded = resample(speech.samples, speech.rate, SAMPLE_RATE)
        units = _units_of_phonemes(bench, speech.phonemes, samples_to_units(len(recorded)))
        speaker = voice_of(recorded, bench.chain.models.speaker_encoder)
        made = bench.chain.models.vocoder.synthesize(units, speaker).samples
        is_silence = bench.is_silence(units)
        voicing, f0 = pitch_errors(made, recorded, is_silence)
        floors = {"floor": noise_floor_db(made, is_silence), "recorded_floor": noise_floor_db(recorded, is_silence)}
        hiss = hiss_off_db(made, recorded)
        found = {"voicing": voicing, "f0_error": f0, "hiss_off": None if hiss is None else abs(hiss)} | floors
        return {name: round(value, _DIGITS) for name, value in found.items() if value is not None}


@dataclass(frozen=True)
class DubSynthesiser:
    """Sound alone of a synthesiser that no training hears. name: of the synthesiser."""

    name: str
    seconds: ClassVar[float] = 0.3
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """What was said of it."""
        voices = cast().other_voices
        voice = voices[self.name][index % len(voices[self.name])]
        pair = drawn_sentence(self.name, index * len(voices) + list(voices).index(self.name), bench.settings)
        speech = speech_in(pair.english, voice)
        found = bench.chain.listen(speech, None, AUDIO)
        dubbed = bench.chain.say(found.units, found.confidence, voice_of(speech, bench.chain.models.speaker_encoder))
        return {"speaker": voice.name} | bench.judged(dubbed, pair)


@dataclass(frozen=True)
class HearEnglish:
    """A sentence of the training in the English reference voice."""

    name: ClassVar[str] = jobs.ENGLISH
    seconds: ClassVar[float] = 0.05
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """Its units."""
        pair = known_sentences(bench.settings.edition)[index]
        units = bench.chain.units_of_sound(speech_in(pair.english, cast().reference("en")))
        return {"units": units.merged().ids.tolist(), "korean": pair.korean}


@dataclass(frozen=True)
class HearOther:
    """The voice of a speaker that is in no clip."""

    name: ClassVar[str] = jobs.OTHERS
    seconds: ClassVar[float] = 0.3
    needs_face: ClassVar[bool] = False

    def do(self, bench: Bench, index: int) -> Record:
        """Its vector."""
        pairs = known_sentences(bench.settings.edition)
        samples = speech_in(pairs[index * 37 % len(pairs)].english, other_voices()[index])
        return {"voice": rounded_vector(bench.chain.models.speaker_encoder.embed(samples))}


def other_voices() -> list[Voice]:
    """Speakers that are not those of the clips: one of each variant of espeak-ng and of each training speaker of flite."""
    settings, name = cast().settings, cast().settings["reference"]["en"]
    variants = [EspeakVoice(f"{name}+{variant}") for variant in settings["espeak"]["en"]["variants"]]
    return [*variants, *(FliteVoice(speaker) for speaker in settings["flite"]["names"])]


def known_phones(spoken: Iterable[str], names: Sequence[str], alike: Mapping[str, str]) -> dict[str, str]:
    """The phone of `names` that stands for each phoneme: itself, what counts as alike, or the same with another stress.

    Raises InputError where there is none.
    """
    found, plain = dict(alike), {name.lstrip(_STRESS): name for name in reversed(names) if name}
    for one in spoken:
        name = alike.get(one, one)
        if name not in names:
            if name.lstrip(_STRESS) not in plain:
                raise InputError("no unit of the bundle stands for a phone", found=one)
            found[one] = plain[name.lstrip(_STRESS)]
    return found


def speech_in(text: str, voice: Voice) -> Samples:
    """A sentence in a voice, float32 [S] at 16 kHz."""
    speech = say(text, voice)
    return resample(speech.samples, speech.rate, SAMPLE_RATE)


def _spoken_by(bench: Bench, kind: str, index: int) -> tuple[SentencePair, SpeakerVoice]:
    """A sentence, and the voice of a speaker that was never heard and says its English."""
    pair, plan = drawn_sentence(kind, index, bench.settings), plan_clip("held_out", index, bench.settings)
    return pair, voice_of(speech_in(pair.english, plan.voice), bench.chain.models.speaker_encoder)


def _units_of_phonemes(bench: Bench, phonemes: Sequence[Phoneme], num_steps: int) -> Units:
    """Units with durations of timed phonemes. Raises InputError for one that no unit stands for."""
    names = tuple(bench.names.get(unit, "") for unit in range(max(bench.names) + 1))
    alike = known_phones({name for name, _, _ in phonemes}, names, cast().settings["alike"])
    labels = Phones(names, alike).units(phonemes, num_steps, "ko")
    return Units.from_frames(labels.frames(), "ko", next(iter(bench.units.units.values())).vocabulary)


def _unheard_korean(bench: Bench, index: int) -> Voice:
    settings = bench.settings
    return cast().unheard_voice("ko", np.random.default_rng([settings.seed, index]), settings.edition)
