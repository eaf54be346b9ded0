"""English words in Hangul, as they sound: by the rules for loanwords (외래어 표기법, 제3장 제1절), from phonemes.

in_hangul("Emily", phonemes)    # 에밀리. phonemes: as espeak-ng spells the word in General American
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

# ruff: noqa: RUF001
_ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_NUCLEI = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_CODAS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
_SIGNS = re.compile(r"eɪ|aɪ|aʊ|oʊ|ɔɪ|tʃ|dʒ|[^ˈˌːʰʲ]")
_SYLLABIC = re.compile("([mnl])\u0329")
_VOWELS = {
    "i": "ㅣ", "ɪ": "ㅣ", "ᵻ": "ㅣ", "ɨ": "ㅣ", "e": "ㅔ", "ɛ": "ㅔ", "æ": "ㅐ", "a": "ㅏ", "ɑ": "ㅏ", "ɐ": "ㅓ", "ɔ": "ㅗ",
    "o": "ㅗ", "ʊ": "ㅜ", "u": "ㅜ", "ʌ": "ㅓ", "ə": "ㅓ", "ɜ": "ㅓ", "ɚ": "ㅓ", "eɪ": "ㅔㅣ", "aɪ": "ㅏㅣ", "aʊ": "ㅏㅜ",
    "oʊ": "ㅗ", "ɔɪ": "ㅗㅣ",
}  # fmt: skip
_SHORT = frozenset("ɪᵻɨeɛæɐʊʌəɑ")
"""Vowels behind which a last p, t or k closes the syllable."""
_CONSONANTS = {
    "p": "ㅍ", "b": "ㅂ", "t": "ㅌ", "ɾ": "ㅌ", "ʔ": "ㅌ", "d": "ㄷ", "k": "ㅋ", "x": "ㅎ", "ɡ": "ㄱ", "f": "ㅍ", "v": "ㅂ",
    "θ": "ㅅ", "ð": "ㄷ", "s": "ㅅ", "z": "ㅈ", "ʒ": "ㅈ", "tʃ": "ㅊ", "dʒ": "ㅈ", "m": "ㅁ", "n": "ㄴ", "l": "ㄹ", "ɬ": "ㄹ",
    "h": "ㅎ", "ɹ": "ㄹ", "r": "ㄹ",
}  # fmt: skip
_ALONE = {"ʃ": "시", "ʒ": "지", "tʃ": "치", "dʒ": "지"}
"""Without a vowel behind them; the others get ㅡ."""
_CLOSING = {"m": "ㅁ", "n": "ㄴ", "ŋ": "ㅇ", "l": "ㄹ", "ɬ": "ㄹ"}
_STOPS = {"p": "ㅂ", "t": "ㅅ", "k": "ㄱ"}
_WITH_J = {"ㅏ": "ㅑ", "ㅐ": "ㅒ", "ㅓ": "ㅕ", "ㅔ": "ㅖ", "ㅗ": "ㅛ", "ㅜ": "ㅠ", "ㅣ": "ㅣ"}
_WITH_W = {"ㅏ": "ㅘ", "ㅐ": "ㅙ", "ㅓ": "ㅝ", "ㅔ": "ㅞ", "ㅗ": "ㅝ", "ㅜ": "ㅜ", "ㅣ": "ㅟ"}


class _Sound(NamedTuple):
    """sign: of the international alphabet. is_lot: the vowel of lot, which Korean writes as ㅗ."""

    sign: str
    is_lot: bool = False

    @property
    def is_vowel(self) -> bool:
        return self.sign in _VOWELS


def in_hangul(word: str, phonemes: Sequence[tuple[str, str]]) -> str:
    """Return an English word in Hangul. phonemes: espeak-ng's name and IPA sign of each. "" = a sound of it is not English."""
    sounds = [_Sound(sign, name == "0") for name, signs in phonemes for sign in _SIGNS.findall(_SYLLABIC.sub(r"ə\1", signs))]
    if not sounds or any(not sound.is_vowel and sound.sign not in {*_CONSONANTS, *_ALONE, "ŋ", "j", "w"} for sound in sounds):
        return ""
    written, place = list[str](), 0
    while place < len(sounds):
        place = _next(sounds, place, written, ends_in_a=word.lower().endswith("a"))
    return "".join(written)


