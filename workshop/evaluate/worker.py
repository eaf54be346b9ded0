"""Does jobs: makes the clip, dubs it, and looks up what came out. One of these lives in each process."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Pictures, Samples
from avcore.checkpoints.bundle import REFERENCES, Bundle
from avcore.errors import InputError, NetflipsError, NoFaceError
from avcore.faces.find import SpeakerFace
from avcore.files import private_folder
from avcore.media import read_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_units
from avcore.units import Units
from avdata.prepare.espeak import EspeakVoice, Phoneme
from netflips.bundles.paths import bundle_paths
from netflips.evaluate.metrics.voice import noise_floor_db, pitch_errors, semitones_between, voice_quality
from netflips.models import Models, load_models
from netflips.options import RunOptions
from unit2av.mouths.flags import AUTO as ANY_MOUTH
from unit2av.mouths.flags import UNITS, MouthChoice
from unit2av.speakers.voice_of import voice_of
from unit2av.voice.speech import SpeakerVoice
from unit2unit.inference import Translation
from workshop.evaluate.chain import Chain, ClipContent, Dubbed, read_clip, shuffled
from workshop.evaluate.conditions import OWN, SOUNDS, lips_of_kind
from workshop.evaluate.jobs import (
    AUDIO,
    AUTO,
    BESIDE,
    BOTH,
    CEILING,
    COPIED,
    ENGLISH,
    OTHERS,
    RANDOM,
    RECORDED,
    ROOM,
    SAID,
    SHOWN,
    SHOWN_BY_UNITS,
    SHUFFLED,
    VOCODER,
    ExamJob,
    ExamPaths,
    Record,
    needs_face,
)
from workshop.evaluate.material import ClipPlan, drawn_sentence, known_sentences, plan_clip, write_clip
from workshop.evaluate.material import Kind as ClipKind
from workshop.evaluate.mouth import draw_truth, face_in, measure_ceiling, measure_mouth, sync_at_zero
from workshop.evaluate.noise import noisy_copy
from workshop.evaluate.retrieval import SpokenReferences, UnitReferences
from workshop.evaluate.settings import EvaluationSettings
from workshop.evaluate.side_roads import SideRoads
from workshop.evaluate.voice_rows import quality_record
from workshop.material.phones import SILENCE, Phones
from workshop.voices.cast import Voice, cast, say
from workshop.voices.flite import FliteVoice
from workshop.voices.phrasebook import SentencePair

_DIGITS = 4
_STRESS = "',%"
"""Marks of stress before espeak-ng's names of vowels; its versions differ in where they set them."""


