"""What is said by whom: a list of takes that follows from the seed alone, and the takes as sound files."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.training.noise import coloured_noise, mix_in
from avcore.arrays import Samples
from avcore.media import write_speech
from avcore.speech.audio import resample
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, units_to_samples, units_to_seconds
from avdata.manifest import Entry
from avdata.prepare.espeak import Phoneme, TimedSpeech
from netflips.cascade.kokoro import NaturalVoice
from recipes.demo.voices.cast import Cast, Voice, say
from recipes.demo.voices.phrasebook import SentencePair

REFERENCE = "ref"
NATURAL = "natural"
KOREAN, KOREAN_REFERENCE = "korean", "korean_reference"
"""Speakers of Korean takes: styles that an encoder may hear, and the reference voice's, which only the Korean voice learns."""
_LEAD_STEPS, _LONG_LEAD_STEPS = (1, 12), (13, 75)
"""Silence before and after, in steps of 20 ms, for ends that have any, and for those that wait."""
_LONG = 0.1
"""Share of ends that wait: no sound at all is rest, however long it lasts."""
_ABRUPT = 0.5
"""Share of ends without silence: as dubs begin and end, and recordings that were cut where the speech is."""
_SNR_DB = (0.0, 15.0)
_STEEPEST = 1.0
_INT16 = 32768
"""Scale in which noise is mixed in."""


@dataclass(frozen=True)
class Take:
    """A sentence said once.

    id: unique. sentence: number of the pair. silence: steps of 20 ms before and after. snr_db: of the noise in it, None = clean.
    seed: of all that is left to chance in its making. is_wide: keep its sound with what is above 8 kHz, too.
    """

    id: str
    sentence: int
    language: str
    text: str
    voice: Voice
    speaker: str
    silence: tuple[int, int]
    snr_db: float | None
    seed: int
    is_wide: bool = False

    @property
    def wide(self) -> str:
        """Where its sound lies as wide as its synthesiser makes it, relative to the material's folder."""
        return f"wide/{self.language}/{self.id}.wav"

    @property
    def is_reference(self) -> bool:
        """Whether its own phoneme timing labels the others, or makes the sentence's references."""
        return self.speaker == f"{REFERENCE}_{self.language}"

    @property
    def audio(self) -> str:
        """Its file, relative to the material's folder."""
        return f"speech/{self.language}/{self.sentence // 100:02d}/{self.id}.wav"

    def describe(self) -> dict[str, object]:
        """Voice and noise, for the manifest."""
        return {"voice": asdict(self.voice), "sentence": f"{self.language}{self.sentence}", "snr_db": self.snr_db}


def spoken_takes(pairs: Sequence[SentencePair], numbers: Sequence[int], cast: Cast, seed: int) -> list[Take]:
    """All takes of sentences; `numbers` are their numbers, which ids and chance depend on."""
    takes, own = list[Take](), cast.settings["per_sentence"]
    for pair, number in zip(pairs, numbers, strict=True):
        rng = np.random.default_rng([seed, number])
        voices: list[tuple[str, Voice]] = [(f"{REFERENCE}_en", cast.reference("en"))]
        for _ in range(own["espeak_en"]):
            drawn = cast.espeak_voice("en", rng)
            voices.append((drawn.name, drawn))
        voices += [(name, cast.flite_voice(name, rng)) for name in cast.settings["flite"]["names"]]
        voices += [(NATURAL, voice) for voice in cast.natural_voices(own["natural_en"], rng)]
        for place, (speaker, voice) in enumerate(voices):
            takes.append(_take(f"s{number:04d}_en_{place}", number, "en", pair.english, voice, speaker, None, rng))
        for place in range(own["noisy_en"]):
            speaker, voice = voices[int(rng.integers(1, len(voices)))]
            snr_db = float(rng.uniform(*_SNR_DB))
            takes.append(_take(f"s{number:04d}_en_n{place}", number, "en", pair.english, voice, speaker, snr_db, rng))
        takes += _korean_takes(f"s{number:04d}", number, pair.korean, cast, rng)
    return takes


