"""Types shared by the packages: results of the stages, protocols of the models, and checks of arguments that come from Python.

Callers depend on the protocols, not on a stage's classes, so that another model can take the same place. Units are
discrete speech units, 50 a second; speech is float32 [S] mono at 16 kHz in -1..1; lips are uint8 gray [T, 96, 96] at 25 fps.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import LOUDEST
from avcore.domain import Domain, DomainScore, Stretch, weakest_stretch
from avcore.errors import InputError, UnitError
from avcore.progress import Progress, silent
from avcore.speech.pitch import Pitch
from avcore.speech.timbre import Timbre
from avcore.timeline import SAMPLE_RATE, Seconds, units_to_seconds
from avcore.units import Ids, Units

_LIKENESS = "its likeness to the nearest known sentence"
_WEAKEST_TOKENS = 3
"""Length of the weakest stretch of a translation, in tokens."""


class Word(NamedTuple):
    """A word of a transcript, as it is shown."""

    text: str
    start_s: float
    """Seconds from the beginning of the sound or video."""
    end_s: float
    """As `start_s`."""
    confidence: float
    """0 to 1."""


@dataclass(frozen=True)
class Transcript:
    """Recognized text, as it is shown."""

    text: str
    """In NFC."""
    language: str = ""
    """Two letters, "" = unknown."""
    words: tuple[Word, ...] = ()
    """In order of time, none overlapping."""
    has_loop: bool = False
    """The model repeated a stretch that nobody said; the repetitions are left out."""

    @property
    def confidence(self) -> float:
        """Mean confidence of the words; 0 without words."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0

    def shifted(self, seconds: float) -> "Transcript":
        """Return the same transcript, later by so many seconds."""
        moved = (word._replace(start_s=word.start_s + seconds, end_s=word.end_s + seconds) for word in self.words)
        return replace(self, words=tuple(moved))


def of_words(words: Iterable[Word], language: str) -> Transcript:
    """Join words with blanks into a transcript."""
    kept = tuple(words)
    return Transcript(" ".join(word.text for word in kept), language, kept)


@dataclass(frozen=True)
class Extraction:
    """Units and the encoder's confidence in them; `units, confidence = extraction` unpacks it. Steps are 20 ms."""

    units: Units
    confidence: float
    """Mean log-probability of the class chosen at each step."""
    weakest: Stretch | None = None
    """The stretch with the lowest confidence."""
    nearest: Stretch | None = None
    """The stretch that is least like the nearest sentence that the encoder knows, and by how much (log-probability, 0 = not at
    all); None = the encoder names no sentences."""
    known: float | None = None
    """Share of the steps outside of all stretches that are strange in the encoder's domain; None = as in `nearest`."""

    def __iter__(self) -> Iterator[Any]:
        """Yield units and confidence."""
        return iter((self.units, self.confidence))

    def readings(self, domain: Domain | None) -> list[DomainScore]:
        """Return the scores that can be compared with the domain of the encoder."""
        scores = [DomainScore("the encoder's confidence", self.confidence, domain)]
        if self.weakest is not None:
            at = _time_of(self.weakest)
            scores.append(DomainScore("its confidence at its weakest", self.weakest.score, domain, "weakest", at))
        if self.nearest is not None:
            scores.append(DomainScore(_LIKENESS, self.nearest.score, domain, "nearest", _time_of(self.nearest)))
        return scores


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A finished translation of the search."""

    tokens: Ids
    """int64 [T], without the start tag, with the end tag."""
    positional_scores: NDArray[np.float32]
    """float32 [T], log-probability of each token."""
    score: float
    """Sum of the positional scores over T ** lenpen, or the sum alone where scores are not normalised."""
    is_cut: bool
    """It ended at the length limit, although another token was likelier than the end tag."""


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated sequence."""

    units: Units
    """As generated: repeats kept, without durations."""
    truncated: bool
    """The best hypothesis ended only because the search reached its limit."""
    hypotheses: tuple[Hypothesis, ...]
    """All that finished, best first; the first is the translation."""
    others: tuple["Translation", ...] = ()
    """Shorter and longer alternatives, best first, where the translator controls length."""

    @property
    def score(self) -> float:
        """Score of the best hypothesis, by default the mean log-probability of a token (see `Hypothesis.score`)."""
        return self.hypotheses[0].score

    @property
    def tokens(self) -> Ids:
        """Tokens of the best hypothesis, int64 [T], the end tag last."""
        return self.hypotheses[0].tokens

    @property
    def positional_scores(self) -> NDArray[np.float32]:
        """Log-probability of each token, float32 of shape [T]."""
        return self.hypotheses[0].positional_scores

    @property
    def weakest(self) -> Stretch | None:
        """The stretch of tokens with the lowest log-probability; its steps are tokens."""
        return weakest_stretch(self.positional_scores, _WEAKEST_TOKENS)


