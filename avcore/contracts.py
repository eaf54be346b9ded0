"""What passes between packages: results of the stages, protocols of the models, and checks of arguments that come from Python.

Users of models name the protocols, not classes of a stage, so that another model may take the same place. Units are
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
from avcore.timeline import SAMPLE_RATE, Seconds, units_to_seconds
from avcore.units import Ids, Units

_LIKENESS = "its likeness to the nearest known sentence"
_WEAKEST_TOKENS = 3
"""How long the weakest stretch of a translation is."""


class Word(NamedTuple):
    """A word as it is shown. start_s, end_s: seconds from the beginning of the sound or video. confidence: 0 to 1."""

    text: str
    start_s: float
    end_s: float
    confidence: float


@dataclass(frozen=True)
class Transcript:
    """Text as it is shown, in NFC. language: two letters, "" = unknown. words: in order of time, none overlapping.

    has_loop: the model repeated a stretch that nobody said, which is left out.
    """

    text: str
    language: str = ""
    words: tuple[Word, ...] = ()
    has_loop: bool = False

    @property
    def confidence(self) -> float:
        """Mean over the words; 0 where there are none."""
        return sum(word.confidence for word in self.words) / len(self.words) if self.words else 0.0

    def shifted(self, seconds: float) -> "Transcript":
        """Return the same transcript, so much later."""
        moved = (word._replace(start_s=word.start_s + seconds, end_s=word.end_s + seconds) for word in self.words)
        return replace(self, words=tuple(moved))


def of_words(words: Iterable[Word], language: str) -> Transcript:
    """Return the transcript that consists of these words, blanks between."""
    kept = tuple(words)
    return Transcript(" ".join(word.text for word in kept), language, kept)


@dataclass(frozen=True)
class Extraction:
    """Units, and how sure the encoder is of them; `units, confidence = extraction` takes it apart.

    confidence: mean log-probability of the class chosen at each step; weakest: where it is lowest. nearest: where the utterance
    is least like the nearest of the sentences that the encoder knows, and by how much (log-probability, 0 = not at all); None
    where it names none. known: share of the steps that lie in no stretch that is strange in its domain, None = as above. Steps are
    of 20 ms.
    """

    units: Units
    confidence: float
    weakest: Stretch | None = None
    nearest: Stretch | None = None
    known: float | None = None

    def __iter__(self) -> Iterator[Any]:
        """Units and confidence."""
        return iter((self.units, self.confidence))

    def readings(self, domain: Domain | None) -> list[DomainScore]:
        """Return what of it can be compared with the domain of the encoder that made it."""
        told = [DomainScore("the encoder's confidence", self.confidence, domain)]
        if self.weakest is not None:
            told.append(DomainScore("its confidence at its weakest", self.weakest.score, domain, "weakest", _time_of(self.weakest)))
        if self.nearest is not None:
            told.append(DomainScore(_LIKENESS, self.nearest.score, domain, "nearest", _time_of(self.nearest)))
        return told


@dataclass(frozen=True, eq=False)
class Hypothesis:
    """A finished translation.

    tokens: int64 [T], after the start tag and with the end tag. positional_scores: float32 [T], log-probability of each
    token. score: their sum over T ** lenpen, or the sum alone where scores are not normalised. is_cut: it ended because
    the limit was reached, another token being likelier than the end tag.
    """

    tokens: Ids
    positional_scores: NDArray[np.float32]
    score: float
    is_cut: bool


@dataclass(frozen=True, eq=False)
class Translation:
    """A translated sequence.

    units: as they came, repeats kept, without durations. truncated: the best hypothesis ended only because the search
    had reached its limit. hypotheses: all that finished, best first; the first is the translation. others: what else may be said
    instead, shorter or longer, best first, where the translator knows of lengths.
    """

    units: Units
    truncated: bool
    hypotheses: tuple[Hypothesis, ...]
    others: tuple["Translation", ...] = ()

    @property
    def score(self) -> float:
        """Mean log-probability of a token (see `Hypothesis.score`)."""
        return self.hypotheses[0].score

    @property
    def tokens(self) -> Ids:
        """Rows chosen, int64 [T], the end tag last."""
        return self.hypotheses[0].tokens

    @property
    def positional_scores(self) -> NDArray[np.float32]:
        """Log-probability of each token, float32 of shape [T]."""
        return self.hypotheses[0].positional_scores

    @property
    def weakest(self) -> Stretch | None:
        """Where the tokens are least probable; its steps are tokens."""
        return weakest_stretch(self.positional_scores, _WEAKEST_TOKENS)


@dataclass(frozen=True)
class Speech:
    """Speech and the units it says.

    samples: float32 [320 * T] in -1..1. units: with the durations that were spoken, T steps in all. sample_rate: Hz.
    """

    samples: NDArray[np.float32]
    units: Units
    sample_rate: int = SAMPLE_RATE


@dataclass(frozen=True, eq=False)
class SpeakerVoice:
    """A speaker's voice. vector: float32 [speaker_dim], unit length. pitch: None = not known. encoder: fingerprint of the speaker
    encoder that made it, "" = not stated."""

    vector: NDArray[np.float32]
    pitch: Pitch | None = None
    encoder: str = ""


def _time_of(stretch: Stretch) -> str:
    start, stop = (float(units_to_seconds(step)) for step in (stretch.start, stretch.stop))
    return f"at {start:.1f} to {stop:.1f} s"


class Extractor(Protocol):
    """Sound and lips to units.

    vocabulary: fingerprint of the quantizer, which the units carry; fingerprint: of the checkpoint. decoding: how units are chosen,
    in words by `str`. domain: what confidence to expect of it, agreement: how far its lips and its sound agree; None = not stated.
    """

    vocabulary: str
    fingerprint: str
    domain: Domain | None

    @property
    def decoding(self) -> object:
        """How units are chosen from scores."""

    @property
    def agreement(self) -> Any:
        """The bound that its own `listen` takes."""

    def extract(
        self, speech: NDArray[np.float32] | None = None, lips: NDArray[np.uint8] | None = None, progress: Progress = silent
    ) -> Units:
        """Return units with durations of one utterance: speech float32 of shape [S] at 16 kHz, lips uint8 [T, 96, 96] at 25 fps.

        Either of the two may be None. Raises InputError for neither.
        """

    def look(self, lips: NDArray[np.uint8]) -> Any:
        """Return what the model sees in lips, for several calls of `extract_scored`: looking is half of its work."""

    def extract_scored(
        self, speech: NDArray[np.float32] | None = None, lips: Any = None, progress: Progress = silent
    ) -> Extraction:
        """Return the same with the model's confidence. lips: pictures as in `extract`, or what `look` returned."""

    def unload(self) -> None:
        """Let the weights go until they are needed next."""


