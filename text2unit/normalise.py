"""Text normalization for Korean: numbers, dates, money, units, Latin letters and signs are written out in Hangul.

    normalise("3시 30분에 커피 2잔 주세요!")    # 세 시 삼십 분에 커피 두 잔 주세요.

The result only has composed Hangul syllables, single blanks and the marks , . ?
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from avcore.errors import InputError
from text2unit.cleaning import without_emoji
from text2unit.korean.algebra import read_algebra
from text2unit.korean.counting import read_numbers
from text2unit.korean.forms import hour, month, read_forms
from text2unit.korean.numerals import NUMBER, sino
from text2unit.korean.particles import PAIR_OF, TOPIC, fitting, marked, parted, unmarked
from text2unit.korean.relations import read_relations
from text2unit.korean.signs import clean, lone_jamo, read_addresses, read_known_words, read_words, require_readable
from text2unit.korean.tables import Rule, alternatives, apply_rules, tables

READING = 5
"""Version of the rules. It is increased when a text is read differently, so that stored units of it are made again."""
STOP, QUESTION, PAUSE = ".", "?", ","
MARKS = PAUSE + STOP + QUESTION
"""Punctuation in normalised text."""
_LAUGH = re.compile("[ㅋㅎ]{2,}")
_LONE = re.compile("[ㄱ-ㅣ]")
_JAMO_WORD_FROM_VOWEL = 0x314F
_WORDS_OF_NOUN = 3
_FIRST_VOWEL = ord("아")
_VOWEL_STEP = 28
_EQUALS = re.compile(r"(?<=\S)\s?=+(?=\s?\S)")
_STRENGTH = f" {PAUSE}{STOP}{QUESTION}"
_RUN_OF_MARKS = re.compile(r"\s*([,.?][\s,.?]*)")


@dataclass(frozen=True)
class WrittenOut:
    """Normalised text."""

    text: str
    """as spoken"""
    spelled_out: tuple[str, ...] = ()
    """words in Latin letters that are in no table, and are spelled letter by letter"""


def normalise(text: str) -> str:
    """Return Korean text as it is spoken. Raises InputError for signs without a reading, with their position, and without words."""
    return written_out(text).text


def written_out(text: str, path: str | Path | None = None) -> WrittenOut:
    """Write out a text in Hangul; emoji are left out. path: the text's file, for messages.

    Raises InputError as `normalise` does.
    """
    text = without_emoji(text)
    require_readable(text, path)
    spelled_out: list[str] = []
    # Signs are read before numbers and numbers before letters: a rule for `x≥3` or `MP3` needs them as they are written.
    plain = read_relations(read_algebra(read_addresses(marked(clean(text)))))
    plain = read_numbers(read_forms(read_known_words(read_english_forms(plain))))
    spoken = _punctuated(unmarked(_EQUALS.sub(rf"{TOPIC} ", _lone_letters(read_words(plain, spelled_out)))))

    if not any(is_syllable(sign) for sign in spoken):
        raise InputError("there is nothing to say in the text", path=path, expected="a word", found=repr(text[:40]))
    return WrittenOut(spoken, tuple(dict.fromkeys(spelled_out)))


def noun_reading(noun: str) -> str:
    """Return a word as it is spoken, which determines the particle after it. Raises InputError for a word without a reading."""
    return noun if is_syllable(noun[-1:]) else written_out(noun).text


def with_particles(text: str) -> str:
    """Choose the form of each particle that is written with both, as (이/가) or 을(를), by how the words before it are read.

    Raises InputError for a particle after words without a reading.
    """
    done = ""
    for piece, pair in parted(marked(text)):
        done += piece
        done += fitting(pair, noun_reading(" ".join(done.split()[-_WORDS_OF_NOUN:]))) if pair else ""
    return done


def is_syllable(sign: str) -> bool:
    """Return whether a sign is a Hangul syllable."""
    return "가" <= sign <= "힣"


@cache
def _messages() -> Rule:
    """Abbreviations in messages, such as ㄱㅅ and ㅇㅇ, which laughter may follow."""
    known = tables()
    words, repeated = alternatives(known.chat), "".join(known.repeated)

    def read(found: re.Match[str]) -> str:
        if found[1]:
            return known.repeated[found[1]] * len(found[0])
        return re.sub(words, lambda word: known.chat[word[0]], found[0])

    return re.compile(rf"(?<![ㄱ-ㅎ])(?:(?:{words})+|([{repeated}])\1+)(?=[ㅋㅎ]*(?![ㄱ-ㅎ]))"), read


def _lone_letters(text: str) -> str:
    """Write out single consonants by their names (기역), single vowels by their sound, laughter, and abbreviations of messages."""
    known = tables()
    text = apply_rules((_messages(), (_LAUGH, lambda found: "".join(known.repeated[letter] for letter in found[0]))), text)

    def name(found: re.Match[str]) -> str:
        letter = found[0]
        if ord(letter) < _JAMO_WORD_FROM_VOWEL:
            return known.consonants.get(letter, "")
        return chr(_FIRST_VOWEL + (ord(letter) - _JAMO_WORD_FROM_VOWEL) * _VOWEL_STEP)

    return _LONE.sub(name, text) if any(map(lone_jamo, text)) else text


@cache
def _behind_brackets() -> Rule:
    """A particle behind brackets gets the form that fits the words in them; there is no pause between."""

    def read(found: re.Match[str]) -> str:
        particle = found[1]
        return fitting(PAIR_OF[particle], found.string[: found.start()]) if particle in PAIR_OF else particle

    return re.compile(rf"[)\]}}」』】〉》>]+((?:{alternatives(tables().particles)}){{1,3}})(?![가-힣])"), read


def _punctuated(text: str) -> str:
    """Signs by their names, marks as , . ? with one blank behind, nothing else that is no syllable."""
    known = tables()
    kinds = {sign: f" {name} " for sign, name in known.signs.items()}
    groups = ((known.pauses, PAUSE), (known.stops, STOP), (known.questions, QUESTION), (known.silent, " "), (known.quotes, ""))
    for signs, mark in groups:
        kinds |= dict.fromkeys(signs, mark)
    plain = "".join(sign if is_syllable(sign) else kinds.get(sign, " ") for sign in apply_rules((_behind_brackets(),), text))
    return with_single_marks(plain)


def with_single_marks(text: str) -> str:
    """Return a text with the strongest mark of each row of them, one blank behind, and none at its beginning."""
    runs = _RUN_OF_MARKS.sub(lambda found: f"{max(found[1], key=_STRENGTH.find)} ", " ".join(text.split()))
    return " ".join(runs.split()).lstrip(f"{MARKS} ")


_ZEROS = {"h": 2, "th": 3, "k": 3, "m": 6, "b": 9, "t": 12}
_SCALE_WORD = r"[\s-]?(?i:hundred|thousand|million|billion|trillion)s?"
_SCALE_LETTER = r"\s?(?:MM?|[KBT]|[BbMmTt][Nn]|[BbMm]ln)|[kmbt]"
_ASCII = re.compile("[0-9A-Za-z]")
_UNITS_TOO = ("m", "b", "t")
"""Letters that are scales with a sign of money alone: 10m before people are meters."""
_PRIMES = r"(?:\"|''|”)"
_ANGLE = re.compile(rf"(?<!\d)(\d{{1,3}})\s?°\s?(\d{{1,2}})'(?:\s?(\d{{1,2}}(?:\.\d+)?){_PRIMES})?")
_FEET = re.compile(rf"(?<![\d.'])(\d{{1,3}})'[\s-]?(\d{{1,2}}(?:\.\d+)?){_PRIMES}|(?<![\d.'])([3-8])'(\d|1[01])(?![\d'\"”])")
_LONE_PRIME = re.compile(r"(?<![\d.,'])(\d{1,3}(?:\.\d+)?)(['\"”])(?![A-Za-z0-9'\"”])")
_OPENING = {"”": "“"}
_HALF_OF_GAME = re.compile(r"(?:전반|후반|연장)전?\s?$")
_MOST_INCHES = 12
_NEAR = 24
"""Letters before a number that are looked at."""
_NTH = re.compile(r"(?<![\d.,A-Za-z])(\d{1,4})(?:st|nd|rd|th|ST|ND|RD|TH)(?![A-Za-z])")
_HOUR = re.compile(
    r"(?:(오전|오후)\s?)?(?<![\d:.,])(?:(\d{1,2})(?:\s?시)?\s?[~-]\s?)?(\d{1,2})(?:\s?시(?:\s?(\d{1,2})\s?분)?)?"
    r"\s?(?:([AaPp])\.[Mm]\.|([AP])M|([ap])m)(?![A-Za-z])"
)
_BANDS = re.compile(r"2[AP]M(?!\s?(?:에|부터|까지|경|쯤|이전|이후|[~-]))")
_HALF_BEFORE = re.compile(r"(?:(?:오전|오후)\s?)?(?<![A-Za-z])([AP])M\s?(?=\d{1,2}\s?시)")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAY = re.compile(rf"(?<![A-Za-z])({'|'.join(_MONTHS)})t?\.\s?(\d{{1,2}})(?![\d:])")
_LAST_HOUR = 24
_HALVES = {"a": "오전", "p": "오후"}
_TIMES = re.compile(r"(?<=\d)\s?[xX]\s?(?=10\^)")
_POWERS = {2: "제곱", 3: "세제곱", 4: "네제곱"}
_LETTERS_BEFORE = re.compile(r"(?<![A-Za-z])[A-Za-zμ]+$")


def read_english_forms(text: str) -> str:
    """Read amounts with scales in English, feet and inches, ordinals, hours, abbreviations with a stop, and powers."""
    rules: tuple[Rule, ...] = (
        _scaled(), (_ANGLE, lambda found: f"{found[1]}도 {found[2]}분" + (f" {found[3]}초" if found[3] else "")),
        (_FEET, _read_feet), (_LONE_PRIME, _read_prime), (_NTH, r"\1번째"), (_HOUR, _read_hour),
        (_HALF_BEFORE, lambda found: f"{_HALVES[found[1].lower()]} "), _abbreviation(),
        (_DAY, lambda found: f"{month(1 + _MONTHS.index(found[1]))} {found[2]}일"), (_TIMES, "\u00d7"), _power(),
    )  # fmt: skip
    return apply_rules(rules, text) if _ASCII.search(text) else text


@cache
def _scaled() -> Rule:
    """An amount with its zeros written out. A letter alone is a scale where money or what counts many stands beside it."""
    known = tables()
    signs, codes = "".join(map(re.escape, known.currencies)), alternatives(known.currency_codes)
    money = alternatives({*known.currencies.values(), *known.currency_codes.values(), "명", "회", "건", "개", "뷰"})
    behind = rf"[{signs}]|(?:{codes}|{alternatives(known.counted_behind)})(?![A-Za-z])"

    pattern = re.compile(
        rf"(?:(?P<sign>[{signs}])\s?|(?<![A-Za-z])(?P<code>{codes})\s?)?(?<![\d.,])"
        rf"(?:(?P<first>{NUMBER})(?P<own>{_SCALE_WORD}|{_SCALE_LETTER})?\s?[~-]\s?[{signs}]?)?"
        rf"(?P<number>{NUMBER})(?:(?P<word>{_SCALE_WORD})|(?P<letter>{_SCALE_LETTER}))(?![A-Za-z0-9&])"
        rf"(?P<counted>(?=\s?(?:{behind}|(?:{money})(?:{alternatives(known.particles)}){{0,3}}(?![가-힣]))))?"
    )

    words = alternatives(known.counted_before)
    counted_before = re.compile(
        rf"(?:{words})(?:수|액)?(?:은|는|이|가|을|를|도|만)?\s?(?:(?:약|총|무려|최대|최소|이미|현재|평균)\s)?$"
    )

    def read(found: re.Match[str]) -> str:
        before = found.string[max(found.start() - _NEAR, 0) : found.start()]
        is_counted = found["counted"] is not None or counted_before.search(before)
        is_amount = found["word"] or found["sign"] or found["code"] or (is_counted and found["letter"] not in _UNITS_TOO)
        if not is_amount:
            return found[0]

        scale = found["word"] or found["letter"]
        first = f"{_written_out(found['first'], found['own'] or scale)}~" if found["first"] else ""
        money = known.currency_codes[found["code"]] if found["code"] else ""
        return f"{found['sign'] or ''}{first}{_written_out(found['number'], scale)}{money}"

    return pattern, read


def _written_out(number: str, scale: str) -> str:
    name = scale.strip(" -").lower()
    zeros = _ZEROS.get(name[:2]) or _ZEROS[name[0]]
    whole, _, fraction = number.replace(",", "").partition(".")
    rest = fraction[zeros:].rstrip("0")
    return ((whole + fraction[:zeros].ljust(zeros, "0")).lstrip("0") or "0") + (f".{rest}" if rest else "")


def _read_feet(found: re.Match[str]) -> str:
    """5'10" is a height; what has no twelve inches is a time."""
    whole, rest = (found[1], found[2]) if found[1] else (found[3], found[4])
    return f"{whole}피트 {rest}인치" if float(rest) < _MOST_INCHES else f"{whole}분 {rest}초"