def _next(sounds: Sequence[_Sound], place: int, written: list[str], *, ends_in_a: bool) -> int:
    """Write what begins at a place; returns the place behind it."""
    one = sounds[place]
    behind = sounds[place + 1] if place + 1 < len(sounds) else None
    if one.is_vowel:
        _add("ㅇ", _vowel(sounds, place, ends_in_a), written)
        return place + 1
    if one.sign in "jw":
        return _glide("ㅇ", sounds, place, written, ends_in_a=ends_in_a)
    if one.sign == "ʃ" and behind is not None and behind.sign == "j":
        return _next([*sounds[:place], one, *sounds[place + 2 :]], place, written, ends_in_a=ends_in_a) + 1
    if one.sign == "ʃ" and behind is not None and behind.is_vowel:
        letters = _vowel(sounds, place + 1, ends_in_a)
        _add("ㅅ", _WITH_J[letters[0]] + letters[1:], written)
        return place + 2
    if one.sign in "ɹr" and (behind is None or not (behind.is_vowel or behind.sign in "jw")):
        return place + 1  # as in Park, 파크
    if behind is not None and behind.is_vowel and one.sign != "ŋ":
        is_doubled = one.sign == "l" and bool(written) and sounds[place - 1].sign not in "mn" and _close(written, "ㄹ")
        _add("ㄹ" if is_doubled else _CONSONANTS[one.sign], _vowel(sounds, place + 1, ends_in_a), written)
        return place + 2
    is_gliding = behind is not None and (behind.sign == "j" or (behind.sign == "w" and one.sign in "kɡhx"))
    if is_gliding and one.sign in _CONSONANTS and place + 2 < len(sounds):
        return _glide(_CONSONANTS[one.sign], sounds, place + 1, written, ends_in_a=ends_in_a)
    if (closing := _closing(sounds, place)) and _close(written, closing):
        return place + 1

    written.append("슈" if one.sign == "ʃ" and behind is not None else _ALONE.get(one.sign) or _syllable(_onset(one), "ㅡ"))
    return place + 1


def _onset(one: _Sound) -> str:
    return "ㅇ" if one.sign == "ŋ" else _CONSONANTS[one.sign]


def _closing(sounds: Sequence[_Sound], place: int) -> str:
    """Return the letter with which a consonant closes the syllable before it, "" = it does not."""
    sign = sounds[place].sign
    if sign in _CLOSING:
        return _CLOSING[sign]
    before = sounds[place - 1] if place else None
    behind = sounds[place + 1].sign if place + 1 < len(sounds) else ""
    is_short = before is not None and before.sign in _SHORT
    return _STOPS.get(sign, "") if is_short and behind not in ("l", "ɹ", "r", "m", "n", "w", "j") else ""


def _vowel(sounds: Sequence[_Sound], place: int, ends_in_a: bool) -> str:
    """Return the letters of a vowel. A last weak one that is written a is ㅏ, as in pizza; before an r that is not said, ㅣ and ㅜ
    get ㅓ behind them."""
    one = sounds[place]
    if one.is_lot:
        return "ㅗ"
    is_weak, left = one.sign in "əɐ", [sound.sign for sound in sounds[place + 1 :]]
    if is_weak and ends_in_a and not left:
        return "ㅏ"
    if is_weak and left == ["l"] and place and sounds[place - 1].sign in _CONSONANTS:
        return "ㅡ"  # as in Michael, 마이클

    letters = _VOWELS[one.sign]
    is_silent_r = left[:1] in (["ɹ"], ["r"]) and (len(left) == 1 or left[1] not in _VOWELS)
    return f"{letters}ㅓ" if is_silent_r and letters[-1] in "ㅣㅜㅔ" else letters


def _glide(onset: str, sounds: Sequence[_Sound], place: int, written: list[str], *, ends_in_a: bool) -> int:
    """Write a vowel with the j or w before it, and the consonant before that; returns the place behind."""
    if place + 1 == len(sounds) or not sounds[place + 1].is_vowel:
        written.append(_syllable(onset, "ㅣ" if sounds[place].sign == "j" else "ㅜ"))
        return place + 1
    letters = _vowel(sounds, place + 1, ends_in_a)
    if sounds[place].sign == "j" and onset in "ㄷㄹㄴ" and letters[0] == "ㅓ":  # as in Daniel, 대니얼
        _add(onset, "ㅣㅓ", written)
        return place + 2

    glided = (_WITH_J if sounds[place].sign == "j" else _WITH_W)[letters[0]]
    _add(onset, glided + letters[1:], written)
    return place + 2


def _add(onset: str, letters: str, written: list[str]) -> None:
    written.append(_syllable(onset, letters[0]))
    written += [_syllable("ㅇ", letter) for letter in letters[1:]]


def _syllable(onset: str, nucleus: str) -> str:
    return chr(ord("가") + (_ONSETS.index(onset) * len(_NUCLEI) + _NUCLEI.index(nucleus)) * len(_CODAS))


def _close(written: list[str], coda: str) -> bool:
    """Put a last consonant under the syllable that was written last; returns whether there is one that is open."""
    if not written or (ord(written[-1]) - ord("가")) % len(_CODAS):
        return False
    written[-1] = chr(ord(written[-1]) + _CODAS.index(coda))
    return True
