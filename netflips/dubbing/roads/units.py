"""The road over units: the unit encoder takes them from sound and lips, and the unit translator translates them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from av2unit.modality_selection import AgreementThreshold, SelectedUnits, rest_unit, select_units
from av2unit.stage import UNIT_ENCODER
from avcore.arrays import Samples
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.compute.inference import resolve_device
from avcore.compute.threads import map_in_threads, workers_on
from avcore.contracts import Extraction, Extractor
from avcore.domain import OUTSIDE
from avcore.errors import UsageError
from avcore.media import MediaSource
from avcore.notes import Note
from avcore.timeline import frames_to_units, units_to_samples
from avcore.units import Units
from netflips.dubbing.candidates import with_best_units
from netflips.dubbing.job import Job
from netflips.dubbing.options import DubOptions
from netflips.dubbing.part import with_more
from netflips.dubbing.preflight import require_unit_reader
from netflips.dubbing.quality import SpokenTexts
from netflips.dubbing.sound import Sound
from netflips.dubbing.target_units import fill_target_units
from netflips.dubbing.timing import duration_scale
from netflips.dubbing.track_faces import Lips
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.quality_estimation import GIVEN, QualityEstimate, combine, compare_given_text, estimate_utterance
from netflips.recognizers.language import AUTO
from netflips.script.notes import NO_TEXT, UNHEARD
from netflips.script.targets import TranslatedUnits, UnitList, WrittenText
from netflips.script.types import Script
from netflips.script.utterance import Agreement, SourceUnits, Utterance
from unit2text.stage import UNIT2TEXT
from unit2unit.inference import TRUNCATED
from unit2unit.stage import TRANSLATOR

_MAX_WORKERS = 2
"""Utterances encoded at once: one on each of two cores takes less time than each on both, and twice the memory."""
_GROUP, _GROUP_ON_GPU = 8, 64
"""Utterances in a batch, on a CPU and on a GPU. The translations of a batch are kept when it is done."""
_Candidates = tuple[TranslatedUnits, ...]
"""Candidates of the unit translator for an utterance, the best first; several if the translator can vary the length."""


@dataclass(frozen=True)
class UnitRoad:
    """A dub over units."""

    translates_texts = False
    recognizer = None
    needs_sound = "use --modalities video with --voice voice.wav"

    def source_language(self, source: MediaSource, models: Models) -> str:
        """Raise UsageError: units are of a language that is known."""
        raise UsageError(f"the language '{AUTO}' belongs to the cascade", expected="a language, as en")

    def check_files(self, paths: ModelPaths, target: str) -> None:
        """Raise UsageError for a unit-to-text model that does not read the units of a dub."""
        if (path := paths.other(UNIT2TEXT)) is not None:
            require_unit_reader(read_checkpoint(path, UNIT2TEXT).config["takes"])

    def check(self, models: Models, options: DubOptions) -> None:
        """Do nothing: these models were checked when they were loaded."""

    def fingerprints(self, models: Models, options: DubOptions) -> dict[str, str]:
        """Return nothing: these models belong to all dubs."""
        return {}

    def recognized(self, job: Job, sound: Sound) -> None:
        """Return None: there are no words."""

    def understand(self, script: Script, job: Job, sound: Sound, lips_of: Callable[[Utterance], Lips | None]) -> Script:
        """Fill in the source units of each utterance of the part, by the unit encoder."""
        options, models = job.options, job.models
        utterances = job.part.to_understand(script)
        threshold = models.agreement if options.modalities == "auto" else None
        made_by = models.fingerprints["av2unit"], str(models.extractor.decoding), str(models.extractor.domain), models.arithmetic

        def encode(utterance: Utterance) -> SourceUnits | None:
            speech, lips = None, lips_of(utterance) if options.uses_video else None

            if options.uses_audio and sound.is_there:
                # Sound and lips begin and end with the same frame, so that the encoder finds them in step.
                speech = sound.read(*(units_to_samples(frames_to_units(edge)) for edge in utterance.place.frames()))
            if speech is None and lips is None:
                return None
            made_of = (speech, lips, *made_by, str(threshold))
            return job.store.kept(SourceUnits, "units", made_of, lambda: _source_units(models.extractor, speech, lips, threshold))

        def report(done: int) -> None:
            job.progress("units", done, len(utterances))

        with job.clock.stage("av2unit"):
            found = map_in_threads(utterances, encode, workers_on(resolve_device(models.how.device), _MAX_WORKERS), report)

        known, notes = dict[int, Utterance](), dict[int, Note]()
        for utterance, units in zip(utterances, found, strict=True):
            if units is not None:
                known[utterance.number] = replace(utterance, source_units=units)
                if (note := selected_units(script, units).note) is not None:
                    notes[utterance.number] = note
        job.notes.add_each(notes)
        return with_more(script, known)

    def translate(self, script: Script, job: Job, sound: Sound) -> Script:
        """Fill in the target units of each utterance without a target, by the unit translator where there is one."""
        if job.models.paths.utut is None:  # speech is given
            return script
        options, models, (source, target) = job.options, job.models, job.languages
        # Without a limit from the user there is none: a sentence must not be cut because it is long.
        limit = 0 if options.max_target_units is None else options.max_target_units
        search = models.translator.default_search.asked(options.beam, limit)
        made_by = models.fingerprints["unit2unit"], models.translator.unit_offset, models.arithmetic
        settings = (source, target, vars(search), *made_by)

        todo = [
            (utterance, utterance.source_units.units)
            for utterance in job.part.utterances(script)
            if utterance.source_units is not None and utterance.target is None
        ]
        if not options.is_speech_given and all(
            utterance.target is None for utterance in script.utterances
        ):  # given speech needs the extractor
            models.done_with(UNIT_ENCODER)

        translated = dict[int, Utterance]()
        with job.clock.stage("unit2unit"):
            size = _GROUP if resolve_device(models.how.device).type == "cpu" else _GROUP_ON_GPU
            for start in range(0, len(todo), size):
                group = todo[start : start + size]
                made_of = {utterance.number: (units.ids, units.vocabulary, *settings) for utterance, units in group}
                kept = {number: job.store.find(_Candidates, "translations", key) for number, key in made_of.items()}
                found = {number: candidates for number, candidates in kept.items() if candidates is not None}

                new = [(utterance.number, units) for utterance, units in group if utterance.number not in found]
                if new:
                    sequences = [as_units(units, source) for _, units in new]
                    made = models.translator.translate_batch(sequences, source, target, search)
                    for (number, _), best in zip(new, made, strict=True):
                        candidates = tuple(
                            TranslatedUnits(
                                UnitList.of(translation.units), translation.score, translation.truncated, translation.weakest
                            )
                            for translation in (best, *best.others)
                        )
                        found[number] = job.store.keep("translations", made_of[number], candidates)

                for utterance, _ in group:
                    slack_s = float(job.part.slack[utterance.number])
                    scale = duration_scale(script.speaker(utterance.speaker).rate, options.keep_sound)
                    translated[utterance.number] = with_best_units(
                        utterance, found[utterance.number], models.vocoder, slack_s, scale
                    )
                job.progress("translate", len(translated), len(todo))
            models.done_with(TRANSLATOR)
        return with_more(script, translated)

    def estimate(self, script: Script, job: Job, sound: Sound) -> dict[int, QualityEstimate]:
        """Estimate the utterances by their units and their translation, or by the text that a person gave for them."""
        utterances = [
            (utterance, utterance.source_units)
            for utterance in job.part.to_understand(script)
            if utterance.source_units is not None
        ]
        if job.reader is not None:
            # Reading takes longer than all the rest of a talk by sound, and an utterance is read by one core.
            sides = list[Units]()
            for utterance, source in utterances:
                if isinstance(utterance.target, TranslatedUnits):
                    sides += as_units(source.units, script.source), as_units(utterance.target.units, script.target)
            with job.clock.stage("texts"):
                job.reader.read_ahead(sides, lambda done: job.progress("texts", done, len(sides)))

        found, notes = dict[int, QualityEstimate](), list[tuple[int, Note]]()
        with job.clock.stage("speech"):
            texts = SpokenTexts(script, job, sound)
            for utterance, source in utterances:
                if isinstance(utterance.target, WrittenText):
                    found[utterance.number] = texts.estimate(utterance.target.text)
                elif not isinstance(utterance.target, TranslatedUnits):
                    found[utterance.number] = GIVEN  # speech that was given
                else:
                    found[utterance.number], own = _estimated(
                        utterance, selected_units(script, source), utterance.target, script, job
                    )
                    notes += ((utterance.number, note) for note in own)

        # What is outside of all that the models know is told once, with the number of utterances that it is of.
        outside = {number: note.values for number, note in notes if note.code == OUTSIDE.code}
        job.notes.add_each({number: OUTSIDE(**{**values, "among": len(found)}) for number, values in outside.items()})
        for number, note in notes:
            if note.code != OUTSIDE.code:
                job.notes.add(note, number)
        return found

    def encode_targets(self, script: Script, job: Job, sound: Sound) -> Script:
        """Fill in the units of each target."""
        return fill_target_units(script, job, sound, lambda utterance: UNHEARD if utterance.source_units is None else NO_TEXT)

    def finish(self, script: Script, job: Job) -> None:
        """Do nothing: there is no file of texts."""


def source_units(script: Script) -> Iterator[tuple[Utterance, SourceUnits]]:
    """Yield the utterances that have source units, with these units."""
    return ((utterance, utterance.source_units) for utterance in script.utterances if utterance.source_units is not None)


def as_units(listed: UnitList, language: str) -> Units:
    """Return units of a script as arrays. Units with durations are merged already."""
    durations = None if listed.durations is None else np.array(listed.durations, np.int64)
    return Units(np.array(listed.ids, np.int64), durations, language, listed.vocabulary, is_merged=durations is not None)


def _source_units(
    extractor: Extractor, speech: Samples | None, lips: Lips | None, threshold: AgreementThreshold | None
) -> SourceUnits:
    """Return the units of speech, float32 [S], and lips, uint8 [T, 96, 96], as `select_units` chooses."""
    found = select_units(extractor, speech, lips, threshold)
    units = found.extraction.units
    return SourceUnits(
        units=UnitList.of(units),
        modalities=found.modalities,
        confidence=found.extraction.confidence,
        rest=None if speech is None else rest_unit(units.frames(), speech),
        weakest=found.extraction.weakest,
        nearest=found.extraction.nearest,
        reason=found.reason,
        agreement=None if found.agreement is None else Agreement(found.agreement, *found.figures[1:]),
        known=found.extraction.known,
    )


def _estimated(
    utterance: Utterance, source: SelectedUnits, target: TranslatedUnits, script: Script, job: Job
) -> tuple[QualityEstimate, tuple[Note, ...]]:
    """Estimate an utterance by its units and their translation; also returns notes."""
    units, read = as_units(target.units, script.target), None if job.reader is None else job.reader.text
    found, notes = estimate_utterance(
        job.models, source, units, target.score, target.weakest, read=read, is_cut=target.is_truncated
    )
    if target.is_truncated:
        notes += (TRUNCATED(units=len(target.units.ids)),)
    if (
        utterance.text is not None
        and utterance.text.is_by_person
        and read
        and (question := read(source.extraction.units)) is not None
    ):
        found = combine(found, compare_given_text(question, utterance.text.text))
    return found, notes


def selected_units(script: Script, found: SourceUnits) -> SelectedUnits:
    """Return the units of a script with the modalities that they are from, and the reason for that."""
    units = as_units(found.units, script.source)
    extraction = Extraction(units, found.confidence or 0.0, found.weakest, found.nearest, found.known)
    figures = () if found.agreement is None else tuple(found.agreement)
    return SelectedUnits(extraction, found.modalities, found.reason, *figures)
