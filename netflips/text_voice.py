"""Text that is spoken (text to speech): a speller and a voice with their weights, sentence by sentence."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.contracts import Voice
from avcore.progress import Progress, silent, track
from avcore.timeline import SAMPLE_RATE, seconds_to_samples, seconds_to_units, units_to_seconds
from avcore.units import Units
from netflips.dubbing.timing import rest_at_pauses, scale_durations
from netflips.models import Models
from text2unit.script import SpokenScript
from text2unit.stage import SPELLER
from unit2av.voice.bandwidth import WIDE_RATE

if TYPE_CHECKING:
    from avcore.contracts import SpeakerVoice
    from text2unit.speller import Spelling, TextSpeller
    from unit2av.voice.bandwidth import BandExtender


def speaker_voice(models: Models, given: Path | None) -> "SpeakerVoice":
    """Return the voice of a file, or with none the middle of all voices. Raises what `read_voice` raises."""
    from unit2av.speaker import neutral_voice, read_voice

    if given is None:
        LOG.info("a neutral voice, as no --voice is given")
        return neutral_voice(models.vocoder.speaker_dim)
    return read_voice(given, lambda: models.speaker_encoder)


@dataclass(eq=False)
class TextVoice:
    """Says text. scale: of durations, above 1 speaks slower. band_extension: what the voice has above 8 kHz, None = nothing."""

    speller: "TextSpeller"
    vocoder: Voice
    voice: "SpeakerVoice"
    scale: float = 1.0
    band_extension: "BandExtender | None" = None

    @classmethod
    def of(cls, models: Models, language: str, scale: float, voice: Path | None) -> "TextVoice":
        """Say text of a language with some models, in the voice of a file, None = a neutral one.

        Raises what reading them raises.
        """
        return cls(models.other(SPELLER, language), models.vocoder, speaker_voice(models, voice), scale, models.band_extension)

    def tell(self, script: SpokenScript, progress: Progress = silent) -> "Telling":
        """Begin to say a text that `script_of` read."""
        return Telling(self, script, progress)


@dataclass(eq=False)
class Telling:
    """A text that is being said: iterate to get its samples, float32 [n] at `rate` Hz, a piece at a time.

    spellings: the sentences said so far. parts: their units, and the silence between two, with the durations they were said in.
    """

    said_by: TextVoice
    script: SpokenScript
    progress: Progress = silent
    spellings: "list[Spelling]" = field(default_factory=list)
    parts: list[Units] = field(default_factory=list)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        speller, vocoder, scale = self.said_by.speller, self.said_by.vocoder, self.said_by.scale
        sentences = speller.spell(self.script.sentences, vocoder.language)
        for spelling in track(sentences, "speech", self.progress, len(self.script.sentences)):
            if self.spellings:
                steps = max(1, seconds_to_units(self.spellings[-1].pause_s * scale))
                self._pause(steps)
                yield np.zeros(seconds_to_samples(units_to_seconds(steps), self.rate), np.float32)
            units = _at_pace(spelling.units, scale)
            timed = units if units.durations is not None else vocoder.predict_durations(units, scale)
            if timed.durations is not None and speller.silence is not None:
                timed = replace(timed, durations=rest_at_pauses(timed.durations, timed.ids == speller.silence, scale=scale))
            said, wide = vocoder.iter_synthesize(timed, self.said_by.voice), self.said_by.band_extension
            yield from said if wide is None else [wide.extend(np.concatenate(list(said)))]
            self.spellings.append(spelling)
            self.parts.append(timed)

    @property
    def rate(self) -> int:
        """Samples a second."""
        return SAMPLE_RATE if self.said_by.band_extension is None else WIDE_RATE

    def _pause(self, steps: int) -> None:
        """Silence of some steps; without a unit for it, the last unit's mouth is held."""
        before, silence = self.parts[-1], self.said_by.speller.silence
        unit = int(before.ids[-1]) if silence is None else silence
        self.parts.append(Units(np.array([unit]), np.array([steps]), before.language, before.vocabulary))

    @property
    def units(self) -> Units:
        """All that was said so far, with its durations."""
        ids = np.concatenate([part.ids for part in self.parts])
        durations = np.concatenate([part.durations for part in self.parts if part.durations is not None])
        return Units(ids, durations, self.parts[0].language, self.parts[0].vocabulary)


def _at_pace(units: Units, scale: float) -> Units:
    """Units whose durations, where they have any, are scaled."""
    if units.durations is None:
        return units
    steps = max(len(units), round(units.num_steps * scale))
    return replace(units, durations=scale_durations(units.durations, steps))
