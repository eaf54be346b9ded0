"""What speaks the texts of a dub: the text-to-unit model, or a text-to-speech program of the user (--speak-with).

All that they speak is kept in the store by what it was made from.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from avcore.arrays import Samples
from avcore.contracts import TextToUnitModel, Voice
from avcore.errors import InputError, NetflipsError, UnitError
from avcore.journal import key_of
from avcore.programs import command_key, program_name
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, seconds_to_samples, seconds_to_units
from avcore.units import Units
from netflips.cascade.speakers import USUAL_SYLLABLE_S, Speaking, SpeechError, faster_by, syllables_in, words_of
from netflips.dubbing.job import Job
from netflips.dubbing.sound import Sound
from netflips.dubbing.speech_files import beginning_of, speech_in
from netflips.dubbing.store import Store
from netflips.dubbing.timing import Pause, parted, parted_at_marks
from netflips.models import Models
from netflips.script.targets import UnitList
from netflips.script.terms import proposed_readings
from netflips.script.types import Script
from netflips.script.utterance import Utterance
from text2unit.korean.phrasing import rested
from text2unit.normalise import READING
from text2unit.script import as_pronounced, script_of
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import SHORT_PAUSE_S

GIVEN = "given"
"""Step of the store with speech from outside: of a program, or of files."""
_SYLLABLE_S = 0.18
"""Length of a syllable from the text-to-unit model, in the demo's voice."""
_REST_S = 0.35
"""Time to spare for which a sentence gets one rest more: the rest, and the slower sounds before it."""
_REFERENCE_S = 12.0
"""Length of a voice reference (s): the longest utterance of a speaker, cut to this."""
_HARDLY_FASTER = 1.05
"""A program does not speak again to be faster by less than this factor."""


def text_speech(script: Script, job: Job, sound: Sound) -> "TextToUnit | ProgramSpeech":
    """Return what speaks the job's texts. sound: sound of the original, for samples of the voices."""
    language, options, readings = job.languages[1], job.options, readings_of(script, job)
    if job.speaking is None:
        return TextToUnit(job.models, language, readings, job.store)

    references = VoiceReferences(job.part.utterances(script), sound, job.voice_file)
    # Sound that is spoken again in the speaker's voice is only encoded, and the unit encoder takes 16 kHz.
    rate = job.sound_rate if options.keep_sound else SAMPLE_RATE
    return ProgramSpeech(job.speaking, job.models, language, readings, job.store, references, rate, options.keep_sound)


def readings_of(script: Script, job: Job) -> dict[str, str]:
    """Return how words are read: as `pronounce` and the script's terms say, else as the terms propose."""
    return proposed_readings(script) | job.readings