def free_takes(texts: Sequence[str], cast: Cast, seed: int) -> list[Take]:
    """All takes of Korean sentences that are none of the phrasebook's."""
    rngs = (np.random.default_rng([seed, number, 23]) for number in range(len(texts)))
    rows = (
        _korean_takes(f"f{number:04d}", number, text, cast, rng) for number, (text, rng) in enumerate(zip(texts, rngs, strict=True))
    )
    return [take for takes in rows for take in takes]


def _korean_takes(name: str, number: int, text: str, cast: Cast, rng: np.random.Generator) -> Iterator[Take]:
    """Yield the reference voice first, whose units are the sentence's."""
    voices = cast.korean_voices(rng)
    num_references = cast.settings["korean"]["reference_takes"]
    for place, voice in enumerate(voices):
        speaker = f"{REFERENCE}_ko" if place == 0 else KOREAN_REFERENCE if place < num_references else KOREAN
        yield _take(f"{name}_ko_{place}", number, "ko", text, voice, speaker, None, rng)


def _take(
    name: str, number: int, language: str, text: str, voice: Voice, speaker: str, snr_db: float | None, rng: np.random.Generator
) -> Take:
    lead, tail = (_silence_steps(rng) for _ in range(2))
    return Take(name, number, language, text, voice, speaker, (lead, tail), snr_db, int(rng.integers(1 << 31)))


def _silence_steps(rng: np.random.Generator) -> int:
    """Draw how long an end of a take is silent."""
    if rng.random() < _ABRUPT:
        return 0
    return int(rng.integers(*(_LONG_LEAD_STEPS if rng.random() < _LONG else _LEAD_STEPS), endpoint=True))


def speak_texts(take: Take) -> tuple[Samples, list[Phoneme]]:
    """Say a take: float32 [samples] at 16 kHz, and the phonemes that its synthesiser timed (none from flite)."""
    return _placed(take, say(take.text, take.voice))


def _placed(take: Take, speech: TimedSpeech) -> tuple[Samples, list[Phoneme]]:
    """Speech at 16 kHz between its silences and in its noise, and its phonemes at the times that they have there."""
    lead, tail = (np.zeros(units_to_samples(steps), np.float32) for steps in take.silence)
    samples = np.concatenate([lead, resample(speech.samples, speech.rate, SAMPLE_RATE), tail])
    shift = float(units_to_seconds(take.silence[0]))
    phonemes = [(name, start + shift, end + shift) for name, start, end in speech.phonemes]
    if take.snr_db is not None:
        samples = add_noise(samples, take.snr_db, np.random.default_rng(take.seed))
    return samples, phonemes


def add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Mix in noise of a random colour, and scale down what would be clipped. samples: float32 [S]."""
    noise = coloured_noise(len(samples), float(rng.uniform(-_STEEPEST, _STEEPEST)), rng)
    return np.asarray(mix_in(samples.astype(np.float64) * _INT16, noise, snr_db) / _INT16, dtype=np.float32)


def write_takes(folder: Path, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    """Say takes into their files; yields a manifest row each, with the phonemes of voices whose own timing labels them."""
    for take in takes:
        speech = say(take.text, take.voice)
        samples, phonemes = _placed(take, speech)
        for name in (take.audio, *([take.wide] if take.is_wide else [])):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_speech(folder / take.audio, samples)
        if take.is_wide:
            write_speech(folder / take.wide, speech.samples, speech.rate)
        duration_s = float(samples_to_seconds(len(samples)))
        entry = Entry(
            take.id,
            audio=take.audio,
            duration_s=duration_s,
            samples=len(samples),
            language=take.language,
            speaker=take.speaker,
            text=take.text,
            extra=take.describe(),
        )
        row = entry.to_row() | ({"wide": take.wide} if take.is_wide else {})
        yield row | ({"phonemes": phonemes} if take.is_reference or isinstance(take.voice, NaturalVoice) else {})


def time_takes(folder: Path, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    """Say takes and keep no sound; yields the length and the phonemes of each. folder: unused, as of `write_takes`."""
    for take in takes:
        samples, phonemes = speak_texts(take)
        yield {"id": take.id, "samples": len(samples), "phonemes": phonemes}
