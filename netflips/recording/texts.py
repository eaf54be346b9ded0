"""Texts of utterances: those that a user wrote, which are spoken (text to speech over units), not translated; kept transcripts."""

from collections.abc import Callable

import numpy as np

from avcore.checkpoints.bundle import bundle_of
from avcore.contracts import Transcript, Word
from avcore.errors import InputError, UnitError
from avcore.journal import key_of
from avcore.timeline import units_to_seconds
from avcore.units import Units, require_same_vocabulary
from avcore.work_folder import Arrays, WorkFolder
from netflips.cascade.engines import engines_of
from netflips.dub.job import DubJob
from netflips.dub.target_texts import natural_units, read_source_texts, read_target_texts
from netflips.models import Models
from netflips.options import DubOptions
from netflips.recording.speaker_assignment import AssignedUtterance
from netflips.script.imports import AskedTarget, targets_asked
from netflips.understanding import SpeakerMeasure, Understanding, broken, known_speaker, speller_measure
from text2unit.normalise import READING
from text2unit.script import script_of
from text2unit.stage import SPELLER


def texts_of(options: DubOptions) -> dict[int, str]:
    """Return the texts by the number of the utterance. Raises InputError and LanguageError as `read_target_texts` does."""
    times = options.recording.segments_in
    return {} if times is None else read_target_texts(times, options.target, options.source, not options.recording.speech.command)


def source_texts_of(options: DubOptions) -> dict[int, str]:
    """Return what the user says is said in the original, by the number of the utterance. Raises InputError as `read_source_texts`
    does."""
    times = options.recording.segments_in
    return {} if times is None else read_source_texts(times, options.source, options.target)


def targets_of(options: DubOptions) -> dict[int, AskedTarget]:
    """Speech, units and originals that a script wants, by the number of the utterance. Raises InputError."""
    times = options.recording.segments_in
    return {} if times is None else targets_asked(times)


def check_texts(models: Models, options: DubOptions) -> None:
    """Refuse texts that cannot be said, and over text what cannot be taken.

    Raises InputError, LanguageError, UsageError without a speller, VocabularyError.
    """
    if options.road is not None:
        source_texts_of(options)
        engines_of(models, options.road, options.source, options.target)
    if options.recording.speech.command:
        return  # a program says them
    if texts_of(options) or (options.road is not None and options.recording.speech.path is None):
        speller = models.other(SPELLER, options.target)
        require_same_vocabulary(models.vocoder.vocabulary, speller.vocabulary, "the speller")


def spoken_share(job: DubJob, cast: AssignedUtterance, text: str, speaker: SpeakerMeasure | None = None) -> Understanding:
    """Measure an utterance that is spoken from a text, "" = none, in the time that it has.

    speaker: the program that says it, None = the text-to-unit model, or a program of which nothing is known.
    """
    if not text or (speaker is None and job.settings.speech.command):
        return Understanding()
    room_s = None if job.settings.pace.may_hold else cast.utterance.seconds + float(cast.room)
    if speaker is not None:
        return speaker.understanding(text, (), room_s)
    measure = speller_measure(job.models.other(SPELLER, job.options.target))
    try:
        spelt, units = script_of(text, job.options.target).spelt, units_of_text(job, text)
    except (InputError, UnitError):  # told where it is spoken
        return broken("words")
    return measure.understanding(text, spelt, room_s, float(units_to_seconds(units.num_steps)))


def tell_speaker(job: DubJob, measured: SpeakerMeasure | None = None) -> SpeakerMeasure | None:
    """Return how the program that speaks is heard, and tell it where that is hardly understood. measured: None = it was not."""
    speech = job.settings.speech
    is_known = speech.keeps_sound or bundle_of(job.models.paths.unit2av) is not None  # whose units were measured
    found = measured or (known_speaker(speech.command, job.options.target, speech.keeps_sound) if is_known else None)
    if found is not None and found.note is not None:
        job.notes.add(found.note)
    return found


def units_of_text(job: DubJob, text: str) -> Units:
    """Return the units that a text is spoken in, with the durations that it has by itself; made, or found in the work folder."""
    models, target = job.models, job.options.target
    speller = models.other(SPELLER, target)
    voice = (models.fingerprints["unit2av"], models.vocoder.language, models.vocoder.unit_offset)
    key = key_of(text, READING, target, speller.fingerprint, *voice, models.arithmetic)

    def make() -> Arrays:
        units = natural_units(text, target, speller, models.vocoder)
        return {"frames": units.frames(), "vocabulary": np.array(units.vocabulary)}

    found = job.work.arrays("texts", key, make)
    return Units.from_frames(found["frames"], target, str(found["vocabulary"]))


def kept_transcript(work: WorkFolder, stage: str, key: str, make: Callable[[], Transcript]) -> Transcript:
    """Return a transcript that is made, or found in the work folder."""

    def arrays() -> Arrays:
        made = make()
        figures = [(word.start_s, word.end_s, word.confidence) for word in made.words]
        return {
            "text": np.array(made.text),
            "language": np.array(made.language),
            "has_loop": np.array(made.has_loop),
            "words": np.array([word.text for word in made.words], dtype=np.str_),
            "figures": np.array(figures, np.float64).reshape(-1, 3),
        }

    return transcript_in(work.arrays(stage, key, arrays))


def transcript_in(found: Arrays) -> Transcript:
    """Return a transcript that `kept_transcript` kept."""
    pairs = zip(found["words"].tolist(), found["figures"].tolist(), strict=True)
    words = tuple(Word(name, *figures) for name, figures in pairs)
    return Transcript(str(found["text"]), str(found["language"]), words, bool(found["has_loop"]))