@dataclass(frozen=True, eq=False)
class TextToUnit:
    """The text-to-unit model of the target language."""

    models: Models
    language: str
    """the target language"""
    readings: Mapping[str, str]
    """as of `readings_of`"""
    store: Store

    @property
    def is_there(self) -> bool:
        """Whether there is such a model."""
        return self.models.paths.other(TEXT2UNIT, self.language) is not None

    @property
    def syllable_s(self) -> float:
        """Natural length of a syllable in seconds."""
        return _SYLLABLE_S if self.is_there else USUAL_SYLLABLE_S

    def silence(self, vocabulary: str) -> int | None:
        """Return a vocabulary's unit of silence; None if there is no text-to-unit model, or one of other units."""
        if not self.is_there:
            return None
        text_to_unit = self.models.other(TEXT2UNIT, self.language)
        return text_to_unit.silence if text_to_unit.vocabulary == vocabulary else None

    def seconds_of(self, text: str) -> float | None:
        """Return the natural length of a text in seconds; None if it cannot be spoken."""
        if not self.is_there:
            return syllables_in(as_pronounced(text, self.readings)) * self.syllable_s
        try:
            return self.units_of(text).seconds
        except (InputError, UnitError):  # reported when it is spoken
            return None

    def units_of(self, text: str) -> UnitList:
        """Return the units of a text with natural durations. Raises InputError and UnitError."""
        return self._units_as_written(as_pronounced(text, self.readings))

    def _units_as_written(self, text: str) -> UnitList:
        models, language = self.models, self.language
        text_to_unit = models.other(TEXT2UNIT, language)
        voice = models.fingerprints["unit2av"], models.vocoder.language, models.vocoder.unit_offset, models.arithmetic
        made_of = (text, READING, language, text_to_unit.fingerprint, *voice)
        return self.store.kept(
            UnitList, "texts", made_of, lambda: UnitList.of(natural_units(text, language, text_to_unit, models.vocoder))
        )

    def units_with_pauses(self, text: str, pauses: Sequence[Pause], slot_s: float | None = None) -> UnitList:
        """Return the units of a text with pauses where the original has them, at marks that the model would not pause at.

        slot_s: length of its place; where that leaves time, it rests at its phrases, too. None: it takes as long as it takes.
        Raises InputError and UnitError.
        """
        whole, silence = self.units_of(text), self.silence(self.models.vocoder.vocabulary)
        text = as_pronounced(text, self.readings)
        pieces = parted(text, pauses)
        if slot_s is not None and self.language == "ko":
            pieces = max(pieces, self._phrases(text, int((slot_s - whole.seconds) / _REST_S)), key=len)
        joined = list[tuple[int, int]]()
        if silence is None or len(pieces) <= whole.ids[1:-1].count(silence) + 1:  # it pauses often enough by itself
            return whole

        for piece in pieces:
            try:
                units = self._units_as_written(piece)
            except (InputError, UnitError):  # as of a mark alone
                return whole
            own = list(zip(units.ids, units.durations or (), strict=True))
            # Where a piece ends with a pause and the next one begins with one, one of them is enough.
            if joined and silence not in (joined[-1][0], own[0][0]):
                joined.append((silence, seconds_to_units(SHORT_PAUSE_S)))
            joined += own[1:] if joined and joined[-1][0] == own[0][0] == silence else own

        ids, durations = zip(*joined, strict=True)
        return UnitList(ids, durations, whole.vocabulary)

    def _phrases(self, text: str, rests: int) -> list[str]:
        """Part a Korean text at up to `rests` of its phrases, at its marks first. Raises what `script_of` raises."""
        written = " ".join(script_of(text, self.language).sentences)
        phrases = parted_at_marks(rested(written, rests + 1 - len(parted_at_marks(written))))
        return phrases if len(phrases) <= rests + 1 else [written]


def natural_units(text: str, language: str, text_to_unit: TextToUnitModel, voice: Voice) -> Units:
    """Return the units of a text with natural durations. Raises what `units_of` raises."""
    units = text_to_unit.units_of(text, language)
    return voice.predict_durations(units) if units.durations is None else units


@dataclass(frozen=True, eq=False)
class VoiceReferences:
    """Samples of the speakers' voices, for programs that imitate a voice."""

    dubbed: Sequence[Utterance]
    """the utterances of the part that is dubbed"""
    sound: Sound
    """sound of the original"""
    file_of: Callable[[str], Path | None]
    """returns the file of a speaker's voice, None: it is the original's"""

    def of(self, speaker: str) -> tuple[Samples | None, str]:
        """Return a sample of a speaker's voice, float32 [S] at 16 kHz, and its transcript, "" = not known."""
        path = self.file_of(speaker)
        if path is not None and path.suffix.lower() != ".npy":
            return beginning_of(path, seconds_to_samples(_REFERENCE_S)), ""
        if not self.sound.is_there:
            return None, ""

        own = [utterance for utterance in self.dubbed if utterance.speaker == speaker]
        best = max(own, key=lambda utterance: (min(utterance.place.seconds, _REFERENCE_S), -utterance.number))
        end_s = min(best.place.end_s, best.place.start_s + _REFERENCE_S)
        text = best.text.text if best.text is not None and end_s == best.place.end_s else ""
        return self.sound.between(best.place.start_s, end_s), text