def _read_prime(found: re.Match[str]) -> str:
    """Feet, inches or minutes, where the sign closes no quotation."""
    number, sign = found.groups()
    before = found.string[: found.start()].rpartition("\n")[2]
    opening = _OPENING.get(sign)
    is_open = before.count(opening) > before.count(sign) if opening else before.count(sign) % 2
    if is_open:
        return found[0]
    return f"{number}{'인치' if sign != chr(39) else '분' if _HALF_OF_GAME.search(before) else '피트'}"


def _read_hour(found: re.Match[str]) -> str:
    spoken, first, last, minutes, *letters = found.groups()
    if int(last) > _LAST_HOUR or (not spoken and _BANDS.match(found.string, found.start())):
        return found[0]
    half = spoken or _HALVES[next(filter(None, letters)).lower()]
    begin = f"{hour(int(first))}에서 " if first else ""
    return f"{half} {begin}{hour(int(last))}{f' {minutes}분' if minutes else ''}"


@cache
def _abbreviation() -> Rule:
    """A short form in full; its stop ends a sentence at the end of a line alone."""
    words = tables().abbreviations

    def read(found: re.Match[str]) -> str:
        reading = words[found[1].lower()]
        return reading if found[2] else f"{reading} " if found[3] else f"{reading}."

    return re.compile(rf"(?<![A-Za-z0-9.])(?<!\d\s)({alternatives(words)})\.(?=([가-힣])|(\s*\S)?)", re.IGNORECASE), read