class ExamWorker:
    """Models and references, ready for jobs."""

    def __init__(self, place: ExamPaths, settings: EvaluationSettings) -> None:
        self._place, self._settings = place, settings
        self._chain = Chain(load_bundle(place.bundle, place.device, place.precision))
        self._recordings = SpokenReferences.read(place.recordings)
        names = json.loads(place.phones.read_text(encoding="utf-8"))
        self._names = {int(unit): str(name) for unit, name in names.items()}
        self._silences = [unit for unit, name in self._names.items() if name == SILENCE]
        self._units = UnitReferences.read(place.bundle / REFERENCES, self._silences)
        self._side = SideRoads(place, self._chain, self._recordings)

    def process(self, jobs: tuple[ExamJob]) -> list[Record]:
        """Do a job in a process of a pool."""
        return self.do(jobs[0])

    def do(self, job: ExamJob) -> list[Record]:
        """Do a job: one record for each task. What cannot be dubbed is a record too, and counts as wrong."""
        with private_folder() as folder:
            if job.has_clip:
                return self._do_clip(job, folder)
            tasks: dict[str, Callable[[int], Record]] = {
                VOCODER: self._vocoder_alone,
                ENGLISH: self._english_units,
                OTHERS: self._other_voice,
                RECORDED: self._recorded,
                COPIED: self._copied,
                SAID: self._said,
                **{kind: partial(self._other_synthesiser, kind) for kind in cast().other_voices},
            }
            return [_record(job, job.kind, partial(tasks[job.kind], job.index))]

    # Clips

    def _do_clip(self, job: ExamJob, folder: Path) -> list[Record]:
        kind: ClipKind = job.kind  # type: ignore[assignment]  # has_clip says so
        plan = plan_clip(kind, job.index, self._settings)
        path = folder / "clip.mp4"
        write_clip(path, plan, self._settings.side)
        heard = read_clip(path, needs_face=any(map(needs_face, job.tasks)))
        return [_record(job, task, partial(self._try, task, plan, heard, job.index, folder)) for task in job.tasks]

    def _try(self, task: str, plan: ClipPlan, heard: ClipContent, index: int, folder: Path) -> Record:
        if task in (SHOWN, SHOWN_BY_UNITS, CEILING):
            return self._show(task, plan, heard, folder)
        if task in BESIDE:
            return self._side.do(task, heard, plan)
        if task == SHUFFLED:
            units, confidence = self._chain.units(heard, BOTH, heard.speech)
            mixed = shuffled(units, np.random.default_rng([self._settings.seed, index]))
            voice = voice_of(heard.speech, self._chain.models.speaker_encoder)
            return self._judged(self._chain.say(mixed, confidence, voice), plan.pair)
        if task == RANDOM:
            return self._judged(self._random.dub(heard, BOTH), plan.pair)
        if task == ROOM:
            return self._judged(self._chain.dub(heard, AUDIO, SOUNDS[ROOM](heard.speech, index)), plan.pair)
        modalities, _, condition = task.partition("~")
        if condition:
            return self._understood(SOUNDS[condition](heard.speech, index), None, modalities, plan.pair)
        modalities, _, lips = task.partition("+")
        if lips:
            return self._understood(heard.speech, self._lips(heard, lips, index), modalities, plan.pair)
        modalities, _, snr = task.partition("@")
        if snr:
            speech = noisy_copy(heard.speech, float(snr), folder / "noisy.wav", index)
            if modalities == AUTO:
                return self._understood(speech, self._lips(heard, OWN, index), modalities, plan.pair)
            return self._judged(self._chain.dub(heard, modalities, speech), plan.pair)
        dubbed = self._chain.dub(heard, modalities)
        more = self._voices(dubbed) if modalities == BOTH else {}
        more |= self._heard(dubbed, heard.speech) if modalities == BOTH else {}
        return self._judged(dubbed, plan.pair) | self._recognised_again(dubbed.samples, plan) | more

    def _show(self, task: str, plan: ClipPlan, heard: ClipContent, folder: Path) -> Record:
        """Dub to a video and measure what that holds."""
        if heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        dubbed = self._chain.dub(heard, BOTH)
        truth = draw_truth(plan, dubbed.said, self._names, len(heard.source), self._settings.side)
        if task == CEILING:
            return {"correlation": measure_ceiling(truth, folder / "truth.mp4")}
        path = folder / "dubbed.mp4"
        self._chain.show(heard, dubbed, path, MouthChoice(UNITS if task == SHOWN_BY_UNITS else ANY_MOUTH))
        speech, face = read_speech(path), face_in(path)
        sound = self._recordings.nearest(speech)
        found = {"right": sound.text == plan.pair.korean, "found": sound.text} | measure_mouth(path, face, heard, truth)
        syncs = {"sync": self._sync(speech, face), "source_sync": self._sync(heard.speech, heard.face)}
        return found | {name: round(value, _DIGITS) for name, value in syncs.items() if value is not None}

    def _sync(self, speech: Samples, face: SpeakerFace | None) -> float | None:
        """How far units of a sound and of lips agree; no lips agree with nothing."""
        if face is None:
            return 0.0
        seen = self._chain.models.extractor.extract(None, face.lips)
        return sync_at_zero(self._chain.units_of_sound(speech).frames(), seen.frames(), self._silences)

    def _lips(self, heard: ClipContent, kind: str, index: int) -> Pictures:
        """A clip's lips, or others in their place."""
        if heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        return lips_of_kind(heard.face.lips, kind, index, drawn_sentence("held_out", index + 1, self._settings))

    # What came out

    def _judged(self, dubbed: Dubbed, pair: SentencePair) -> Record:
        sound = self._recordings.nearest(dubbed.samples)
        return {
            "right": sound.text == pair.korean,
            "found": sound.text,
            "distance": round(sound.distance, _DIGITS),
            "margin": round(sound.margin, _DIGITS),
        } | self._judged_by_units(dubbed.units, dubbed.confidence, dubbed.translation, pair)

    def _understood(self, speech: Samples, lips: Pictures | None, modalities: str, pair: SentencePair) -> Record:
        """Translated and not said."""
        found = self._chain.listen(speech, lips, modalities)
        translation = self._chain.translate(found.units)
        return {"modalities": found.modalities} | self._judged_by_units(found.units, found.confidence, translation, pair)

    def _judged_by_units(self, units: Units, confidence: float, translation: Translation, pair: SentencePair) -> Record:
        return {
            "units_right": self._units.nearest(translation.units).text == pair.korean,
            "units": units.merged().ids.tolist(),
            "confidence": round(confidence, _DIGITS),
            "score": round(translation.score, _DIGITS),
            "truncated": translation.truncated,
        }

    def _recognised_again(self, samples: Samples, plan: ClipPlan) -> Record:
        again = self._units.nearest(self._chain.units_of_sound(samples))
        return {"again_right": again.text == plan.pair.korean}

    def _voices(self, dubbed: Dubbed) -> Record:
        try:
            spoken = self._chain.models.speaker_encoder.embed(dubbed.samples)
        except NetflipsError:
            return {}
        return {"voice": _rounded(dubbed.voice.vector), "dubbed_voice": _rounded(spoken)}

    def _heard(self, dubbed: Dubbed, source: Samples) -> Record:
        """What a listener hears in a dub: the voice by itself, and beside the source's."""
        quality, own = voice_quality(dubbed.samples), voice_quality(source)
        off = {} if own.f0_hz is None else {"f0_off": round(semitones_between(quality.f0_hz, own.f0_hz), _DIGITS)}
        floor = noise_floor_db(dubbed.samples, self._is_silence(dubbed.said))
        return quality_record(quality, floor) | off | {"source_begins": own.begins, "source_ends": own.ends}

    def _is_silence(self, said: Units) -> NDArray[np.bool_]:
        """Which steps of 20 ms are silence: bool [T]."""
        return np.isin(said.frames(), self._silences)

    # Without clips

    def _vocoder_alone(self, index: int) -> Record:
        """True units with predicted durations in a voice that was never heard."""
        pair, voice = self._spoken_by(VOCODER, index)
        true = self._units.units[pair.korean]
        samples = self._chain.models.vocoder.synthesize(replace(true, durations=None), voice).samples
        found = self._recordings.nearest(samples)
        return {"right": found.text == pair.korean, "found": found.text} | self._unit_errors(samples, pair.korean)

    def _said(self, index: int) -> Record:
        """Text in a voice that was never heard."""
        return self._side.say(*self._spoken_by(SAID, index))

    def _spoken_by(self, kind: str, index: int) -> tuple[SentencePair, SpeakerVoice]:
        """A sentence, and the voice of a speaker that was never heard and says its English."""
        pair, plan = drawn_sentence(kind, index, self._settings), plan_clip("held_out", index, self._settings)
        return pair, voice_of(_spoken(pair.english, plan.voice), self._chain.models.speaker_encoder)

    def _recorded(self, index: int) -> Record:
        """A recording by the synthesiser itself, in a voice that was never heard."""
        pair = drawn_sentence(RECORDED, index, self._settings)
        voice = cast().unheard_voice("ko", np.random.default_rng([self._settings.seed, index]))
        samples = _spoken(pair.korean, voice)
        found = self._recordings.nearest(samples)
        heard = quality_record(voice_quality(samples), None)
        return {"right": found.text == pair.korean, "found": found.text} | self._unit_errors(samples, pair.korean) | heard

    def _other_synthesiser(self, kind: str, index: int) -> Record:
        """Sound alone of a synthesiser that no training hears."""
        voices = cast().other_voices
        voice = voices[kind][index % len(voices[kind])]
        pair = drawn_sentence(kind, index * len(voices) + list(voices).index(kind), self._settings)
        speech = _spoken(pair.english, voice)
        found = self._chain.listen(speech, None, AUDIO)
        dubbed = self._chain.say(found.units, found.confidence, voice_of(speech, self._chain.models.speaker_encoder))
        return {"speaker": voice.name} | self._judged(dubbed, pair)

    def _copied(self, index: int) -> Record:
        """A recording by the synthesiser, said again from its own phones in its own time, voice and pitch."""
        pair = drawn_sentence(COPIED, index, self._settings)
        voice = cast().unheard_voice("ko", np.random.default_rng([self._settings.seed, index]))
        speech = say(pair.korean, voice)
        recorded = resample(speech.samples, speech.rate, SAMPLE_RATE)
        units = self._units_of_phonemes(speech.phonemes, samples_to_units(len(recorded)))
        speaker = voice_of(recorded, self._chain.models.speaker_encoder)
        made = self._chain.models.vocoder.synthesize(units, speaker).samples
        is_silence = self._is_silence(units)
        voicing, f0 = pitch_errors(made, recorded, is_silence)
        floors = {"floor": noise_floor_db(made, is_silence), "recorded_floor": noise_floor_db(recorded, is_silence)}
        found = {"voicing": voicing, "f0_error": f0} | floors
        return {name: round(value, _DIGITS) for name, value in found.items() if value is not None}

    def _units_of_phonemes(self, phonemes: Sequence[Phoneme], num_steps: int) -> Units:
        """Units with durations of timed phonemes. Raises InputError for one that no unit stands for."""
        names = tuple(self._names.get(unit, "") for unit in range(max(self._names) + 1))
        alike = known_phones({name for name, _, _ in phonemes}, names, cast().settings["alike"])
        labels = Phones(names, alike).units(phonemes, num_steps, "ko")
        return Units.from_frames(labels.frames(), "ko", next(iter(self._units.units.values())).vocabulary)

    def _unit_errors(self, samples: Samples, korean: str) -> Record:
        errors, length = self._units.errors(self._chain.units_of_sound(samples), korean)
        return {"errors": errors, "length": length}

    def _english_units(self, index: int) -> Record:
        pair = known_sentences()[index]
        units = self._chain.units_of_sound(_spoken(pair.english, cast().reference("en")))
        return {"units": units.merged().ids.tolist(), "korean": pair.korean}

    def _other_voice(self, index: int) -> Record:
        pairs = known_sentences()
        samples = _spoken(pairs[index * 37 % len(pairs)].english, other_voices()[index])
        return {"voice": _rounded(self._chain.models.speaker_encoder.embed(samples))}

    @cached_property
    def _random(self) -> Chain:
        return Chain(load_bundle(self._place.random, self._place.device, self._place.precision))


def load_bundle(folder: Path, device: str = "cpu", precision: str = "float32") -> Models:
    """Load the models of a folder, English to Korean."""
    return load_models(bundle_paths(Bundle(folder, {})), "en", "ko", RunOptions(device, precision))


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


def _record(job: ExamJob, task: str, do: Callable[[], Record]) -> Record:
    start = process_time()
    try:
        found = do()
    except NetflipsError as error:
        found = {"right": False, "failed": str(error)}
    return {"kind": job.kind, "index": job.index, "task": task} | found | {"cpu_s": round(process_time() - start, 2)}


def _spoken(text: str, voice: Voice) -> Samples:
    speech = say(text, voice)
    return resample(speech.samples, speech.rate, SAMPLE_RATE)


def _rounded(vector: Any) -> list[float]:
    return [round(float(value), _DIGITS) for value in vector]
