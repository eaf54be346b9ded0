"""Takes of speech: which sentence is spoken by which voice, all from the seed, and the takes' sound files."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from av2unit.training.noise import coloured_noise, mix_in
from avcore.arrays import Samples
from avcore.data.manifest import Entry
from avcore.media import write_speech
from avcore.speech.audio import resample
from avcore.speech.espeak import Phoneme, TimedSpeech
from avcore.timeline import SAMPLE_RATE, UNIT_RATE, samples_to_seconds, units_to_seconds
from netflips.cascade.kokoro import NaturalVoice
from recipes.demo.voices.cast import Cast, Voice, say
from recipes.demo.voices.phrasebook import SentencePair

REFERENCE = "ref"
NATURAL = "natural"
KOREAN, KOREAN_REFERENCE = "korean", "korean_reference"
"""Speakers of Korean takes: styles that an encoder may be trained on, and the reference voice's, which only the vocoder learns."""
WIDE, OTHER_TRACT = "wide", "wide_other_tract"
"""Speakers of takes of many words: recordings as they are, and the same with another vocal tract."""
_LEAD_STEPS, _LONG_LEAD_STEPS = (1, 12), (13, 75)
"""Silence before or after a take, in steps of 20 ms: usual, and long."""
_BREATH_STEPS = 15, 30
_BREATH_DB = (-45.0, -28.0)
"""Length of a breath in steps of 20 ms, and its level below full scale (dB)."""
_STEEPEST = 1.0
_INT16 = 32768
"""Scale of samples when noise is mixed in."""


@dataclass(frozen=True)
class Take:
    """A sentence spoken once."""

    id: str
    """unique"""
    sentence: int
    """number of the pair"""
    language: str
    text: str
    voice: Voice
    speaker: str
    silence: tuple[int, int]
    """steps of 20 ms before and after"""
    snr_db: float | None
    """of the noise in it; None = clean"""
    seed: int
    """of all random choices in its making"""
    rate: int = SAMPLE_RATE
    """sample rate of its file (Hz)"""
    breaths: tuple[bool, bool] = (False, False)
    """whether there is a breath before and after it, where it is silent for long enough"""

    @property
    def is_reference(self) -> bool:
        """Whether its phoneme times label other takes, or make the sentence's reference."""
        return self.speaker == f"{REFERENCE}_{self.language}"

    @property
    def audio(self) -> str:
        """Path of its file, relative to the material's folder."""
        return f"speech/{self.language}/{self.sentence // 100:02d}/{self.id}.wav"

    def describe(self) -> dict[str, object]:
        """Return voice and noise, for the manifest."""
        return {"voice": asdict(self.voice), "sentence": f"{self.language}{self.sentence}", "snr_db": self.snr_db}


def spoken_takes(pairs: Sequence[SentencePair], numbers: Sequence[int], cast: Cast, seed: int) -> list[Take]:
    """Return all takes of sentences. numbers: of the sentences; ids and random choices depend on them."""
    takes, own = list[Take](), cast.settings["per_sentence"]
    for pair, number in zip(pairs, numbers, strict=True):
        rng = np.random.default_rng([seed, number])
        voices: list[tuple[str, Voice]] = [(f"{REFERENCE}_en", cast.reference("en"))]
        for _ in range(own["espeak_en"]):
            drawn = cast.espeak_voice("en", rng)
            voices.append((drawn.name, drawn))
        voices += [(name, cast.flite_voice(name, rng)) for name in cast.settings["flite"]["names"]]
        voices += [(name, cast.festival_voice(name, rng)) for name in cast.settings["festival"]]
        voices += [(NATURAL, voice) for voice in cast.natural_voices(own["natural_en"], rng)]

        for place, (speaker, voice) in enumerate(voices):
            takes.append(_take(f"s{number:04d}_en_{place}", number, "en", pair.english, voice, speaker, None, cast, rng))

        for place in range(own["noisy_en"]):
            speaker, voice = voices[int(rng.integers(1, len(voices)))]
            snr_db = float(rng.uniform(*cast.settings["snr_db"]))
            takes.append(_take(f"s{number:04d}_en_n{place}", number, "en", pair.english, voice, speaker, snr_db, cast, rng))

        takes += _korean_takes(f"s{number:04d}", number, pair.korean, cast, rng)
    return takes


def free_takes(numbered: Iterable[tuple[int, str]], cast: Cast, seed: int) -> list[Take]:
    """Return all takes of numbered Korean sentences that are not in the phrasebook."""
    rows = (
        _korean_takes(f"f{number:04d}", number, text, cast, np.random.default_rng([seed, number, 23])) for number, text in numbered
    )
    return [take for takes in rows for take in takes]


def wide_takes(numbered: Iterable[tuple[int, str]], cast: Cast, seed: int) -> list[Take]:
    """Return the takes of numbered Korean sentences of many words: `Cast.wide_voices`."""
    takes = list[Take]()
    for number, text in numbered:
        rng = np.random.default_rng([seed, number, 31])
        for place, voice in enumerate(cast.wide_voices(rng)):
            takes.append(
                _take(f"w{number:05d}_ko_{place}", number, "ko", text, voice, WIDE if place == 0 else OTHER_TRACT, None, cast, rng)
            )
    return takes


