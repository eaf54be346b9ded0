"""Korean phones: text as it is pronounced, sound by sound, in the signs that Kokoro-82M takes.

Names of phones are those of English where Kokoro has one sign for both (`k`, `m`, `i`), else espeak-ng's for Korean with a mark
(`kh` aspirated, `k*` tense, `k-` at the end of a syllable). What Korean tells apart stays apart; ㅐ and ㅔ are one, as they are in
Seoul today. ㅢ within a word is ㅣ, and ㅖ behind a consonant ㅔ (표준 발음법 제5항).
"""

from collections.abc import Iterator

from text2unit.korean.pronunciation import letters_of_syllable, pronounce
from text2unit.normalise import MARKS, is_syllable, normalise

# ruff: noqa: RUF001
_VOICED = {"ㄱ": ("g", "ɡ"), "ㄷ": ("d", "d"), "ㅂ": ("b", "b"), "ㅈ": ("dZ;", "ʥ")}
"""Plain stops behind a vowel or a nasal."""
_ONSETS = {
    "ㄱ": ("k", "k"), "ㄲ": ("k*", "kk"), "ㄴ": ("n", "n"), "ㄷ": ("t", "t"), "ㄸ": ("t*", "tt"), "ㄹ": ("*", "ɾ"),
    "ㅁ": ("m", "m"), "ㅂ": ("p", "p"), "ㅃ": ("p*", "pp"), "ㅅ": ("s", "s"), "ㅆ": ("s*", "ss"), "ㅇ": ("", ""),
    "ㅈ": ("tS;", "ʨ"), "ㅉ": ("tS;*", "ʨʨ"), "ㅊ": ("tSh", "ʨʰ"), "ㅋ": ("kh", "kʰ"), "ㅌ": ("th", "tʰ"), "ㅍ": ("ph", "pʰ"),
    "ㅎ": ("h", "h"),
}  # fmt: skip
"""A tense consonant is a doubled one: a longer closure. Kokoro has none of its own. Whisper base hears 17 of 26 of these as tense,
15 to 17 of single ones, and 15 behind the sign of a doubled one of Japanese (ʔ). Errors in characters of 32 sentences are 0.21,
0.24 and 0.26 in one style, 0.18 and 0.20 in another.
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


def korean_signs(text: str, silence: str) -> Iterator[Sign]:
    """Signs of a Korean text with their phones. silence: the phone of blanks and marks. Raises InputError as `normalise` does."""
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
    """before: the letter that the syllable before ended with, "" behind a pause."""
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
