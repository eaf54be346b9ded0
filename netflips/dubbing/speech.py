"""The new speech of each utterance, kept in the work folder and read when it is needed."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import astuple, dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.contracts import Voice
from avcore.speech.audio import SOUND_FLOOR_DBFS, level_dbfs, match_loudness, resample
from avcore.speech.voice_activity import STEP_RATE, SpeechActivity
from avcore.timeline import (
    SAMPLE_RATE,
    SAMPLES_PER_FRAME,
    frame_at,
    frames_covering,
    frames_to_seconds,
    seconds_to_samples,
    units_to_samples,
    units_to_seconds,
)
from avcore.units import Units, require_language
from netflips.dubbing.given import SpeechFiles, kept_sound
from netflips.dubbing.job import Job
from netflips.dubbing.likeness import like_speaker
from netflips.dubbing.part import fitted, spoken_units
from netflips.dubbing.recording import Recording
from netflips.dubbing.sound import Sound
from netflips.dubbing.store import Store
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit, text_speech
from netflips.dubbing.voices import voice_for
from netflips.models import Models
from netflips.script.targets import SpokenSound, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from unit2av.voice.speech import RENDERING, SpeakerVoice, pieces_at_own_rate, rate_of

_SILENT_RUN = frame_at(0.16)
"""Shorter silences, as before a plosive, count as speech."""
_SILENT_BELOW_LOUDEST_DB = 40.0
"""How far below the loudest moment speech counts as silent."""


@dataclass(frozen=True, eq=False)
class NewSpeech:
    """The new speech of an utterance."""

    samples: NDArray[np.float32]
    """float32 [S], mono, at the output's rate"""
    silent: NDArray[np.bool_] | None
    """bool [T], whether each 40 ms of it are silent; None: unknown"""


@dataclass(frozen=True)
class Speeches(Mapping[int, NewSpeech]):
    """The new speech of each utterance by its number; it is read from the disk."""

    store: Store
    made_of: Mapping[int, tuple[object, ...]]
    """the key of each utterance's speech in the store"""
    whole: Sound | None = None
    """speech that is given as a whole, which stays on the disk; None: each utterance is spoken"""

    def __getitem__(self, number: int) -> NewSpeech:
        if self.whole is not None:
            return NewSpeech(self.whole.samples, quiet_moments(self.whole.activity))
        return self.store.again(NewSpeech, "speech", self.made_of[number])

    def __iter__(self) -> Iterator[int]:
        return iter(self.made_of)

    def __len__(self) -> int:
        return len(self.made_of)


def speak(script: Script, job: Job, recording: Recording) -> Speeches:
    """Speak each utterance in its speaker's voice, as loud as the original."""
    spoken = [utterance for utterance, _ in fitted(script)]

    made_of = dict[int, tuple[object, ...]]()
    with job.clock.stage("speech"):
        synthesizer = synthesizer_of(script, job, recording.sound)
        # One after another: two utterances at once took longer, 2.9 s in place of 2.6 (benchmarks/NOTES.md).
        for done, utterance in enumerate(spoken, 1):
            made_of[utterance.number] = synthesizer.keep(utterance)
            job.progress("speech", done, len(spoken))
    return Speeches(job.store, made_of)