@dataclass(frozen=True)
class Speech:
    """Synthesised speech and its units."""

    samples: NDArray[np.float32]
    """float32 [320 * T] in -1..1."""
    units: Units
    """With their durations as spoken, T steps in all."""
    sample_rate: int = SAMPLE_RATE
    """Hz."""


@dataclass(frozen=True, eq=False)
class SpeakerVoice:
    """A speaker's voice: an embedding, and the speaker's pitch."""

    vector: NDArray[np.float32]
    """float32 [speaker_dim], unit length."""
    pitch: Pitch | None = None
    """None = not known."""
    encoder: str = ""
    """Fingerprint of the speaker encoder that made the vector, "" = not stated."""
    timbre: Timbre | None = None
    """What a harmonic voice lacks of the speaker beside; None = not measured."""


def _time_of(stretch: Stretch) -> str:
    start, stop = (float(units_to_seconds(step)) for step in (stretch.start, stretch.stop))
    return f"at {start:.1f} to {stop:.1f} s"


class Extractor(Protocol):
    """Unit encoder: sound and lips to units.

    vocabulary: fingerprint of the quantizer, also in its units. fingerprint: of the checkpoint. decoding: how units are chosen;
    `str` gives it in words. domain: bounds on its confidence. agreement: how far lips and sound agree. None = not stated.
    """

    vocabulary: str
    fingerprint: str
    domain: Domain | None

    @property
    def decoding(self) -> object:
        """How units are chosen from scores."""

    @property
    def agreement(self) -> Any:
        """From which agreement on lips and sound belong together (`av2unit.modality_selection.select_units`)."""

    def extract(
        self, speech: NDArray[np.float32] | None = None, lips: NDArray[np.uint8] | None = None, progress: Progress = silent
    ) -> Units:
        """Return units with durations of one utterance: speech float32 of shape [S] at 16 kHz, lips uint8 [T, 96, 96] at 25 fps.

        Either of the two may be None. Raises InputError for neither.
        """

    def look(self, lips: NDArray[np.uint8]) -> Any:
        """Return the visual features of lips for several calls of `extract_scored`: they are half of the work."""

    def extract_scored(
        self, speech: NDArray[np.float32] | None = None, lips: Any = None, progress: Progress = silent
    ) -> Extraction:
        """As `extract`, with the model's confidence. lips: frames as in `extract`, or the result of `look`."""

    def unload(self) -> None:
        """Free the weights until they are needed again."""


