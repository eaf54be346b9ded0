"""TTML, written and read: an outsider (ttconv, of IMSC's authors) reads ours, and we read its files and those of others."""

import xml.etree.ElementTree as ET
from contextlib import suppress
from io import StringIO
from itertools import pairwise
from math import isfinite
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ttconv.imsc import reader as imsc_reader
from ttconv.imsc import writer as imsc_writer
from ttconv.srt import reader as srt_reader
from ttconv.srt import writer as srt_writer

from avcore.errors import InputError, UsageError
from netflips.subtitles.beside import FORMATS, Subtitling, subtitle_text
from netflips.subtitles.cues import Cue, srt_text
from netflips.subtitles.given import GivenCue, GivenSubtitles, read_subtitles
from netflips.subtitles.ttml import read_ttml

CUES = [Cue(1.0, 2.5, ("안녕 & <b>", "-->  둘\x0b")), Cue(3661.0404, 3662.0, ("끝",))]
SRT = "1\n00:00:01,000 --> 00:00:02,500\n안녕 <i>여러분</i>\n둘째 줄\n\n2\n00:01:03,250 --> 00:01:04,000\n끝\n"
FILM = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/2006/10/ttaf1" xmlns:ttp="http://www.w3.org/2006/10/ttaf1#parameter" xml:lang="ko-KR"
 xmlns:ttm="http://www.w3.org/2006/10/ttaf1#metadata" ttp:frameRate="24"
 ttp:frameRateMultiplier="1000 1001" ttp:tickRate="10000000">
<head><metadata><ttm:agent xml:id="a" type="person"><ttm:name type="full">철수</ttm:name></ttm:agent></metadata></head>
<body begin="1s"><div begin="500ms">
 <p begin="00:00:00.25" dur="1.5s" ttm:agent="a"><metadata>no text</metadata>안녕
   하세요<br/>여러분</p>
 <p begin="30000000t" end="00:00:03:12"><span begin="0.1s">차례</span> <span begin="0.2s">차례</span></p>
 <p><span begin="5s" end="6s">다섯</span><span begin="6s">여섯</span></p>
 <p begin="soon" end="8s">언제</p>
 <p begin="9s" end="10s">글<span xmlns:tts="x" tts:ruby="text">윗글</span>자</p>
 <p begin="10s" end="11s"><br/></p>