@cache
def _power() -> Rule:
    """10^9 is 10의 구제곱, x^2 is x 제곱; a unit's power is read as the tables have it."""
    known = tables()
    units = alternatives(known.measures)
    pattern = re.compile(
        rf"(?<=[0-9A-Za-z)\]])\^(?:\(?([+-]?\d+)\)?|([A-Za-z])(?![A-Za-z]))(?:(?<=\d)\s?({units})(?![A-Za-z0-9^/]))?(?=(\w+)?)"
    )

    def read(found: re.Match[str]) -> str:
        letters = _LETTERS_BEFORE.search(found.string[max(found.start() - _NEAR, 0) : found.start()])
        exponent, letter, unit, behind = int(found[1] or 0), found[2], found[3], found[4]
        if letters and f"{letters[0]}{exponent}" in known.measures:
            return found[0][1:]
        power = f"{known.letters[letter.lower()]}제곱" if letter else _POWERS.get(exponent) or f"{sino(abs(exponent))}제곱"
        is_counter = behind in known.native | known.sino and behind not in known.particles
        spoken = f"{' ' if letters else '의 '}{'마이너스 ' if exponent < 0 else ''}{power}"
        return spoken + (f" {known.measures[unit]}" if unit else " " if is_counter else "")

    return pattern, read