class Translator(Protocol):
    """Units of one language to units of another.

    trained_on: fingerprint of the quantizer of its units, "" = not stated. fingerprint: of the checkpoint. domain: bounds on its
    score, None = not stated. default_search: the search settings in its checkpoint. unit_offset: the model's number of unit 0.
    """

    trained_on: str
    fingerprint: str
    unit_offset: int
    domain: Domain | None

    @property
    def default_search(self) -> Any:
        """The search settings where `search` is None."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes of the languages that it translates from and to."""

    def translate(
        self, units: Units, source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> Translation:
        """Translate one sequence. Raises LanguageError, UnitRangeError, VocabularyError or UsageError."""

    def translate_batch(
        self, sequences: Sequence[Units], source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> list[Translation]:
        """Translate several sequences, with the same results as one by one."""

    def readings(self, score: float, weakest: Stretch | None) -> list[DomainScore]:
        """Return the scores of a translation that can be compared with the domain."""

    def unload(self) -> None:
        """Free the weights until they are needed again."""


class UnitToText(Protocol):
    """Units to text, as it is shown (NFC), not as it is normalised for scoring."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes of the languages that it reads."""

    def read(self, spoken: Units, language: str | None = None) -> Transcript:
        """Return the text of spoken units, with the times of the words.

        spoken: units with durations. language: None = the one whose text is most probable.
        """


class SpeechRecognizer(Protocol):
    """Sound to text without units, as Whisper does. Its text is shown as it is (NFC)."""

    name: str
    """Its name in reports: the name of its folder."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter codes of the languages that it recognizes."""

    def transcribe(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Return the transcript of speech float32 [S] at 16 kHz, with the times of the words in seconds.

        language: None = the recognizer detects it. Raises LanguageError for a language that it does not know.
        """

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        """Return the probability of each language in speech float32 [S] at 16 kHz; nothing where it knows only one."""


class TextToUnitModel(Protocol):
    """Text to units."""

    def units_of(self, text: str, language: str) -> Units:
        """Return the units of a text, merged, with or without durations. Raises InputError for characters that it does not
        know."""


class Voice(Protocol):
    """Vocoder: units to speech, in any voice.

    language: of its units. vocabulary: fingerprint of the quantizer of its units. unit_offset: row of unit 0 in its table.
    speaker_encoder: fingerprint of the encoder whose vectors it was trained with, "" = not stated.
    """

    language: str
    vocabulary: str
    unit_offset: int
    speaker_encoder: str

    @property
    def num_units(self) -> int:
        """Number of different units that it can speak."""

    @property
    def speaker_dim(self) -> int:
        """Length of the speaker vector that it takes."""

    @property
    def takes_pitch(self) -> bool:
        """Whether it follows a speaker's pitch."""

    def predict_durations(self, units: Units, duration_scale: float = 1.0) -> Units:
        """Merge equal neighbours and predict a duration for each unit. duration_scale: above 1 speaks slower."""

    def synthesize(
        self,
        units: Units,
        speaker: NDArray[np.floating[Any]] | SpeakerVoice,
        duration_scale: float = 1.0,
        progress: Progress = silent,
        *,
        pitch: Pitch | None = None,
    ) -> Speech:
        """Speak units. speaker: float of shape [speaker_dim], or a voice with its pitch. pitch: in place of the speaker's."""

    def iter_synthesize(
        self, units: Units, speaker: NDArray[np.floating[Any]] | SpeakerVoice, piece_steps: int = ..., *, pitch: Pitch | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Yield the samples of `synthesize` in pieces, float32 of shape [320 * n], n at most piece_steps."""


class FaceDrawer(Protocol):
    """Draws speech on a face; a lip-sync backend (`unit2av.lipsync.LipSync`) puts the pixels into frames."""

    def codes(self, spoken: Speech) -> Any:
        """Return the mouth shapes of spoken units, one code for each 40 ms: [T, ...]."""

    def draw(
        self, codes: Any, faces: Sequence[NDArray[np.uint8] | None], times: Sequence[Seconds], first_row: int = 0
    ) -> NDArray[np.uint8]:
        """Draw each face with the mouth of its moment, uint8 [len(faces), height, width, 3] RGB.

        codes: from `codes`. faces: RGB crops uint8 [h, w, 3], None = no face here. times: when each is shown (s). first_row: rows
        above it are not needed.
        """


class Speaker(Protocol):
    """Speaker encoder: speech to a vector. fingerprint: of the checkpoint."""

    fingerprint: str

    @property
    def embedding_dim(self) -> int:
        """Length of the vectors."""

    def embed(self, speech: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the speaker vector of speech, float32 of shape [embedding_dim] and unit length.

        speech: float32 of shape [S] at 16 kHz in -1..1. Raises NoSpeechError for too little speech.
        """


def require_units(units: object) -> Units:
    """Return units; raises UnitError for a list or an array, which have neither language nor durations."""
    if not isinstance(units, Units):
        raise UnitError("these are no Units", expected="Units(ids), with ids such as [71, 12, 12]", found=kind_of(units))
    return units


def require_full_scale(speech: NDArray[np.floating[Any]]) -> None:
    """Raise InputError for finite samples far beyond -1..1. speech: float of any shape."""
    loudest = float(np.abs(speech).max(initial=0.0))
    if loudest > LOUDEST:
        raise InputError(
            "speech is out of range", expected="samples in [-1, 1]", found=f"{loudest:g}", hint="divide 16-bit samples by 32768"
        )


def require_image(image: object) -> NDArray[np.uint8]:
    """Return an RGB image uint8 [height, width, 3]; raises InputError for another form."""
    if isinstance(image, np.ndarray):
        is_rgb = image.ndim == 3 and image.shape[2] == 3 and min(image.shape) > 0
        if is_rgb and image.dtype == np.uint8:
            return image
    raise InputError("this is no RGB image", expected="uint8 [height, width, 3]", found=kind_of(image))


def kind_of(value: object) -> str:
    """Describe a value in an error message: an array by its type and shape."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
