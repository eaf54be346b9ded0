"""Whisper, of a folder that a user has, as a recognizer of sound (automatic speech recognition, ASR; by faster-whisper)."""

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

import numpy as np
from numpy.typing import NDArray

from avcore.contracts import SpeechRecognizer, Transcript, Word, require_full_scale
from avcore.errors import InputError
from avcore.texts import read_json
from avcore.timeline import SAMPLE_RATE, samples_to_seconds, seconds_to_samples
from avcore.units import require_language
from netflips.quality_estimation import is_loop
from netflips.recognizers.folders import (
    WHISPER,
    Weight,
    engine_errors,
    engine_settings,
    extra_needed,
    number_in,
    require_engine_folder,
    require_numbers,
    require_rows,
    try_apart,
    weights_of,
    words_in,
)

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_WHAT = "the recognizer"
_NEEDED = ("config.json", "tokenizer.json", "vocabulary.txt|vocabulary.json")
_HINT = "--recognizer takes a folder of faster-whisper"
_HOW: Mapping[str, Any] = {
    "beam_size": 5,
    "word_timestamps": True,
    "condition_on_previous_text": False,  # one mistake would be carried on
    "vad_filter": False,  # utterances are cut before
}
"""Of `WhisperModel.transcribe`. What it writes is sampled at higher temperatures only where it repeats itself or is unsure."""
_PUBLISHED: Mapping[str, Any] = {"beam_size": 1, "temperature": 0.0}
"""How ASR-BLEU is taken in papers (Seamless Communication 2023): all else is Whisper's own default."""
_SEED = 0
_FEATURES = {"sampling_rate": SAMPLE_RATE, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
"""Of every Whisper. _BANDS: what faster-whisper takes where the folder says nothing."""
_MEANT = {"feature_size": "mel bands"}
_BANDS, _MOST_HEADS, _FRAMES = 80, 64, 100
_LAYER = re.compile(r"decoder/layer_(\d{1,4})/")
_LEAST_S = 0.1
"""What is shorter holds no word, and faster-whisper finds no times in it."""
_UNSPACED = ("ja", "zh", "yue", "th", "lo", "my", "km")
"""Languages that put no blanks between words. In others, what begins without one goes on with the word before, as the % of 98%."""
_JOINERS = "\u200c\u200d"
"""Signs without a width that words of some scripts are spelt with."""


class Whisper:
    """A Whisper model: sound to text with times of words. What stays a loop at every temperature is left out."""

    def __init__(self, model: "WhisperModel", folder: Path, is_published: bool = False, has_times: bool = False) -> None:
        """is_published: it listens as papers that report ASR-BLEU let it: beam 1, temperature 0, and loops stay. has_times: with
        times of words then."""
        self._model, self._folder, self._is_published = model, folder, is_published
        self._how = {**_PUBLISHED, "word_timestamps": has_times} if is_published else _HOW
        self.name = folder.resolve().name + (" (beam 1, temperature 0)" if is_published else "")

    @property
    def languages(self) -> tuple[str, ...]:
        """Two-letter names of the languages that it hears."""
        return tuple(sorted(one for one in self._model.supported_languages if len(one) == 2))

    def transcribe(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Return what speech float32 [S] at 16 kHz says; times in seconds, within the sound and in order.

        language: None = it finds out itself. Raises LanguageError for one that it does not know, InputError for speech that is
        no sound.
        """
        asked = None if language is None else require_language(language, self.languages, f"{_WHAT} {self.name}")
        if speech.ndim != 1:
            raise InputError("this is no speech", expected="samples of shape [S]", found=list(speech.shape))
        if not np.isfinite(speech).all():
            raise InputError("speech holds samples that are no numbers", expected="samples in [-1, 1]")
        require_full_scale(speech)
        if len(speech) < seconds_to_samples(_LEAST_S):
            return Transcript("", asked or "")
        with engine_errors(self._folder, _WHAT, "failed while it heard"):
            segments, about = self._model.transcribe(np.ascontiguousarray(speech, np.float32), language=asked, **self._how)
            said = list(segments)
        length_s = float(samples_to_seconds(len(speech)))
        kept = [one for one in said if self._is_published or not is_loop(one.text, one.end - one.start)]
        text = _shown("".join(one.text for one in kept))
        if is_loop(text, length_s) and not self._is_published:
            text, kept = "", []
        words = _words(kept, length_s, asked or about.language) if text else ()
        return Transcript(text, asked or about.language, words, has_loop=len(kept) < len(said))

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        """Return how probable each language is in the first 30 s of speech float32 [S]; nothing where it knows only one."""
        if not self._model.model.is_multilingual or len(speech) < seconds_to_samples(_LEAST_S):
            return {}
        begun = np.ascontiguousarray(speech[: self._model.feature_extractor.n_samples], np.float32)
        with engine_errors(self._folder, _WHAT, "failed while it heard"):
            features = self._model.feature_extractor(begun)[..., :-1]  # as `transcribe` takes them: then they are encoded once
            return dict(self._model.detect_language(features=features)[2])


def as_published(recognizer: SpeechRecognizer) -> SpeechRecognizer:
    """Return the same Whisper as it listens for papers, with times of words: it hears the same again in the same sound."""
    if not isinstance(recognizer, Whisper):
        return recognizer
    return Whisper(recognizer._model, recognizer._folder, is_published=True, has_times=True)


def open_whisper(folder: Path, device: str = "auto", precision: str = "float32", is_published: bool = False) -> SpeechRecognizer:
    """Open a folder with a Whisper model in the form of faster-whisper (CTranslate2); nothing is downloaded.

    device: as in --device. precision: float32 takes the numbers as the folder holds them. is_published: with the settings of
    papers, see `Whisper`. Raises InputError for a folder that is no Whisper, UsageError where the extra `asr` is not installed
    or the device is not here.
    """
    folder = require_whisper_folder(folder)
    with extra_needed("faster-whisper"):
        import faster_whisper  # noqa: F401
    settings = engine_settings(device, precision)
    try_apart(_try, folder, _WHAT, settings)
    return Whisper(_open(folder, settings), folder, is_published)


def require_whisper_folder(folder: Path) -> Path:
    """Return a folder that holds a Whisper, by its files and the list of its weights; raises InputError for another."""
    folder = require_engine_folder(folder, WHISPER, _WHAT, _NEEDED, _HINT)
    weights = weights_of(folder)
    if weights:
        _require_bands(folder, weights)
        _require_heads(folder, weights)
        require_rows(folder, weights, "decoder/embeddings/weight", len(words_in(folder, "vocabulary")))
    return folder


def _open(folder: Path, settings: Mapping[str, Any]) -> "WhisperModel":
    import ctranslate2
    from faster_whisper import WhisperModel

    ctranslate2.set_random_seed(_SEED)  # of what is sampled

    class EncodedOnce(WhisperModel):  # type: ignore[misc]  # of a library that is loaded late
        """Encodes a sound once where its language is asked for before its text."""

        last: tuple[NDArray[np.float32], Any] | None = None

        def encode(self, features: NDArray[np.float32]) -> Any:
            last = self.last
            if last is None or not np.array_equal(last[0], features):
                last = self.last = features.copy(), super().encode(features)
            return last[1]

    with engine_errors(folder, _WHAT):
        return EncodedOnce(str(folder), local_files_only=True, **settings)


def _try(folder: Path, settings: Mapping[str, Any]) -> None:
    """Open a folder and use all of it that hearing may use: the language, a text, and the times of its words."""
    from faster_whisper.tokenizer import Tokenizer

    require_numbers(folder)
    model = _open(folder, settings)
    whisper, sound = Whisper(model, folder), np.random.default_rng(0).normal(0, 0.1, seconds_to_samples(1)).astype(np.float32)
    language = whisper.transcribe(sound).language
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    seen = model.encode(model.feature_extractor(sound))
    model.find_alignment(tokenizer, [tokenizer.encode(" a b")], seen, _FRAMES)


def _require_bands(folder: Path, weights: Mapping[str, Weight]) -> None:
    """Raise InputError where sound would be made into other features than the network takes."""
    path = folder / "preprocessor_config.json"
    shape = weights["encoder/conv1/weight"].shape if "encoder/conv1/weight" in weights else ()
    stated = read_json(path, "the settings of its features") if path.is_file() else {}
    expected = {**_FEATURES, "feature_size": shape[1] if len(shape) > 1 else _BANDS}
    found = {"feature_size": _BANDS, **stated} if isinstance(stated, dict) else {}
    odd = [name for name, value in expected.items() if found.get(name, value) != value]
    if odd or not found:
        raise InputError(
            f"{_WHAT} listens otherwise",
            path=path if path.is_file() else folder,
            expected=", ".join(f"{expected[name]} {_MEANT.get(name, name)}" for name in odd) or "an object",
            found=", ".join(f"{found[name]!r:.40}" for name in odd) or f"{stated!r:.40}",
            hint="copy preprocessor_config.json from where the folder is from",
        )


def _require_heads(folder: Path, weights: Mapping[str, Weight]) -> None:
    """Raise InputError where the heads that tell the times of words are not heads of the network."""
    path = folder / "config.json"
    stated = read_json(path, "the recognizer's settings")
    heads = stated.get("alignment_heads") if isinstance(stated, dict) else None
    num_layers = 1 + max((int(found[1]) for name in weights if (found := _LAYER.match(name))), default=0)
    num_heads = number_in(folder, weights.get("decoder/num_heads")) or _MOST_HEADS
    is_right = isinstance(heads, list) and bool(heads) and all(_is_head(one, num_layers, num_heads) for one in heads)
    if not is_right:
        raise InputError(
            "its alignment_heads are none of the model's",
            path=path,
            expected=f"pairs of one of {num_layers} layers and one of {num_heads} heads",
            found=f"{heads!r:.80}",
            hint="copy config.json from where the folder is from",
        )


def _is_head(value: object, *most: int) -> bool:
    is_pair = isinstance(value, list) and len(value) == 2 and all(type(one) is int for one in value)
    return is_pair and all(0 <= one < number for one, number in zip(value, most, strict=True))  # type: ignore[call-overload]


def _words(segments: Iterable[Any], end_s: float, language: str) -> tuple[Word, ...]:
    """Return the words of all segments; one that has none of its own, as where its times could not be found, is one word."""
    found: list[Word] = []
    now = 0.0
    for segment in segments:
        sure = math.exp(min(segment.avg_logprob, 0.0))
        own = [(one.word, one.start, one.end, one.probability) for one in segment.words or ()]
        for place, (text, start, stop, probability) in enumerate(own or [(segment.text, segment.start, segment.end, sure)]):
            begin = min(max(float(start), now), end_s)
            now = min(max(float(stop), begin), end_s)
            if not (shown := _shown(text)):
                continue
            confidence = min(max(float(probability), 0.0), 1.0)
            if place and found and language not in _UNSPACED and not text[0].isspace():
                before = found[-1]
                found[-1] = Word(before.text + shown, before.start_s, now, min(before.confidence, confidence))
            else:
                found.append(Word(shown, begin, now, confidence))
    return tuple(found)


def _shown(text: str) -> str:
    """NFC, one blank between words, nothing that cannot be printed."""
    return " ".join("".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in normalize("NFC", text)).split())
