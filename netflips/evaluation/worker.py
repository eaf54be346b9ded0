"""Does jobs: makes the clip, dubs it, and looks up what came out. One of these lives in each process."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from avcore.audio import Samples, resample
from avcore.bundle import CHECKPOINTS, REFERENCES
from avcore.errors import NetflipsError, NoFaceError
from avcore.files import private_folder
from avcore.kinds import Kind
from avcore.media import read_speech
from avcore.timeline import SAMPLE_RATE
from netflips.demo.cast import Voice, cast, say
from netflips.demo.espeak import EspeakVoice
from netflips.demo.flite import FliteVoice
from netflips.demo.material.phones import SILENCE
from netflips.evaluation.chain import Chain, Dubbed, Heard, hear, shuffled
from netflips.evaluation.jobs import (
    AUDIO,
    BOTH,
    CEILING,
    ENGLISH,
    OTHERS,
    RANDOM,
    RECORDED,
    SHOWN,
    SHUFFLED,
    VOCODER,
    Job,
    Place,
    Record,
)
from netflips.evaluation.material import ClipPlan, known_sentences, plan_clip, sentence_of, write_clip
from netflips.evaluation.material import Kind as ClipKind
from netflips.evaluation.mouth import draw_truth, measure_ceiling, measure_mouth
from netflips.evaluation.noise import noisy_copy
from netflips.evaluation.retrieval import SpokenReferences, UnitReferences
from netflips.evaluation.settings import EvaluationSettings
from netflips.models import Models, load_models
from netflips.options import ModelPaths, RunOptions

_DIGITS = 4


class Worker:
    """Models and references, ready for jobs."""

    def __init__(self, place: Place, settings: EvaluationSettings) -> None:
        self._place, self._settings = place, settings
        self._chain = Chain(load_bundle(place.bundle, place.device, place.precision))
        self._recordings = SpokenReferences.read(place.recordings)
        names = json.loads(place.phones.read_text(encoding="utf-8"))
        self._names = {int(unit): str(name) for unit, name in names.items()}
        silences = [unit for unit, name in self._names.items() if name == SILENCE]
        self._units = UnitReferences.read(place.bundle / REFERENCES, silences)

    def do(self, job: Job) -> list[Record]:
        """Do a job: one record for each task. What cannot be dubbed is a record too, and counts as wrong."""
        with private_folder() as folder:
            if job.has_clip:
                return self._do_clip(job, folder)
            tasks: dict[str, Callable[[int], Record]] = {
                VOCODER: self._vocoder_alone,
                ENGLISH: self._english_units,
                OTHERS: self._other_voice,
                RECORDED: self._recorded,
            }
            return [_record(job, job.kind, partial(tasks[job.kind], job.index))]

    # Clips

    def _do_clip(self, job: Job, folder: Path) -> list[Record]:
        kind: ClipKind = job.kind  # type: ignore[assignment]  # has_clip says so
        plan = plan_clip(kind, job.index, self._settings)
        path = folder / "clip.mp4"
        write_clip(path, plan, self._settings.side)
        heard = hear(path, needs_face=any(not task.startswith(AUDIO) or task.startswith(BOTH) for task in job.tasks))
        return [_record(job, task, partial(self._try, task, plan, heard, job.index, folder)) for task in job.tasks]

    def _try(self, task: str, plan: ClipPlan, heard: Heard, index: int, folder: Path) -> Record:
        if task in (SHOWN, CEILING):
            return self._show(task, plan, heard, folder)
        if task == SHUFFLED:
            units, confidence = self._chain.units(heard, BOTH, heard.speech)
            mixed = shuffled(units, np.random.default_rng([self._settings.seed, index]))
            voice = self._chain.models.speaker_encoder.embed(heard.speech)
            return self._judged(self._chain.say(mixed, confidence, voice), plan)
        if task == RANDOM:
            return self._judged(self._random.dub(heard, BOTH), plan)
        modalities, _, snr = task.partition("@")
        if snr:
            speech = noisy_copy(heard.speech, float(snr), folder / "noisy.wav", index)
            return self._judged(self._chain.dub(heard, modalities, speech), plan)
        dubbed = self._chain.dub(heard, modalities)
        more = self._voices(dubbed) if modalities == BOTH else {}
        return self._judged(dubbed, plan) | self._recognised_again(dubbed.samples, plan) | more

    def _show(self, task: str, plan: ClipPlan, heard: Heard, folder: Path) -> Record:
        """Dub to a video and measure what that holds."""
        if heard.face is None:
            raise NoFaceError("no face was found", path=heard.source.path)
        dubbed = self._chain.dub(heard, BOTH)
        truth = draw_truth(plan, dubbed.said, self._names, len(heard.source), self._settings.side)
        if task == CEILING:
            return {"correlation": measure_ceiling(truth, folder / "truth.mp4")}
        path = folder / "dubbed.mp4"
        self._chain.show(heard, dubbed, path)
        sound = self._recordings.nearest(read_speech(path))
        return {"right": sound.text == plan.pair.korean, "found": sound.text} | measure_mouth(path, heard, truth)

    # What came out

    def _judged(self, dubbed: Dubbed, plan: ClipPlan) -> Record:
        sound, units = self._recordings.nearest(dubbed.samples), self._units.nearest(dubbed.translation.units)
        expected = plan.pair.korean
        return {
            "right": sound.text == expected,
            "found": sound.text,
            "distance": round(sound.distance, _DIGITS),
            "margin": round(sound.margin, _DIGITS),
            "units_right": units.text == expected,
            "units": dubbed.units.merged().ids.tolist(),
            "confidence": round(dubbed.confidence, _DIGITS),
            "score": round(dubbed.translation.score, _DIGITS),
            "truncated": dubbed.translation.truncated,
        }

    def _recognised_again(self, samples: Samples, plan: ClipPlan) -> Record:
        again = self._units.nearest(self._chain.units_of_sound(samples))
        return {"again_right": again.text == plan.pair.korean}

    def _voices(self, dubbed: Dubbed) -> Record:
        try:
            spoken = self._chain.models.speaker_encoder.embed(dubbed.samples)
        except NetflipsError:
            return {}
        return {"voice": _rounded(dubbed.voice), "dubbed_voice": _rounded(spoken)}

    # Without clips

    def _vocoder_alone(self, index: int) -> Record:
        """True units with predicted durations in a voice that was never heard."""
        pair = sentence_of(VOCODER, index, self._settings)
        plan = plan_clip("held_out", index, self._settings)
        voice = self._chain.models.speaker_encoder.embed(_spoken(pair.english, plan.voice))
        true = self._units.units[pair.korean]
        samples = self._chain.models.vocoder.synthesize(replace(true, durations=None), voice).samples
        found = self._recordings.nearest(samples)
        return {"right": found.text == pair.korean, "found": found.text} | self._unit_errors(samples, pair.korean)

    def _recorded(self, index: int) -> Record:
        """A recording by the synthesiser itself, in a voice that was never heard."""
        pair = sentence_of(RECORDED, index, self._settings)
        voice = cast().unheard_voice("ko", np.random.default_rng([self._settings.seed, index]))
        samples = _spoken(pair.korean, voice)
        found = self._recordings.nearest(samples)
        return {"right": found.text == pair.korean, "found": found.text} | self._unit_errors(samples, pair.korean)

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
    stages = (folder / CHECKPOINTS[kind] for kind in (Kind.UNIT_ENCODER, Kind.TRANSLATOR, Kind.RENDERER))
    return load_models(ModelPaths(*stages), "en", "ko", RunOptions(device, precision))


def other_voices() -> list[Voice]:
    """Speakers that are not those of the clips: one of each variant of espeak-ng and of each training speaker of flite."""
    settings, name = cast().settings, cast().settings["reference"]["en"]
    variants = [EspeakVoice(f"{name}+{variant}") for variant in settings["espeak"]["en"]["variants"]]
    return [*variants, *(FliteVoice(speaker) for speaker in settings["flite"]["names"])]


def _record(job: Job, task: str, do: Callable[[], Record]) -> Record:
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
