"""Text to speech, sentence by sentence, with a text-to-unit model and a vocoder; and `netflips say`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.contracts import Voice
from avcore.errors import UsageError
from avcore.files import is_name
from avcore.media import write_speech_pieces
from avcore.media.writer import synthetic_comment
from avcore.notes import several
from avcore.progress import Progress, bars, silent, track
from avcore.timeline import seconds_to_samples, seconds_to_units, units_to_seconds
from avcore.units import Units, write_unit_file
from netflips.commands.options import SayCommand
from netflips.dubbing.timing import rest_at_pauses, scale_durations
from netflips.model_paths import paths_asked
from netflips.models import Models, models_when_asked
from netflips.quality_estimation import estimate_text, report_quality, require_sure
from text2unit.inference import given_script
from text2unit.korean.phrasing import phrased
from text2unit.script import SpokenScript, read_readings
from text2unit.stage import TEXT2UNIT
from text2unit.text_to_units import join
from unit2av.stage import RENDERER

if TYPE_CHECKING:
    from avcore.contracts import SpeakerVoice
    from text2unit.text_to_units import SentenceUnits, TextToUnits

NEUTRAL = "neutral"
"""The voice in the middle of all, used where no voice has a name."""
END_S = 0.5
"""Silence after the last sentence: a file that ends with the last sound seems cut off."""


def say_text(options: SayCommand) -> None:
    """Speak a text, write its units, or both. Raises NetflipsError for files and text that cannot be used."""
    readings = {} if options.pronounce is None else read_readings(options.pronounce, options.to)
    script = given_script(options.text, options.text_path, options.to, readings)
    paths = paths_asked(options, *(() if options.out is None else (RENDERER,)), spells=options.to)
    models = models_when_asked(paths, options, options.to)
    text_to_unit = models.other(TEXT2UNIT, options.to)
    text_to_unit.require_language(options.to)  # before the voice is loaded

    quality = estimate_text(" ".join(script.sentences), script.spelled_out)
    report_quality(quality, options.text_path or "the text", options.verdict)
    if options.strict:
        require_sure(quality)

    if options.out is None:
        spoken = list(text_to_unit.predict(script.sentences, options.to))
    else:
        choose_voice(models, options.voice)
        voice = TextVoice.of(models, options.to, 1 / options.speed, options.voice)
        with bars(options.quiet) as progress:
            telling = voice.speak(script, progress)
            comment = synthetic_comment(options.to, models.fingerprints.values())
            seconds = write_speech_pieces(options.out, telling, telling.rate, comment=comment) / telling.rate
        spoken = telling.spellings
        LOG.info("%s: %s, %.2f s of speech", options.out, several(len(spoken), "sentence"), seconds)

    if options.units_path is not None:
        units = join(spoken, text_to_unit.silence)
        write_unit_file(options.units_path, units.ids)
        LOG.info("%s: %s of %s", options.units_path, several(len(units), "unit"), several(len(spoken), "sentence"))


def chosen_voice(models: Models, given: Path | None) -> str | Path:
    """Return the voice that speaks: the given file, or the name of one that comes with the renderer, by default the first;
    "neutral" where none comes with it. Raises UsageError for an unknown name."""
    named = models.named_voices
    if given is None:
        return next(iter(named), NEUTRAL)
    if not is_name(given):
        return given
    if given.name not in named:
        known = f"{', '.join(named) or 'no name, as none comes with the renderer'}, or a file"
        raise UsageError("there is no voice of this name", expected=known, found=given.name)
    return given.name


def choose_voice(models: Models, given: Path | None) -> str | Path:
    """Return the voice that speaks, as `chosen_voice` does; where none is given, log how to choose one."""
    chosen = chosen_voice(models, given)
    if given is None:
        others = ", ".join(name for name in models.named_voices if name != chosen)
        LOG.info(
            "the voice is %s, as no --voice is given; --voice takes %s", chosen, f"{others}, or a file" if others else "a file"
        )
    return chosen


def speaker_voice(models: Models, given: Path | None) -> "SpeakerVoice":
    """Return the voice of a file or a name, by default that of `chosen_voice`. Raises what it and `read_voice` raise."""
    from unit2av.speaker import neutral_voice, read_voice

    chosen = chosen_voice(models, given)
    if isinstance(chosen, Path):
        return read_voice(chosen, lambda: models.speaker_encoder)
    return models.named_voices[chosen] if chosen in models.named_voices else neutral_voice(models.vocoder.speaker_dim)


@dataclass(eq=False)
class TextVoice:
    """Speaks text in one voice."""

    text_to_unit: "TextToUnits"
    vocoder: Voice
    voice: "SpeakerVoice"
    """whose voice it is"""
    scale: float = 1.0
    """of durations, above 1 is slower"""

    @classmethod
    def of(cls, models: Models, language: str, scale: float, voice: Path | None) -> "TextVoice":
        """Return a voice for text of a language. voice: as `speaker_voice` takes it. Raises what reading the models raises."""
        return cls(models.other(TEXT2UNIT, language), models.vocoder, speaker_voice(models, voice), scale)

    def speak(self, script: SpokenScript, progress: Progress = silent) -> "TextSpeech":
        """Begin to speak a text that `script_of` read."""
        return TextSpeech(self, script, progress)


@dataclass(eq=False)
class TextSpeech:
    """A text that is being spoken: iterate to get its samples, float32 [n] at `rate` Hz, a piece at a time."""

    spoken_by: TextVoice
    script: SpokenScript
    """the text"""
    progress: Progress = silent
    spellings: "list[SentenceUnits]" = field(default_factory=list)
    """the sentences spoken so far"""
    parts: list[Units] = field(default_factory=list)
    """units of these sentences and of the silence after each, with their durations as spoken"""

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        from unit2av.voice.speech import pieces_at_own_rate

        text_to_unit, vocoder, scale = self.spoken_by.text_to_unit, self.spoken_by.vocoder, self.spoken_by.scale
        language, sentences_read = vocoder.language, tuple(self.script.sentences)
        if language == "ko":  # only there it is known where a person breathes
            sentences_read = tuple(map(phrased, sentences_read))
        sentences = text_to_unit.predict(sentences_read, language)

        for spelling in track(sentences, "speech", self.progress, len(self.script.sentences)):
            if self.spellings:
                yield self._rest(self.spellings[-1].pause_s * scale)

            units = spelling.units
            if units.durations is None:
                timed = vocoder.predict_durations(units, scale)
            else:
                # No unit is shorter than a step.
                steps = max(len(units), round(units.num_steps * scale))
                timed = replace(units, durations=scale_durations(units.durations, steps))
            if timed.durations is not None and text_to_unit.silence is not None:
                timed = replace(timed, durations=rest_at_pauses(timed.durations, timed.ids == text_to_unit.silence, scale=scale))

            yield from pieces_at_own_rate(vocoder, timed, self.spoken_by.voice)
            self.spellings.append(spelling)
            self.parts.append(timed)
        yield self._rest(END_S)

    def _rest(self, seconds: float) -> NDArray[np.float32]:
        """Return silence after the last sentence, and add its unit: that of silence, or the last one, whose mouth is held."""
        steps, before, unit = max(1, seconds_to_units(seconds)), self.parts[-1], self.spoken_by.text_to_unit.silence
        ids = np.array([int(before.ids[-1]) if unit is None else unit])
        self.parts.append(Units(ids, np.array([steps]), before.language, before.vocabulary))
        return np.zeros(seconds_to_samples(units_to_seconds(steps), self.rate), np.float32)

    @property
    def rate(self) -> int:
        """Sample rate (Hz)."""
        from unit2av.voice.speech import rate_of

        return rate_of(self.spoken_by.vocoder)

    @property
    def units(self) -> Units:
        """Units of everything spoken so far, with their durations."""
        ids = np.concatenate([part.ids for part in self.parts])
        durations = np.concatenate([part.durations for part in self.parts if part.durations is not None])
        return Units(ids, durations, self.parts[0].language, self.parts[0].vocabulary)
