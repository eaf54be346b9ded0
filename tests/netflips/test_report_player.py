"""Videos, sounds and warnings on the report's page: found, named, in step, and explained."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest

from avcore.notes import Note
from netflips.report import page
from netflips.report.material import Material
from netflips.report.story import ShownStretch, address, stretches_of
from netflips.script.notes import CUT
from netflips.script.types import (
    DrawnPictures,
    FaceQuality,
    HeardUnits,
    ModelUsed,
    Script,
    SeenFaces,
    Slot,
    SpeakerOf,
    TimeSpan,
    TranslatedUnits,
    UnitList,
    WrittenText,
)
from netflips.understanding import Understanding
from tests.netflips.report_pages import Reader, dub_report, read, utterance

USUAL = (ModelUsed("av2unit", "sha256:0123", -0.1), ModelUsed("unit2unit", "sha256:4567", -0.1))


def _videos(folder: Path) -> tuple[Path, Path]:
    """Files that nobody reads: the page only looks whether they are there."""
    paths = folder / "a #1 100%?.mp4", folder / "dubs" / "b&c.mp4"
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a video")
    return paths


def _outside(script: Script, number: int, confidence: float, among: int) -> Script:
    """The same with a note that an utterance is outside of what the models know."""
    readings = [{"name": "the encoder's confidence", "score": confidence, "usual": -0.1, "of": "least"}]
    note = Note("outside", {"what": "that", "at": "", "readings": readings, "cause": "", "among": among})
    utterances = (replace(one, notes=(*one.notes, note)) if one.number == number else one for one in script.utterances)
    return replace(script, utterances=tuple(utterances))


def _read(report: Script, folder: Path) -> Reader:
    return Reader(page.report_page([page.ToldDub(report, Material())], {}, folder))


def test_videos_are_named_as_seen_from_the_page(tmp_path: Path) -> None:
    report = dub_report(*_videos(tmp_path), 4.0, [utterance(1, 0.5, 1.5, output=TimeSpan(0.5, 1.75))])
    page.write_report_page(tmp_path / "x.html", [page.ToldDub(report, Material())], {})
    reader = Reader((tmp_path / "x.html").read_text(encoding="utf-8"))
    videos = [attributes for name, attributes in reader.elements if name == "video"]
    assert [one["src"] for one in videos] == ["a%20%231%20100%25%3F.mp4", "dubs/b%26c.mp4"]
    assert all("controls" in one for one in videos)
    sounds = [attributes["src"] for name, attributes in reader.elements if name == "audio"]
    assert sounds == ["a%20%231%20100%25%3F.mp4#t=0.500,1.500", "dubs/b%26c.mp4#t=0.500,1.750"]
    beside = Reader(page.report_page([page.ToldDub(report, Material())], {}, tmp_path / "pages"))
    assert "../dubs/b%26c.mp4" in beside.values("src")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a:b.mp4", "a%3Ab.mp4"),
        ("\udcff.mp4", "%FF.mp4"),
        ("안녕.mp4", "%EC%95%88%EB%85%95.mp4"),
        ("../x y/-.mp4", "../x%20y/-.mp4"),
    ],
)
def test_no_name_of_a_file_means_something_else_in_an_address(name: str, expected: str, tmp_path: Path) -> None:
    assert address(tmp_path / "page" / name, tmp_path / "page") == expected


def test_a_video_that_is_gone_is_said_to_be(tmp_path: Path) -> None:
    videos = _videos(tmp_path)
    report = dub_report(*videos, 4.0, [utterance(1, 0.5, 1.5)])
    assert "was not there any more" not in _read(report, tmp_path).text
    videos[0].unlink()
    reader = _read(report, tmp_path)
    assert "The file a #1 100%?.mp4 was not there any more when this page was written." in reader.text
    assert [name for name, _ in reader.elements].count("video") == 1
    assert reader.values("data-stretches") == []
    assert [one.partition("#")[0] for one in reader.values("src")] == ["dubs/b%26c.mp4"] * 2


def test_only_the_page_s_own_script_and_style_are_allowed(tmp_path: Path) -> None:
    written = page.report_page([page.ToldDub(dub_report(*_videos(tmp_path), 4.0, None), Material())], {}, tmp_path)
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', written)
    assert found is not None
    rules = dict(rule.split(" ", 1) for rule in unescape(found[1]).split("; "))
    for name in ("script", "style"):
        inside = re.findall(f"<{name}>(.*?)</{name}>", written, re.DOTALL)
        assert len(inside) == 1
        assert rules[f"{name}-src"] == f"'sha256-{b64encode(sha256(inside[0].encode()).digest()).decode()}'"
    assert rules["default-src"] == "'none'"
    assert "style" not in {name for _, attributes in Reader(written).elements for name in attributes}


def test_the_original_waits_where_its_picture_is_held(tmp_path: Path) -> None:
    held = utterance(1, 1.0, 2.0, spoken_s=1.5, held_s=0.5, overrun_s=0.5, output=TimeSpan(1.0, 2.5))
    report = dub_report(*_videos(tmp_path), 4.5, [held, utterance(2, 3.0, 3.5, output=TimeSpan(3.5, 4.0))])
    report = replace(report, made=replace(report.result, part=TimeSpan(0.5, 4.5)))
    expected = [ShownStretch(0.0, 1.5, 0.5), ShownStretch(2.0, 4.5, 2.0)]
    assert stretches_of(report) == expected
    told = _read(report, tmp_path).values("data-stretches")
    assert [ShownStretch(*one) for one in json.loads(told[0])] == expected
    assert stretches_of(dub_report(*_videos(tmp_path), 1.96, None)) == [ShownStretch(0.0, 1.96, 0.0)]


def test_a_note_leads_to_every_utterance_that_it_names(tmp_path: Path) -> None:
    dubbed = [utterance(number, number, number + 0.9, confidence=sure) for number, sure in enumerate((-0.5, -0.3, 0.0, -0.05), 1)]
    script = dub_report(*_videos(tmp_path), 5.0, dubbed, models=USUAL[:1])
    for number, confidence in ((1, -0.5), (2, -0.3), (4, -0.05)):
        script = _outside(script, number, confidence, 4)
    script = replace(
        script, utterances=(*script.utterances[:2], replace(script.utterances[2], notes=(CUT(units=5),)), *script.utterances[3:])
    )
    written = page.report_page([page.ToldDub(script, Material())], {}, tmp_path)
    links = [f'<a href="#u{number}">{number}</a>' for number in (1, 2, 4)]
    assert f"utterances {', '.join(links)} (3 of 4): this is hardly that" in written
    assert 'utterance <a href="#u3">3</a>: 5 units' in written
    assert (
        '<a href="#u1">Utterance 1</a> (0:01.0): sure of the original: 61 % of each unit (usual here: 90 % or more)</li>' in written
    )
    assert '<a href="#u2">Utterance 2</a> (0:02.0): sure of the original: 74 % of each unit' in written
    assert "Utterance 4</a> (0:04.0): utterance" not in written
    assert (
        "Utterance 4</a> (0:04.0): this is hardly that, and these models know nothing else (the encoder&#39;s confidence 95 %"
        in written
    )
    assert "Utterance 3</a> (0:03.0)" not in written


def test_what_units_were_taken_from_is_told_with_the_reason(tmp_path: Path) -> None:
    heard = HeardUnits(UnitList((0,)), "audio", reason="other_lips")
    why = "the lips in the picture do not belong to the sound"
    videos = _videos(tmp_path)
    one = _read(dub_report(*videos, 4.0, [utterance(1, 0.5, 1.5, heard=heard)]), tmp_path)
    script = dub_report(*videos, 4.0, None)
    clip = _read(replace(script, utterances=(replace(script.utterances[0], heard=heard),)), tmp_path)
    for reader in (one, clip):
        assert f"sound alone; {why}" in reader.text
    assert "units from sound alone" in clip.text
    assert "units from sound alone" not in _read(dub_report(*videos, 4.0, None), tmp_path).text


def test_the_verdict_opens_the_page_and_figures_say_what_is_usual(tmp_path: Path) -> None:
    bad = Understanding("bad", 0.27, ("outside",))
    quality = FaceQuality(0.9, 60.0, 80.0, 0.5, 0.1)
    heard = HeardUnits(UnitList((0,) * 50), "video", -0.5)
    full = utterance(
        1, 1.0, 1.9, text=read("hello", 0.9), target=TranslatedUnits(score=-1.25, reading=read("안녕하세요", 0.8)),
        seen=SeenFaces(evidence=1.7, quality=quality), drawn=DrawnPictures(25, 23, {"profile": 2}), heard=heard, cut_s=0.1,
        slot=Slot(1.0), output=TimeSpan(0.6, 1.5), notes=(Note("truncated", {"units": 40}),), understood=bad,
    )  # fmt: skip
    longer = utterance(
        2, 2.0, 2.9, target=WrittenText("안녕히 가세요"), spoken_s=1.1, overrun_s=0.1, held_s=0.1, slot=Slot(0.9, 0.1)
    )
    report = dub_report(*_videos(tmp_path), 4.0, [full, longer], models=USUAL)
    report = _outside(_outside(report, 1, -0.5, 2), 2, -0.5, 2)
    report = replace(report, understood=bad, speakers=(SpeakerOf("speaker 1", pitch_hz=118.0),))
    reader = _read(report, tmp_path)
    assert reader.text.index(bad.words()[1:]) < reader.text.index("Watch and listen")  # the report opens with it
    assert bad.words("ko") in reader.text
    for told in ("29 % of each unit (usual here: 90 % or more)", "clearly together (1.7", "118 Hz", "29° aside"):
        assert told in reader.text
    assert "score -" not in reader.text