</div></body></tt>
"""
BOTH = """<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="fr"><body>
<div xml:lang="en"><p begin="1s" end="2s">Hello everybody</p></div>
<div xml:lang="{other}"><p begin="1s" end="2s">{said}</p></div></body></tt>"""


def read(tmp_path: Path, content: str, name: str = "a.ttml") -> GivenSubtitles:
    (tmp_path / name).write_text(content, encoding="utf-8")
    return read_subtitles(tmp_path / name, "en", "ko")


def test_an_outsider_reads_what_is_written() -> None:
    written = subtitle_text("ttml", CUES, "ko")
    model = imsc_reader.to_model(ET.ElementTree(ET.fromstring(written)))
    assert model.get_lang() == "ko"
    plain = [Cue(cue.start_s, cue.end_s, tuple(line.replace("\x0b", "") for line in cue.lines)) for cue in CUES]
    shown = srt_writer.from_model(model)
    assert shown.replace("--> ", "-> ").split() == srt_text(plain).replace("--> ", "-> ").split()
    root = ET.fromstring(written)
    assert root.attrib["{http://www.w3.org/ns/ttml#parameter}contentProfiles"].endswith("/imsc1.1/text")
    assert subtitle_text("ttml", [], "") != ""


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    given = read(tmp_path, subtitle_text("ttml", [Cue(1.0, 2.5, ("안녕 & 네", "두 줄")), Cue(3.0, 4.0, ("끝",))], "ko"))
    assert [(one.start_s, one.end_s, one.text) for one in given.cues] == [(1.0, 2.5, "안녕 & 네 두 줄"), (3.0, 4.0, "끝")]
    assert given.note is None


def test_an_outsiders_file_is_read(tmp_path: Path) -> None:
    written = ET.tostring(imsc_writer.from_model(srt_reader.to_model(StringIO(SRT))).getroot(), "unicode")
    assert [(one.start_s, one.end_s, one.text) for one in read(tmp_path, written).cues] == [
        (1.0, 2.5, "안녕 여러분 둘째 줄"),
        (63.25, 64.0, "끝"),
    ]


def test_times_speakers_and_spans_of_a_film(tmp_path: Path) -> None:
    given = read(tmp_path, FILM, "film.dfxp")
    assert [(one.start_s, pytest.approx(one.end_s), one.text, one.speaker) for one in given.cues] == [
        (1.75, 3.25, "안녕 하세요 여러분", "철수"),
        (4.5, 1.5 + 3 + 12 * 1001 / 24000, "차례 차례", ""),
        (6.5, 7.5, "다섯", ""),
        (7.5, 10.5, "여섯", ""),
        (10.5, 11.5, "글자", ""),
    ]
    assert list(given.lacking.values()) == [(5,)]


@pytest.mark.parametrize(
    ("other", "said", "wanted"), [("ko", "모두 안녕", "모두 안녕"), ("de", "Hallo zusammen", "Hello everybody")]
)
def test_of_several_languages_the_dubs_are_taken(tmp_path: Path, other: str, said: str, wanted: str) -> None:
    (one,) = read(tmp_path, BOTH.format(other=other, said=said)).cues
    assert (one.text or one.source_text) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (
            '<p begin="0s" end="10s"><span begin="0s" end="5s">Hello</span><span begin="5s" end="10s">there</span></p>',
            [(0, 5, "Hello"), (5, 10, "there")],
        ),
        ('<p>Hello <span begin="1s" end="2s">there</span></p>', [(0, 1, "Hello"), (1, 2, "there")]),
        ('<p begin="1s" end="4s">Well<span><span begin="1s" dur="1s">there</span></span></p>', [(1, 2, "Well"), (2, 3, "there")]),
        ('<p begin="1s" end="4s"><span begin="0s">Hello</span> <span begin="1s">there</span></p>', [(1, 4, "Hello there")]),
        ('<p begin="1s" end="4s"><span>Hel</span><span>lo</span></p>', [(1, 4, "Hello")]),
        (
            '<p begin="1s" end="4s">A <span ruby="container"><span ruby="base">base</span><span ruby="text" end="2s">above</span>'
            "</span> stays</p>",
            [(1, 4, "A base stays")],
        ),
        (
            '<div timeContainer="seq"><p dur="1s"/><p dur="2s">One</p><div><p end="1s">Two</p></div>'
            '<p begin="1s" dur="1s">Three</p><p>Four</p></div><p begin="8s" end="9s">Five</p>',
            [(1, 3, "One"), (3, 4, "Two"), (5, 6, "Three"), (6, 8, "Four"), (8, 9, "Five")],
        ),
    ],
)
def test_what_is_shown_at_a_time_of_its_own_is_a_cue(tmp_path: Path, body: str, wanted: list[tuple[float, float, str]]) -> None:
    cues = read(tmp_path, f'<tt xmlns="http://www.w3.org/ns/ttml"><body>{body}</body></tt>').cues
    assert [(one.start_s, one.end_s, one.source_text or one.text) for one in cues] == wanted


def timed(text: str) -> list[tuple[float, float]]:
    return [(one.start_s, one.end_s) for one in read_ttml(text) if isfinite(one.start_s)]


@pytest.mark.parametrize(
    ("rates", "frame_s"),
    [
        ('frameRate="24" frameRateMultiplier="1000:1001"', 1.001 / 24),
        ('frameRate="30" frameRateMultiplier="1000 1001"', 1.001 / 30),
        ('frameRate="25"', 0.04),
        ("", 1 / 30),
        ('frameRate="1e999999999"', None),
        ('frameRateMultiplier="1 1e400"', None),
        ('frameRateMultiplier="1 0"', None),
        (f'frameRate="{"9" * 5000}"', None),
        ('frameRate="0"', None),
    ],
)
def test_a_rate_that_cannot_be_read_takes_only_times_in_frames(tmp_path: Path, rates: str, frame_s: float | None) -> None:
    body = '<p begin="1f" end="00:00:02:00">a</p><p begin="00:00:02" end="3.5s">b</p>'
    last = [(2.0, 3.5)]
    assert timed(f"<tt {rates}><body>{body}</body></tt>") == ([(pytest.approx(frame_s), 2.0), *last] if frame_s else last)


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        ('<name type="family">Lee</name><name type="given">Ann</name>', "Lee Ann"),
        ('<name type="full">Ann Lee</name><name type="alias">AL</name>', "Ann Lee"),
    ],
)
def test_an_agents_names_are_words(names: str, wanted: str) -> None:
    (one,) = read_ttml(f'<tt><head><agent id="a">{names}</agent></head><body><p agent="a">Hi</p></body></tt>')
    assert one.speaker == wanted


ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
TIMES = st.sampled_from(["begin", "end", "dur", "timeContainer", "frameRate", "tickRate", "frameRateMultiplier", "agent", "ruby"])
VALUES = st.sampled_from(["0s", "1s", "2f", "3t", "00:00:04:05", "seq", "1000:1001", "1e9", "25", "text", "0", "9" * 400 + "h"])
ELEMENTS = st.recursive(
    st.text("a가 \n", max_size=4),
    lambda inner: st.builds(
        lambda name, facts, parts: f"<{name}{''.join(f' {one}={two!r}' for one, two in facts.items())}>{''.join(parts)}</{name}>",
        st.sampled_from(["div", "p", "span", "br", "agent", "name"]), st.dictionaries(TIMES, VALUES, max_size=3), st.lists(inner),
    ),
)  # fmt: skip


@given(st.lists(st.tuples(st.integers(1, 3000), st.text("ab가.,&<>'\"-\x0b", min_size=1)), min_size=1, max_size=8))
@ANY
def test_any_cues_are_read_as_they_were_written(rows: list[tuple[int, str]]) -> None:
    starts = [sum(row[0] for row in rows[:count]) / 1000 for count in range(len(rows) + 1)]
    cues = [Cue(*times, (f"a{text}", text)) for times, (_, text) in zip(pairwise(starts), rows, strict=True)]
    found = read_ttml(subtitle_text("ttml", cues, "ko"))
    lines = ["\n".join(filter(None, (line.replace("\x0b", "") for line in cue.lines))) for cue in cues]
    assert [(one.start_s, one.end_s, one.text) for one in found] == [
        (*row[:2], line) for row, line in zip(cues, lines, strict=True)
    ]


@given(
    st.binary()
    | st.builds(lambda body, facts: f"<tt {' '.join(f'{a}={b!r}' for a, b in facts.items())}>{body}</tt>".encode(),
                ELEMENTS, st.dictionaries(TIMES, VALUES, max_size=3)),
)  # fmt: skip
@ANY
def test_any_bytes_have_cues_in_order_or_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.ttml").write_bytes(content)
    cues: tuple[GivenCue, ...] = ()
    with suppress(InputError):
        cues = read_subtitles(tmp_path / "a.ttml", "en", "ko").cues
    assert all(isfinite(one.end_s) and one.start_s < one.end_s for one in cues)
    assert all(one.end_s <= other.start_s for one, other in pairwise(cues))


GROWING = "".join(f'<!ENTITY a{k} "&a{k - 1};&a{k - 1};">' for k in range(1, 40))


@pytest.mark.parametrize(
    "content",
    [
        "1\n00:00:01,000 --> 00:00:02,000\n안녕\n",
        '<tt><body><p begin="1s">',
        f'<!DOCTYPE tt [<!ENTITY a0 "x">{GROWING}]><tt><body><p begin="1s" end="2s">&a39;</p></body></tt>',
        '<tt><body><div><p begin="1x" end="2s">안녕</p></div></body></tt>',
        '<tt frameRate="0"><body><div><p begin="1f" end="2s">안녕</p></div></body></tt>',
        f"<tt><body>{'<div>' * 5000}{'</div>' * 5000}</body></tt>",
        "<tt/>",
    ],
)
def test_what_is_no_ttml_says_how_a_time_looks(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r'a.ttml: there are no subtitles .* <p begin="00:00:01.500"'):
        read(tmp_path, content)


def test_a_format_is_asked_for_with_the_sides(tmp_path: Path) -> None:
    asked = Subtitling.of("source,target, ttml", False, "", None)
    assert {side: path.name for side, path in asked.files(tmp_path / "o.mp4", "en", "ko").items()} == {
        "source": "o.en.ttml", "target": "o.ko.ttml",
    }  # fmt: skip
    assert Subtitling.of("target", False, "", None).form == FORMATS[0] == "srt"
    for wrong in ("ttml", "target,ttml,vtt", "target,ass"):
        with pytest.raises(UsageError, match="--subtitles"):
            Subtitling.of(wrong, False, "", None)
