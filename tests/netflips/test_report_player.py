"""Videos, sounds and warnings on the report's page: found, named, in step, and explained."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html import unescape
from pathlib import Path

import pytest

from avcore.understanding import Understanding
from netflips.options import DubOptions
from netflips.report import DubReport, UtteranceReport, page
from netflips.report.material import Material
from netflips.report.story import ShownStretch, address, stretches_of
from netflips.report.words import OF_MARKS, OF_THE_REST, ON_CARDS
from tests.netflips.report_pages import Reader, dub_report, utterance

_NOTICE = "this is hardly that (the encoder's confidence {:.2f}, usual is -0.10 or more): give others"


def _videos(folder: Path) -> tuple[Path, Path]:
    """Files that nobody reads: the page only looks whether they are there."""
    paths = folder / "a #1 100%?.mp4", folder / "dubs" / "b&c.mp4"
    for path in paths:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"a video")
    return paths


def _strange(number: int, confidence: float, **changes: object) -> UtteranceReport:
    changes = {"is_outside_domain": True, "notice": _NOTICE.format(confidence), "unit_confidence": confidence, **changes}
    return utterance(number, number, number + 0.9, **changes)


def _read(report: DubReport, folder: Path) -> Reader:
    return Reader(page.report_page([page.ToldDub(report, Material())], {}, DubOptions(), folder))


def test_videos_are_named_as_seen_from_the_page(tmp_path: Path) -> None:
    report = dub_report(*_videos(tmp_path), 4.0, [utterance(1, 0.5, 1.5, output_start_s=0.5, output_end_s=1.75)])
    page.write_report_page(tmp_path / "x.html", [page.ToldDub(report, Material())], {})
    reader = Reader((tmp_path / "x.html").read_text(encoding="utf-8"))
    videos = [attributes for name, attributes in reader.elements if name == "video"]
    assert [one["src"] for one in videos] == ["a%20%231%20100%25%3F.mp4", "dubs/b%26c.mp4"]
    assert all("controls" in one for one in videos)
    sounds = [attributes["src"] for name, attributes in reader.elements if name == "audio"]
    assert sounds == ["a%20%231%20100%25%3F.mp4#t=0.500,1.500", "dubs/b%26c.mp4#t=0.500,1.750"]
    beside = Reader(page.report_page([page.ToldDub(report, Material())], {}, None, tmp_path / "pages"))
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
    written = page.report_page([page.ToldDub(dub_report(*_videos(tmp_path), 4.0, None), Material())], {}, None, tmp_path)
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
    held = utterance(1, 1.0, 2.0, spoken_s=1.5, held_s=0.5, output_end_s=2.5)
    report = dub_report(*_videos(tmp_path), 4.5, [held, utterance(2, 3.0, 3.5, output_start_s=3.5, output_end_s=4.0)])
    assert report.recording is not None
    report = replace(report, recording=replace(report.recording, part=(0.5, 4.5)))
    expected = [ShownStretch(0.0, 1.5, 0.5), ShownStretch(2.0, 4.5, 2.0)]
    assert stretches_of(report) == expected
    told = _read(report, tmp_path).values("data-stretches")
    assert [ShownStretch(*one) for one in json.loads(told[0])] == expected
    assert stretches_of(dub_report(*_videos(tmp_path), 1.96, None)) == [ShownStretch(0.0, 1.96, 0.0)]


def test_a_warning_leads_to_every_utterance_that_it_names(tmp_path: Path) -> None:
    dubbed = [_strange(1, -0.5), _strange(2, -0.3), utterance(3, 3.0, 3.9, unit_confidence=-0.01), _strange(4, -0.05)]
    warnings = (f"utterances 1-2, 4 (3 of 4; the figures are those of 1): {_NOTICE.format(-0.5)}", "utterance 3: 5 units")
    report = dub_report(*_videos(tmp_path), 5.0, dubbed, warnings=warnings, usual_confidence=-0.1)
    written = page.report_page([page.ToldDub(report, Material())], {}, None, tmp_path)
    links = [f'<a href="#u{number}">{number}</a>' for number in (1, 2, 4)]
    assert f"utterances {', '.join(links)} (3 of 4" in written
    assert 'utterance <a href="#u3">3</a>: 5 units' in written
    assert (
        '<a href="#u1">Utterance 1</a> (0:01.0): sure of the original: 61 % of each unit (usual here: 90 % or more)</li>' in written
    )
    assert '<a href="#u2">Utterance 2</a> (0:02.0): sure of the original: 74 % of each unit' in written
    assert (
        "Utterance 4</a> (0:04.0): this is hardly that (the encoder&#39;s confidence 95 %, usual is 90 % or more): give" in written
    )
    assert "Utterance 3</a> (0:03.0)" not in written


def test_names_of_utterances_that_have_no_card_lead_nowhere(tmp_path: Path) -> None:
    warnings = ("utterances 1, 7-9: no", "utterance 12, 1 unit")
    report = dub_report(*_videos(tmp_path), 4.0, [utterance(1, 0.5, 1.5)], warnings=warnings)
    written = page.report_page([page.ToldDub(report, Material())], {}, None, tmp_path)
    assert 'utterances <a href="#u1">1</a>, 7-9: no' in written
    assert "utterance 12, 1 unit" in written


def test_what_units_were_taken_from_is_told_with_the_reason(tmp_path: Path) -> None:
    why = "the lips do not belong to it: 4 % of them agree with the sound, usual is 40 % or more"
    videos = _videos(tmp_path)
    one = _read(dub_report(*videos, 4.0, [utterance(1, 0.5, 1.5, units_from="sound", units_why=why)]), tmp_path)
    clip = _read(dub_report(*videos, 4.0, None, units_from="sound", units_why=why), tmp_path)
    for reader in (one, clip):
        assert f"sound alone; {why}" in reader.text
    assert "units from sound alone" in clip.text
    assert "units from sound alone" not in _read(dub_report(*videos, 4.0, None), tmp_path).text


def test_every_figure_and_mark_has_a_meaning(tmp_path: Path) -> None:
    face = {"share_of_pictures": 0.9, "height_px": 60.0, "sharpness": 80.0, "max_yaw": 0.5, "max_pitch": 0.1}
    full = {"slack_s": 0.1, "in_pause_s": 0.1, "overrun_s": 0.1, "held_s": 0.1, "cut_s": 0.1, "left": {"profile": 2}, "face": face}
    more = {"evidence": 1.7, "pitch_hz": 118.0, "units_from": "lips", "is_truncated": True, "output_start_s": 0.6}
    read = {"heard_text": "hello", "heard_confidence": 0.9, "said_text": "안녕하세요", "said_confidence": 0.8}
    told = _strange(2, -0.5, target_text="안녕히 가세요", said_text="안녕히 가세요")
    bad = Understanding("bad", 0.27, ("outside",))
    more["understood"] = bad
    spoken = [_strange(1, -0.5, **full, **more, **read), told]
    report = dub_report(*_videos(tmp_path), 4.0, spoken, usual_confidence=-0.1, usual_score=-0.1, understood=bad)
    reader = _read(report, tmp_path)
    assert reader.text.index(bad.words()[1:]) < reader.text.index("Watch and listen")  # the report opens with it
    assert bad.words("ko") in reader.text
    titles = set(reader.values("title"))
    assert set(ON_CARDS.values()) <= titles
    assert OF_MARKS["cut"] in titles
    assert {OF_THE_REST[name] for name in ("voice", "model", "background", "pictures with new lips")} <= titles
    for text in (*ON_CARDS.values(), *OF_MARKS.values(), *OF_THE_REST.values()):
        assert text in reader.text
    for told in ("29 % of each unit (usual here: 90 % or more)", "clearly together (1.7", "118 Hz", "29° aside"):
        assert told in reader.text
    assert "score -" not in reader.text
