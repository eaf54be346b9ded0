"""Hanja in Hangul: read, or silent where Hangul stands beside them.

A sign is read by its word, for some have several readings: 音樂 is 음악, 快樂 쾌락. Beside the words of the table it has its usual
reading, unless it has none.
"""

import re
from collections.abc import Iterator

from text2unit.korean.tables import tables

_SIGNS = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HANJA = re.compile(f"[{_SIGNS}]+")
GLOSS = re.compile(rf"(?<=[가-힣])\s?[(\[\uff08\u3014][{_SIGNS}\u00b7,\s]+[)\]\uff09\u3015]")
"""Hanja in brackets behind the Hangul that they spell: 대한민국(大韓民國)."""
_GLOSS_BEFORE_MORE = re.compile(rf"(?<=[가-힣])[(\uff08][{_SIGNS}]+[,;]\s?")
_GLOSSED = re.compile(rf"(?<![{_SIGNS}])([{_SIGNS}]+)[(\uff08]([가-힣]+)[)\uff09]")
_LONGEST = 5
"""Signs of a word in the table."""
_ONSETS, _ONSET_STEP, _SOFT_VOWELS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ", 588, (2, 3, 6, 7, 12, 17, 20)
"""First consonants in Unicode's order, how many syllables each begins, and the vowels ㅑㅒㅕㅖㅛㅠㅣ."""
_SURNAMES = {"金": "김", "李": "이", "林": "임", "柳": "유", "梁": "양", "盧": "노", "車": "차", "沈": "심"}


def read_hanja(text: str) -> str:
    """Hanja in Hangul: in brackets behind the Hangul that they spell they are not said, elsewhere they are read."""
    if not _HANJA.search(text):
        return text
    glossed = _GLOSSED.sub(lambda found: found[2] if len(found[1]) == len(found[2]) else found[0], text)
    return _HANJA.sub(_hanja_word, _GLOSS_BEFORE_MORE.sub("(", GLOSS.sub("", glossed)))


def unsure_hanja(text: str) -> set[int]:
    """Return the places of signs with several readings, in no word that is known; those with Hangul in brackets behind are read."""
    text = _GLOSSED.sub(lambda found: "," * len(found[0]) if len(found[1]) == len(found[2]) else found[0], text)
    parts = ((found.start() + place, part) for found in _HANJA.finditer(text) for place, part in _words_in(found[0]))
    return {place for place, part in parts if part in tables().hanja_unsure}


def _words_in(run: str) -> Iterator[tuple[int, str]]:
    """Yield the words that the table has, the longest first, and the signs between them, each with its place."""
    place, known = 0, tables().hanja_words
    while place < len(run):
        lengths = range(min(len(run) - place, _LONGEST), 1, -1)
        part = next((run[place : place + length] for length in lengths if run[place : place + length] in known), run[place])
        yield place, part
        place += len(part)


def _hanja_word(found: re.Match[str]) -> str:
    """Return a word in Hanja by the readings of its signs. What begins a word loses ㄹ and ㄴ (한글 맞춤법, articles 10 to 12)."""
    known, before = tables(), found.string[: found.start()]

    read = ""
    for place, sign in _words_in(found[0]):
        if word := known.hanja_words.get(sign):
            read += word
            continue
        reading = known.hanja.get(sign, sign)
        begins = not read and not ("가" <= before[-1:] <= "힣")
        previous, following = read[-1:] or before[-1:], known.hanja.get(found[0][place + 1 : place + 2], "")
        if begins:
            reading = _SURNAMES.get(sign, _at_beginning(reading)) if len(found[0]) in (1, 3) else _at_beginning(reading)
        elif reading in ("률", "렬") and "가" <= previous <= "힣" and (ord(previous) - ord("가")) % 28 in (0, 4):
            reading = {"률": "율", "렬": "열"}[reading]
        if sign == "不" and following and _ONSETS[(ord(following) - ord("가")) // _ONSET_STEP] in "ㄷㅈ":
            reading = "부"
        read += reading

    return read


def _at_beginning(syllable: str) -> str:
    """Return a syllable as it begins a word: 녀 is 여, 래 is 내, 력 is 역."""
    onset, rest = divmod(ord(syllable) - ord("가"), _ONSET_STEP)
    vowel = rest // 28
    is_soft = vowel in _SOFT_VOWELS
    if _ONSETS[onset] not in "ㄴㄹ" or not "가" <= syllable <= "힣":
        return syllable
    if _ONSETS[onset] == "ㄴ" and not is_soft:
        return syllable
    return chr(ord("가") + _ONSETS.index("ㅇ" if is_soft else "ㄴ") * _ONSET_STEP + rest)
