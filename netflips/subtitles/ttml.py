"""Subtitles as TTML, written in the text profile of IMSC 1.1, which broadcasters and streaming services take."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import inf, isfinite, nan
from xml.etree import ElementTree as ET

from avcore.units import normalise_language
from netflips.subtitles.cues import Cue, stamp

TTML = ".ttml"
_TT = "http://www.w3.org/ns/ttml"
_PARAMETER, _STYLING, _XML = f"{_TT}#parameter", f"{_TT}#styling", "http://www.w3.org/XML/1998/namespace"
_PROFILE = f"{_TT}/profile/imsc1.1/text"
_REGION = {"origin": "10% 10%", "extent": "80% 80%", "displayAlign": "after", "textAlign": "center"}
_STYLE = {"fontFamily": "proportionalSansSerif", "color": "white", "backgroundColor": "black"}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

_TEXTS, _ABOVE = ("div", "p", "span"), ("text", "textContainer", "delimiter")
"""Elements with texts, and kinds of ruby that are no text."""
_CLOCK = re.compile(r"(\d{1,6}):(\d\d):(\d\d)(?:(\.\d{1,9})|:(\d{1,3})(?:\.\d+)?)?")
_OFFSET = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(h|m|s|ms|f|t)")
_RATE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(?:[\s:]+([1-9]\d{0,8}))?")
"""A rate or its multiplier: "1000 1001", in drafts of TTML "1000:1001"."""
_FRAME_RATE = "30"
"""Where a file states none."""


def ttml_text(cues: Iterable[Cue], language: str) -> str:
    """Return the text of a TTML file. language: of the cues, "" = not known."""
    for prefix, space in (("", _TT), ("ttp", _PARAMETER), ("tts", _STYLING)):
        ET.register_namespace(prefix, space)
    root = ET.Element(f"{{{_TT}}}tt", {f"{{{_XML}}}lang": language, f"{{{_PARAMETER}}}contentProfiles": _PROFILE})
    layout = ET.SubElement(ET.SubElement(root, f"{{{_TT}}}head"), f"{{{_TT}}}layout")
    ET.SubElement(layout, f"{{{_TT}}}region", {f"{{{_XML}}}id": "bottom", **_styles(_REGION)})
    part = ET.SubElement(ET.SubElement(root, f"{{{_TT}}}body", {"region": "bottom"}), f"{{{_TT}}}div")

    part.text = "\n"
    for cue in cues:
        times = {"begin": stamp(cue.start_s, "."), "end": stamp(cue.end_s, ".")}
        one = ET.SubElement(part, f"{{{_TT}}}p", times)
        one.tail = "\n"
        span = ET.SubElement(one, f"{{{_TT}}}span", _styles(_STYLE))
        span.text, *others = (_NO_XML.sub("", line) for line in cue.lines)
        for line in others:
            ET.SubElement(span, f"{{{_TT}}}br").tail = line
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _styles(values: dict[str, str]) -> dict[str, str]:
    return {f"{{{_STYLING}}}{name}": value for name, value in values.items()}


@dataclass(frozen=True)
class Shown:
    """A text of a TTML file, or what it has from the elements around it."""

    start_s: float = 0.0
    """not a number: the times cannot be read"""
    end_s: float = inf
    """infinite: not stated"""
    text: str = ""
    """lines, with line feeds between them"""
    speaker: str = ""
    """of its agent, "" = not stated"""
    language: str = ""
    """two-letter name, "" = not stated"""


def read_ttml(text: str) -> list[Shown]:
    """Return the texts of a TTML file in their order; none if it is no XML, or defines entities, which may grow without an end."""
    try:
        root = ET.fromstring("" if "<!DOCTYPE" in text else text)
        return [one for one in _Reader(root).shown(root, Shown()) if one.text]
    except (ET.ParseError, ValueError, RecursionError):
        return []


class _Reader:
    """Reads the elements of a file by the rates of its times, and takes out of them what is no text."""

    def __init__(self, root: ET.Element) -> None:
        facts = _facts(root)
        frame_rate = _rate(facts.get("frameRate", _FRAME_RATE)) * _rate(facts.get("frameRateMultiplier", "1"))
        ticks = _rate(facts["tickRate"]) if "tickRate" in facts else frame_rate if "frameRate" in facts else Fraction(1)
        self._seconds = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
        # Only times that are counted by a rate need one that can be read.
        self._seconds |= {unit: 1 / rate for unit, rate in (("f", frame_rate), ("t", ticks)) if rate}
        self._names = {_facts(one).get("id", ""): _full_name(one) for one in root.iter() if _name(one) == "agent"}

        for one in list(root.iter()):
            # Ruby is written above letters.
            if _name(one) not in ("tt", "body", *_TEXTS, "br") or _facts(one).get("ruby") in _ABOVE:
                _empty(one, "")
            one.text = "\n" if _name(one) == "br" else (one.text or "").replace("\n", " ")
            one.tail = (one.tail or "").replace("\n", " ")

    def shown(self, element: ET.Element, around: Shown) -> Iterator[Shown]:
        """Yield the texts of an element. around: what is stated around it."""
        first = place = self._place(element, around)
        facts, is_text, found = _facts(element), _name(element) in ("p", "span"), list[Shown]()
        for one in element:
            # Words that appear one after another and stay are one text; what has an end is another, beside the text around it.
            if is_text and not _is_another(one, "begin" in facts):
                continue
            texts = list(self.shown(one, place))
            found += texts
            if is_text:
                _empty(one, " ")
            if facts.get("timeContainer") == "seq":
                inner = self._place(one, place)
                is_stated = not {"end", "dur"}.isdisjoint(_facts(one))
                ends = [inner.end_s] if is_stated else [text.end_s for text in texts if text.text]
                end_s = max(ends, default=inner.start_s)
                place = replace(place, start_s=end_s if isfinite(inner.start_s + end_s) else nan)

        if is_text:
            lines = (" ".join(line.split()) for line in "".join(element.itertext()).split("\n"))
            yield replace(first, text="\n".join(filter(None, lines)))
        yield from found

    def _place(self, element: ET.Element, around: Shown) -> Shown:
        facts, place = _facts(element), around
        if facts.get("lang"):
            place = replace(place, language=normalise_language(facts["lang"].partition("-")[0]))
        if agent := facts.get("agent", "").split():
            place = replace(place, speaker=self._names.get(agent[0], ""))
        try:
            start = around.start_s + self._time(facts.get("begin", "0s"))
            ends = [around.start_s + self._time(facts["end"])] if "end" in facts else []
            ends += [start + self._time(facts["dur"])] if "dur" in facts else []
        except (KeyError, ValueError):
            return replace(place, start_s=nan)
        return replace(place, start_s=start, end_s=min(around.end_s, *ends, inf))

    def _time(self, text: str) -> float:
        """Return a time in seconds. Raises ValueError for one that is none, KeyError for one whose rate cannot be read."""
        if found := _CLOCK.fullmatch(text.strip()):
            whole = (int(found[1]) * 60 + int(found[2])) * 60 + int(found[3])
            frames = int(found[5]) * self._seconds["f"] if found[5] else 0
            return float(whole + Fraction(found[4] or 0) + frames)
        if found := _OFFSET.fullmatch(text.strip()):
            return float(Fraction(found[1]) * self._seconds[found[2]])
        raise ValueError(text)


def _rate(text: str) -> Fraction:
    """Return a rate or its multiplier; 0 = it cannot be read."""
    found = _RATE.fullmatch(text.strip())
    return Fraction(found[1]) / int(found[2] or 1) if found else Fraction(0)


def _full_name(agent: ET.Element) -> str:
    names = {_facts(one).get("type"): " ".join("".join(one.itertext()).split()) for one in agent.iter() if _name(one) == "name"}
    return names.get("full") or " ".join(names.values())


def _is_another(span: ET.Element, is_begun: bool) -> bool:
    """Return whether a span, or one in it, is shown for a time of its own. is_begun: whether the text around it has a begin."""
    times = {"end", "dur"} if is_begun else {"begin", "end", "dur"}
    return any(not times.isdisjoint(_facts(one)) for one in span.iter())


def _empty(element: ET.Element, text: str) -> None:
    """Leave of an element its name, the text behind it, and a text in it."""
    tail = element.tail
    element.clear()
    element.text, element.tail = text, tail


def _name(element: ET.Element) -> str:
    """Return an element's name: drafts of TTML have other namespaces."""
    return str(element.tag).rpartition("}")[2]


def _facts(element: ET.Element) -> dict[str, str]:
    return {name.rpartition("}")[2]: value for name, value in element.attrib.items()}
