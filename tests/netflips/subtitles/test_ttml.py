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
from netflips.subtitles.formats import read_cues
from netflips.subtitles.given import GivenCue, GivenSubtitles, read_subtitles
from tests.refusal import refused

CUES = [Cue(1.0, 2.5, ("안녕 & <b>", "-->  둘\x0b")), Cue(3661.0404, 3662.0, ("끝",))]
SRT = "1\n00:00:01,000 --> 00:00:02,500\n안녕 <i>여러분</i>\n둘째 줄\n\n2\n00:01:03,250 --> 00:01:04,000\n끝\n"
FILM = """<?xml version="1.0" encoding="utf-8"?>
<tt xmlns="http://www.w3.org/2006/10/ttaf1" xmlns:ttp="http://www.w3.org/2006/10/ttaf1#parameter" xml:lang="ko-KR"
 ttp:frameRate="24" ttp:frameRateMultiplier="1000 1001" ttp:tickRate="10000000">
<head><metadata><title>글</title></metadata></head>
<body><div>
 <p begin="00:00:00.25" dur="1.5s"><metadata>no text</metadata>안녕
   하세요<br/>여러분</p>
 <p begin="30000000t" end="00:00:03:12"><span>차</span><span>례</span> <span>차례</span></p>
 <p begin="soon" end="8s">언제</p>
 <p begin="5s" end="late">언제</p>
 <p begin="5s">언제</p>
 <p begin="7s" end="20s">끝</p>
 <p begin="10s" end="11s"><br/></p>
</div></body></tt>
"""


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


def test_times_and_spans_of_a_film(tmp_path: Path) -> None:
    given = read(tmp_path, FILM, "film.dfxp")
    assert [(one.start_s, pytest.approx(one.end_s), one.text) for one in given.cues] == [
        (0.25, 1.75, "안녕 하세요 여러분"),
        (3, 3 + 12 * 1001 / 24000, "차례 차례"),
        (7, 20, "끝"),
    ]
    assert list(given.lacking.values()) == [(3, 4, 5)]


def timed(text: str) -> list[tuple[float, float]]:
    return [(one.start_s, one.end_s) for one in read_cues(text, ".ttml", "en", "ko")[0]]


@pytest.mark.parametrize(
    ("rates", "frame_s"),
    [
        ('frameRate="24" frameRateMultiplier="1000:1001"', 1.001 / 24),
        ('frameRate="30" frameRateMultiplier="1000 1001"', 1.001 / 30),
        ('frameRate="25"', 0.04),
        ("", 1 / 30),
        ('frameRate="fast"', None),
        ('frameRateMultiplier="1 0"', None),
        ('frameRate="0"', None),
    ],
)
def test_a_rate_that_cannot_be_read_takes_only_times_in_frames(rates: str, frame_s: float | None) -> None:
    body = '<p begin="1f" end="00:00:02:00">a</p><p begin="00:00:02" end="3.5s">b</p>'
    last = [(2.0, 3.5)]
    assert timed(f"<tt {rates}><body>{body}</body></tt>") == ([(pytest.approx(frame_s), 2.0), *last] if frame_s else last)


@pytest.mark.parametrize(
    ("body", "times"),
    [
        ('<div begin="60s"><p begin="1s" end="2s">a</p></div><p begin="3s" dur="1s">b</p>', [(61, 62), (3, 4)]),
        ('<div begin="60s"><div begin="1m"><p begin="1s" dur="2s">a</p></div></div>', [(121, 123)]),
        ('<div begin="60s" end="62s"><p>a</p><p begin="1s" end="9s">b</p></div>', [(60, 62), (61, 62)]),
        ('<div begin="60s" dur="1s"><p end="9s">a</p></div>', [(60, 61)]),
        ('<p begin="1s" end="2s" dur="9s">a</p><p begin="3s" end="9s" dur="1s">b</p>', [(1, 2), (3, 4)]),
        ('<p begin="1s" end="late" dur="1s">a</p><div begin="soon"><p begin="1s" end="2s">b</p></div>', []),
        ('<p begin="1s">a</p><p>b</p>', []),
        ('<p begin="1s" end="2s">a<p begin="5s" end="6s">b</p></p>', [(1, 2)]),
    ],
)
def test_times_are_counted_from_what_is_around(body: str, times: list[tuple[float, float]]) -> None:
    assert timed(f"<tt><body>{body}</body></tt>") == times
    assert timed(f'<tt><body begin="10s">{body}</body></tt>') == [(start + 10, end + 10) for start, end in times]


def test_paragraphs_within_paragraphs_are_read_once() -> None:
    """A quadratic reader needs minutes for this."""
    count = 20_000
    text = f'<tt><body>{"""<p begin="1s" end="2s">a""" * count}{"</p>" * count}</body></tt>'
    assert [(one.start_s, one.end_s, one.text) for one in read_cues(text, ".ttml", "en", "ko")[0]] == [(1.0, 2.0, "a" * count)]


def test_ruby_is_not_spoken(tmp_path: Path) -> None:
    ruby = (
        '<span tts:ruby="container"><span tts:ruby="baseContainer"><span tts:ruby="base">大韓</span></span>'
        '<span tts:ruby="textContainer"><span tts:ruby="delimiter">(</span><span tts:ruby="text">'
        "<span>대한</span></span></span></span>"
    )
    body = f'<p begin="1s" end="2s">나는 {ruby}<span tts:ruby="text">민국</span> 사람<metadata><span>no</span></metadata></p>'
    given = read(tmp_path, f'<tt xmlns:tts="http://www.w3.org/ns/ttml#styling"><body>{body}</body></tt>')
    assert [one.text for one in given.cues] == ["나는 大韓 사람"]


ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
TIMES = st.sampled_from(["begin", "end", "dur", "frameRate", "tickRate", "frameRateMultiplier", "lang"])
VALUES = st.sampled_from(
    ["0s", "1s", "2f", "3t", "00:00:04:05", "ko", "1000:1001", "1e999", "-5", "nan", "25", "0", "9" * 400 + "h"]
)
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
    found, _ = read_cues(subtitle_text("ttml", cues, "ko"), ".ttml", "en", "ko")
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
    refused(InputError, r'a.ttml: there are no subtitles .* <p begin="00:00:01.500"', read, tmp_path, content)


def test_a_format_is_asked_for_with_the_sides(tmp_path: Path) -> None:
    asked = Subtitling.of("source,target, ttml", False, "", None)
    assert {side: path.name for side, path in asked.files(tmp_path / "o.mp4", "en", "ko").items()} == {
        "source": "o.en.ttml", "target": "o.ko.ttml",
    }  # fmt: skip
    assert Subtitling.of("target", False, "", None).form == FORMATS[0] == "srt"
    for wrong in ("ttml", "target,ttml,vtt", "target,ass"):
        refused(UsageError, "--subtitles", Subtitling.of, wrong, False, "", None)
