"""The target units of each utterance with natural durations: translated, from text, or given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import numpy as np

from av2unit.stage import UNIT_ENCODER
from avcore.errors import InputError, UnitError
from avcore.notes import Note, NoteKind
from avcore.units import Units, require_same_vocabulary
from netflips.cascade.speakers import SpeechError
from netflips.dubbing.given import SpeechFiles
from netflips.dubbing.job import Job
from netflips.dubbing.part import with_more
from netflips.dubbing.sound import Sound
from netflips.dubbing.text_speech import ProgramSpeech, TextToUnit, text_speech
from netflips.dubbing.timing import pauses_in
from netflips.models import Models
from netflips.script.notes import EMPTY, KEPT, LEFT_ALONE, NOT_SPOKEN, UNSAYABLE
from netflips.script.targets import GivenUnits, KeptOriginal, SpokenSound, TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Utterance


def fill_target_units(script: Script, job: Job, sound: Sound, why_nothing: Callable[[Utterance], NoteKind]) -> Script:
    """Fill in the units of each target. Utterances without any are left alone, with a note of the reason.

    sound: of the original. why_nothing: returns why an utterance has no target.
    """
    utterances, found = job.part.utterances(script), dict[int, Utterance]()
    encoder = TargetEncoder(
        cache(partial(text_speech, script, job, sound)), cache(partial(SpeechFiles.of, job.options, job.store, job.sound_rate)),
        job.models, job.languages[1], why_nothing, job.options.script_in, job.texts_file, sound, script.slot_s,
    )  # fmt: skip
    with job.clock.stage("speech"):
        for done, utterance in enumerate(utterances, 1):
            result = encoder.encode(utterance)
            if isinstance(result, Note):
                # The reason of an earlier step is the one that counts: what was not recognized cannot be translated either.
                if not any(note.code == LEFT_ALONE.code for note in job.notes.of.get(utterance.number, ())):
                    job.notes.add(result, utterance.number)
            else:
                ready, units = result
                found[utterance.number] = replace(ready, units=units)
            job.progress("speech", done, len(utterances))
        job.models.done_with(UNIT_ENCODER)
    return with_more(script, found)


def with_target_units(script: Script) -> Iterator[tuple[Utterance, UnitList]]:
    """Yield the utterances that have target units, with these."""
    return ((utterance, utterance.units) for utterance in script.utterances if utterance.units is not None)


@dataclass(frozen=True, eq=False)
class TargetEncoder:
    """Turns targets of any kind into units with natural durations."""

    texts: Callable[[], TextToUnit | ProgramSpeech]
    """returns what speaks texts"""
    files: Callable[[], SpeechFiles]
    """returns the files of speech that targets name"""
    models: Models
    language: str
    """the target language"""
    why_nothing: Callable[[Utterance], NoteKind]
    """returns why an utterance has no target"""
    script_in: Path | None
    """file of the script that was given"""
    texts_file: Path
    """file in which the user can correct the texts of a cascade"""
    sound: Sound
    """sound of the original, whose pauses are kept"""
    slot_s: Callable[[Utterance], float | None]
    """returns how long an utterance of the original is, None: it has no length to fill"""

    def encode(self, utterance: Utterance) -> tuple[Utterance, UnitList] | Note:
        """Return an utterance and the units of its target, or a note of why there are none.

        Raises VocabularyError for a script's units of another vocabulary, and InputError for a unit that the voice does not have.
        """
        target = utterance.target
        if target is None:
            return LEFT_ALONE(reason=self.why_nothing(utterance).code)
        if isinstance(target, KeptOriginal):
            return LEFT_ALONE(reason=KEPT.code)
        if isinstance(target, WrittenText):
            return self._of_text(utterance, target)

        if isinstance(target, SpokenSound):
            units = self.files().units_of(utterance, target, self.models)
        else:
            units = self._with_durations(utterance.number, target)
        if isinstance(units, Note):
            return units
        return (utterance, units) if units.ids else LEFT_ALONE(reason=EMPTY.code)

    def _of_text(self, utterance: Utterance, target: WrittenText) -> tuple[Utterance, UnitList] | Note:
        """Encode a text: from a program's speech, or by the text-to-unit model."""
        if not target.text:
            return LEFT_ALONE(reason=EMPTY.code)
        texts = self.texts()
        try:
            if isinstance(texts, TextToUnit):
                return utterance, texts.units_with_pauses(
                    target.text, pauses_in(self.sound, utterance.place), self.slot_s(utterance)
                )
            units = texts.units_of(utterance, target.text)
            return replace(utterance, target=replace(target, spoken_by=texts.name)), units
        except SpeechError as error:
            return LEFT_ALONE(reason=NOT_SPOKEN.code, error=error.what)
        except (InputError, UnitError) as error:
            return LEFT_ALONE(reason=UNSAYABLE.code, error=error.what, file=str(self.script_in or self.texts_file))

    def _with_durations(self, number: int, target: TranslatedUnits | GivenUnits) -> UnitList:
        """Return the units of the target of utterance `number`, with predicted durations where it has none."""
        voice = self.models.vocoder
        if isinstance(target, GivenUnits):
            require_same_vocabulary(voice.vocabulary, target.units.vocabulary, f"the units of utterance {number}")
            if (unit := max(target.units.ids, default=0)) >= voice.num_units:
                what = f"a unit of utterance {number} is none of the voice's"
                raise InputError(what, path=self.script_in, expected=f"0..{voice.num_units - 1}", found=unit)

        durations = target.units.durations
        steps = None if durations is None else np.array(durations, np.int64)
        units = Units(np.array(target.units.ids, np.int64), steps, self.language, target.units.vocabulary)

        if not len(units):
            return UnitList()
        return UnitList.of(units if durations is not None else voice.predict_durations(units))