@dataclass(frozen=True, eq=False)
class ProgramSpeech:
    """The speech of a text-to-speech program."""

    speaking: Speaking
    """the running program"""
    models: Models
    """the unit encoder turns its speech into units"""
    language: str
    """the target language"""
    readings: Mapping[str, str]
    """as of `readings_of`"""
    store: Store
    references: VoiceReferences
    rate: int
    """sample rate of its speech in Hz: the output's if it keeps its sound, else 16 kHz"""
    keep_sound: bool
    """whether its speech is used as it sounds, and is not spoken again in the speaker's voice"""

    @property
    def name(self) -> str:
        """Name of the program."""
        return program_name(self.speaking.program.command)

    @property
    def syllable_s(self) -> float:
        """Natural length of a syllable in seconds."""
        return self.speaking.syllable_s

    def seconds_of(self, text: str) -> float | None:
        """Return the natural length of a text in seconds, as it is known before it is spoken; None if it cannot be spoken."""
        if not self.speaking.is_exact and not self.speaking.has_spoken:
            with suppress(SpeechError):  # a program's speed is known once it has spoken
                self.units_of(self.references.dubbed[0], text)
        return self.speaking.seconds_of(as_pronounced(text, self.readings), self.language)

    def units_of(self, utterance: Utterance, text: str) -> UnitList:
        """Return the units of a text as the program speaks it for an utterance. Raises SpeechError."""
        return encoded(resample(self.speech_of(utterance, text), self.rate, SAMPLE_RATE), self.models, self.store)

    def speech_of(self, utterance: Utterance, text: str) -> Samples:
        """Return a text as the program speaks it for an utterance, float32 [S] at `rate` without silence around it.

        Raises SpeechError.
        """
        text, slot_s = as_pronounced(text, self.readings), utterance.place.seconds
        speed = self.speaking.speed_for(text, self.language, slot_s)
        samples = self._at_speed(utterance, text, speed)
        if speed == 1:
            seconds = len(samples) / self.rate
            self.speaking.took(text, seconds)
            faster = faster_by(seconds, slot_s)
            # How long a program speaks is known only once it has spoken, so a text that is too long is spoken twice.
            if faster > _HARDLY_FASTER and not self.speaking.is_exact and self.speaking.takes("speed"):
                again = self._at_speed(utterance, text, faster)
                samples = again if len(again) < len(samples) else samples
        return samples

    def _at_speed(self, utterance: Utterance, text: str, speed: float) -> Samples:
        """Return a text as the program speaks it at a speed, 1 = its usual one."""
        reference, transcript = self.references.of(utterance.speaker)
        values = {
            "text": text,
            "language": self.language,
            "speaker": utterance.speaker,
            "seconds": f"{utterance.place.seconds:.2f}",
            "speed": f"{speed:.2f}",
            "keep_sound": "yes" if self.keep_sound else "no",
            "reference_text": transcript,
        }

        # Only values that the command line of the program contains are part of the key: others cannot change its speech.
        asked = values | {"reference": key_of(reference)}
        named = {name: value for name, value in asked.items() if self.speaking.takes(name)}

        def make() -> Samples:
            with tempfile.TemporaryDirectory(prefix="netflips-") as folder:
                written = self.speaking.say(utterance.number, Path(folder), values, reference)
                try:
                    return speech_in(written, self.rate, len(text))
                except NetflipsError as error:
                    self.speaking.failed()
                    raise SpeechError(words_of(error)) from error

        reading = (READING,) if self.speaking.is_exact else ()  # Kokoro reads by the rules that the text-to-unit model has
        made_of = (command_key(self.speaking.program.command), named, self.rate, *reading)
        return self.store.kept(np.ndarray, GIVEN, made_of, make)


def encoded(samples: Samples, models: Models, store: Store) -> UnitList:
    """Return the units of speech, float32 [S] at 16 kHz, by the unit encoder, made or found."""
    extractor = models.extractor
    made_of = (samples, models.fingerprints["av2unit"], str(extractor.decoding), models.arithmetic)
    return store.kept(UnitList, "given_units", made_of, lambda: UnitList.of(extractor.extract(samples, None)))
