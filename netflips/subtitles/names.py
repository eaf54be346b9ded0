"""Speakers' names, as people write them before a text: `[Daniel]: Hi`, `[Daniel] Hi`, `Daniel: Hi`, `DANIEL: Hi`.

Other words stand there, too: `Myth: Coffee is bad for you.` says the opposite without its first word. So what stands before a
colon is a speaker only if it surely is one, by what names.yaml knows and by the rest of the file; all else is said.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Literal, NamedTuple

from avcore.texts import read_table
from netflips.subtitles.formats import Cue
from text2unit.cleaning import is_direction

_Form = Literal["labelled", "brackets", "colon"]
_LEAD = r"^(\s*(?:[-\u2013\u2014]\s*|>>+\s*)?)"
_LABELLED = re.compile(rf"{_LEAD}\[(?:([^\[\]\n:\uff1a]{{1,60}})\]\s?[:\uff1a]|(SPEAKER_\d{{1,3}})\])\s*")
"""How WhisperX and others write a speaker's name; nothing else is written like this."""
_BRACKETS = re.compile(rf"{_LEAD}\[([^\[\]\n:\uff1a]{{1,30}})\]\s*(?=[^\s\[])")
_ALONE = re.compile(rf"{_LEAD}\[([^\[\]\n]{{1,30}})\]\s*$")
_WORD = r"[^\W\d_][\w.'-]{0,15}"
_COLON = re.compile(rf"{_LEAD}(SPEAKER_\d{{1,3}}|{_WORD}(?: {_WORD}){{0,2}}(?: \d{{1,2}})?)\s?[:\uff1a](?:\s+(?=\S)|(?=[가-힣]))")
_NUMBERED = re.compile(r"(?:speaker|화자|발언자|참석자|참가자)[ _]?\d{1,3}", re.IGNORECASE)
_CAPITAL = r"[A-Z\u00c0-\u00de][\w'-]*"
_NAME = rf"{_CAPITAL}\.?"
_LATIN = re.compile(rf"{_NAME}(?: (?:{_NAME}|de|van|von|al)){{0,2}}")
_HANGUL = re.compile(r"[가-힣]{2,5}(?: [가-힣]{1,4})?")
_CALLED = (
    re.compile(rf",\s*({_CAPITAL})\s*[.,!?]"),
    re.compile(rf"\b(?i:hi|hey|hello|thanks|thank you|dear),? ({_CAPITAL})\b"),
    re.compile(r"(?:^|[.?!,]\s*)([가-힣]{2,4}?)[아야](?=[\s,!]+\S)"),  # not at the end, where 문제야 is a sentence
    re.compile(r"(?<![가-힣])([가-힣]{2,4}?)\s?[씨님](?![가-힣])"),
)
"""Names by which somebody is called: `Thanks, Ravi.`, `민수야, 가자.`"""
_DOING = re.compile(r"(?:ing|ed|ly)$")
"""Ends of words for sounds; a name in brackets with such an end must come more than once."""
_HOW = re.compile(r"(?:히|게|며|면서|로|다|소리|움|숨)$")
"""Ends of words that describe how something is spoken."""
_LEAST_NAMED = 0.2
"""Share of cues with a name, at or above which a name before a colon marks each change of speaker."""
_LEAST_TIMES, _LEAST_SHARE = 3, 0.15
"""How often a label must come, at least, and in which share of the cues, to be one of the speakers of a dialogue."""


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


@cache
def _words(name: str) -> frozenset[str]:
    """Return a list of names.yaml, in small letters."""
    return frozenset(read_table(__package__, "names.yaml")[name].split())


@dataclass(frozen=True)
class Named:
    """Cues without the names before their texts."""

    cues: list[Cue]
    """with their speakers; one in which several people speak is several cues with the same number"""
    speakers: dict[str, int] = field(default_factory=dict)
    """how many cues each name before a colon has"""
    said: tuple[str, ...] = ()
    """words before a colon that come again and again, and are said, since they may be no names"""


def with_speakers(cues: Sequence[Cue], known: Collection[str] = ()) -> Named:
    """Find the speakers of cues. known: names of people who may speak.

    If names stand before a colon at each change of speaker, cues without a name have the speaker of the cue before.
    """
    lines = [one.text.split("\n") for one in cues]
    names, forms, speakers = _Names(lines, known), set[_Form](), Counter[str]()
    found = list[Cue]()
    for cue, rows in zip(cues, lines, strict=True):
        turns = list[tuple[str, list[str]]]()
        for row in rows:
            one = names.find(row)
            if one is None:
                turns = turns or [("", [])]
                turns[-1][1].append(row)
                continue
            forms.add(one.form)
            speakers.update([one.name] if one.form == "colon" else [])
            turns.append((one.name, [one.lead + row[one.end :]]))
        found += taking_turns(cue, [(cue.speaker or name, "\n".join(texts)) for name, texts in turns])

    changes = [named.speaker for named in found if named.speaker]
    is_each_change = len(set(changes)) > 1 and len(changes) >= _LEAST_NAMED * len(found)
    if is_each_change and forms == {"colon"}:
        last = ""
        for place, named in enumerate(found):
            last = named.speaker or ("" if _candidate(named.text) else last)  # who knows who that is
            found[place] = replace(named, speaker=last)
    said = tuple(name for name, count in names.counts.items() if count > 1 and _is_likely(name) and not names.is_speaker(name))
    return Named(found, dict(speakers), said)


