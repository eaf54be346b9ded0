"""Speakers' names, as people write them before a text: `[Daniel]: Hi`, `[Daniel] Hi`, `Daniel: Hi`, `DANIEL: Hi`.

Other words stand there, too: `Note: ...`, `[music]`, `[속보] ...`. A name looks like one, is no word for a sound, is never alone in
its brackets, and comes more than once, or in a file in which a third of the cues has one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, Literal, NamedTuple

from avcore.texts import parse_yaml
from netflips.subtitles.formats import Cue
from text2unit.cleaning import is_direction

_Form = Literal["labelled", "brackets", "colon"]
_LEAD = r"^(\s*(?:[-\u2013\u2014]\s*|>>+\s*)?)"
_LABELLED = re.compile(rf"{_LEAD}\[(?:([^\[\]\n:\uff1a]{{1,60}})\]\s?[:\uff1a]|(SPEAKER_\d{{1,3}})\])\s*")
"""How WhisperX and others write a speaker's name; nothing else is written like this."""
_BRACKETS = re.compile(rf"{_LEAD}\[([^\[\]\n:\uff1a]{{1,30}})\]\s*(?=[^\s\[])")
_ALONE = re.compile(rf"{_LEAD}\[([^\[\]\n]{{1,30}})\]\s*$")
_WORD = r"[^\W\d_][\w.'-]{0,15}"
_COLON = re.compile(rf"{_LEAD}([A-Z][A-Z .'-]{{0,19}}|{_WORD}(?: {_WORD})?(?: \d{{1,2}})?)\s?[:\uff1a](?:\s+(?=\S)|(?=[가-힣]))")
_LATIN_NAME = re.compile(r"(?:[A-Z\u00c0-\u00de][\w.'-]*|\d{1,2})(?: (?:[A-Z\u00c0-\u00de][\w.'-]*|de|van|von|\d{1,2})){0,2}")
_KOREAN_NAME = re.compile(r"[가-힣]{2,5}(?: (?:[가-힣]{1,4}|\d{1,2}))?")
_DOING = re.compile(r"(?:ing|ed|ly)$")
"""Ends of words for sounds; a name with such an end must come more than once."""
_HOW = re.compile(r"(?:히|게|며|면서|로|다|소리|움|숨)$")
"""Ends of words that describe how something is spoken."""
_MANY, _LEAST_NAMED = 1 / 3, 0.2
"""Shares of cues with a name: at or above the first, one that comes only once is a name; at or above the second, a name
marks each change of speaker."""


class _Found(NamedTuple):
    """What may be a name before a line."""

    name: str
    """without brackets and colon"""
    form: _Form
    """how it is written"""
    lead: str
    """dash and blanks before it"""
    end: int
    """where the text behind it begins in the line"""


@dataclass(frozen=True)
class _Words:
    """The lists of names.yaml."""

    roles: frozenset[str]
    """words that stand for a speaker"""
    no_names: frozenset[str]
    """words that are never names"""
    surnames: str
    """Korean surnames, as alternatives of a regular expression"""


@cache
def _words() -> _Words:
    content: Any = parse_yaml(files(__package__).joinpath("names.yaml").read_text(encoding="utf-8"))
    lists = {name: content[name].split() for name in content}
    return _Words(frozenset(lists["roles"]), frozenset(lists["no_names"]), "|".join(lists["surnames"]))


def with_speakers(cues: Sequence[Cue]) -> tuple[list[Cue], list[str]]:
    """Return the cues with their speakers and without names in the texts, and the names that cues of several speakers lose.

    If names stand before a colon at each change of speaker, cues without a name have the speaker of the cue before.
    """
    lines = [one.text.split("\n") for one in cues]
    is_name = _Names(lines)
    found, left_out = list[Cue](), list[str]()
    forms = set[_Form]()
    for cue, rows in zip(cues, lines, strict=True):
        named = [is_name.find(row) for row in rows]
        texts = [row if one is None else one.lead + row[one.end :] for row, one in zip(rows, named, strict=True)]
        names = list(dict.fromkeys(one.name for one in named if one is not None))
        forms |= {one.form for one in named if one is not None}
        is_one = len(names) == 1 and named[0] is not None
        left_out += [] if is_one else names
        speaker = cue.speaker or (names[0] if is_one else "")
        found.append(replace(cue, text="\n".join(texts), speaker=speaker))

    changes = {one.speaker for one in found if one.speaker}
    is_each_change = len(changes) > 1 and sum(bool(one.speaker) for one in found) >= _LEAST_NAMED * len(found)
    if is_each_change and forms == {"colon"}:
        last = ""
        for place, (one, rows) in enumerate(zip(found, lines, strict=True)):
            last = one.speaker or ("" if len(rows) > 1 and any(map(is_name.find, rows)) else last)
            found[place] = replace(one, speaker=last)
    return found, left_out


class _Names:
    """Decides what is a name, by all that is written like one in a file."""

    def __init__(self, cues: Iterable[Sequence[str]]) -> None:
        self.counts, self.alone, self.words = Counter[str](), set[str](), Counter[str]()
        total = 0
        for rows in cues:
            total += 1
            for row in rows:
                if alone := _ALONE.match(row):
                    self.alone |= {alone[2].strip().lower()} if len(rows) == 1 else set()
                elif one := _candidate(row):
                    self.counts[one.name] += 1
                    row = row[one.end :]
                self.words.update(re.findall(r"\b[a-z]+\b", row))

        likely = sum(count for name, count in self.counts.items() if _looks_like_name(name) and not _DOING.search(name))
        self.are_many = likely > 1 and likely >= _MANY * total

    def find(self, line: str) -> _Found | None:
        """Return the name before a line, None if there is none."""
        one = _candidate(line)
        if one is None or one.form == "labelled":
            return one
        return one if (self._is_in_brackets(one.name) if one.form == "brackets" else self._is_before_colon(one.name)) else None

    def _is_in_brackets(self, name: str) -> bool:
        if name.lower() in self.alone or not _looks_like_name(name):
            return False
        if not name[0].isascii() and _HOW.search(name):
            return False
        is_sure = name.lower() in _words().roles or re.fullmatch(rf"(?:{_words().surnames})[가-힣]{{2}}", name) is not None
        is_likely = name[0].isascii() and not name.isupper() and not name.endswith("s")
        return is_sure or self.counts[name] > 1 or (not _DOING.search(name) and (is_likely or self.are_many))

    def _is_before_colon(self, name: str) -> bool:
        if name.isupper() and len(name) > 1 and name.lower() not in _words().no_names:
            return True
        is_word = name.lower() in self.words  # elsewhere in the file it is written small
        return _looks_like_name(name) and not is_word and (self.counts[name] > 1 or self.are_many)


def _candidate(line: str) -> _Found | None:
    forms: tuple[tuple[_Form, re.Pattern[str]], ...] = (("labelled", _LABELLED), ("brackets", _BRACKETS), ("colon", _COLON))
    for form, pattern in forms:
        if found := pattern.match(line):
            return _Found(next(filter(None, found.groups()[1:])).strip(), form, found[1], found.end())
    return None


def _looks_like_name(name: str) -> bool:
    known, small = _words(), name.lower()
    if {small, small.split()[0]} & known.no_names or is_direction(name):
        return False
    return bool(_LATIN_NAME.fullmatch(name) or _KOREAN_NAME.fullmatch(name) or small in known.roles)
