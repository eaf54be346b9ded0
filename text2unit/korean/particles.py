"""Korean particles that go by the sound before them: `학교(이/가)`, `학교이(가)` and `학교(으)로` are one particle each."""

import re
from collections.abc import Iterator

from text2unit.korean.tables import apply_rules

PAIRS = ("은/는", "이/가", "을/를", "과/와", "으로/로", "이에요/예요", "아/야", "이/", "으/")
"""The form behind a final consonant, and the form behind a vowel. What begins with 으 takes the second one behind ㄹ, too."""
_FIRST_MARK = 0xE000
_MARKS = {pair: chr(_FIRST_MARK + number) for number, pair in enumerate(PAIRS)}
"""A sign of Unicode's private use for each: the rules of reading pass a particle that is not chosen yet."""
TOPIC, WITH = _MARKS["은/는"], _MARKS["과/와"]
PAIR_OF = {form: pair for pair in PAIRS[:5] for form in pair.split("/")}
_MARK = re.compile(f"[{''.join(_MARKS.values())}]")
_BEHIND_NOUN = r"(?<=[^\s(/,.])"
_FIRST_SYLLABLE, _LAST_SYLLABLE, _FINALS, _FINAL_RIEUL = ord("가"), ord("힣"), 28, 8
_OPEN = "".join(map(chr, range(_FIRST_SYLLABLE, _LAST_SYLLABLE + 1, _FINALS)))
_NO_LONE_VOWEL = rf"(?<!(?<![가-힣])[{_OPEN}])"
"""Not behind one syllable that ends in a vowel: 아이(가) and 사과(와) are words with a particle in brackets."""


def _written(pair: str) -> str:
    """Return a pattern of the ways in which people write both forms of a particle."""
    first, second = pair.split("/")
    ways = rf"\({first}/{second}\)|\({second}/{first}\)"
    if pair != "아/야":  # 좋아(야) is a verb
        ways += rf"|{_NO_LONE_VOWEL}(?:{first}\({second}\)|{second}\({first}\))|(?:{pair}|{second}/{first})(?![가-힣/])"
    return f"{_BEHIND_NOUN}(?:{ways})"


_TEMPLATES = (
    *((re.compile(_written(pair)), mark) for pair, mark in _MARKS.items() if not pair.endswith("/")),
    (re.compile(rf"{_BEHIND_NOUN}\(이([가-힣]{{1,3}})/\1\)"), rf"{_MARKS['이/']}\1"),
    (re.compile(rf"{_BEHIND_NOUN}\(이\)가"), _MARKS["이/가"]),
    (re.compile(rf"{_BEHIND_NOUN}\(이\)(?=[나라랑며든야여고])"), _MARKS["이/"]),
    (re.compile(rf"{_BEHIND_NOUN}\(으\)(?=로)"), _MARKS["으/"]),
)


def marked(text: str) -> str:
    """Return a text with a private sign in place of each particle that is written with both forms."""
    return apply_rules(_TEMPLATES, text) if "/" in text or "(" in text else text


def parted(text: str) -> Iterator[tuple[str, str]]:
    """Yield what stands before each sign of `marked`, with the pair that it stands for; at last the rest, with ""."""
    start = 0
    for found in _MARK.finditer(text):
        yield text[start : found.start()], PAIRS[ord(found[0]) - _FIRST_MARK]
        start = found.end()
    yield text[start:], ""


def fitting(pair: str, spoken: str) -> str:
    """Return the form of a particle, of PAIRS, that fits behind what is said, by its last syllable."""
    first, second = pair.split("/")
    syllable = next((sign for sign in reversed(spoken) if "가" <= sign <= "힣"), "가")
    final = (ord(syllable) - _FIRST_SYLLABLE) % _FINALS
    return second if not final or (first[0] == "으" and final == _FINAL_RIEUL) else first


def unmarked(spoken: str) -> str:
    """Return a text as it is said with the particles that fit in place of their signs."""
    done = ""
    for piece, pair in parted(spoken):
        done += piece
        done += fitting(pair, done) if pair else ""
    return done