def _korean_takes(name: str, number: int, text: str, cast: Cast, rng: np.random.Generator) -> Iterator[Take]:
    """Yield the takes of a Korean sentence; the reference voice comes first, whose units are the sentence's reference."""
    voices = cast.korean_voices(rng)
    num_references = cast.settings["korean"]["reference_takes"]
    for place, voice in enumerate(voices):
        speaker = f"{REFERENCE}_ko" if place == 0 else KOREAN_REFERENCE if place < num_references else KOREAN
        yield _take(f"{name}_ko_{place}", number, "ko", text, voice, speaker, None, cast, rng)


def _take(
    name: str,
    number: int,
    language: str,
    text: str,
    voice: Voice,
    speaker: str,
    snr_db: float | None,
    cast: Cast,
    rng: np.random.Generator,
) -> Take:
    own = cast.settings["silence"]
    lead, tail = (_silence_steps(own, rng) for _ in range(2))
    take = Take(name, number, language, text, voice, speaker, (lead, tail), snr_db, int(rng.integers(1 << 31)))
    if isinstance(voice, NaturalVoice):
        take = replace(take, rate=cast.settings["natural_rate"])

    if not own["breaths"]:
        return take
    before, behind = (bool(rng.random() < own["breaths"]) and steps >= max(_BREATH_STEPS) for steps in take.silence)
    return replace(take, breaths=(before, behind))


def _silence_steps(own: Mapping[str, float], rng: np.random.Generator) -> int:
    """Draw the length of silence at one end of a take, in steps."""
    # Without takes that begin with their first sample, such speech is misheard.
    if rng.random() < own["abrupt"]:
        return 0
    return int(rng.integers(*(_LONG_LEAD_STEPS if rng.random() < own["long"] else _LEAD_STEPS), endpoint=True))


def speak_texts(take: Take) -> tuple[Samples, list[Phoneme]]:
    """Speak a take: float32 [samples] at its rate, and the phonemes that its synthesiser timed (none from flite)."""
    return _placed(take, say(take.text, take.voice))


def _placed(take: Take, speech: TimedSpeech) -> tuple[Samples, list[Phoneme]]:
    """Return speech at the take's rate with its silences, breaths and noise, and its phonemes at the new times."""
    rng, per_step = np.random.default_rng([take.seed, 3]), take.rate // UNIT_RATE
    lead, tail = (np.zeros(steps * per_step, np.float32) for steps in take.silence)
    for end, place, has_breath in ((lead, slice(None), take.breaths[0]), (tail, slice(None, None, -1), take.breaths[1])):
        if has_breath:
            end[place] += _breath(len(end), per_step, rng)

    speech_samples = resample(speech.samples, speech.rate, take.rate)
    if take.rate > SAMPLE_RATE:  # to whole steps, so that it has as many steps at 16 kHz
        speech_samples = np.pad(speech_samples, (0, -len(speech_samples) % per_step))
    samples = np.concatenate([lead, speech_samples, tail])
    shift = float(units_to_seconds(take.silence[0]))
    phonemes = [(name, start + shift, end + shift) for name, start, end in speech.phonemes]

    if take.snr_db is not None:
        samples = add_noise(samples, take.snr_db, np.random.default_rng(take.seed))
    return samples, phonemes


def _breath(length: int, per_step: int, rng: np.random.Generator) -> Samples:
    """Return noise that swells, and ends a little before the speech begins: float32 [length]."""
    size = int(rng.integers(*_BREATH_STEPS)) * per_step
    noise = coloured_noise(size, float(rng.uniform(0.2, 0.8)), rng)
    noise *= np.hanning(size) * 10 ** (rng.uniform(*_BREATH_DB) / 20) / np.abs(noise).max()
    gap = int(rng.integers(0, max(length - size, 1)))
    return np.asarray(np.pad(noise, (length - size - gap, gap)), np.float32)


def add_noise(samples: Samples, snr_db: float, rng: np.random.Generator) -> Samples:
    """Mix in noise of a random colour, and scale down what would be clipped. samples: float32 [S]."""
    noise = coloured_noise(len(samples), float(rng.uniform(-_STEEPEST, _STEEPEST)), rng)
    return np.asarray(mix_in(samples.astype(np.float64) * _INT16, noise, snr_db) / _INT16, dtype=np.float32)


def write_takes(folder: Path, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    """Speak takes into their files; yields a manifest row for each, with phonemes where the synthesiser's times label the take."""
    for take in takes:
        speech = say(take.text, take.voice)
        samples, phonemes = _placed(take, speech)

        (folder / take.audio).parent.mkdir(parents=True, exist_ok=True)
        write_speech(folder / take.audio, samples, take.rate)

        num_samples = len(samples) * SAMPLE_RATE // take.rate
        duration_s = float(samples_to_seconds(num_samples))
        entry = Entry(
            take.id,
            audio=take.audio,
            duration_s=duration_s,
            samples=num_samples,
            language=take.language,
            speaker=take.speaker,
            text=take.text,
            extra=take.describe(),
        )

        row = entry.to_row()
        yield row | ({"phonemes": phonemes} if take.is_reference or isinstance(take.voice, NaturalVoice) else {})


def time_takes(folder: Path, takes: Sequence[Take]) -> Iterator[dict[str, Any]]:
    """Speak takes without keeping their sound; yields length and phonemes of each. folder: unused, as for `write_takes`."""
    for take in takes:
        samples, phonemes = speak_texts(take)
        yield {"id": take.id, "samples": len(samples), "phonemes": phonemes}
