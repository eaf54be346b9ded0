"""Subtitles as TTML, written in the text profile of IMSC 1.1, which broadcasters and streaming services take."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree as ET

from netflips.subtitles.cues import Cue, stamp

TTML = ".ttml"
_TT = "http://www.w3.org/ns/ttml"
_PARAMETER, _STYLING, _XML = f"{_TT}#parameter", f"{_TT}#styling", "http://www.w3.org/XML/1998/namespace"
_PROFILE = f"{_TT}/profile/imsc1.1/text"
_REGION = {"origin": "10% 10%", "extent": "80% 80%", "displayAlign": "after", "textAlign": "center"}
_STYLE = {"fontFamily": "proportionalSansSerif", "color": "white", "backgroundColor": "black"}
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


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