def taking_turns(cue: Cue, turns: Sequence[tuple[str, str]]) -> Iterator[Cue]:
    """Yield a cue for each of several speakers in it, with a share of its time by their letters. turns: speakers and their texts.

    Those of one speaker are one.
    """
    joined = list[tuple[str, str]]()
    for speaker, text in turns:
        if joined and joined[-1][0] == speaker:
            joined[-1] = speaker, f"{joined[-1][1]}\n{text}"
        else:
            joined.append((speaker, text))
    letters, start_s = [sum(map(str.isalnum, text)) + 1 for _, text in joined], cue.start_s
    for place, (speaker, text) in enumerate(joined):
        is_last = place + 1 == len(joined)
        end_s = cue.end_s if is_last else start_s + (cue.end_s - cue.start_s) * letters[place] / sum(letters)
        yield replace(cue, start_s=start_s, end_s=end_s, text=text, speaker=speaker)
        start_s = end_s


class _Names:
    """Decides who is a speaker, by all that is written like one in a file."""

    def __init__(self, cues: Sequence[Sequence[str]], known: Collection[str]) -> None:
        self.counts, self.bracketed, self.alone, self.words = Counter[str](), Counter[str](), set[str](), set[str]()
        self._known, self._total, self._led, texts = {one.casefold() for one in known}, len(cues), set[str](), list[str]()
        for rows in cues:
            for row in rows:
                if alone := _ALONE.match(row):
                    self.alone |= {alone[2].strip().lower()} if len(rows) == 1 else set()
                elif one := _candidate(row):
                    (self.counts if one.form == "colon" else self.bracketed)[one.name] += 1
                    self._led |= {one.name} if ">>" in one.lead else set()
                    row = row[one.end :]
                texts.append(row)
                self.words.update(re.findall(r"\b[a-z]+\b", row))
        called = {one.casefold() for row in texts for pattern in _CALLED for one in pattern.findall(row)}
        self._sure = {name for name in self.counts if self._is_sure(name)}
        patterned = {name for name, count in self.counts.items() if count > 1 and _is_korean_name(name)}
        letters = {name for name, count in self.counts.items() if re.fullmatch("[A-Z]", name)}
        self._sure |= (patterned if len(patterned) > 1 or self._sure else set()) | (letters if len(letters) > 1 else set())
        likely = {name for name in self.counts if _is_likely(name) and name.lower() not in self.words}
        initials = {name: "".join(part[0] for part in name.split()) for name in likely if " " in name}
        self._sure |= {name for name, short in initials.items() if short in self.counts} | (set(initials.values()) & likely)
        self._sure |= {name for name in likely if name.split()[0].casefold() in called or (self._sure and self._is_frequent(name))}

    def find(self, line: str) -> _Found | None:
        """Return the name before a line, None if there is none."""
        one = _candidate(line)
        if one is None or one.form == "labelled":
            return one
        return one if (self.is_speaker(one.name) if one.form == "colon" else self._is_in_brackets(one.name)) else None

    def is_speaker(self, name: str) -> bool:
        """Return whether a word before a colon is surely a speaker."""
        return name in self._sure

    def _is_in_brackets(self, name: str) -> bool:
        """Return whether words in brackets, which are never said, are a speaker rather than a sound or a remark."""
        if name.lower() in self.alone or not _is_likely(name) or (not name[0].isascii() and _HOW.search(name)):
            return False
        is_many = self.bracketed[name] > 1 and name.lower() not in self.words
        return self._is_sure(name) or _is_korean_name(name) or (is_many and (name[0].isascii() or not _DOING.search(name)))

    def _is_sure(self, name: str) -> bool:
        """Return whether a name is a speaker's whatever else the file says."""
        small = name.lower().replace(".", "")
        parts = small.split()
        if name in self._led or name.casefold() in self._known or _NUMBERED.fullmatch(name):
            return True
        parts = parts[:-1] if len(parts) > 1 and parts[-1].isdigit() else parts
        if parts[-1] in _words("roles") or (len(parts) > 1 and (parts[0] in _words("titles") or parts[-1] in _words("honorifics"))):
            return True
        if not name[0].isascii():
            return parts[0] in _words("given") or (parts[0][:1] in _words("surnames") and parts[0][1:] in _words("given"))
        return name[0].isupper() and parts[0] in _words("given") and (len(parts) == 1 or _LATIN.fullmatch(name) is not None)

    def _is_frequent(self, name: str) -> bool:
        return self.counts[name] >= max(_LEAST_TIMES, _LEAST_SHARE * self._total)


def _candidate(line: str) -> _Found | None:
    forms: tuple[tuple[_Form, re.Pattern[str]], ...] = (("labelled", _LABELLED), ("brackets", _BRACKETS), ("colon", _COLON))
    for form, pattern in forms:
        if found := pattern.match(line):
            return _Found(next(filter(None, found.groups()[1:])).strip(), form, found[1], found.end())
    return None


def _is_likely(name: str) -> bool:
    """Return whether words look like a name."""
    return not is_direction(name) and bool(_LATIN.fullmatch(name) or _HANGUL.fullmatch(name))


def _is_korean_name(name: str) -> bool:
    """Return whether three or four syllables are a Korean surname and such syllables as given names are of."""
    return len(name) in (3, 4) and name[:-2] in _words("surnames") and name[-2] in _words("first") and name[-1] in _words("last")
