"""Finds names that a Korean translation lost. A name is kept if it stands there in Latin letters, or in Hangul that sounds like it.

Consonants are compared as each script writes them. Vowels are only counted, because Hangul writes them in many ways. A name that is
translated, such as China, is recognized only if its translation is known.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from types import MappingProxyType
from unicodedata import normalize

from avcore.words import KOREAN
from netflips.quality_estimation import spell
from text2unit.nouns import stands_in

_LEAST = 2, 3
"""Least consonants of a name, within a sentence and at its beginning, where every word has a capital letter."""
_NAME = re.compile(r"[A-Z\u00c0-\u00de][A-Za-z\u00c0-\u024f]+")
_BEGINS = re.compile(r"(?:^|[.!?\u2026][\"'\u201d\u2019)]*\s)[\s\"'\u201c\u2018(]*$")
_PARTICLES = re.compile(
    "은|는|이|가|을|를|의|도|와|과|에|로|으로|만|랑|야|아|님|씨|께|한테|라|였|예|입니다|호|까지|부터|처럼|보다|하고|조차|마저|박사|교수"
)
"""What may follow a name within one word."""
_LATIN = (
    (r"^(?:kn|gn)", "N"), (r"^wr", "L+"), (r"^h", "H"), (r"^(?:wh?|[aeiouy]+)", "V"), (r"^j", "[SV]"), (r"sch|tch|sh", "S+"),
    (r"ch", "[SKH]+"), (r"ph", "P+"), (r"gh", "K?"), (r"th", "[ST]+"), (r"ng", "N+K?"), (r"ck|qu|q|k", "K+"),
    (r"c(?=[eiy])", "[SK]+"), (r"c", "K+"), (r"g(?=[eiy])", "[SK]+"), (r"g", "K+"), (r"x", "K*S+"), (r"[sz]", "S+"), (r"j", "S?"),
    (r"t(?=i[ao])", "[ST]+"), (r"[td]", "T+"), (r"w", "P?"), (r"[bpfv]", "P+"), (r"r(?=[aeiouy])", "L+"), (r"r", "L?"),
    (r"l", "L+"), (r"m", "M+"), (r"n", "N+"), (r"h", "H?"), (r".", ""),
)  # fmt: skip
"""Letters of a name, of which the first pattern that fits counts, and the sounds that Hangul writes for them; `+`: a sound may be
written twice, where two syllables meet."""
_LETTERS = re.compile("|".join(f"({letters})" for letters, _ in _LATIN))
_FIRST = "KKNTTLMPPSSVSSSKTPH"
_LAST = "-KKKNNNTLKMLLLPLMPPTTNTTKTPT"
"""Sounds of the first and of the last consonant of a syllable, in Unicode's order; ㅇ at its end counts as n."""
_EU, _MOST_SYLLABLES = 18, 8


def lost_names(source: str, text: str, known: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
    """Return the names of a source text that a Korean text has neither in Latin letters nor in Hangul that sounds like them.

    known: names and terms of the whole talk, each with its translation. Names that are translated, or too short to be recognized by
    their sound, such as Leo, are looked for by it.
    """
    by_word = _by_word(known)
    found = [one for one in names_in(source, by_word) if not _is_there(one, text, by_word.get(one, ""))]
    return tuple(dict.fromkeys(found))


def names_in(source: str, known: Collection[str] = ()) -> list[str]:
    """Return the words of a text that begin with a capital letter and may be names. known: words that are names, however short."""
    names, source = list[str](), normalize("NFC", source)
    for one in _NAME.finditer(source):
        sounds = [sound for sound in _sounds_of(one[0]) if not sound.endswith("?")]
        is_long = len(sounds) >= _LEAST[bool(_BEGINS.search(source[: one.start()]))]
        if one[0].isupper() or is_long or one[0] in known:
            names.append(one[0])
    return names


def _by_word(known: Mapping[str, str]) -> dict[str, str]:
    """Return the translation of each word of a name with a capital letter; names of several words count only if their translations
    have as many."""
    rows = ((name.split(), spoken.split()) for name, spoken in known.items() if spoken and _NAME.match(name))
    return {word: part for words, parts in rows if len(words) == len(parts) for word, part in zip(words, parts, strict=True)}


def _is_there(name: str, text: str, spoken: str) -> bool:
    if re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![A-Za-z])", text, re.IGNORECASE):
        return True
    if spoken and stands_in(text, spoken):
        return True
    if name.isupper():  # as it is spelled, or read as a word
        read = spell(name, KOREAN).strip(" .")
        if read and read.replace(" ", "") in spell(text, KOREAN).replace(" ", ""):
            return True
    if spoken and len(_sounds_of(name)) < _LEAST[True]:  # anything would sound like it
        return False

    pattern, most = re.compile("".join(_sounds_of(name))), _most_vowels(name.lower())
    stems = (stem for word in re.findall("[가-힣]+", text) for stem in _stems(word))
    return any(pattern.fullmatch(_sounds_in(stem)) and _vowels_in(stem) <= most for stem in stems)


def _stems(word: str) -> list[str]:
    """Return the beginnings of a word that may be a name: all of it, and what stands before a particle."""
    ends = range(1, min(len(word), _MOST_SYLLABLES) + 1)
    return [word[:end] for end in ends if end == len(word) or _PARTICLES.match(word[end:])]


@lru_cache(maxsize=4096)
def _sounds_of(name: str) -> tuple[str, ...]:
    """Return a pattern for each sound of a name in Latin letters."""
    plain = "".join(sign for sign in normalize("NFD", name.lower()) if "a" <= sign <= "z")
    # A doubled letter is one sound.
    letters = _LETTERS.finditer(re.sub(r"(.)\1", r"\1", plain))
    return tuple(filter(None, (_LATIN[(letter.lastindex or 1) - 1][1] for letter in letters)))


def _most_vowels(name: str) -> int:
    """Return the most vowels that Hangul writes for a name: two for an i, as in Brian, and one more after sh or ch at its end."""
    return len(re.findall("[aeouw]", name)) + 2 * len(re.findall("[iy]", name)) + bool(re.search("(?:sh|ch|g)e?$", name))


def _vowels_in(word: str) -> int:
    """Return how many syllables of a word have a vowel other than ㅡ, which only parts consonants."""
    return sum((ord(sign) - ord("가")) // 28 % 21 != _EU for sign in word)


def _sounds_in(word: str) -> str:
    """Return the consonants of a word in Hangul, as `_FIRST` and `_LAST` name them."""
    found = ""
    for sign in word:
        # Unicode orders syllables by the first consonant (588 each), then the vowel (28 each), then the last consonant.
        place = ord(sign) - ord("가")
        first, last = _FIRST[place // 588], _LAST[place % 28]
        # Within a word, ㅇ before a vowel is silent.
        found += (first if not found or first != "V" else "") + last.strip("-")
    return found