class Translator(Protocol):
    """Units of one language to units of another.

    trained_on: fingerprint of the quantizer of its units, "" = not stated; fingerprint: of the checkpoint. domain: what score to
    expect of it, None = not stated. default_search: the settings of its search that its checkpoint holds.
    """

    trained_on: str
    fingerprint: str
    domain: Domain | None

    @property
    def default_search(self) -> Any:
        """What `search` is where it is None."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it translates from and to."""

    def translate(
        self, units: Units, source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> Translation:
        """Translate one sequence. Raises LanguageError, UnitRangeError, VocabularyError or UsageError."""

    def translate_batch(
        self, sequences: Sequence[Units], source: str = "en", target: str = "ko", search: Any = None, progress: Progress = silent
    ) -> list[Translation]:
        """Translate several sequences, with the same results as one by one."""

    def readings(self, score: float, weakest: Stretch | None) -> list[DomainScore]:
        """Return what of a translation can be compared with the domain."""

    def unload(self) -> None:
        """Let the weights go until they are needed next."""


class Recognizer(Protocol):
    """Units to text, as it is shown (NFC), not as it is normalised for scoring."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it reads."""

    def read(self, said: Units, language: str | None = None) -> Transcript:
        """Return what units with durations say, with the times of the words. language: None = the one whose text is most
        probable."""


class SpeechRecognizer(Protocol):
    """Sound to text, as Whisper does: no units between. What it wrote is shown as it is (NFC)."""

    name: str
    """What reports call it: the name of its folder."""

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it recognises."""

    def transcribe(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says, with the times of the words in seconds. language: None = it finds out
        itself.

        Raises LanguageError for a language that it does not know.
        """

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        """Return how probable each language is in speech float32 [S] at 16 kHz; nothing where it knows only one."""


class TextToUnitModel(Protocol):
    """Text to units."""

    def units_of(self, text: str, language: str) -> Units:
        """Return the units that a text is spoken in, merged, with durations or without. Raises InputError for signs it cannot
        read."""


class Voice(Protocol):
    """Units to speech, in any voice.

    language: that it speaks. vocabulary: fingerprint of the quantizer of its units. unit_offset: row of unit 0 in its table.
    speaker_encoder: fingerprint of the encoder whose vectors it learnt with, "" = not stated.
    """

    language: str
    vocabulary: str
    unit_offset: int
    speaker_encoder: str

    @property
    def num_units(self) -> int:
        """How many unit names it can say."""

    @property
    def speaker_dim(self) -> int:
        """Length of the speaker vector that it takes."""

    @property
    def takes_pitch(self) -> bool:
        """Whether it follows a speaker's pitch."""

    def predict_durations(self, units: Units, duration_scale: float = 1.0) -> Units:
        """Merge equal neighbours and give each unit a duration. duration_scale: above 1 speaks slower."""

    def synthesize(
        self,
        units: Units,
        speaker: NDArray[np.floating[Any]] | SpeakerVoice,
        duration_scale: float = 1.0,
        progress: Progress = silent,
        *,
        pitch: Pitch | None = None,
    ) -> Speech:
        """Say units. speaker: float of shape [speaker_dim], or with its pitch. pitch: in place of the speaker's."""

    def iter_synthesize(
        self, units: Units, speaker: NDArray[np.floating[Any]] | SpeakerVoice, piece_steps: int = ..., *, pitch: Pitch | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Return the samples of `synthesize` piece by piece, float32 of shape [320 * n], n at most piece_steps."""


class FaceDrawer(Protocol):
    """What is said, on a face: its pixels, which a mouth (`unit2av.lipsync.LipSync`) puts into pictures."""

    def codes(self, said: Speech) -> Any:
        """Return what the mouth does, one code for each 40 ms: [T, ...]."""

    def draw(
        self, codes: Any, faces: Sequence[NDArray[np.uint8] | None], times: Sequence[Seconds], first_row: int = 0
    ) -> NDArray[np.uint8]:
        """Draw faces with the mouth of their moment, uint8 [len(faces), height, width, 3] RGB.

        codes: of `codes`. faces: RGB crops uint8 [h, w, 3], None = no face here. times: when each is shown (s). first_row: what is
        above it is not wanted.
        """


class Speaker(Protocol):
    """Whose voice it is: speech to a vector. fingerprint: of the checkpoint."""

    fingerprint: str

    @property
    def embedding_dim(self) -> int:
        """Length of the vectors."""

    def embed(self, speech: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the voice of speech, float32 of shape [embedding_dim] and unit length. Raises NoSpeechError for too little of it.

        speech: float32 of shape [S] at 16 kHz in -1..1.
        """


def require_units(units: object) -> Units:
    """Return units; raises UnitError for a list or an array, which say neither language nor durations."""
    if not isinstance(units, Units):
        raise UnitError("these are no Units", expected="Units(ids), with ids such as [71, 12, 12]", found=kind_of(units))
    return units


def require_full_scale(speech: NDArray[np.floating[Any]]) -> None:
    """Raise InputError for finite samples, float of any shape, far beyond -1..1."""
    loudest = float(np.abs(speech).max(initial=0.0))
    if loudest > LOUDEST:
        raise InputError(
            "speech is out of range", expected="samples in [-1, 1]", found=f"{loudest:g}", hint="divide 16-bit samples by 32768"
        )


def require_picture(picture: object) -> NDArray[np.uint8]:
    """Return an RGB picture uint8 [height, width, 3]; raises InputError for another form."""
    if isinstance(picture, np.ndarray):
        is_rgb = picture.ndim == 3 and picture.shape[2] == 3 and min(picture.shape) > 0
        if is_rgb and picture.dtype == np.uint8:
            return picture
    raise InputError("this is no RGB picture", expected="uint8 [height, width, 3]", found=kind_of(picture))


def kind_of(value: object) -> str:
    """Return what a value is, in words for an error: an array by its type and shape."""
    return f"{value.dtype} {list(value.shape)}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
