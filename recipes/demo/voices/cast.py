"""Voices and faces of the demo's material, and those that are held out from training."""

import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from shutil import which
from typing import Any

import numpy as np

from avcore.arrays import Samples
from avcore.errors import InputError, UsageError
from avcore.media import read_speech
from avcore.speech import espeak
from avcore.speech.audio import resample
from avcore.speech.espeak import EspeakVoice, TimedSpeech
from avcore.texts import read_table
from avcore.timeline import SAMPLE_RATE
from netflips.cascade import kokoro
from netflips.cascade.kokoro import NaturalVoice, Styles
from recipes.demo.voices import cast as flite
from recipes.demo.voices.phrasebook import SentencePair, phrasebook


@dataclass(frozen=True)
class FliteVoice:
    """A voice of flite."""

    name: str
    stretch: float = 1.0
    """factor on its durations"""
    tract: float = 1.0
    """factor on its resonances and pitch"""


def require_program() -> str:
    """Return the path of the program flite, which pip cannot install. Raises InputError where it is missing."""
    program = which("flite")
    if program is None:
        raise InputError("flite is not installed", hint="apt-get install flite, or your system's package of that name")
    return program


def flite_speech(text: str, voice: FliteVoice) -> TimedSpeech:
    """Speak a text; phonemes are not timed. Raises InputError when flite is missing, UsageError for an unknown voice."""
    program = require_program()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        # `_with_tract` plays it faster by the factor of the tract, so it is spoken longer by as much.
        stretch = f"duration_stretch={voice.stretch * voice.tract:.4f}"
        command = [program, "-voice", voice.name, "--setf", stretch, "-t", text, "-o", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise UsageError("flite cannot say this", found=f"{voice.name}: {done.stderr.strip()[-200:]}")
        return _with_tract(read_speech(path), voice.tract)


@dataclass(frozen=True)
class FestivalVoice:
    """A voice of Festival, joined from pieces of a person's recordings."""

    name: str
    stretch: float = 1.0
    """as of `FliteVoice`"""
    tract: float = 1.0
    """as of `FliteVoice`"""


def festival_speech(text: str, voice: FestivalVoice) -> TimedSpeech:
    """Speak a text; phonemes are not timed. Raises InputError when Festival is missing, UsageError for an unknown voice."""
    program = which("text2wave")
    if program is None:
        raise InputError("Festival is not installed", hint="apt-get install festival festvox-kallpc16k festvox-kdlpc16k")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        spoken = f"(begin (voice_{voice.name}) (Parameter.set 'Duration_Stretch {voice.stretch * voice.tract:.4f}))"
        done = subprocess.run([program, "-eval", spoken, "-o", str(path)], input=text, capture_output=True, text=True, check=False)
        if done.returncode or not path.is_file():
            raise UsageError("Festival cannot say this", found=f"{voice.name}: {done.stderr.strip()[-200:]}")
        return _with_tract(read_speech(path), voice.tract)


def _with_tract(samples: Samples, tract: float) -> TimedSpeech:
    # In whole steps of 1 %: the resampling filter for an arbitrary ratio would fill gigabytes.
    played = SAMPLE_RATE * round(tract * 100) // 100
    return TimedSpeech(resample(samples, played, SAMPLE_RATE), SAMPLE_RATE, ())


Voice = EspeakVoice | FliteVoice | FestivalVoice | NaturalVoice


@dataclass(frozen=True)
class Cast:
    """The settings of `cast.yaml`; `shipped.yaml` overrides them for the shipped models."""

    settings: Mapping[str, Any]

    def reference(self, language: str) -> Voice:
        """Return the reference voice of a language: its times label other takes, and its Korean units are a bundle's references."""
        if language == "ko":
            own = self.settings["korean"]["reference"]
            return _korean(((own["style"], 1.0),), own["speed"])
        return EspeakVoice(self.settings["reference"][language])

    def korean_voices(self, rng: np.random.Generator) -> list[Voice]:
        """Draw the voices of a Korean sentence: the reference voice, plain and with other tracts, and for some sentences others."""
        own = self.settings["korean"]
        reference = _korean(((own["reference"]["style"], 1.0),), own["reference"]["speed"])
        tracts = [1.0, *(self._tract(own, rng) for _ in range(1, own["reference_takes"]))]

        voices: list[Voice] = [replace(reference, tract=tract) for tract in tracts]
        if rng.random() < own["sentences"]:
            for _ in range(own["recordings"]):
                styles = self._blend(own, rng)
                speed = round(float(rng.uniform(*own["speed"])), 2)
                # A recording costs a second or two of a core, so it serves for several takes with other vocal tracts.
                voices += [_korean(styles, speed, self._tract(own, rng)) for _ in range(own["takes"])]

        return voices

    def wide_voices(self, rng: np.random.Generator) -> list[Voice]:
        """Draw one recording of a sentence of many words (`wide`): as its style says it, and with other tracts."""
        own = self.settings["wide"]
        styles, speed = self._blend(own, rng), round(float(rng.uniform(*own["speed"])), 2)
        return [_korean(styles, speed, self._tract(own, rng) if number else 1.0) for number in range(own["takes"])]

    def espeak_voice(self, language: str, rng: np.random.Generator) -> EspeakVoice:
        """Draw a training voice of espeak-ng."""
        own = self.settings["espeak"][language]
        name, variant = own["names"][rng.integers(len(own["names"]))], own["variants"][rng.integers(len(own["variants"]))]
        return self._varied(f"{name}+{variant}", rng)

    def flite_voice(self, name: str, rng: np.random.Generator) -> FliteVoice:
        """Draw stretch and tract for a speaker of flite."""
        own = self.settings["flite"]
        if rng.random() < own["plain"]:
            return FliteVoice(name)
        return FliteVoice(name, float(rng.uniform(*own["stretch"])), float(rng.uniform(*own["tract"])))

    def festival_voice(self, name: str, rng: np.random.Generator) -> FestivalVoice:
        """Draw stretch and tract for a speaker of Festival."""
        return FestivalVoice(**vars(self.flite_voice(name, rng)))

    def natural_voices(self, count: int, rng: np.random.Generator) -> list[NaturalVoice]:
        """Draw recordings of natural voices with `count` vocal tracts each; none for a share of the sentences."""
        own, voices = self.settings["natural"], list[NaturalVoice]()
        if rng.random() >= own["sentences"]:
            return voices

        for _ in range(own["recordings"]):
            styles = self._blend(own, rng)
            speed = round(float(rng.uniform(*own["speed"])), 2)
            voices += [NaturalVoice(styles, speed, self._tract(own, rng)) for _ in range(count)]
        return voices

    def unheard_natural(self, rng: np.random.Generator) -> NaturalVoice:
        """Draw a natural voice that is not in the training."""
        own = self.unheard_styles
        return NaturalVoice(own[int(rng.integers(len(own)))], round(float(rng.uniform(0.85, 1.15)), 2))

    @property
    def unheard_styles(self) -> list[Styles]:
        """Natural voices that are not in the training."""
        return [tuple(shares.items()) for shares in self.settings["held_out"]["natural"]]

    def unusual_natural(self, rng: np.random.Generator) -> NaturalVoice:
        """Draw a natural voice between more styles than the training blends: it is neither in the training nor in an evaluation."""
        own, count = self.settings["bounds"]["natural"], int(self.settings["bounds"]["natural"]["styles"])
        names = [str(name) for name in rng.choice(self.settings["natural"]["styles"], count, replace=False)]
        shares = [round(float(share), 2) for share in rng.dirichlet(np.full(count, 4.0))[1:]]
        styles = tuple(zip(names, [1 - sum(shares), *shares], strict=True))
        speed, tract = (round(float(rng.uniform(*own[what])), 2) for what in ("speed", "tract"))
        return NaturalVoice(styles, speed, tract)

    def unheard_voice(self, language: str, rng: np.random.Generator) -> Voice:
        """Draw a voice that no encoder is trained on: of espeak-ng, or for Korean a natural one."""
        if language == "ko":
            own = self.unheard_styles
            return _korean(own[int(rng.integers(len(own)))], round(float(rng.uniform(*self.settings["korean"]["speed"])), 2))
        variants = self.settings["held_out"]["variants"]
        return self._varied(f"{self.settings['reference'][language]}+{variants[rng.integers(len(variants))]}", rng)

    @property
    def unheard_speaker(self) -> FliteVoice:
        """The speaker of another synthesiser that is not used before the evaluation."""
        return FliteVoice(self.settings["held_out"]["flite"])

    def unheard_head(self, number: int) -> int:
        """Return the seed of a head that is not in the training."""
        return int(self.settings["held_out"]["first_head"]) + number

    def _blend(self, own: Mapping[str, Any], rng: np.random.Generator) -> Styles:
        """Draw one style, or a point between two."""
        first, second = (str(name) for name in rng.choice(own["styles"], 2, replace=False))
        share = 1.0 if rng.random() < own["alone"] else round(float(rng.uniform(0.3, 0.7)), 2)
        return ((first, share),) if share == 1 else ((first, share), (second, 1 - share))

    def _tract(self, own: Mapping[str, Any], rng: np.random.Generator) -> float:
        return 1.0 if rng.random() < own["plain"] else round(float(rng.uniform(*own["tract"])), 2)

    def _varied(self, name: str, rng: np.random.Generator) -> EspeakVoice:
        ranges = [map(int, self.settings[what]) for what in ("rate", "pitch", "pitch_range")]
        rate, pitch, reach = (rng.integers(low, high, endpoint=True) for low, high in ranges)
        return EspeakVoice(name, int(rate), int(pitch), int(reach))


DEMO, SHIPPED = "demo", "shipped"
"""Casts: for an afternoon's training, and for the shipped models, with many more voices, sentences and takes."""


@cache
def cast(name: str = DEMO) -> Cast:
    """Read a cast that comes with NetfLips. What is held out is the same for both."""
    settings = _read("cast.yaml")
    for key, value in (_read(f"{name}.yaml") if name != DEMO else {}).items():
        settings[key] = {**settings[key], **value} if isinstance(settings.get(key), dict) else value
    return Cast(settings)


def _read(name: str) -> dict[str, Any]:
    content = read_table(__package__, name)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items()}


