"""Korean text as it is pronounced, by the standard rules (표준 발음법, 2017); its articles (항) stand beside what they say.

    pronounce("박물관은 몇 시에 문을 닫습니까?")    # 방무과는 멷 씨에 무늘 닫씀니까?

Rules see letters, not grammar. What only a dictionary knows (tense consonants in compounds, an ㄴ that comes in) stands in
pronunciation.yaml; which ㄹ ends a verb is told by lists there. Vowel length is left out.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from avcore.texts import read_table

ONSETS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
CODAS = ("", *"ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ")
_FIRST = ord("가")
_NONE = "ㅇ"
"""The onset of a syllable without one."""
_TENSE = dict(zip("ㄱㄷㅂㅅㅈ", "ㄲㄸㅃㅆㅉ", strict=True))
_ASPIRATED = dict(zip("ㄱㄷㅂㅈ", "ㅋㅌㅍㅊ", strict=True))
_NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_PALATAL = {"ㄷ": "ㅈ", "ㅌ": "ㅊ"}
_SPLIT = dict(zip("ㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ", zip("ㄱㄴㄴㄹㄹㄹㄹㄹㄹㄹㅂ", "ㅅㅈㅎㄱㅁㅂㅅㅌㅍㅎㅅ", strict=True), strict=True))
_LIKE = {"ㄱ": "ㄲㅋㄳㄺ", "ㄴ": "ㄵㄶ", "ㄷ": "ㅅㅆㅈㅊㅌㅎ", "ㄹ": "ㄼㄽㄾㅀ", "ㅁ": "ㄻ", "ㅂ": "ㅍㄿㅄ"}
_CODA_SOUND = {letter: sound for sound, letters in _LIKE.items() for letter in letters}
"""What is left of a final consonant that nothing links to (제8항 to 제11항)."""
_WITHOUT_GLIDE = dict(zip("ㅑㅕㅛㅠㅒㅖ", "ㅏㅓㅗㅜㅐㅔ", strict=True))
_BLANK = " "
_LENIS, _INSERTED, _APART, _NASALISED = "'", "+", "=", "~"
_MARKS = _LENIS + _INSERTED + _APART + _NASALISED
_PIECE = re.compile(r"[가-힣]+(?: [가-힣]+)*")
_PARTICLE = (
    "(?=(?:은|는|이|가|을|를|에|에서|에는|에게|으로|로|과|와|도|만|의|까지|부터|이나|나|처럼|보다|마다|이에요|예요|이요|요|입니다|입니까|이고|인데|인|이라고|이라|쯤|"
    "행|앞|들|이었어요|이었습니다)?$)"
)
_MIN_BEFORE_SUFFIX = 2


@dataclass
class _Syllable:
    """onset, vowel, coda: letters, the coda "" for none. join: what stands between it and the next one, of `_MARKS` and a blank."""

    onset: str
    vowel: str
    coda: str
    join: str = ""

    def text(self) -> str:
        code = (ONSETS.index(self.onset) * len(VOWELS) + VOWELS.index(self.vowel)) * len(CODAS) + CODAS.index(self.coda)
        return chr(_FIRST + code)


@dataclass(frozen=True)
class _Lexicon:
    """Words with marks before the syllables that change: pronunciation.yaml says what they mean."""

    words: Mapping[str, Mapping[int, str]]
    longest: int
    suffixes: tuple[tuple[str, str], ...]
    letters: Mapping[str, str]
    nouns_lg: tuple[str, ...]
    stems: re.Pattern[str]
    not_verbs: tuple[str, ...]
    after_verb: tuple[str, ...]
    verbs_eul: frozenset[str]


def pronounce(text: str) -> str:
    """Write a text as it is pronounced. text: as `text2unit.normalise` gives it; blanks and marks stay where they are.

    Words are joined over blanks, never over marks of pause.
    """
    return _PIECE.sub(lambda found: _phrase(found[0]), text)


def letters_of_syllable(sign: str) -> tuple[str, str, str]:
    """Onset ("ㅇ" for none), vowel and coda ("" for none) of a Hangul syllable."""
    code = ord(sign) - _FIRST
    return ONSETS[code // 588], VOWELS[code % 588 // 28], CODAS[code % 28]


def _phrase(text: str) -> str:
    words = text.split(_BLANK)
    row: list[_Syllable] = []
    for number, word in enumerate(words):
        marks = _marks_in(word)
        row += [_Syllable(*letters_of_syllable(sign), marks.get(place, "")) for place, sign in enumerate(word, 1)]
        row[-1].join = _BLANK + (_between(word, words[number + 1]) if number + 1 < len(words) else "")
    row[-1].join = ""

    plain = "".join(words)
    for number, (syllable, other) in enumerate(pairwise(row)):
        _meet(syllable, other, plain[number : number + 2])
    row[-1].coda = _left_of(row[-1].coda, plain[-1:])
    _vowels(row, plain)
    return "".join(syllable.text() + (_BLANK if _BLANK in syllable.join else "") for syllable in row)


# Between two syllables


def _meet(syllable: _Syllable, other: _Syllable, signs: str) -> None:
    """Change the end of a syllable and the beginning of the next one. signs: both as they are written."""
    is_apart = _APART in syllable.join or _BLANK in syllable.join or _INSERTED in syllable.join
    if _INSERTED in syllable.join and other.onset == _NONE and syllable.coda:  # 제29항
        other.onset = "ㄴ"
    if other.onset == _NONE:
        if not is_apart:
            _link(syllable, other, signs[0])
            return
        left = _left_of(syllable.coda, signs)
        if left != syllable.coda and left in _NASAL:  # 제15항
            syllable.coda, other.onset = "", left
            return
        if _APART in syllable.join and syllable.coda and left != _NONE:
            syllable.coda, other.onset = "", left
            return
        syllable.coda = left
        return
    if other.onset == "ㅎ" and _aspirate_behind(syllable, other, is_apart, signs):
        return
    if syllable.coda in ("ㅎ", "ㄶ", "ㅀ") and _aspirate_before(syllable, other):
        return

    # Before the final consonant is simplified, because which letter is written decides whether the next one is tense.
    _tense(syllable, other, signs)
    if syllable.coda == "ㄺ" and other.onset in "ㄱㄲ" and signs[:1] not in _lexicon().nouns_lg:
        syllable.coda, other.onset = "ㄹ", "ㄲ"
    syllable.coda = _left_of(syllable.coda, signs)
    _assimilate(syllable, other, is_apart)


def _link(syllable: _Syllable, other: _Syllable, sign: str) -> None:
    """A final consonant goes over to a syllable without one (제12항 4, 제13항, 제14항, 제16항, 제17항). sign: the first one."""
    coda = syllable.coda
    if coda in ("", "ㅇ"):
        return

    kept, moved = _SPLIT.get(coda, ("", coda))
    of_name = _lexicon().letters.get(sign)
    if of_name is not None:  # 제16항
        moved = of_name
    elif moved == "ㅎ":
        kept, moved = "", kept or _NONE
    elif kept and moved == "ㅅ":
        moved = "ㅆ"
    elif moved in _PALATAL and (other.vowel == "ㅣ" or (moved == "ㅌ" and other.vowel == "ㅕ")):
        moved = _PALATAL[moved]
    syllable.coda, other.onset = kept, moved


def _aspirate_behind(syllable: _Syllable, other: _Syllable, is_apart: bool, signs: str) -> bool:
    """ㄱ, ㄷ, ㅂ, ㅈ and a ㅎ behind become one consonant (제12항 1, 제17항). Returns whether they do."""
    kept, last = _SPLIT.get(syllable.coda, ("", syllable.coda))
    if is_apart and syllable.coda:
        kept, last = "", _left_of(syllable.coda, signs)
    if last in ("ㅎ", "") or _CODA_SOUND.get(last, last) not in _NASAL:
        return False

    is_suffix = not is_apart and other.vowel in "ㅣㅕ" and other.coda in ("", "ㅆ", "ㄴ", "ㄹ", "ㅁ")
    if last in ("ㅈ", "ㄷ", "ㅌ") and is_suffix:
        last = "ㅈ"
    elif syllable.coda == "ㄺ" and is_apart:
        kept = ""
    else:
        last = _CODA_SOUND.get(last, last)

    syllable.coda, other.onset = kept, _ASPIRATED[last]
    return True


def _aspirate_before(syllable: _Syllable, other: _Syllable) -> bool:
    """ㅎ, ㄶ, ㅀ and the consonant behind (제12항 1 to 3). Returns whether that settles both."""
    kept = _SPLIT[syllable.coda][0] if syllable.coda in _SPLIT else ""
    if other.onset in _ASPIRATED and other.onset != "ㅂ":
        syllable.coda, other.onset = kept, _ASPIRATED[other.onset]
    elif other.onset == "ㅅ":
        syllable.coda, other.onset = kept, "ㅆ"
    elif other.onset == "ㄴ":
        syllable.coda = kept or "ㄴ"
        other.onset = "ㄹ" if kept == "ㄹ" else "ㄴ"
    else:
        return False

    return True


def _tense(syllable: _Syllable, other: _Syllable, signs: str) -> None:
    """Consonants that become tense (제23항 to 제28항)."""
    if other.onset not in _TENSE:
        return
    is_causative = other.onset == "ㄱ" and other.vowel in "ㅣㅕ"
    is_stem = syllable.coda in ("ㄵ", "ㄼ", "ㄾ") or (syllable.coda == "ㄻ" and not is_causative)
    is_noun = signs[:1] == "덟" or (signs[:1] == "삶" and signs[1:] not in ("다", "고", "지"))
    if (
        _LENIS in syllable.join
        or _left_of(syllable.coda, signs) in _NASAL
        or (is_stem and not is_noun and _BLANK not in syllable.join)
    ):
        other.onset = _TENSE[other.onset]


def _assimilate(syllable: _Syllable, other: _Syllable, is_apart: bool) -> None:
    """Nasals and ㄹ (제18항 to 제20항)."""
    if syllable.coda in _NASAL and other.onset == "ㄹ" and _BLANK not in syllable.join:
        syllable.coda, other.onset = _NASAL[syllable.coda], "ㄴ"
    elif syllable.coda in _NASAL and other.onset in "ㄴㅁ":
        syllable.coda = _NASAL[syllable.coda]
    elif syllable.coda in ("ㅁ", "ㅇ") and other.onset == "ㄹ" and _BLANK not in syllable.join:
        other.onset = "ㄴ"
    elif (syllable.coda, other.onset) == ("ㄴ", "ㄹ") and _BLANK not in syllable.join:
        if _NASALISED in syllable.join:
            other.onset = "ㄴ"
        else:
            syllable.coda = "ㄹ"
    elif (syllable.coda, other.onset) == ("ㄹ", "ㄴ") and (not is_apart or _INSERTED in syllable.join):
        other.onset = "ㄹ"


def _left_of(coda: str, signs: str) -> str:
    """Return the sound of a final consonant before another consonant or a pause (제9항 to 제11항)."""
    if coda == "ㄼ" and ((signs[:1] == "밟" and len(signs) > 1) or signs in ("넓죽", "넓적", "넓둥")):
        return "ㅂ"
    return _CODA_SOUND.get(coda, coda)


def _vowels(row: list[_Syllable], plain: str) -> None:
    """제5항: 져, 쪄, 쳐 lose their glide, 희 and the like are ㅣ."""
    for syllable, sign in zip(row, plain, strict=True):
        if syllable.onset in "ㅈㅉㅊ":
            syllable.vowel = _WITHOUT_GLIDE.get(syllable.vowel, syllable.vowel)
        if syllable.vowel == "ㅢ" and letters_of_syllable(sign)[0] != _NONE:
            syllable.vowel = "ㅣ"


# What words tell


def _marks_in(word: str) -> dict[int, str]:
    """Marks inside a word, by the number of the syllable that they stand behind."""
    known = _lexicon()
    marks: dict[int, str] = {}
    covered = 0
    for place in range(len(word)):
        for length in range(min(known.longest, len(word) - place), 1, -1):
            inner = known.words.get(word[place : place + length])
            if inner is not None and place >= covered:
                marks |= {place + number: mark for number, mark in inner.items()}
                covered = place + length
                break

    marks |= dict(_suffixed(word, covered))
    for found in known.stems.finditer(word):
        marks[found.end(1)] = _LENIS
    marks |= dict.fromkeys(_verb_endings(word), _LENIS)
    return marks


def _suffixed(word: str, covered: int) -> Iterator[tuple[int, str]]:
    for mark, suffix in _lexicon().suffixes:
        found = re.search(suffix + _PARTICLE, word)
        if found is not None and found.start() >= max(covered, _MIN_BEFORE_SUFFIX):
            yield found.start(), mark
    found = re.search("[란량력론료로령류례]" + _PARTICLE, word)
    place = 0 if found is None else found.start()
    if place > covered and place >= _MIN_BEFORE_SUFFIX and _coda(word[place - 1]) == "ㄴ":
        yield place, _NASALISED


_FUTURE = re.compile(r"(?<=[가-힣])(게요|걸요|게$|걸$|수록|지라도|지언정|지어다|지니|세라|밖에|지$|지도|지는|지를|지가|지요$|진대)")
_ALWAYS_FUTURE = ("게요", "걸요", "수록", "지라도", "지언정", "지어다", "세라", "밖에")
_NOT_FUTURE = re.compile(r"(?:길|멀|달|힘들|둥글|만들|놀|알|살|팔|울|열|걸|들|물|풀|틀|밀|빌|날|떨|흔들|줄어들)$")


def _verb_endings(word: str) -> Iterator[int]:
    """Endings that begin with ㄹ: -ㄹ게, -ㄹ걸, -ㄹ수록, -ㄹ지, -ㄹ밖에 (제27항 붙임)."""
    for found in _FUTURE.finditer(word):
        before = word[: found.start()]
        if _coda(before[-1]) != "ㄹ":
            continue
        is_noun = found[1] in ("밖에", "세라") and before.endswith(_lexicon().not_verbs)
        if not is_noun and (found[1] in _ALWAYS_FUTURE or not _NOT_FUTURE.search(before)):
            yield found.start()


def _between(word: str, following: str) -> str:
    """Return the mark between two words."""
    last = letters_of_syllable(word[-1])
    first = letters_of_syllable(following[0])
    is_open_i = following[0] in "이일입익읽잊잎" or (first[0] == _NONE and first[1] in "ㅑㅕㅛㅠ")
    if word == "못" and is_open_i:
        return _INSERTED
    if word == "옷" and following[0] == "입":
        return _INSERTED

    if last[2] != "ㄹ":
        return ""
    if following in ("일", "일이", "일을", "일은", "일도", "일들") and _is_verb(word):
        return _INSERTED
    if first[0] == "ㄴ":
        return _INSERTED if word[-1] in "일칠팔" and following[0] == "년" else ""
    if word.endswith("열") and following.startswith(_COUNTERS):
        return _LENIS

    return _LENIS if following.startswith(_lexicon().after_verb) and _is_verb(word, following) else ""


_COUNTERS = ("시", "살", "개", "대", "장", "병", "자", "달", "번", "권", "잔", "군데", "사람", "벌", "가지", "송이")


def _is_verb(word: str, following: str = "") -> bool:
    """Return whether a word that ends in ㄹ is a verb before a noun, as far as letters tell."""
    known = _lexicon()
    if word[-1] == "을":
        stem = word[-2:-1]
        return (
            bool(stem)
            and (_coda(stem) == "ㅆ" or stem in known.verbs_eul)
            and not following.startswith(("장", "주", "정도", "걱정"))
        )
    return not word.endswith(known.not_verbs)


def _coda(sign: str) -> str:
    return letters_of_syllable(sign)[2]


@cache
def _lexicon() -> _Lexicon:
    content = read_table(__package__, "pronunciation.yaml")
    words = dict(map(_marked, content["words"].split())) | {word: {} for word in content["plain"].split()}
    words |= {f"{before}십": {1: _LENIS} for before in content["tens"].split()}
    stems = "|".join(f"{stem}(?=(?:{'|'.join(endings.split())}))" for stem, endings in content["stems"].items())

    return _Lexicon(
        words=words,
        longest=max(map(len, words)),
        suffixes=tuple((suffix[0], suffix[1:]) for suffix in content["suffixes"]),
        letters=content["letters"],
        nouns_lg=tuple(content["nouns_lg"].split()),
        stems=re.compile(f"(?!{'|'.join(content['not_stems'].split())})({stems})"),
        not_verbs=tuple(content["not_verbs"].split()),
        after_verb=tuple(content["after_verb"].split()),
        verbs_eul=frozenset(content["verbs_eul"].split()),
    )


def _marked(entry: str) -> tuple[str, dict[int, str]]:
    """Return a word, and its marks by the number of the syllable that they stand behind."""
    word, marks = "", dict[int, str]()
    for sign in entry:
        if sign in _MARKS:
            marks[len(word)] = sign
        else:
            word += sign
    return word, marks