def synthesizer_of(script: Script, job: Job, sound: Sound) -> "Synthesizer":
    """Return what speaks the job's utterances. sound: of the original."""
    rate = job.sound_rate
    files, texts = cache(partial(SpeechFiles.of, job.options, job.store, rate)), cache(partial(text_speech, script, job, sound))
    voice_of = cache(lambda name: like_speaker(voice_for(script, job, sound, name), script, job, sound, name))
    return Synthesizer(job.models, job.store, script.target, rate, sound, files, texts, voice_of)


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """Speaks utterances, each once: its speech is kept in the store."""

    models: Models
    store: Store
    language: str
    """the target language"""
    rate: int
    """sample rate of the speech in Hz"""
    sound: Sound
    """sound of the original, for the loudness"""
    files: Callable[[], SpeechFiles]
    """returns the files of utterances whose speech is given"""
    texts: Callable[[], TextToUnit | ProgramSpeech]
    """returns what speaks texts"""
    voice_of: Callable[[str], SpeakerVoice]
    """returns a speaker's voice by name"""

    def speak(self, utterance: Utterance) -> NewSpeech:
        """Return the speech of a fitted utterance, made or found."""
        return self.store.again(NewSpeech, "speech", self.keep(utterance))

    def keep(self, utterance: Utterance) -> tuple[object, ...]:
        """Speak a fitted utterance unless its speech is kept already; returns its key in the store."""
        units, rate = spoken_units(utterance, self.language), self.rate
        original = self.sound.between(*utterance.place) if self.sound.is_there else None

        length = seconds_to_samples(units_to_seconds(units.num_steps), rate)
        is_from_outside = isinstance(utterance.target, SpokenSound | WrittenText)
        samples = kept_sound(utterance, length, self.files, self.texts) if is_from_outside else None
        if samples is not None:
            if isinstance(utterance.target, WrittenText) and original is not None:  # a program's level is arbitrary
                samples = match_loudness(samples, resample(original, SAMPLE_RATE, rate), rate)
            made_of: tuple[object, ...] = (samples, rate)
            self.store.kept(NewSpeech, "speech", made_of, lambda: _as_it_sounds(samples, rate, units))
            return made_of

        models, vocoder, voice = self.models, self.models.vocoder, self.voice_of(utterance.speaker)
        require_language(self.language, (vocoder.language,), "the voice")  # where speech is given, it may be of another one
        made_by = models.fingerprints["unit2av"], vocoder.language, vocoder.unit_offset, models.arithmetic, RENDERING
        # The key has the pitch only where it is used: elsewhere a change of it alters no sound.
        pitch = (voice.pitch.median, voice.pitch.spread) if voice.pitch is not None and vocoder.takes_pitch else ()
        timbre = () if voice.timbre is None else astuple(voice.timbre)
        made_of = (units.ids, units.durations, voice.vector, original, rate, *made_by, *pitch, *timbre)
        self.store.kept(NewSpeech, "speech", made_of, lambda: _vocoded(vocoder, units, voice, original, rate))
        return made_of


def _vocoded(vocoder: Voice, units: Units, voice: SpeakerVoice, original: Samples | None, rate: int) -> NewSpeech:
    """Return units as speech in a voice, at `rate` Hz. original: float32 [S] at 16 kHz, for the loudness."""
    own = rate_of(vocoder)
    speech = np.concatenate(list(pieces_at_own_rate(vocoder, units, voice)))
    if original is not None:
        speech = match_loudness(speech, resample(original, SAMPLE_RATE, own), own)
    silent = silent_frames(resample(speech, own, SAMPLE_RATE))
    return NewSpeech(resample(speech, own, rate), silent)


def _as_it_sounds(samples: Samples, rate: int, units: Units) -> NewSpeech:
    """Return given speech without a change."""
    length = units_to_samples(units.num_steps)
    at_16_khz = resample(samples, rate, SAMPLE_RATE)[:length]
    return NewSpeech(samples, silent_frames(np.pad(at_16_khz, (0, length - len(at_16_khz)))))


_LOUD_DB = 30.0
"""How far below the loudest moment sound outside speech counts as quiet."""


def quiet_moments(activity: SpeechActivity) -> NDArray[np.bool_] | None:
    """Return which frames of 40 ms are quiet, bool [n]: without speech, and far from loud. None if there is no speech at all."""
    regions = activity.regions()
    if not regions:
        return None
    count = frames_covering(activity.seconds)

    is_spoken = np.zeros(count, bool)
    for region in regions:
        is_spoken[slice(*region.frames())] = True

    is_loud: NDArray[np.bool_] = np.zeros(count, bool)
    loud = np.flatnonzero(activity.levels > activity.levels.max() - _LOUD_DB).tolist()
    is_loud[[min(frame_at(frames_to_seconds(step, STEP_RATE)), count - 1) for step in loud]] = True
    return np.logical_not(is_spoken | is_loud)


def silent_frames(speech: Samples) -> NDArray[np.bool_]:
    """Return which 40 ms of speech, float32 [S] at 16 kHz, lie in a silence of 0.16 s or more: bool [ceil(S / 640)]."""
    padded = np.pad(speech, (0, -len(speech) % SAMPLES_PER_FRAME))
    levels = np.array([level_dbfs(frame) for frame in padded.reshape(-1, SAMPLES_PER_FRAME)])
    floor = max(SOUND_FLOOR_DBFS, levels.max(initial=-np.inf) - _SILENT_BELOW_LOUDEST_DB)
    silent = levels < floor

    edges = np.flatnonzero(np.diff(np.concatenate([[False], silent, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        if stop - start < _SILENT_RUN:
            silent[start:stop] = False
    return np.asarray(silent, np.bool_)
