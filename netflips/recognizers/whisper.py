"""Whisper as a speech recognizer (automatic speech recognition, ASR), from a folder of the user's, run by faster-whisper."""

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
from netflips.recognizers.loops import is_loop

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

_WHAT = "the recognizer"
_NEEDED = ("config.json", "tokenizer.json", "vocabulary.txt|vocabulary.json")
_HINT = "--recognizer takes a folder of faster-whisper"
_HOW: Mapping[str, Any] = {
    "beam_size": 5,
    "word_timestamps": True,
    "condition_on_previous_text": False,  # a mistake would affect all that follows
    "vad_filter": False,  # speech was cut into utterances before
}
"""Arguments of `WhisperModel.transcribe`. It samples at higher temperatures only if its text repeats itself or has low
confidence."""
_PUBLISHED: Mapping[str, Any] = {"beam_size": 1, "temperature": 0.0}
"""Settings with which papers measure ASR-BLEU (Seamless Communication 2023); all others are Whisper's defaults."""
_SEED = 0
_FEATURES = {"sampling_rate": SAMPLE_RATE, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
"""Settings of features that every Whisper has. _BANDS: the mel bands that faster-whisper assumes if the folder does not state
them."""
_MEANT = {"feature_size": "mel bands"}
_BANDS, _MOST_HEADS, _FRAMES = 80, 64, 100
_TAIL_S, _LEAST_FRAMES = 2.0, 200
"""Silence that is encoded behind a turn, and the fewest frames of 10 ms that are encoded of one."""
_LAYER = re.compile(r"decoder/layer_(\d{1,4})/")
_LEAST_S = 0.1
"""Shorter sound has no words, and faster-whisper finds no times in it."""
_UNSPACED = ("ja", "zh", "yue", "th", "lo", "my", "km")
"""Languages without blanks between words. In others, a piece that begins without a blank continues the word before, as the % of
98%."""
_JOINERS = "\u200c\u200d"
"""Characters without width that belong to the spelling of words in some scripts."""


class Whisper:
    """A Whisper model: speech to text with times of words. Segments that are loops at every temperature are left out."""

    def __init__(
        self, model: "WhisperModel", folder: Path, is_published: bool = False, has_times: bool = False, is_cropped: bool = False
    ) -> None:
        """is_published: it runs with the settings of papers that report ASR-BLEU: beam 1, temperature 0, and loops stay. has_times:
        whether it then finds times of words, too. is_cropped: whether it encodes a sound as long as it is, in place of 30 s."""
        self._model, self._folder, self._is_published, self._is_cropped = model, folder, is_published, is_cropped
        self._how = {**_PUBLISHED, "word_timestamps": has_times} if is_published else _HOW
        self.name = folder.resolve().name + (" (beam 1, temperature 0)" if is_published else "")

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that it recognizes, by two-letter name."""
        return tuple(sorted(language for language in self._model.supported_languages if len(language) == 2))

    def transcribe(self, speech: NDArray[np.float32], language: str | None = None) -> Transcript:
        """Recognize speech, float32 [S] at 16 kHz; times are in seconds, within the sound and in order.

        language: None = it is detected. Raises LanguageError for a language that it does not have, InputError for samples of
        another shape, that are not finite, or out of range.
        """
        asked = None if language is None else require_language(language, self.languages, f"{_WHAT} {self.name}")
        if speech.ndim != 1:
            raise InputError("this is no speech", expected="samples of shape [S]", found=list(speech.shape))
        if not np.isfinite(speech).all():
            raise InputError("speech holds samples that are no numbers", expected="samples in [-1, 1]")
        require_full_scale(speech)

        if len(speech) < seconds_to_samples(_LEAST_S):
            return Transcript("", asked or "")

        if self._is_cropped:
            frames = math.ceil(_FRAMES * (float(samples_to_seconds(len(speech))) + _TAIL_S))
            self._model.most_frames = max(frames + frames % 2, _LEAST_FRAMES)  # of `EncodedOnce`
        with engine_errors(self._folder, _WHAT, "failed while it heard"):
            segments, about = self._model.transcribe(np.ascontiguousarray(speech, np.float32), language=asked, **self._how)
            # faster-whisper recognizes only while its segments are read, so its errors come here.
            recognized = list(segments)

        length_s = float(samples_to_seconds(len(speech)))
        kept = [one for one in recognized if self._is_published or not is_loop(one.text, one.end - one.start)]
        text = _shown("".join(one.text for one in kept))
        if is_loop(text, length_s) and not self._is_published:
            text, kept = "", []
        words = _words(kept, length_s, asked or about.language) if text else ()
        return Transcript(text, asked or about.language, words, has_loop=len(kept) < len(recognized))

    def languages_in(self, speech: NDArray[np.float32]) -> Mapping[str, float]:
        """Return the probability of each language in the first 30 s of speech, float32 [S] at 16 kHz; empty if it has only one
        language, or the speech is too short."""
        if not self._model.model.is_multilingual or len(speech) < seconds_to_samples(_LEAST_S):
            return {}
        begun = np.ascontiguousarray(speech[: self._model.feature_extractor.n_samples], np.float32)
        with engine_errors(self._folder, _WHAT, "failed while it heard"):
            features = self._model.feature_extractor(begun)[..., :-1]  # the same as in `transcribe`, so that they are encoded once
            return dict(self._model.detect_language(features=features)[2])


def as_published(recognizer: SpeechRecognizer) -> SpeechRecognizer:
    """Return the same Whisper with the settings of papers, and times of words: for the same sound, its transcript is always the
    same. Another recognizer is returned as it is."""
    if not isinstance(recognizer, Whisper):
        return recognizer
    return Whisper(recognizer._model, recognizer._folder, is_published=True, has_times=True)


def open_whisper(folder: Path, device: str = "auto", precision: str = "float32", is_published: bool = False) -> SpeechRecognizer:
    """Open a folder with a Whisper model in the form of faster-whisper (CTranslate2). Nothing is downloaded.

    device: as in --device. precision: float32 takes weights as the folder holds them. is_published: with the settings of papers,
    see `Whisper`. Raises InputError for a folder that holds no Whisper, UsageError if the extra `asr` is not installed or the
    device is not here.
    """
    folder = require_whisper_folder(folder)
    with extra_needed("faster-whisper"):
        import faster_whisper  # noqa: F401
    settings = engine_settings(device, precision)
    try_apart(_try, folder, _WHAT, settings)
    return Whisper(_open(folder, settings), folder, is_published)


def open_quick_whisper(folder: Path, device: str = "auto") -> SpeechRecognizer:
    """Open the same for turns of a few seconds, which then take a quarter of the time and lose a point of words: with weights of 8
    bits on a CPU, and cropped. Raises what `open_whisper` raises."""
    folder = require_whisper_folder(folder)
    with extra_needed("faster-whisper"):
        import faster_whisper  # noqa: F401
    settings = engine_settings(device, "float32")
    if settings["device"] == "cpu":
        settings |= {"compute_type": "int8"}
    try_apart(_try, folder, _WHAT, settings)
    return Whisper(_open(folder, settings), folder, is_cropped=True)


def require_whisper_folder(folder: Path) -> Path:
    """Return a folder if its files and the list of its weights are those of a Whisper. Raises InputError for another."""
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

    ctranslate2.set_random_seed(_SEED)  # texts are sampled at higher temperatures

    class EncodedOnce(WhisperModel):  # type: ignore[misc]  # of a library that is loaded late
        """Encodes sound only once if its language is detected before it is recognized."""

        last: tuple[NDArray[np.float32], Any] | None = None
        most_frames: int | None = None

        def encode(self, features: NDArray[np.float32]) -> Any:
            features = np.ascontiguousarray(features[..., : self.most_frames])
            last = self.last
            if last is None or not np.array_equal(last[0], features):
                last = self.last = features.copy(), super().encode(features)
            return last[1]

    with engine_errors(folder, _WHAT):
        return EncodedOnce(str(folder), local_files_only=True, **settings)


def _try(folder: Path, settings: Mapping[str, Any]) -> None:
    """Open a folder and use all that recognition may use: the language, a text, and the times of its words."""
    from faster_whisper.tokenizer import Tokenizer

    require_numbers(folder)
    model = _open(folder, settings)
    whisper, sound = Whisper(model, folder), np.random.default_rng(0).normal(0, 0.1, seconds_to_samples(1)).astype(np.float32)

    language = whisper.transcribe(sound).language
    tokenizer = Tokenizer(model.hf_tokenizer, model.model.is_multilingual, task="transcribe", language=language)
    seen = model.encode(model.feature_extractor(sound))
    model.find_alignment(tokenizer, [tokenizer.encode(" a b")], seen, _FRAMES)


def _require_bands(folder: Path, weights: Mapping[str, Weight]) -> None:
    """Raise InputError if the features that the folder states are not those that the network takes."""
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
    """Raise InputError if the attention heads that give the times of words are not heads of the network."""
    path = folder / "config.json"
    stated = read_json(path, "the recognizer's settings")
    heads = stated.get("alignment_heads") if isinstance(stated, dict) else None
    num_layers = 1 + max((int(found[1]) for name in weights if (found := _LAYER.match(name))), default=0)
    num_heads = number_in(folder, weights.get("decoder/num_heads")) or _MOST_HEADS

    is_right = isinstance(heads, list) and bool(heads) and all(_is_head(head, num_layers, num_heads) for head in heads)
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
    """Return the words of all segments, with times from 0 to `end_s` and in order.

    A segment without words, because their times could not be found, counts as one word.
    """
    found: list[Word] = []
    now = 0.0
    for segment in segments:
        sure = math.exp(min(segment.avg_logprob, 0.0))
        own = [(word.word, word.start, word.end, word.probability) for word in segment.words or ()]
        for place, (text, start, stop, probability) in enumerate(own or [(segment.text, segment.start, segment.end, sure)]):
            # Times that the network finds may overlap, or lie behind the end.
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
    """Return a text in NFC, with one blank between words and without what cannot be printed."""
    return " ".join("".join(sign if sign.isprintable() or sign in _JOINERS else " " for sign in normalize("NFC", text)).split())