def _korean(styles: Styles, speed: float, tract: float = 1.0) -> NaturalVoice:
    return NaturalVoice(styles, speed, tract, "ko")


def require_synthesisers(with_flite: bool, with_natural: bool) -> None:
    """Raise InputError for a synthesiser that is missing, before any work."""
    espeak.library_folder()
    if with_flite:
        flite.require_program()
    if with_natural:
        kokoro.require_packages()


def say(text: str, voice: Voice) -> TimedSpeech:
    """Speak a text with the voice's synthesiser. Raises InputError when it is missing, UsageError for an unknown voice."""
    if isinstance(voice, NaturalVoice):
        return kokoro.natural_speech(text, voice)
    if isinstance(voice, FestivalVoice):
        return festival_speech(text, voice)
    return flite.flite_speech(text, voice) if isinstance(voice, FliteVoice) else espeak.espeak_speech(text, voice)


@cache
def held_out_english() -> frozenset[str]:
    """Return English sentences that are not in the training: those of the list, and all with a held-out filling."""
    listed = files(__package__).joinpath(cast().settings["held_out"]["sentences"]["file"]).read_text(encoding="utf-8").splitlines()
    book = phrasebook()
    kept_out = (pair.english for pair in book.all_pairs() if book.is_held_out(pair))
    return frozenset([*listed, *kept_out])


def book_pairs(people: Cast | None = None) -> list[SentencePair]:
    """Return sentences of the phrasebook in its order: trained and held-out ones, as many as a cast sets (default: the demo's)."""
    return phrasebook().sentences((people or cast()).settings["learnt"])


def held_out_pairs() -> list[SentencePair]:
    """Return the held-out sentences of the phrasebook, in its order."""
    return [pair for pair in book_pairs() if pair.english in held_out_english()]


def training_pairs() -> list[SentencePair]:
    """Return all other sentences of the phrasebook, in its order."""
    return [pair for pair in book_pairs() if pair.english not in held_out_english()]
