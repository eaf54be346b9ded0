"""Protocols of the models, and checks of arguments that come from Python.

Users of models name these, not classes of a stage, so that another model may take the same place. Units are
discrete speech units, 50 a second; speech is float32 [S] mono at 16 kHz in -1..1; lips are uint8 gray [T, 96, 96] at 25 fps.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from avcore.answers import Extraction, SpeakerVoice, Speech, Transcript, Translation
from avcore.arrays import LOUDEST
from avcore.errors import InputError, UnitError
from avcore.progress import Progress, silent
from avcore.speech.pitch import Pitch
from avcore.timeline import Seconds
from avcore.units import Units
from avcore.units.domain import Domain, DomainScore, Stretch


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

    def extract_scored(
        self, speech: NDArray[np.float32] | None = None, lips: NDArray[np.uint8] | None = None, progress: Progress = silent
    ) -> Extraction:
        """Return the same, of speech and lips in the same shapes, with the model's confidence."""

    def put_away(self) -> None:
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

    def put_away(self) -> None:
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

    def hear(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says, with the times of the words in seconds. language: None = it finds out
        itself.

        Raises LanguageError for a language that it does not know.
        """


class Speller(Protocol):
    """Text to units."""

    def units_of(self, text: str, language: str) -> Units:
        """Return the units that a text is spoken in, merged, with durations or without. Raises InputError for signs it cannot
        read."""


class Voice(Protocol):
    """Units to speech, in any voice.

    language: that it speaks. vocabulary: fingerprint of the quantizer of its units. unit_offset: row of unit 0 in its table.
    """

    language: str
    vocabulary: str
    unit_offset: int

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
        self,
        units: Units,
        speaker: NDArray[np.floating[Any]] | SpeakerVoice,
        piece_steps: int = ...,
        *,
        pitch: Pitch | None = None,
    ) -> Iterator[NDArray[np.float32]]:
        """Return the samples of `synthesize` piece by piece, float32 of shape [320 * n], n at most piece_steps."""


class FaceDrawer(Protocol):
    """What is said, on a face: its pixels, which a mouth (`unit2av.lipsync.lip_sync.LipSync`) puts into pictures."""

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
